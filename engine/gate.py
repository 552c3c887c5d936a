"""The gate: "may this call start now?", answered from memory, shared through RateLimitState rows.

Each process keeps the states it needs, writes what it learnt once a second (blocks at once), and
reads what others wrote once a second. So a decision costs no round trip, and two processes
overshoot an allowance by at most what they have in flight.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Q
from django.db.models.functions import Now

from engine.models import RateLimitState
from engine.retry import full_jitter

Key = tuple[str, str, str]  # scope, key, bucket
READ_OVERLAP = timedelta(seconds=3)  # rows written while we read must not be missed
PLENTY_SECONDS = 30.0  # how old others' knowledge of a bucket with plenty left may be
AFTER_BLOCK_JITTER_SECONDS = 5.0  # so that not everything starts in the same instant


@dataclass(slots=True)
class Allowance:
    """What we believe of one bucket; instants are epoch seconds on the database's clock."""

    platform: str = ""
    limit: int | None = None
    remaining: int | None = None
    resets_at: float = 0.0
    blocked_until: float = 0.0
    reason: str = ""
    consecutive_429: int = 0
    dirty: bool = False
    written_at: float = float("-inf")  # monotonic seconds

    def is_worth_writing(self, now: float) -> bool:
        """Say whether others should hear now: of refusals and low counts at once."""
        low = self.remaining is None or self.limit is None or self.remaining * 5 < self.limit
        return self.dirty and (low or now - self.written_at > PLENTY_SECONDS)

    def free_at(self, now: float, in_flight: int) -> float:
        """Return when a call may start: `now` or earlier means at once."""
        if self.blocked_until > now:
            return self.blocked_until
        used_up = self.remaining is not None and self.remaining <= in_flight
        if used_up and self.resets_at > now:
            return self.resets_at
        return now


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait until `until` (epoch seconds); `reason` is a sentence for people."""

    until: float
    reason: str


class Gate:
    """One per process. Methods named `db_*` run on a database thread; the others never block."""

    def __init__(self) -> None:
        self._known: dict[Key, Allowance] = {}
        self._read_at = float("-inf")  # monotonic seconds of the last read
        self._rng = random.Random()  # noqa: S311 - jitter

    def hold(
        self, keys: Iterable[Key], now: float, *, in_flight: int = 0, jitter: bool = True
    ) -> Hold | None:
        """Return the longest wait that any of the buckets asks for, or None when all are free."""
        until, reason = now, ""
        for key in keys:
            allowance = self._known.get(key)
            if allowance is None:
                continue
            free_at = allowance.free_at(now, in_flight)
            if free_at > until:
                until, reason = free_at, allowance.reason or f"{key[2]} allowance used up"
        if until <= now:
            return None
        spread = self._rng.uniform(0.0, AFTER_BLOCK_JITTER_SECONDS) if jitter else 0.0
        return Hold(until + spread, reason)

    def note(
        self,
        key: Key,
        *,
        platform: str,
        limit: int | None,
        remaining: int | None,
        resets_at: datetime | None,
    ) -> None:
        """Keep what an answer's headers said. Within one window the lowest count is the truth."""
        allowance = self._known.setdefault(key, Allowance(platform=platform))
        resets = resets_at.timestamp() if resets_at else 0.0
        same_window = abs(resets - allowance.resets_at) < 2.0
        if same_window and allowance.remaining is not None and remaining is not None:
            remaining = min(remaining, allowance.remaining)
        allowance.limit, allowance.remaining, allowance.resets_at = limit, remaining, resets
        allowance.consecutive_429 = 0
        allowance.dirty = True

    def block(
        self, key: Key, *, platform: str, now: float, retry_after: timedelta | None, reason: str
    ) -> float:
        """Keep that a bucket said no; returns until when. Without Retry-After the wait doubles."""
        allowance = self._known.setdefault(key, Allowance(platform=platform))
        allowance.consecutive_429 += 1
        wait = retry_after
        if wait is None and allowance.resets_at > now:
            wait = timedelta(seconds=allowance.resets_at - now)
        if wait is None:
            base = settings.RETRY_BASE_DELAY
            wait = base + full_jitter(
                allowance.consecutive_429,
                base=base,
                cap=settings.RETRY_MAX_DELAY,
                rng=self._rng,
            )
        allowance.blocked_until = max(allowance.blocked_until, now + wait.total_seconds())
        allowance.written_at = float("-inf")
        allowance.reason = reason[:255]
        allowance.dirty = True
        return allowance.blocked_until

    # --- on a database thread ---------------------------------------------------------------

    def db_sync(self) -> None:
        """Read what changed elsewhere, then write what changed here: the longer block stays."""
        self.db_read()
        self.db_write()

    def db_write(self) -> None:
        """Write the changed states, one statement for all of them."""
        # In the order of their keys, so that two writers of the same keys wait and never deadlock.
        now = time.monotonic()
        changed = sorted(k for k, a in list(self._known.items()) if a.is_worth_writing(now))
        if not changed:
            return
        for key in changed:
            self._known[key].dirty = False  # before it is read: a change meanwhile is written next
            self._known[key].written_at = now
        try:
            self._upsert([_row(key, self._known[key]) for key in changed])
        except (DatabaseError, InterfaceError):
            for key in changed:
                self._known[key].dirty = True
            raise

    def _upsert(self, rows: list[RateLimitState]) -> None:
        RateLimitState.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["scope", "key", "bucket"],
            update_fields=[
                "limit",
                "remaining",
                "resets_at",
                "blocked_until",
                "reason",
                "consecutive_429",
                "updated_at",
            ],
        )

    def db_read(self) -> None:
        """Take over what other processes (or staff) wrote since the last look."""
        started = time.monotonic()
        rows = RateLimitState.objects.all()
        if self._read_at == float("-inf"):
            rows = rows.filter(Q(blocked_until__gt=Now()) | Q(resets_at__gt=Now()))
        else:
            since = timedelta(seconds=started - self._read_at) + READ_OVERLAP
            rows = rows.filter(updated_at__gte=Now() - since)
        for row in rows:
            known = self._known.setdefault((row.scope, row.key, row.bucket), Allowance())
            if known.dirty:
                known.blocked_until = max(known.blocked_until, _epoch(row.blocked_until))
                continue
            known.platform, known.limit, known.remaining = row.platform, row.limit, row.remaining
            known.resets_at = _epoch(row.resets_at)
            known.blocked_until = _epoch(row.blocked_until)
            known.reason, known.consecutive_429 = row.reason, row.consecutive_429
        self._read_at = started
        self._forget(time.time())

    def _forget(self, now: float) -> None:
        """Drop what has expired, so that memory stays bounded by what is in use."""
        hour_ago = now - 3600
        for key, allowance in list(self._known.items()):
            latest = max(allowance.resets_at, allowance.blocked_until)
            if latest < hour_ago and not allowance.dirty:
                del self._known[key]


def _row(key: Key, allowance: Allowance) -> RateLimitState:
    scope, name, bucket = key
    return RateLimitState(
        scope=scope,
        key=name,
        bucket=bucket,
        platform=allowance.platform,
        limit=allowance.limit,
        remaining=allowance.remaining,
        resets_at=_instant(allowance.resets_at),
        blocked_until=_instant(allowance.blocked_until),
        reason=allowance.reason,
        consecutive_429=allowance.consecutive_429,
        updated_at=Now(),
    )


def _instant(epoch: float) -> datetime | None:
    return datetime.fromtimestamp(epoch, tz=UTC) if epoch else None


def _epoch(instant: datetime | None) -> float:
    return instant.timestamp() if instant else 0.0
