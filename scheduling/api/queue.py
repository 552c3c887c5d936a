"""How many posts are in which status: one grouped query, remembered for some seconds."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime

from django.core.cache import cache
from django.db.models import Case, CharField, Count, F, Q, Value, When
from django.utils import timezone

from scheduling.api.jobs import STATUS
from scheduling.models import ScheduledPost
from scheduling.states import WAITING

REMEMBERED_SECONDS = 5.0
SHARE = 20  # counting takes at most a twentieth of the time, however long it takes
CACHE_KEY = "queue-counts"
SHOWN = ("waiting", "active", "completed", "failed", "delayed")


def queue_counts() -> dict[str, int]:
    """Return the number of posts per status, at least 5 seconds old counts being made anew."""
    found: dict[str, int] | None = cache.get(CACHE_KEY)
    if found is None:
        begun = time.monotonic()
        found = count_posts(timezone.now())
        took = time.monotonic() - begun
        cache.set(CACHE_KEY, found, max(REMEMBERED_SECONDS, took * SHARE))
    return found


def count_posts(now: datetime) -> dict[str, int]:
    """Count all posts, now."""
    status = Case(
        When(Q(state__in=WAITING, due_at__gt=now), then=Value("delayed")),
        default=F("state"),
        output_field=CharField(),
    )
    groups = ScheduledPost.objects.values_list(status).annotate(Count("pk")).order_by()
    totals: Counter[str] = Counter()
    for name, number in groups:
        totals[STATUS.get(name, name)] += number
    return {name: totals[name] for name in SHOWN}
