"""Google's OAuth 2.0: access for an hour; a refresh token only with `access_type=offline`.

It comes with the first consent, later only with `prompt=consent`; it does not rotate, and revoking
any token ends the whole consent. Users untick single scopes.
"""

from __future__ import annotations

from sandbox.codes import CodeRefused
from sandbox.consent import Consent
from sandbox.exchange import Answer, Call, Refusal
from sandbox.tokens import Family, Pair, Terms, TokenRefused

_LIFE_SECONDS = 3599
_AUTH = "https://www.googleapis.com/auth/"
_SCOPES = {
    "openid": "Associate you with your personal info on Google",
    "email": "See your primary Google Account email address",
    "profile": "See your personal info",
    f"{_AUTH}userinfo.email": "See your primary Google Account email address",
    f"{_AUTH}userinfo.profile": "See your personal info",
    f"{_AUTH}youtube": "Manage your YouTube account",
    f"{_AUTH}youtube.readonly": "View your YouTube account",
    f"{_AUTH}youtube.upload": "Manage your YouTube videos",
    f"{_AUTH}youtube.force-ssl": "See, edit and delete your videos, ratings and comments",
    f"{_AUTH}yt-analytics.readonly": "View YouTube Analytics reports for your content",
    f"{_AUTH}yt-analytics-monetary.readonly": "View monetary Analytics reports",
}


def _echo(call: Call, family: Family) -> dict[str, str]:
    return {"scope": " ".join(sorted(family.scopes or ())), "authuser": "0", "prompt": "consent"}


CONSENT = Consent(
    network="youtube",
    label="YouTube",
    scopes=_SCOPES,
    pkce="optional",
    errors_on_page=True,
    extras=_echo,
)


def token(call: Call) -> Answer:
    """`POST /token`: `authorization_code` and `refresh_token`."""
    form = dict(call.form())
    client_id = _client(call, form)
    match form.get("grant_type"):
        case "authorization_code":
            return _by_code(call, form, client_id)
        case "refresh_token":
            return _by_refresh(call, form, client_id)
        case _:
            grant_type = form.get("grant_type", "")
            return _error("unsupported_grant_type", f"Invalid grant_type: {grant_type}")


def _by_code(call: Call, form: dict[str, str], client_id: str) -> Answer:
    for name in ("code", "redirect_uri"):
        if not form.get(name):
            return _error("invalid_request", f"Missing required parameter: {name}")
    try:
        family = call.site.codes.redeem(
            form["code"],
            client_id=client_id,
            redirect_uri=form["redirect_uri"],
            verifier=form.get("code_verifier", ""),
        )
    except CodeRefused as refused:
        if refused.reason == "wrong_redirect":
            return _error("redirect_uri_mismatch", "Bad Request")
        return _error("invalid_grant", "Malformed auth code.")
    is_offline = family.request.get("access_type") == "offline"
    asks = "consent" in family.request.get("prompt", "").split()
    terms = Terms(
        access_life_s=_LIFE_SECONDS,
        has_refresh=is_offline and (family.is_first or asks),
        rotates=False,
    )
    return _tokens(call.site.tokens.issue(family, terms), family, form)


def _by_refresh(call: Call, form: dict[str, str], client_id: str) -> Answer:
    terms = Terms(access_life_s=_LIFE_SECONDS, rotates=False)
    try:
        pair = call.site.tokens.refresh(form.get("refresh_token", ""), terms, client_id=client_id)
    except TokenRefused:
        return _error("invalid_grant", "Token has been expired or revoked.")
    return _tokens(pair, call.site.tokens.grant(pair.access_token).family, form)


def _tokens(pair: Pair, family: Family, form: dict[str, str]) -> Answer:
    """A refresh brings no refresh token: the old one stays."""
    scopes = _SCOPES if family.scopes is None else family.scopes
    body = {
        "access_token": pair.access_token,
        "expires_in": pair.expires_in,
        "scope": " ".join(sorted(scopes)),
        "token_type": "Bearer",
    }
    if pair.refresh_token and form["grant_type"] == "authorization_code":
        body["refresh_token"] = pair.refresh_token
    return Answer(200, body)


def revoke(call: Call) -> Answer:
    """`POST /revoke` with any token of the consent, in the form or in the query."""
    given = dict(call.form()).get("token") or call.query.get("token", "")
    try:
        call.site.tokens.check_alive(given)
    except TokenRefused:
        given = ""
    if not call.site.tokens.burn(given):
        return _error("invalid_token", "Token expired or revoked")
    return Answer(200, {})


def userinfo(call: Call) -> Answer:
    """Who the Google login is; the channel is another matter."""
    account = call.account
    return Answer(
        200,
        {
            "sub": account.id,
            "name": account.display_name,
            "given_name": account.display_name,
            "picture": f"{call.base_url}/_static/avatar.svg",
            "email": f"{account.name}@example.org",
            "email_verified": True,
        },
    )


def _client(call: Call, form: dict[str, str]) -> str:
    """The secret comes in the form, or with HTTP Basic."""
    pair = call.basic_credentials or (form.get("client_id", ""), form.get("client_secret", ""))
    if not call.world.clients.knows(pair[0]):
        raise Refusal(_error("invalid_client", "The OAuth client was not found.", 401))
    if not call.world.clients.accepts(*pair):
        raise Refusal(_error("invalid_client", "Unauthorized", 401))
    return pair[0]


def _error(code: str, description: str, status: int = 400) -> Answer:
    return Answer(status, {"error": code, "error_description": description})
