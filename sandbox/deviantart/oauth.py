"""DeviantArt's OAuth 2.1: consent with PKCE, an hour of access, refresh tokens that work once.

Whatever goes wrong with a refresh, the token is gone; a dead one is an `invalid_request`. Replaying
one kills all that came from its consent. `revoke` kills every token the user gave this client,
unless `revoke_refresh_only` spares the access tokens.
"""

from __future__ import annotations

from sandbox.codes import CodeRefused
from sandbox.consent import Consent
from sandbox.deviantart import errors
from sandbox.deviantart.access import check_client
from sandbox.exchange import Answer, Call
from sandbox.tokens import Family, Pair, Terms, TokenRefused

_TERMS = Terms(access_life_s=3600, refresh_life_s=90 * 86_400)
SCOPES = {
    "basic": "Know who you are",
    "user": "Read your profile",
    "user.manage": "Post journals and status updates, edit your profile",
    "browse": "Browse as you",
    "browse.mlt": "See more like this",
    "stash": "Upload to your Sta.sh",
    "publish": "Publish from your Sta.sh",
    "gallery": "Manage your galleries",
    "collection": "Manage your collections",
    "comment.post": "Comment for you",
    "note": "Read and write your notes",
    "message": "Read your messages",
    "feed": "See what you watch",
}

CONSENT = Consent(
    network="deviantart",
    label="DeviantArt",
    scopes=SCOPES,
    default_scopes=("basic",),
    pkce="required",
    pkce_methods=("S256",),
)


def token(call: Call) -> Answer:
    """`POST /oauth2/token`: form, or HTTP Basic for the client."""
    check_client(call)
    form = dict(call.form())
    credentials = call.basic_credentials
    client_id, secret = credentials or (form.get("client_id", ""), form.get("client_secret", ""))
    clients = call.world.clients
    is_public = bool(client_id) and clients.is_public(client_id) and not secret
    if not is_public and not clients.accepts(client_id, secret):
        return errors.error(401, "The client credentials are invalid.", "invalid_client")
    match form.get("grant_type"):
        case "authorization_code":
            return _by_code(call, form, client_id)
        case "refresh_token":
            return _by_refresh(call, form, client_id)
    return errors.error(400, "The grant_type is not supported.", "unsupported_grant_type")


def _by_code(call: Call, form: dict[str, str], client_id: str) -> Answer:
    try:
        family = call.site.codes.redeem(
            form.get("code", ""),
            client_id=client_id,
            redirect_uri=form.get("redirect_uri", ""),
            verifier=form.get("code_verifier", ""),
        )
    except CodeRefused as refused:
        reason = refused.reason.replace("_", " ")
        return errors.error(400, f"Incorrect authorization code: {reason}.")
    return _tokens(call.site.tokens.issue(family, _TERMS), family)


def _by_refresh(call: Call, form: dict[str, str], client_id: str) -> Answer:
    given = form.get("refresh_token", "")
    try:
        pair = call.site.tokens.refresh(given, _TERMS, client_id=client_id)
    except TokenRefused:
        return errors.error(400, "The refresh_token is invalid.")
    return _tokens(pair, call.site.tokens.grant(pair.access_token).family)


def revoke(call: Call) -> Answer:
    """`POST /oauth2/revoke` `token`, `revoke_refresh_only`."""
    check_client(call)
    form, tokens = dict(call.form()), call.site.tokens
    given = form.get("token", "")
    if not given:
        return errors.error(400, "Missing token.")
    if form.get("revoke_refresh_only") in ("1", "true"):
        tokens.revoked.add(given)
    else:
        tokens.burn(given)
    return Answer(200, {"success": True})


def _tokens(pair: Pair, family: Family) -> Answer:
    scopes = SCOPES if family.scopes is None else family.scopes
    return Answer(
        200,
        {
            "status": "success",
            "expires_in": pair.expires_in,
            "access_token": pair.access_token,
            "token_type": "Bearer",
            "refresh_token": pair.refresh_token,
            "scope": " ".join(sorted(scopes)),
        },
    )
