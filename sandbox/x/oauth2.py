"""X's OAuth 2.0: consent with PKCE, code and refresh grants, revocation.

Refresh tokens are single-use; replaying one kills the whole family. They come only with the scope
`offline.access`. Guesses: the page shows every error itself; a token without the needed scope gets
the plain 403; the texts for bad codes are those that clients report.
"""

from __future__ import annotations

from sandbox.codes import CodeRefused
from sandbox.consent import Consent
from sandbox.exchange import Answer, Call, Refusal
from sandbox.tokens import Family, Pair, Terms, TokenRefused

_CODE_LIFE_SECONDS = 30.0
_TERMS = Terms(access_life_s=7200, refresh_life_s=182 * 86_400)
_ALL_SCOPES = "tweet.read users.read tweet.write media.write offline.access"
_SCOPES = {
    "tweet.read": "See posts you can see",
    "tweet.write": "Post and delete posts for you",
    "tweet.moderate.write": "Hide and show replies to your posts",
    "users.read": "See profiles you can see",
    "users.email": "See your email address",
    "media.write": "Upload media for you",
    "follows.read": "See whom you follow",
    "follows.write": "Follow and unfollow for you",
    "offline.access": "Stay connected until you revoke it",
    "space.read": "See the Spaces you can see",
    "mute.read": "See whom you mute",
    "mute.write": "Mute and unmute for you",
    "like.read": "See what you like",
    "like.write": "Like and unlike for you",
    "list.read": "See your lists",
    "list.write": "Manage your lists",
    "block.read": "See whom you block",
    "block.write": "Block and unblock for you",
    "bookmark.read": "See your bookmarks",
    "bookmark.write": "Bookmark for you",
    "dm.read": "Read your messages",
    "dm.write": "Send messages for you",
}
_CODE_TEXTS = {
    "missing_verifier": "Missing required parameter [code_verifier].",
    "wrong_verifier": "Value passed for the code verifier did not match the code challenge.",
    "wrong_redirect": (
        "Value passed for the redirect uri did not match the uri of the authorization code."
    ),
}
_BAD_CODE = "Value passed for the authorization code was invalid."

CONSENT = Consent(
    network="x",
    label="X",
    scopes=_SCOPES,
    may_untick=False,
    needs_state=True,
    pkce="required",
    pkce_methods=("S256",),
    code_life_s=_CODE_LIFE_SECONDS,
    errors_on_page=True,
)


def token(call: Call) -> Answer:
    """`authorization_code` and `refresh_token`; each code and refresh token works once."""
    form = dict(call.form())
    client_id = _client(call, form)
    match form.get("grant_type"):
        case "authorization_code":
            return _by_code(call, form, client_id)
        case "refresh_token":
            return _by_refresh(call, form, client_id)
        case None | "":
            return _error("invalid_request", "Missing required parameter [grant_type].")
        case _:
            return _error("unsupported_grant_type", "The grant type is not supported.")


def _by_code(call: Call, form: dict[str, str], client_id: str) -> Answer:
    for name in ("code", "redirect_uri", "code_verifier"):
        if not form.get(name):
            return _error("invalid_request", f"Missing required parameter [{name}].")
    try:
        family = call.site.codes.redeem(
            form["code"],
            client_id=client_id,
            redirect_uri=form["redirect_uri"],
            verifier=form["code_verifier"],
        )
    except CodeRefused as refused:
        return _error("invalid_request", _CODE_TEXTS.get(refused.reason, _BAD_CODE))
    scopes = family.scopes or frozenset()
    terms = Terms(
        access_life_s=_TERMS.access_life_s,
        refresh_life_s=_TERMS.refresh_life_s,
        has_refresh="offline.access" in scopes,
    )
    return _tokens(call.site.tokens.issue(family, terms), family)


def _by_refresh(call: Call, form: dict[str, str], client_id: str) -> Answer:
    if not form.get("refresh_token"):
        return _error("invalid_request", "Missing required parameter [refresh_token].")
    try:
        pair = call.site.tokens.refresh(form["refresh_token"], _TERMS, client_id=client_id)
    except TokenRefused:
        return _error("invalid_request", "Value passed for the token was invalid.")
    return _tokens(pair, call.site.tokens.grant(pair.access_token).family)


def _tokens(pair: Pair, family: Family) -> Answer:
    body = {
        "token_type": "bearer",
        "expires_in": pair.expires_in,
        "access_token": pair.access_token,
        "scope": _ALL_SCOPES if family.scopes is None else " ".join(sorted(family.scopes)),
    }
    if pair.refresh_token:
        body["refresh_token"] = pair.refresh_token
    return Answer(200, body)


def revoke(call: Call) -> Answer:
    form = dict(call.form())
    _client(call, form)
    if not form.get("token"):
        return _error("invalid_request", "Missing required parameter [token].")
    call.site.tokens.revoked.add(form["token"])
    return Answer(200, {"revoked": True})


def _client(call: Call, form: dict[str, str]) -> str:
    """Confidential clients come with HTTP Basic, public ones with `client_id` in the body."""
    credentials, client_id = call.basic_credentials, form.get("client_id", "")
    if credentials is None and call.world.clients.is_public(client_id):
        return client_id
    if credentials is None or not call.world.clients.accepts(*credentials):
        raise Refusal(_error("unauthorized_client", "Missing valid authorization header", 401))
    return credentials[0]


def _error(code: str, description: str, status: int = 400) -> Answer:
    return Answer(status, {"error": code, "error_description": description})
