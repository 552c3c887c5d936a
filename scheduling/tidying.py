"""Once a day: remove what only the past needed. Nothing here changes what any post does."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import IdempotencyKey
from engine.models import RateLimitState, WorkerSlot
from scheduling import bulk_jobs

KEEP_SLOTS = timedelta(days=7)
KEEP_ANSWERS = timedelta(hours=24)


def tidy() -> None:
    """Delete old worker slots and answers; clear rate windows that have expired."""
    bulk_jobs.tidy()
    WorkerSlot.objects.filter(heartbeat_at__lt=Now() - KEEP_SLOTS).delete()
    IdempotencyKey.objects.filter(created_at__lt=Now() - KEEP_ANSWERS).delete()
    RateLimitState.objects.filter(resets_at__lt=Now()).update(
        remaining=None, resets_at=None, updated_at=Now()
    )
    RateLimitState.objects.filter(
        Q(blocked_until__lt=Now()) & (Q(resets_at=None) | Q(resets_at__lt=Now()))
    ).filter(breaker=RateLimitState.Breaker.CLOSED).update(
        blocked_until=None, reason="", consecutive_429=0, spacing_ms=0, updated_at=Now()
    )
