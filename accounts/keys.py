"""API keys on the wire: `crl_<prefix>_<secret>`, found by prefix, proven by SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey
from engine.lookups import at_most_one

BRAND = "crl"
LAST_USED_PRECISION = timedelta(minutes=1)  # one write a minute and key, however busy it is
SCOPES = (
    "posts:read",
    "posts:write",
    "connections:read",
    "connections:write",
    "workspace:read",
    "workspace:write",
    "limits:read",
    "audit:read",
    "notifications:read",
    "notifications:write",
)


class KeyRefused(Exception):
    """This key does not open anything; `code` is stable, the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def new_prefix() -> str:
    """Return eight random hex digits: enough to find a key by, too few to guess its secret."""
    return secrets.token_hex(4)


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def text_of(key: ApiKey, secret: str) -> str:
    """Return a key as its owner sees it, once."""
    return f"{BRAND}_{key.prefix}_{secret}"


def digest(secret: str) -> str:
    """Return what is stored of a secret. It is random, so it needs neither salt nor slowness."""
    return hashlib.sha256(secret.encode()).hexdigest()


def looks_like_key(token: str) -> bool:
    """Say whether a bearer token claims to be one of our keys (and not a JWT)."""
    return token.startswith(f"{BRAND}_")


def authenticate_key(token: str, *, now: datetime | None = None) -> ApiKey:
    """Return the key that `token` proves, noting its use; raises KeyRefused.

    Only who knows the secret learns that a key was revoked or has expired.
    """
    moment = now or timezone.now()
    brand, _, rest = token.partition("_")
    prefix, _, secret = rest.partition("_")
    key = (
        at_most_one(ApiKey.objects.select_related("workspace").filter(prefix=prefix))
        if brand == BRAND and "\x00" not in prefix
        else None
    )
    if key is None or not _fits(secret, key, moment):
        raise KeyRefused(
            "key_unknown",
            "This API key is not known here: check that it was copied whole (crl_..._...), or "
            "issue one with `manage.py create_api_key`.",
        )
    if key.revoked_at is not None:
        raise KeyRefused(
            "key_revoked",
            f"The API key {key.prefix} was revoked on {key.revoked_at:%Y-%m-%d}: "
            "issue a new one with `manage.py create_api_key`.",
        )
    if key.expires_at is not None and key.expires_at <= moment:
        raise KeyRefused(
            "key_expired",
            f"The API key {key.prefix} expired on {key.expires_at:%Y-%m-%d %H:%M} UTC: "
            "issue a new one with `manage.py create_api_key`.",
        )
    _note_use(key, moment)
    return key


def _fits(secret: str, key: ApiKey, now: datetime) -> bool:
    """Say whether this is the key's secret, or the one before it while that still counts."""
    shown = digest(secret)
    if hmac.compare_digest(shown, key.secret_sha256):
        return True
    overlaps = key.previous_until is not None and key.previous_until > now
    return overlaps and hmac.compare_digest(shown, key.previous_sha256)


def _note_use(key: ApiKey, now: datetime) -> None:
    before = now - LAST_USED_PRECISION
    if key.last_used_at is not None and key.last_used_at > before:
        return
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=before)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
