"""Refreshing access tokens: one refresher at a time, the new pair stored before its first use."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import F, Q
from django.db.models.functions import Now

from platforms.models import ConnectionState, SocialConnection

REFRESH_LEASE = timedelta(seconds=60)
REFRESH_EARLY = timedelta(minutes=10)


def take_refresh_lease(connection_id: uuid.UUID, version: int) -> bool:
    """Become the only refresher of a connection still at `version`; False when somebody else is."""
    free = Q(refresh_lease_until=None) | Q(refresh_lease_until__lt=Now())
    return bool(
        SocialConnection.objects.filter(free, pk=connection_id, version=version).update(
            refresh_lease_until=Now() + REFRESH_LEASE
        )
    )


def end_refresh_lease(connection_id: uuid.UUID) -> None:
    """Let others refresh again."""
    SocialConnection.objects.filter(pk=connection_id).update(refresh_lease_until=None)


def store_refreshed(
    connection: SocialConnection, old: Mapping[str, Any], new: Mapping[str, Any]
) -> bool:
    """Keep new credentials unless the connection changed meanwhile; empty values are ignored."""
    merged = {**old, **{name: value for name, value in new.items() if value not in (None, "")}}
    connection.set_credentials(merged)
    return bool(
        SocialConnection.objects.filter(pk=connection.pk, version=connection.version).update(
            secret=connection.secret,
            expires_at=expiry_of(merged),
            version=F("version") + 1,
            refresh_lease_until=None,
        )
    )


def expiry_of(credentials: Mapping[str, Any]) -> datetime | None:
    """Return `expires_at` of a credentials object: an ISO instant or epoch seconds."""
    value = credentials.get("expires_at")
    if value in (None, ""):
        return None
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, tz=UTC)
    parsed = datetime.fromisoformat(str(value))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def mark_needs_reconnect(connection_id: uuid.UUID, version: int, reason: str) -> bool:
    """Say that only the owner can make this connection work again; once per version."""
    return bool(
        SocialConnection.objects.filter(
            pk=connection_id, version=version, state=ConnectionState.ACTIVE
        ).update(state=ConnectionState.NEEDS_RECONNECT, state_reason=reason[:500])
    )
