"""Telling staff, once per incident, that a network's circuit breaker has opened."""

from __future__ import annotations

from engine.models import RateLimitState
from notifications.incidents import follow
from platforms.registry import ADAPTERS

EVENT = "breaker.opened"
SHARED = (RateLimitState.Scope.APP, RateLimitState.Scope.HOST)  # one account's own concerns nobody


def watch() -> int:
    """Tell of breakers that are open and were not a minute ago; returns of how many."""
    rows = RateLimitState.objects.filter(scope__in=SHARED).exclude(
        breaker=RateLimitState.Breaker.CLOSED
    )
    return follow(
        EVENT,
        "breaker",
        {
            f"{row.scope}:{row.key}:{row.bucket}": _facts(row)
            for row in rows.exclude(bucket="notify")
        },
    )


def _facts(row: RateLimitState) -> dict[str, str]:
    adapter = ADAPTERS.get(row.platform)
    network = adapter.name if adapter else row.platform or row.key
    host = f" at {row.key}" if row.scope == RateLimitState.Scope.HOST else ""
    return {
        "network": network,
        "place": f"{network}{host} ({row.bucket})",
        "reason": row.reason,
        "path": f"/admin/engine/ratelimitstate/{row.pk}/change/",
    }
