"""Whom a Graph token speaks for. A token is its own refresh token, so there are no others.

`demo-<name>` and `refresh-<name>` speak for account `<name>` with every permission and are as old
as one likes; on Facebook `<name>` is a page, and `user-<name>` is the person behind it.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from sandbox.exchange import Call
from sandbox.graph.errors import bad_parameter, dead_token, refused
from sandbox.graph.params import Params
from sandbox.tokens import Grant, TokenRefused
from sandbox.world import Site, World

USER = "user"
_SCHEME = re.compile(r"(?:bearer|oauth)\s+(\S+)", re.IGNORECASE)


def token_of(call: Call) -> str:
    """From the header (`Bearer`, or `OAuth` as uploads have it) or the parameter."""
    match = _SCHEME.fullmatch(call.headers.get("Authorization", "").strip())
    return match[1] if match else Params.of(call).text("access_token")


def sign_in(call: Call, site: Site) -> Grant:
    """Who is calling, by a token of `site`. Raises a Refusal with code 190, 104 or 100."""
    token = token_of(call)
    if not token:
        raise refused("An access token is required to request this resource.", 104)
    call.grant = check_token(token, site)
    proof = Params.of(call).text("appsecret_proof")
    if proof and not _is_proof(proof, token, call.grant, call.world):
        raise bad_parameter("Invalid appsecret_proof provided in the API argument")
    return call.grant


def check_token(token: str, site: Site) -> Grant:
    """What a living token stands for; raises a Refusal with code 190 and its subcode."""
    try:
        return read_token(token, site)
    except TokenRefused as dead:
        if dead.reason == "expired":
            message = "Error validating access token: Session has expired."
            raise dead_token(message, subcode=463) from None
        if dead.reason == "revoked":
            message = (
                "Error validating access token: The user has not authorized application or "
                "has removed it."
            )
            raise dead_token(message, subcode=458) from None
        message = "Invalid OAuth access token - Cannot parse access token"
        raise dead_token(message, status=400) from None


def read_token(token: str, site: Site) -> Grant:
    """Raises TokenRefused."""
    site.tokens.check_alive(token)
    grant = site.tokens.grant(underlying(token))
    if token.startswith("user-"):
        return Grant(grant.name, grant.family, None, grant.issued_at, None, USER)
    return grant


def underlying(token: str) -> str:
    """The token that the network itself knows: `demo-<name>` behind its other spellings."""
    for prefix in ("refresh-", "user-"):
        if token.startswith(prefix):
            return "demo-" + token.removeprefix(prefix)
    return token


def _is_proof(proof: str, token: str, grant: Grant, world: World) -> bool:
    """HMAC-SHA256 of the token under the secret of the application that it was issued to."""
    own = world.clients.secret(grant.family.client_id)
    digests = (
        hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()
        for secret in (world.clients.secrets() if own is None else [own])
    )
    return any(hmac.compare_digest(digest.encode(), proof.lower().encode()) for digest in digests)
