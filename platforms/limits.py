"""Which of the gate's rows rule one account: its own, its network's, its server's."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from django.db.models import Q

from engine.errors import ServiceError
from engine.models import RateLimitState
from platforms.credentials import CredentialError
from platforms.models import SocialConnection
from platforms.registry import ADAPTERS, adapter_for

Scope = RateLimitState.Scope
CLOSED = RateLimitState.Breaker.CLOSED


def limits_of(connection: SocialConnection) -> list[RateLimitState]:
    """Return every bucket's row that calls of `connection` go through (one query)."""
    whose = Q(scope=Scope.CONNECTION, key=str(connection.pk))
    whose |= Q(scope=Scope.APP, key=connection.platform)
    if host := _host_of(connection):
        whose |= Q(scope=Scope.HOST, key=host)
    return list(RateLimitState.objects.filter(whose).order_by("scope", "bucket"))


def _host_of(connection: SocialConnection) -> str:
    """Return the server that an account lives on, where accounts choose it; else ""."""
    if connection.platform not in ADAPTERS:
        return ""
    adapter = adapter_for(connection.platform)
    if not adapter.user_given_host():
        return ""
    try:
        address = adapter.base_url(connection.get_credentials())
    except (CredentialError, ServiceError, KeyError, TypeError, ValueError):
        address = connection.instance_url
    return urlsplit(address).netloc.lower()


def in_force_until(row: RateLimitState, now: datetime) -> datetime | None:
    """Return until when `row` lets nobody call: a block, an open breaker, a used-up allowance."""
    moments = [row.blocked_until]
    if row.breaker != CLOSED:
        moments.append(row.open_until)
    if row.remaining is not None and row.remaining <= 0:
        moments.append(row.resets_at)
    return max((at for at in moments if at is not None and at > now), default=None)
