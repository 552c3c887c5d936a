"""How many rows are in which state: counted about twice a minute in the background, and kept.

Counting a million posts takes a fraction of a second, which a scrape or a page shall not wait for;
`counted_at` says how old the figures are.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, QuerySet

from engine import sql
from engine.clock import database_now
from monitoring.models import Census
from notifications.models import Delivery
from platforms.adapters.base import Capability
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import ADAPTERS
from scheduling.models import ScheduledPost
from scheduling.states import WAITING, PostState

log = logging.getLogger("carillon.queue")

AT_MOST_EVERY = timedelta(seconds=20)  # every cluster asks for one each half minute
SHARE = 50  # counting takes at most a fiftieth of the time, however many rows there are
WINDOWS = {
    "expired": timedelta(),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
}
ACTIVE = (PostState.PUBLISHING, PostState.PROCESSING, PostState.OUTCOME_UNKNOWN)
FAILED = (PostState.FAILED, PostState.DEAD_LETTER)

Counts = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts by platform (or channel) and state. `tokens`: accounts whose owner must act in time.

    `tokens` has, by platform, how many expire within each of WINDOWS; `expires` the earliest
    moment in epoch seconds.
    """

    posts: Counts = field(default_factory=dict)
    deliveries: Counts = field(default_factory=dict)
    connections: Counts = field(default_factory=dict)
    tokens: Counts = field(default_factory=dict)
    expires: dict[str, float] = field(default_factory=dict)
    due: int = 0


def read() -> tuple[Figures, datetime | None]:
    """Return the last census and when it was taken; empty and None before the first."""
    row = Census.objects.filter(pk=1).first()
    if row is None:
        return Figures(), None
    return Figures(**row.figures), row.counted_at


def take() -> Figures | None:
    """Count and keep, unless somebody else did so just now; returns what was counted."""
    with transaction.atomic():
        if not _is_my_turn():
            return None
        begun = time.monotonic()
        now = database_now()
        figures = _count(now)
        Census.objects.update_or_create(
            pk=1,
            defaults={
                "counted_at": now,
                "took_seconds": time.monotonic() - begun,
                "figures": {name: getattr(figures, name) for name in Figures.__dataclass_fields__},
            },
        )
    _tell(figures)
    return figures


def _is_my_turn() -> bool:
    if sql.is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('carillon.census'))")
            (alone,) = cursor.fetchone()
        if not alone:
            return False
    last = Census.objects.filter(pk=1).first()
    if last is None:
        return True
    wait = max(AT_MOST_EVERY, timedelta(seconds=last.took_seconds * SHARE))
    return database_now() - last.counted_at >= wait


def _count(now: datetime) -> Figures:
    tokens, expires = _tokens(now)
    waiting = ScheduledPost.objects.filter(state__in=WAITING, due_at__lte=now)
    return Figures(
        posts=_by(ScheduledPost.objects.all(), "platform"),
        deliveries=_by(Delivery.objects.all(), "channel"),
        connections=_by(SocialConnection.objects.all(), "platform"),
        tokens=tokens,
        expires=expires,
        due=sum(waiting.filter(lease_slot__isnull=free).count() for free in (True, False)),
    )


def _by(rows: QuerySet[Any], column: str) -> Counts:
    counts: Counts = defaultdict(dict)
    grouped = rows.order_by().values_list(column, "state").annotate(Count("pk"))
    for owner, state, number in grouped:
        counts[owner][state] = number
    return dict(counts)


def _tokens(now: datetime) -> tuple[Counts, dict[str, float]]:
    """Return which accounts must be connected again when.

    Access tokens that are renewed by themselves tell nothing: there the refresh token's end does.
    """
    renewed = [slug for slug, made in ADAPTERS.items() if Capability.REFRESH in made.capabilities]
    active = SocialConnection.objects.filter(state=ConnectionState.ACTIVE).order_by()
    rows: Iterable[tuple[str, datetime | None]] = [
        *active.filter(platform__in=renewed, refresh_expires_at__isnull=False).values_list(
            "platform", "refresh_expires_at"
        ),
        *active.exclude(platform__in=renewed)
        .filter(expires_at__isnull=False)
        .values_list("platform", "expires_at"),
    ]
    counts: Counts = {}
    expires: dict[str, float] = {}
    for platform, ends_at in rows:
        if ends_at is None:
            continue
        windows = counts.setdefault(platform, dict.fromkeys(WINDOWS, 0))
        for name, window in WINDOWS.items():
            windows[name] += ends_at <= now + window
        expires[platform] = min(expires.get(platform, float("inf")), ends_at.timestamp())
    return counts, expires


def _tell(figures: Figures) -> None:
    """Log the queue in the predecessors' form."""
    totals: dict[str, int] = defaultdict(int)
    for states in figures.posts.values():
        for state, number in states.items():
            totals[state] += number
    counts = {
        "waiting": figures.due,
        "active": sum(totals[state] for state in ACTIVE),
        "completed": totals[PostState.PUBLISHED],
        "failed": sum(totals[state] for state in FAILED),
    }
    words = ", ".join(f"{name.capitalize()}: {number}" for name, number in counts.items())
    log.info("Queue Stats - %s", words, extra={"event": "queue.counted", **counts})
