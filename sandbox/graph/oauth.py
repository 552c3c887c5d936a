"""How the Graph's tokens come and are renewed: code -> short -> long -> longer.

Guesses: renewing before 24 hours and exchanging what is long already are code 100 and 452; a wrong
secret is code 1, an unknown application 101, a bad code 100 with its subcode.
"""

from __future__ import annotations

import secrets

from sandbox.codes import CodeRefused
from sandbox.exchange import Answer, Call
from sandbox.graph.access import check_token, underlying
from sandbox.graph.errors import bad_parameter, refused
from sandbox.graph.params import Params
from sandbox.tokens import Family, Grant, TokenRefused
from sandbox.world import Site

SHORT, LONG = "short", "long"  # kinds of tokens of Instagram and Threads
SHORT_LIFE_SECONDS, LONG_LIFE_SECONDS = 3600, 60 * 86_400
_YOUNGEST_SECONDS = 86_400  # a token can be renewed from this age on
_CODES = {  # reason -> subcode, message
    "used": (36009, "This authorization code has been used."),
    "expired": (36007, "This authorization code has expired."),
    "wrong_redirect": (
        36008,
        "Error validating verification code. Please make sure your redirect_uri is identical to "
        "the one you used in the OAuth dialog request",
    ),
}


def redeem(call: Call, params: Params) -> Family:
    """What was consented to, for a code and the application's id and secret."""
    check_application(call, params)
    try:
        return call.site.codes.redeem(
            params.text("code"),
            client_id=params.text("client_id"),
            redirect_uri=params.text("redirect_uri"),
        )
    except CodeRefused as bad:
        subcode, message = _CODES.get(bad.reason, (36007, "Invalid verification code format."))
        raise refused(message, 100, subcode=subcode) from None


def check_application(call: Call, params: Params) -> None:
    client_id = params.text("client_id")
    if not call.world.clients.knows(client_id):
        message = "Error validating application. Cannot get application info due to a system error."
        raise refused(message, 101)
    if not call.world.clients.accepts(client_id, params.text("client_secret")):
        raise refused("Error validating client secret.", 1)


def lengthen(call: Call) -> Answer:
    """`GET /access_token?grant_type=..._exchange_token`: a short token for one of 60 days."""
    params = Params.of(call)
    grant = check_token(params.text("access_token"), call.site)
    _check_secret(call, params.text("client_secret"), grant)
    if grant.kind == LONG:
        message = (
            "Session key invalid. This could be because the session key has an incorrect format, "
            "or because the user has revoked this session"
        )
        raise refused(message, 452)
    return Answer(200, _long(call, params.text("access_token")))


def renew(call: Call) -> Answer:
    """`GET /refresh_access_token`: 60 days more, for a long token of at least 24 hours."""
    token = Params.of(call).text("access_token")
    grant = check_token(token, call.site)
    if grant.kind == SHORT:
        raise bad_parameter("Only long-lived access tokens can be refreshed")
    if call.world.now() - grant.issued_at < _YOUNGEST_SECONDS:
        raise bad_parameter("The access token must be at least 24 hours old to be refreshed")
    answer = _long(call, token)
    if grant.scopes is not None:
        answer["permissions"] = ",".join(sorted(grant.scopes))
    return Answer(200, answer)


def _long(call: Call, token: str) -> dict[str, object]:
    pair = call.site.tokens.exchange(underlying(token), life_s=LONG_LIFE_SECONDS, kind=LONG)
    return {
        "access_token": pair.access_token,
        "token_type": "bearer",
        "expires_in": pair.expires_in,
    }


def _check_secret(call: Call, secret: str, grant: Grant) -> None:
    """The secret of the token's application; of any, for a token that belongs to none."""
    own = call.world.clients.secret(grant.family.client_id)
    known = call.world.clients.secrets() if own is None else [own]
    if not any(secrets.compare_digest(secret.encode(), each.encode()) for each in known):
        raise refused("Error validating client secret.", 1)


def described(token: str, site: Site, *, user_id: str) -> dict[str, object]:
    """What `debug_token` says of a living token."""
    grant = check_token(token, site)
    return {
        "type": "USER",
        "application": grant.family.client_id or "Sandbox",
        "is_valid": True,
        "issued_at": int(grant.issued_at),
        "expires_at": 0 if grant.expires_at is None else int(grant.expires_at),
        "scopes": sorted(grant.scopes or ()),
        "user_id": user_id,
    }


def dead(refusal: TokenRefused) -> dict[str, object]:
    """What `debug_token` says of a dead one, with status 200."""
    subcode = {"expired": 463, "revoked": 458}.get(refusal.reason, 467)
    message = f"Error validating access token: the token is {refusal.reason}."
    error = {"code": 190, "message": message, "subcode": subcode}
    return {"error": error, "is_valid": False, "scopes": []}
