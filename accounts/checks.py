"""Warnings at the start about secrets that are too easy to guess."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

HS256_BYTES = 32  # RFC 7518, 3.2: a key of the hash's size or larger
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
