"""JSON Web Tokens as the PDS signs them; clients read `exp` from them and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any

_KEY = secrets.token_bytes(32)


def sign(kind: str, claims: dict[str, Any]) -> str:
    """`kind` is the header's `typ`: at+jwt, refresh+jwt or JWT."""
    signed = f"{_part({'typ': kind, 'alg': 'HS256'})}.{_part(claims)}"
    return f"{signed}.{_signature(signed)}"


def verify(token: str) -> dict[str, Any] | None:
    """The claims of a token of ours, expired or not; None for anything else."""
    signed, _, signature = token.rpartition(".")
    is_ours = hmac.compare_digest(_signature(signed).encode(), signature.encode("utf-8", "replace"))
    if not signed or not is_ours:
        return None
    body = signed.partition(".")[2]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def _part(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _signature(signed: str) -> str:
    text = signed.encode("utf-8", "replace")
    return _base64url(hmac.digest(_KEY, text, hashlib.sha256))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
