"""TikTok's OAuth: `client_key`, commas, access for two hours, refresh tokens that work once.

Errors are flat, unlike those of the API.
"""

from __future__ import annotations

import secrets

from sandbox.codes import CodeRefused
from sandbox.consent import Consent
from sandbox.exchange import Answer, Call, Refusal
from sandbox.tiktok import creators
from sandbox.tokens import Family, Pair, Terms, TokenRefused

_TERMS = Terms(access_life_s=7200, refresh_life_s=180 * 86_400)
_SCOPES = {
    "user.info.basic": "Read your profile info (avatar, display name)",
    "user.info.profile": "Read access to your profile web link, bio and username",
    "user.info.stats": "Read your statistical data, such as follower count",
    "video.publish": "Post content to TikTok",
    "video.upload": "Upload draft content to TikTok for you to edit and post",
    "video.list": "Read your public videos on TikTok",
}


def _granted(_call: Call, family: Family) -> dict[str, str]:
    return {"scopes": _spelt(family)}


CONSENT = Consent(
    network="tiktok",
    label="TikTok",
    scopes=_SCOPES,
    locked_scopes=frozenset({"user.info.basic"}),
    separator=",",
    client_parameter="client_key",
    pkce="optional",
    pkce_methods=("S256",),
    pkce_hex=True,
    extras=_granted,
    denial={
        "error": "access_denied",
        "error_description": "User cancelled the authorization",
        "errCode": "-2",
    },
)


def token(call: Call) -> Answer:
    """`POST /v2/oauth/token/`, a form: `authorization_code` and `refresh_token`."""
    form = dict(call.form())
    client_key = _client(call, form)
    match form.get("grant_type"):
        case "authorization_code":
            return _by_code(call, form, client_key)
        case "refresh_token":
            return _by_refresh(call, form, client_key)
        case _:
            return _error("unsupported_grant_type", "The grant type is not supported.")


def _by_code(call: Call, form: dict[str, str], client_key: str) -> Answer:
    for name in ("code", "redirect_uri"):
        if not form.get(name):
            return _error("invalid_request", f"The {name} parameter is missing.")
    try:
        family = call.site.codes.redeem(
            form["code"],
            client_id=client_key,
            redirect_uri=form["redirect_uri"],
            verifier=form.get("code_verifier", ""),
        )
    except CodeRefused as refused:
        if refused.reason == "wrong_redirect":
            return _error("invalid_request", "Redirect_uri is not matched with the uri of the code")
        if refused.reason in ("missing_verifier", "wrong_verifier"):
            return _error("invalid_request", "Code verifier or code challenge is invalid.")
        return _error("invalid_grant", "Authorization code is expired.")
    return _tokens(call, call.site.tokens.issue(family, _TERMS), family)


def _by_refresh(call: Call, form: dict[str, str], client_key: str) -> Answer:
    given = form.get("refresh_token", "")
    try:
        pair = call.site.tokens.refresh(given, _TERMS, client_id=client_key)
    except TokenRefused:
        return _error("invalid_grant", "Refresh token is invalid or expired.")
    return _tokens(call, pair, call.site.tokens.grant(pair.access_token).family)


def _tokens(call: Call, pair: Pair, family: Family) -> Answer:
    body = {
        "access_token": pair.access_token,
        "expires_in": pair.expires_in,
        "open_id": creators.open_id(call.site.account(family.name)),
        "refresh_expires_in": pair.refresh_expires_in,
        "refresh_token": pair.refresh_token,
        "scope": _spelt(family),
        "token_type": "Bearer",
    }
    return Answer(200, body)


def _spelt(family: Family) -> str:
    return ",".join(sorted(_SCOPES if family.scopes is None else family.scopes))


def revoke(call: Call) -> Answer:
    """`POST /v2/oauth/revoke/` ends the whole consent; an empty answer."""
    form = dict(call.form())
    _client(call, form)
    if not form.get("token"):
        return _error("invalid_request", "The token parameter is missing.")
    call.site.tokens.burn(form["token"])
    return Answer(200, {})


def _client(call: Call, form: dict[str, str]) -> str:
    if not form:
        message = "Only `application/x-www-form-urlencoded` is supported as Content-Type."
        raise Refusal(_error("invalid_request", message))
    client_key = form.get("client_key", "")
    if not call.world.clients.accepts(client_key, form.get("client_secret", "")):
        raise Refusal(_error("invalid_client", "Client key or secret is incorrect.", 401))
    return client_key


def _error(code: str, description: str, status: int = 400) -> Answer:
    log_id = secrets.token_hex(16).upper()
    body = {"error": code, "error_description": description, "log_id": log_id}
    return Answer(status, body)
