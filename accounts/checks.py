"""Words at the start about secrets that are too easy to guess, and keys that are none."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from accounts.tokens import public_keys

HS256_BYTES = 32  # RFC 7518, 3.2: a key of the hash's size or larger
RS256_BITS = 2048  # RFC 7518, 3.3
SERVICE_TOKEN_CHARS = 16


@register
def check_secrets(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Look at the lengths of JWT_SECRET and SERVICE_TOKEN."""
    found: list[CheckMessage] = []
    if any(len(secret.encode()) < HS256_BYTES for secret in settings.JWT_SECRET):
        found.append(
            Warning(
                f"A secret in JWT_SECRET is shorter than {HS256_BYTES} bytes: whoever sees one "
                "token can try out all such secrets.",
                hint="Use `python -c 'import secrets; print(secrets.token_hex(32))'`.",
                id="accounts.W001",
            )
        )
    if 0 < len(settings.SERVICE_TOKEN) < SERVICE_TOKEN_CHARS:
        found.append(
            Warning(
                f"SERVICE_TOKEN is shorter than {SERVICE_TOKEN_CHARS} characters.",
                hint="It opens every workspace: use a long random value.",
                id="accounts.W002",
            )
        )
    return found


@register
def check_public_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Read JWT_PUBLIC_KEY as a request will."""
    try:
        keys = public_keys(settings.JWT_PUBLIC_KEY)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return [
            Error(
                f"JWT_PUBLIC_KEY cannot be read: {error}.",
                hint="Give RSA public keys as PEM blocks: `openssl rsa -in key.pem -pubout`.",
                id="accounts.E001",
            )
        ]
    if any(key.key_size < RS256_BITS for key in keys):
        return [
            Warning(
                f"A key in JWT_PUBLIC_KEY is shorter than {RS256_BITS} bits.",
                hint="Make one with `openssl genrsa -out key.pem 3072`.",
                id="accounts.W003",
            )
        ]
    return []
