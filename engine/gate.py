"""The gate: "may this call start now?", answered from memory, shared through RateLimitState rows.

Each process keeps the states it needs, writes refusals at once and the rest once a second, and
looks for others' refusals ten times a second while it has work. So a decision costs no round trip.
How far processes can overshoot together:
- a bucket whose count the network tells with each answer: by what they have in flight;
- a bucket that is counted here, and spacing: not at all, they are spent in the rows
  (`engine.gate_rows.spend`), in one statement with the send marks of a batch.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from engine import gate_rows
from engine.allowances import Allowance, GatePolicy
from engine.gate_rows import Key, Spending
from engine.retry import full_jitter

__all__ = ["Counted", "Gate", "Hold", "Key", "Passage"]

AFTER_BLOCK_JITTER_SECONDS = 5.0  # so that not all accounts start in the same instant
PROBE_AGAIN_SECONDS = 1.0  # while one call tries whether a network is well again


class Counted(NamedTuple):
    """A bucket whose network sends no counts: `calls` per `window_seconds`, counted here.

    A call takes `cost` of them; with `refilled_in` the window ends at midnight in that zone.
    """

    key: Key
    calls: int
    window_seconds: float
    cost: int = 1
    refilled_in: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """The buckets that one kind of call of one connection goes through; all must be free.

    `own` carries the connection's refusals and spacing, `shared` what concerns everybody at this
    network (the application's, or a user-given host's). `told` are counted by the network.
    """

    platform: str
    own: Key
    shared: Key | None = None
    told: tuple[Key, ...] = ()
    counted: tuple[Counted, ...] = ()
    is_spaced: bool = False

    @property
    def is_spent(self) -> bool:
        """Say whether a call must be taken from the rows before it may start."""
        return self.is_spaced or bool(self.counted)


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait until `until` (epoch seconds); `reason` is a sentence for people."""

    until: float
    reason: str


class Gate:
    """One per process. Methods named `db_*` run on a database thread; the others never block.

    `breaks` says whether refusals may open circuit breakers beyond what was asked for. `spacing`
    keeps spaced calls so far apart (to ten times that after refusals), whatever the settings say.
    """

    def __init__(self, *, breaks: bool = True, spacing: timedelta | None = None) -> None:
        self._breaks = breaks
        self._spacing = spacing
        self._rows = gate_rows.GateRows()
        self._known = self._rows.known
        self._rng = random.Random()  # noqa: S311 - jitter

    @property
    def policy(self) -> GatePolicy:
        """Return the settings in force."""
        policy: GatePolicy = settings.GATE_POLICY
        if self._spacing is not None:
            policy = replace(
                policy,
                spacing_enabled=True,
                spacing_base=self._spacing,
                spacing_cap=10 * self._spacing,
            )
        return policy if self._breaks else replace(policy, breaker_enabled=False)

    # --- may it start? ----------------------------------------------------------------------
    def hold(
        self,
        passage: Passage,
        now: float,
        *,
        in_flight: int = 0,
        in_flight_all: int = 0,
        jitter: bool = True,
    ) -> Hold | None:
        """Return the longest wait that any bucket asks for, or None: the call may start.

        `in_flight` are this process's calls for the connection, `in_flight_all` all of them. None
        may have used up the one probe of a breaker that is half-open.
        """
        held = self.blocked(passage, now, jitter=jitter)
        if held is not None:
            return held
        until, key = now, passage.own
        for bucket in passage.told:
            known = self._known.get(bucket)
            busy = in_flight if bucket[0] == passage.own[0] else in_flight_all
            if known is not None and (free := known.used_up_to(now, busy)) > until:
                until, key = free, bucket
        for counted in passage.counted:
            known = self._known.get(counted.key)
            if known is not None and (free := known.used_up_to(now, counted.cost - 1)) > until:
                until, key = free, counted.key
        if until > now:
            return _spread(passage, until, self._reason(key), jitter=jitter)
        own = self._known.get(passage.own)
        if passage.is_spaced and own is not None and (free := own.spaced_to(now)) > now:
            return Hold(free, f"calls to this account are kept {own.spacing:.0f} s apart")
        return self._probing(passage, now)

    def blocked(self, passage: Passage, now: float, *, jitter: bool = True) -> Hold | None:
        """Return the wait that a block or an open breaker asks for; for calls let through before.

        Nothing is used up, and a call is not held because its allowance ran low meanwhile.
        """
        until, reason = now, ""
        for key in (passage.own, passage.shared):
            known = None if key is None else self._known.get(key)
            if known is not None and (free := known.blocked_to(now)) > until:
                until, reason = free, known.reason
        return _spread(passage, until, reason, jitter=jitter) if until > now else None

    def _probing(self, passage: Passage, now: float) -> Hold | None:
        for key in (passage.own, passage.shared):
            known = None if key is None else self._known.get(key)
            if known is not None and known.needs_probe(now) and not known.take_probe():
                again = now + PROBE_AGAIN_SECONDS * self._rng.uniform(1.0, 2.0)
                return Hold(again, f"one call tries whether it works again ({known.reason})")
        return None

    def _reason(self, key: Key) -> str:
        return self._known[key].reason or f"{key[2]} allowance used up"

    def refilled_at(self, passage: Passage, now: float) -> float:
        """Return when the emptiest of the told buckets is refilled; 0.0 if none is empty."""
        ends = [
            known.resets_at
            for key in passage.told
            if (known := self._known.get(key)) is not None and known.remaining == 0
        ]
        return max((end for end in ends if end > now), default=0.0)

    # --- what answers teach -------------------------------------------------------------------
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
        allowance.dirty = True

    def refused(
        self,
        key: Key,
        *,
        platform: str,
        now: float,
        retry_after: timedelta | None,
        reason: str,
        opens: bool = False,
        resets_at: float = 0.0,
    ) -> float:
        """Keep that a bucket said no; returns until when. Without Retry-After the wait doubles.

        `opens` opens the breaker at once (a quota is gone). `resets_at` is when the bucket that
        the answer spoke of is refilled, if known.
        """
        allowance = self._known.setdefault(key, Allowance(platform=platform))
        wait = retry_after
        if wait is None and (end := max(allowance.resets_at, resets_at)) > now:
            wait = timedelta(seconds=end - now)
        if wait is None:
            base = settings.RETRY_BASE_DELAY
            wait = base + full_jitter(
                allowance.consecutive_429 + 1,
                base=base,
                cap=settings.RETRY_MAX_DELAY,
                rng=self._rng,
            )
        allowance.reason = reason[:255]
        allowance.refused(now, now + wait.total_seconds(), opens=opens, policy=self.policy)
        return allowance.blocked_to(now)

    def failed(self, key: Key, *, platform: str, connection: str, now: float, reason: str) -> bool:
        """Keep that `connection` got a 5xx; returns whether the shared breaker opened."""
        allowance = self._known.setdefault(key, Allowance(platform=platform))
        return allowance.failed(connection, now, reason=reason, policy=self.policy)

    def succeeded(self, passage: Passage, now: float) -> bool:
        """Keep that a call was answered soundly; returns whether a breaker closed."""
        closed = False
        for key in (passage.own, passage.shared):
            known = None if key is None else self._known.get(key)
            if known is not None:
                closed |= known.succeeded(now, self.policy)
        return closed

    # --- on a database thread ---------------------------------------------------------------
    def db_sync(self) -> None:
        """Read what changed elsewhere, then write what changed here: the longer block stays."""
        self._rows.read()
        self._rows.take_probes()
        self._rows.write()

    def db_read(self) -> None:
        """Read what others wrote."""
        self._rows.read()

    def db_write(self) -> None:
        """Write what others should hear of, one statement for all of it."""
        self._rows.write()

    def db_glance(self, at_most_every: float = 0.0) -> None:
        """Look for others' refusals only; cheap enough for ten times a second."""
        self._rows.glance(at_most_every)
        self._rows.take_probes()

    def db_spend(self, wishes: Iterable[tuple[Passage, float]]) -> list[bool]:
        """Take one call each from the counted and spaced buckets of `wishes`, (passage, start).

        Returns which may start. The others find the gate closed when they ask again.
        """
        spendings = [
            Spending(
                passage.platform,
                passage.own if passage.is_spaced else None,
                tuple(passage.counted),
                start,
            )
            for passage, start in wishes
        ]
        return self._rows.spend(spendings, self.policy, self._rng)


def _spread(passage: Passage, until: float, reason: str, *, jitter: bool) -> Hold:
    """Return the hold, moved on by a draw of the account's own: the same for all of its calls.

    So accounts do not start together, and the posts of one of them keep their order; how many of
    them start at once is bounded by its cap in flight.
    """
    if not jitter:
        return Hold(until, reason)
    drawn = zlib.crc32(f"{passage.own}{until:.0f}".encode()) / 2**32
    return Hold(until + drawn * AFTER_BLOCK_JITTER_SECONDS, reason)
