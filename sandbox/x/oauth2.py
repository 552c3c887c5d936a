"""X's token endpoint: single-use refresh tokens; replaying one kills the whole family."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_plus

from sandbox.exchange import Answer, Call, Refusal
from sandbox.tokens import TokenRefused

_SCOPE = "tweet.read users.read tweet.write media.write offline.access"


def token(call: Call) -> Answer:
    """`grant_type=refresh_token`: a new pair; the old refresh token is dead from then on."""
    form = dict(call.form())
    _check_client(call, form)
    if form.get("grant_type") != "refresh_token":
        return _error("unsupported_grant_type", "The sandbox knows refresh_token only.")
    if not form.get("refresh_token"):
        return _error("invalid_request", "Missing required parameter [refresh_token].")
    try:
        pair = call.site.tokens.refresh(form["refresh_token"])
    except TokenRefused:
        return _error("invalid_request", "Value passed for the token was invalid.")
    return Answer(
        200,
        {
            "token_type": "bearer",
            "expires_in": pair.expires_in,
            "access_token": pair.access_token,
            "scope": _SCOPE,
            "refresh_token": pair.refresh_token,
        },
    )


def revoke(call: Call) -> Answer:
    form = dict(call.form())
    _check_client(call, form)
    if not form.get("token"):
        return _error("invalid_request", "Missing required parameter [token].")
    call.site.tokens.revoked.add(form["token"])
    return Answer(200, {"revoked": True})


def _check_client(call: Call, form: dict[str, str]) -> None:
    """Confidential clients come with HTTP Basic, public ones with `client_id` in the body."""
    header = call.headers.get("Authorization", "")
    if not header.startswith("Basic "):
        if call.world.clients.is_public(form.get("client_id", "")):
            return
        raise Refusal(_error("unauthorized_client", "Missing valid authorization header", 401))
    try:
        text = base64.b64decode(header[6:], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    client_id, _, secret = text.partition(":")
    if not call.world.clients.accepts(unquote_plus(client_id), unquote_plus(secret)):
        raise Refusal(_error("unauthorized_client", "Missing valid authorization header", 401))


def _error(code: str, description: str, status: int = 400) -> Answer:
    return Answer(status, {"error": code, "error_description": description})
