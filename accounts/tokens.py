"""JSON Web Tokens of a trusted issuer (HS256 or RS256), and the service token."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings
from jwt.types import Options

LEEWAY_SECONDS = 30  # clocks of issuer and receiver may differ by this much
ID_CHARS = 255  # the width of our external_id columns
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.DOTALL)


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
    """Return the claims of a valid token; raises TokenRefused.

    It is signed with HS256 and any of JWT_SECRET, or with RS256 and the private half of any of
    JWT_PUBLIC_KEY. Each algorithm has its own keys, so that a public key, which everybody may know,
    never proves an HS256 token. All other algorithms are refused, and so is none.
    `exp` is required; `aud` and `iss` are compared when JWT_AUDIENCE and JWT_ISSUER are set.
    """
    if not accepted_algorithms():
        raise TokenRefused(
            "token_not_accepted",
            "This installation accepts no JSON Web Tokens (JWT_SECRET and JWT_PUBLIC_KEY are "
            "empty): use an API key.",
        )
    payload = _verified(token)
    user_id = _identifier(payload, "sub") or _identifier(payload, "user_id")
    return Claims(user_id=user_id, org_id=_identifier(payload, "org_id"))


def accepted_algorithms() -> list[str]:
    """Return the algorithms that this installation has keys for."""
    keys = {"HS256": settings.JWT_SECRET, "RS256": settings.JWT_PUBLIC_KEY}
    return [algorithm for algorithm, known in keys.items() if known]


def public_keys(pem: str) -> list[RSAPublicKey]:
    """Return the RSA public keys of some PEM blocks, one after another; raises ValueError.

    Where a variable must stay on one line, its line breaks may be written as \\n.
    """
    text = pem.replace("\\n", "\n")
    keys = [_public_key(block[0]) for block in _PEM.finditer(text)]
    if _PEM.sub("", text).strip() or (text.strip() and not keys):
        raise ValueError("this is not a PEM block (-----BEGIN PUBLIC KEY----- ...)")
    return keys


@lru_cache(maxsize=8)
def _loaded(pem: str) -> list[RSAPublicKey]:
    """Return `public_keys`, read once: the setting stays the same while the process lives."""
    return public_keys(pem)


def _public_key(block: str) -> RSAPublicKey:
    if "PRIVATE" in block.partition("\n")[0]:
        raise ValueError("this is a private key: give its public half")
    key = load_pem_public_key(block.encode())
    if not isinstance(key, RSAPublicKey):
        raise TypeError("this is not an RSA key, which RS256 needs")
    return key


def is_service_token(token: str) -> bool:
    """Say whether `token` is the SERVICE_TOKEN; none is while that setting is empty."""
    expected: str = settings.SERVICE_TOKEN
    return bool(expected) and hmac.compare_digest(token.encode(), expected.encode())


def _verified(token: str) -> dict[str, Any]:
    algorithm, keys = _keys_for(token)
    options: Options = {
        "require": ["exp"],
        "verify_aud": bool(settings.JWT_AUDIENCE),
        "verify_iss": bool(settings.JWT_ISSUER),
        "verify_sub": False,  # issuers use numbers too; `_identifier` looks at it
    }
    for key in keys:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
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
        "token_invalid",
        f"The token's signature fits none of the keys known here for {algorithm}.",
    )


def _keys_for(token: str) -> tuple[str, Sequence[str | RSAPublicKey]]:
    """Return the algorithm that the token names and our keys for it; raises TokenRefused."""
    try:
        algorithm = jwt.get_unverified_header(token).get("alg")
    except jwt.PyJWTError as error:
        raise _refusal(error) from None
    if algorithm == "HS256" and settings.JWT_SECRET:
        return algorithm, settings.JWT_SECRET
    if algorithm == "RS256" and settings.JWT_PUBLIC_KEY:
        return algorithm, _loaded(settings.JWT_PUBLIC_KEY)
    known = " or ".join(accepted_algorithms())
    raise TokenRefused("token_invalid", f"Only tokens signed with {known} are accepted here.")


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
