"""JSON Web Tokens of a trusted issuer (HS256 with a shared secret), and the service token."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

import jwt
from django.conf import settings
from jwt.types import Options

LEEWAY_SECONDS = 30  # clocks of issuer and receiver may differ by this much
ID_CHARS = 255  # the width of our external_id columns


class TokenRefused(Exception):
    """This token does not open anything; `code` is stable, the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Claims:
    """Whom a valid token speaks for; empty text: the token does not say."""

    user_id: str
    org_id: str


def read_token(token: str) -> Claims:
    """Return the claims of a valid token signed with any of JWT_SECRET; raises TokenRefused.

    `exp` is required; `aud` and `iss` are compared when JWT_AUDIENCE and JWT_ISSUER are set.
    Only HS256 counts: "none" and public-key algorithms are refused whatever the header says.
    """
    if not settings.JWT_SECRET:
        raise TokenRefused(
            "token_not_accepted",
            "This installation accepts no JSON Web Tokens (JWT_SECRET is empty): use an API key.",
        )
    payload = _verified(token)
    user_id = _identifier(payload, "sub") or _identifier(payload, "user_id")
    return Claims(user_id=user_id, org_id=_identifier(payload, "org_id"))


def is_service_token(token: str) -> bool:
    """Say whether `token` is the SERVICE_TOKEN; none is while that setting is empty."""
    expected: str = settings.SERVICE_TOKEN
    return bool(expected) and hmac.compare_digest(token.encode(), expected.encode())


def _verified(token: str) -> dict[str, Any]:
    options: Options = {
        "require": ["exp"],
        "verify_aud": bool(settings.JWT_AUDIENCE),
        "verify_iss": bool(settings.JWT_ISSUER),
        "verify_sub": False,  # issuers use numbers too; `_identifier` looks at it
    }
    for secret in settings.JWT_SECRET:
        try:
            return jwt.decode(
                token,
                secret,
                algorithms=["HS256"],
                audience=settings.JWT_AUDIENCE or None,
                issuer=settings.JWT_ISSUER or None,
                leeway=LEEWAY_SECONDS,
                options=options,
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.PyJWTError as error:
            raise _refusal(error) from None
    raise TokenRefused(
        "token_invalid", "The token's signature fits none of JWT_SECRET: sign it with HS256."
    )


def _refusal(error: jwt.PyJWTError) -> TokenRefused:
    """Say in our own words what is wrong: messages of the library may quote the token."""
    match error:
        case jwt.ExpiredSignatureError():
            return TokenRefused("token_expired", "The token has expired: obtain a fresh one.")
        case jwt.ImmatureSignatureError():
            return TokenRefused(
                "token_invalid", "The token is not valid yet: compare the clocks of both sides."
            )
        case jwt.InvalidAudienceError():
            return TokenRefused("token_invalid", "The token's aud is not this service's.")
        case jwt.InvalidIssuerError():
            return TokenRefused("token_invalid", "The token's iss is not the one trusted here.")
        case jwt.MissingRequiredClaimError():
            return TokenRefused(
                "token_invalid", f"The token lacks {error.claim}: issue it with that claim."
            )
        case jwt.InvalidAlgorithmError():
            return TokenRefused("token_invalid", "Only tokens signed with HS256 are accepted.")
        case _:
            return TokenRefused(
                "token_invalid", "This is neither an API key (crl_...) nor a JSON Web Token."
            )


def _identifier(payload: dict[str, Any], claim: str) -> str:
    """Return a claim as an id of ours: text or a whole number, as issuers differ; "" if absent."""
    value = payload.get(claim)
    if value is None or value == "":
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TokenRefused("token_invalid", f"The token's {claim} must be text or a number.")
    text = str(value)
    if len(text) > ID_CHARS or not text.isprintable():
        raise TokenRefused(
            "token_invalid", f"The token's {claim} must be at most {ID_CHARS} printable characters."
        )
    return text
