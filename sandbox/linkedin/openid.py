"""LinkedIn's OpenID Connect: discovery, keys, and ID tokens signed with RS256."""

from __future__ import annotations

import base64
import functools
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sandbox.exchange import Answer, Call
from sandbox.linkedin import people
from sandbox.records import Account

_KEY_ID = "sandbox-key"
_LIFE_SECONDS = 3600


def discovery(call: Call) -> Answer:
    """`GET /oauth/.well-known/openid-configuration`."""
    site = f"{call.base_url}/linkedin"
    return Answer(
        200,
        {
            "issuer": _issuer(call),
            "authorization_endpoint": f"{site}/oauth/v2/authorization",
            "token_endpoint": f"{site}/oauth/v2/accessToken",
            "userinfo_endpoint": f"{site}/v2/userinfo",
            "jwks_uri": f"{site}/oauth/openid/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "profile", "email"],
            "claims_supported": ["iss", "aud", "iat", "exp", "sub", "name", "email", "locale"],
        },
    )


def jwks(_call: Call) -> Answer:
    numbers = _key().public_key().public_numbers()
    key = {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": _KEY_ID,
        "n": _number(numbers.n),
        "e": _number(numbers.e),
    }
    return Answer(200, {"keys": [key]})


def id_token(call: Call, account: Account, client_id: str, granted: frozenset[str]) -> str:
    """Return a JWT about the member for this client."""
    now = int(call.world.now())
    claims = {
        "iss": _issuer(call),
        "aud": client_id,
        "iat": now,
        "exp": now + _LIFE_SECONDS,
        **people.claims(account, granted, call.base_url),
    }
    signed = f"{_json({'alg': 'RS256', 'typ': 'JWT', 'kid': _KEY_ID})}.{_json(claims)}"
    signature = _key().sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_base64(signature)}"


@functools.cache
def _key() -> rsa.RSAPrivateKey:
    """One key per process; making it takes a moment, so only when it is asked for."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _issuer(call: Call) -> str:
    return f"{call.base_url}/linkedin/oauth"


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _json(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
