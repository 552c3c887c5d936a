"""The gate's rows: how processes tell each other what the networks allow.

Blocks, breakers and the counts that networks tell are written by whoever learns them, the longer
block staying. What is counted here (`spend`) changes only inside a transaction that holds the row.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import F, Q
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from engine import sql
from engine.allowances import CLOSED, Allowance, GatePolicy
from engine.models import RateLimitState
from engine.wall_clock import next_midnight

Key = tuple[str, str, str]  # scope, key, bucket
READ_OVERLAP = timedelta(seconds=3)  # rows written while we read must not be missed
PLENTY_SECONDS = 30.0  # how old others' knowledge of a bucket with plenty left may be
SPACING_JITTER = 0.2  # of the spacing, so that accounts do not keep step
SAME_MOMENT_SECONDS = 0.001
UNIQUE = ("scope", "key", "bucket")
WRITTEN = {  # not next_call_at: it moves under the row's lock only
    "scope": sql.TEXT,
    "key": sql.TEXT,
    "bucket": sql.TEXT,
    "platform": sql.TEXT,
    "limit": sql.INT,
    "remaining": sql.INT,
    "resets_at": sql.INSTANT,
    "blocked_until": sql.INSTANT,
    "reason": sql.TEXT,
    "consecutive_429": sql.INT,
    "spacing_ms": sql.INT,
    "breaker": sql.TEXT,
    "open_until": sql.INSTANT,
}


class Spending(NamedTuple):
    """One call to be taken from the rows; `start` is when it will be made (epoch seconds)."""

    platform: str
    spaced: Key | None
    counted: tuple[tuple[Key, int, float, int, str], ...]  # as `engine.gate.Counted`
    start: float

    def buckets(self) -> list[Key]:
        """Return every row this call is taken from."""
        return [*([self.spaced] if self.spaced else []), *(key for key, *_ in self.counted)]


class GateRows:
    """The part of one process's gate that talks to the database; only on database threads."""

    def __init__(self) -> None:
        self.known: dict[Key, Allowance] = {}
        self._read_at = float("-inf")  # monotonic seconds of the last read ...
        self._glanced_at = float("-inf")  # ... and of the last look at refusals

    # --- read -----------------------------------------------------------------------------
    def read(self) -> None:
        """Take over what other processes (or staff) wrote since the last read."""
        started = time.monotonic()
        rows = RateLimitState.objects.all()
        if self._read_at == float("-inf"):
            later = (Q(**{f"{name}__gt": Now()}) for name in ("blocked_until", "resets_at"))
            rows = rows.filter(_any(later) | ~Q(breaker=CLOSED) | Q(spacing_ms__gt=0))
        else:
            rows = rows.filter(updated_at__gte=_since(started, self._read_at))
        for row in rows:
            self._take_over(row)
        self._read_at = self._glanced_at = started
        self._forget(time.time())

    def glance(self, at_most_every: float = 0.0) -> None:
        """Take over just the refusals that others wrote since the last look, if that is old enough.

        Usually none: one small statement finds that out. `at_most_every` is seconds.
        """
        started = time.monotonic()
        since = started - self._glanced_at
        if since == float("inf"):
            self.read()
        elif since >= at_most_every:
            if changed := _refusals_since(timedelta(seconds=since) + READ_OVERLAP):
                for row in RateLimitState.objects.filter(pk__in=changed):
                    self._take_over(row)
            self._glanced_at = started

    def _take_over(self, row: RateLimitState) -> None:
        known = self.known.setdefault((row.scope, row.key, row.bucket), Allowance())
        blocked_until, open_until = _epoch(row.blocked_until), _epoch(row.open_until)
        if known.dirty:  # ours is written next: of two truths the more careful one stays
            known.blocked_until = max(known.blocked_until, blocked_until)
            if row.breaker != CLOSED and open_until > known.open_until:
                known.breaker, known.open_until = row.breaker, open_until
            known.next_call_at = max(known.next_call_at, _epoch(row.next_call_at))
            return
        if row.breaker == CLOSED != known.breaker:
            known.failing.clear()
        known.platform, known.limit, known.remaining = row.platform, row.limit, row.remaining
        known.resets_at, known.blocked_until = _epoch(row.resets_at), blocked_until
        known.reason, known.consecutive_429 = row.reason, row.consecutive_429
        known.breaker, known.open_until = row.breaker, open_until
        _set_spacing(known, row.spacing_ms / 1000, _epoch(row.next_call_at))

    def _forget(self, now: float) -> None:
        """Drop what has expired, so that memory stays bounded by what is in use."""
        hour_ago = now - 3600
        for key, allowance in list(self.known.items()):
            latest = max(
                allowance.resets_at,
                allowance.blocked_until,
                allowance.open_until,
                allowance.next_call_at,
            )
            if latest < hour_ago and not allowance.dirty and not allowance.failing:
                del self.known[key]

    # --- write ----------------------------------------------------------------------------
    def write(self) -> None:
        """Write the changed states, one statement for all of them."""
        # In the order of their keys, so that two writers of the same keys wait and never deadlock.
        now = time.monotonic()
        changed = sorted(
            key
            for key, allowance in list(self.known.items())
            if allowance.is_worth_writing(now, PLENTY_SECONDS)
        )
        if not changed:
            return
        for key in changed:
            self.known[key].dirty = False  # before it is read: a change meanwhile is written next
            self.known[key].written_at = now
        try:
            sql.insert_rows(
                RateLimitState,
                [_row(key, self.known[key]) for key in changed],
                WRITTEN,
                fixed={"updated_at": sql.now_plus()},
                unique=UNIQUE,
            )
        except (DatabaseError, InterfaceError):
            for key in changed:
                self.known[key].dirty = True
            raise

    # --- the one call that tries an open breaker ----------------------------------------------
    def take_probes(self) -> None:
        """Ask for the probe lease of every breaker that our calls wait for; one process gets it."""
        for (scope, key, bucket), known in list(self.known.items()):
            if not known.probe_wanted:
                continue
            known.probe_wanted = False
            lease: timedelta = settings.PUBLISH_LEASE
            free = (
                Q(probe_lease_until=None)
                | Q(probe_lease_until__lt=Now())
                | Q(probe_lease_until__lt=F("open_until") + lease)  # of an earlier opening
            )
            got = (
                RateLimitState.objects.filter(free, scope=scope, key=key, bucket=bucket)
                .exclude(breaker=CLOSED)
                .filter(open_until__lte=Now())
                .update(
                    breaker=RateLimitState.Breaker.HALF_OPEN,
                    probe_lease_until=Now() + lease,
                    updated_at=Now(),
                )
            )
            if got:
                known.breaker = RateLimitState.Breaker.HALF_OPEN
                known.probe_ends = time.monotonic() + lease.total_seconds()

    # --- what is counted here ------------------------------------------------------------------
    def spend(
        self, spendings: Sequence[Spending], policy: GatePolicy, rng: random.Random
    ) -> list[bool]:
        """Take the calls that are left and due, in the given order; returns which were."""
        keys = sorted({key for spending in spendings for key in spending.buckets()})
        if not keys:
            return [True] * len(spendings)
        with transaction.atomic():
            rows = self._locked(keys, spendings)
            granted = [_take(rows, spending, policy, rng) for spending in spendings]
            for row in rows.values():
                row.updated_at = Now()
            RateLimitState.objects.bulk_update(
                rows.values(),
                ["limit", "remaining", "resets_at", "spacing_ms", "next_call_at", "updated_at"],
            )
        for key, row in rows.items():
            known = self.known.setdefault(key, Allowance(platform=row.platform))
            known.limit, known.remaining = row.limit, row.remaining
            known.resets_at = _epoch(row.resets_at)
            _set_spacing(known, row.spacing_ms / 1000, _epoch(row.next_call_at))
        return granted

    def _locked(
        self, keys: Sequence[Key], spendings: Sequence[Spending]
    ) -> dict[Key, RateLimitState]:
        """Return the rows of `keys`, locked in the order of their keys; made if missing."""
        platforms = {key: spending.platform for spending in spendings for key in spending.buckets()}
        RateLimitState.objects.bulk_create(
            [
                RateLimitState(scope=s, key=k, bucket=b, platform=platforms[s, k, b])
                for s, k, b in keys
            ],
            ignore_conflicts=True,
        )
        wanted = _any(Q(scope=s, key=k, bucket=b) for s, k, b in keys)
        found = (
            RateLimitState.objects.select_for_update()
            .filter(wanted)
            .order_by("scope", "key", "bucket")
        )
        return {(row.scope, row.key, row.bucket): row for row in found}


def _take(
    rows: dict[Key, RateLimitState], spending: Spending, policy: GatePolicy, rng: random.Random
) -> bool:
    """Take one call from all of its rows, or from none."""
    start = spending.start
    for key, calls, window, cost, zone in spending.counted:
        row = rows[key]
        if row.remaining is None or _epoch(row.resets_at) <= start:
            row.limit, row.remaining = calls, calls
            began = datetime.fromtimestamp(start, UTC)
            over = began + timedelta(seconds=window)
            row.resets_at = next_midnight(began, zone) if zone else over
        if row.remaining < cost:
            return False
    if spending.spaced is not None and policy.spacing_enabled:
        row = rows[spending.spaced]
        row.spacing_ms = max(row.spacing_ms, int(policy.spacing_base.total_seconds() * 1000))
        if _epoch(row.next_call_at) > start + SAME_MOMENT_SECONDS:
            return False
        gap = row.spacing_ms / 1000 * rng.uniform(1.0, 1.0 + SPACING_JITTER)
        row.next_call_at = datetime.fromtimestamp(start + gap, UTC)
    for key, _, _, cost, _ in spending.counted:
        row = rows[key]
        row.remaining = (row.remaining or 0) - cost
    return True


def _set_spacing(known: Allowance, spacing: float, next_call_at: float) -> None:
    if next_call_at != known.next_call_at:
        known.waiting = 0
    known.spacing, known.next_call_at = spacing, next_call_at


def _row(key: Key, allowance: Allowance) -> dict[str, Any]:
    return {
        **dict(zip(UNIQUE, key, strict=True)),
        "platform": allowance.platform,
        "limit": allowance.limit,
        "remaining": allowance.remaining,
        "resets_at": _instant(allowance.resets_at),
        "blocked_until": _instant(allowance.blocked_until),
        "reason": allowance.reason,
        "consecutive_429": allowance.consecutive_429,
        "spacing_ms": int(allowance.spacing * 1000),
        "breaker": allowance.breaker,
        "open_until": _instant(allowance.open_until),
    }


def _refusals_since(age: timedelta) -> list[int]:
    """Return the keys of rows with a block or a breaker that were written in the last `age`."""
    statement = (
        f"SELECT id FROM {sql.table_of(RateLimitState)} "  # noqa: S608 - names are ours
        f"WHERE updated_at >= {sql.now_plus(-age)} "
        f"AND (blocked_until IS NOT NULL OR NOT breaker = '{CLOSED}')"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [])
        return [pk for (pk,) in cursor.fetchall()]


def _any(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions)


def _since(now: float, then: float) -> CombinedExpression:
    return Now() - (timedelta(seconds=now - then) + READ_OVERLAP)


def _instant(epoch: float) -> datetime | None:
    return datetime.fromtimestamp(epoch, tz=UTC) if epoch else None


def _epoch(instant: datetime | None) -> float:
    return instant.timestamp() if instant else 0.0
