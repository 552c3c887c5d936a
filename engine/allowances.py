"""What we believe of one bucket: its allowance, its block, its spacing, its circuit breaker.

Methods take `now` (epoch seconds on the database's clock) and touch no row. The rules:
1. A refusal (429) blocks until the network's own moment, whatever the settings say.
2. The breaker opens after THRESHOLD refusals in a row, at once for a quota that is gone, and for
   5xx answers only when at least three connections saw them: one poisoned post stops nobody else.
3. After `open_until` one call is let through, by whoever holds the probe lease; its answer decides.
4. Spacing keeps calls apart where a network publishes no numbers: doubled by a refusal, eased by
   successes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"
CONNECTIONS_FOR_OUTAGE = 3
EASE = 0.9  # spacing after a few successes in a row; as the predecessor's publisher had it
SUCCESSES_TO_EASE = 3


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """The settings that rule breakers and spacing; see RATE_LIMITER_* and CIRCUIT_BREAKER_*."""

    breaker_enabled: bool = True
    breaker_threshold: int = 3
    breaker_open: timedelta = timedelta(minutes=5)
    spacing_enabled: bool = True
    spacing_base: timedelta = timedelta(seconds=3)
    spacing_cap: timedelta = timedelta(minutes=5)


@dataclass(slots=True)
class Allowance:
    """One bucket as one process sees it; instants are epoch seconds, 0.0 for none."""

    platform: str = ""
    limit: int | None = None
    remaining: int | None = None
    resets_at: float = 0.0
    blocked_until: float = 0.0
    reason: str = ""
    consecutive_429: int = 0
    spacing: float = 0.0  # seconds
    next_call_at: float = 0.0
    breaker: str = CLOSED
    open_until: float = 0.0
    # --- this process alone -------------------------------------------------------------
    probe_ends: float = 0.0  # monotonic seconds: until then the probe lease is ours
    probe_wanted: bool = False
    failing: dict[str, int] = field(default_factory=dict)  # connection -> 5xx since a success
    successes: int = 0
    waiting: int = 0  # calls sent away since next_call_at last moved: each gets its own moment
    dirty: bool = False
    written_at: float = float("-inf")  # monotonic seconds

    # --- may a call start? ----------------------------------------------------------------
    def blocked_to(self, now: float) -> float:
        """Return until when nobody may call: a block, or an open breaker; `now` if free."""
        until = max(now, self.blocked_until)
        return until if self.breaker == CLOSED else max(until, self.open_until)

    def used_up_to(self, now: float, in_flight: int) -> float:
        """Return until when the allowance is used up by `in_flight` calls; `now` if it is not."""
        used_up = self.remaining is not None and self.remaining <= in_flight
        return max(now, self.resets_at) if used_up else now

    def spaced_to(self, now: float) -> float:
        """Return the moment of the next call that nobody else was given; `now` if at once."""
        if self.next_call_at <= now:
            return now
        self.waiting += 1
        return self.next_call_at + (self.waiting - 1) * self.spacing

    def needs_probe(self, now: float) -> bool:
        """Say whether the breaker has been open long enough for one try."""
        return self.breaker != CLOSED and self.open_until <= now

    def take_probe(self) -> bool:
        """Use up the probe lease, if it is ours; else ask for it at the next look at the rows."""
        if self.probe_ends > monotonic():
            self.probe_ends = 0.0
            return True
        self.probe_wanted = True
        return False

    # --- what answers teach ------------------------------------------------------------------
    def refused(self, now: float, until: float, *, opens: bool, policy: GatePolicy) -> None:
        """Take a 429 or a quota that is gone; `opens` opens the breaker whatever the count.

        A refusal of a call that was under way when another was refused is not one more in a row.
        """
        if self.blocked_until <= now:
            self.consecutive_429 += 1
        self.blocked_until = max(self.blocked_until, until)
        if self.spacing:
            doubled = min(self.spacing * 2, policy.spacing_cap.total_seconds())
            self.spacing, self.successes = doubled, 0
        if opens or self.consecutive_429 >= policy.breaker_threshold or self.needs_probe(now):
            self._open(now, self.blocked_until, policy)
        self._tell()

    def failed(self, connection: str, now: float, *, reason: str, policy: GatePolicy) -> bool:
        """Take a 5xx that `connection` got; returns whether the breaker opened."""
        self.failing[connection] = self.failing.get(connection, 0) + 1
        seen = sum(self.failing.values())
        outage = len(self.failing) >= CONNECTIONS_FOR_OUTAGE and seen >= policy.breaker_threshold
        if not outage and not self.needs_probe(now):
            return False
        if self.breaker == OPEN and self.open_until > now:
            return False  # calls that were under way when it opened
        self.reason = reason[:255]
        self._open(now, now, policy)
        return self.breaker != CLOSED

    def succeeded(self, now: float, policy: GatePolicy) -> bool:
        """Take a sound answer; returns whether others should hear of the change at once."""
        if self.failing:
            self.failing.clear()
        closes = self.needs_probe(now)
        if closes:
            self.breaker, self.open_until, self.probe_ends, self.reason = CLOSED, 0.0, 0.0, ""
            self._tell()
        if self.blocked_until <= now and self.consecutive_429:
            self.consecutive_429 = 0
            self.dirty = True
        if self.spacing:
            self._ease(policy)
        return closes

    def _ease(self, policy: GatePolicy) -> None:
        base = policy.spacing_base.total_seconds()
        if self.spacing <= base:
            return
        self.successes += 1
        if self.successes >= SUCCESSES_TO_EASE:
            self.spacing, self.successes = max(base, self.spacing * EASE), 0
            self.dirty = True

    def _open(self, now: float, at_least: float, policy: GatePolicy) -> None:
        if not policy.breaker_enabled:
            return
        self.breaker = OPEN
        self.open_until = max(at_least, now + policy.breaker_open.total_seconds())
        self.probe_ends, self.probe_wanted = 0.0, False
        self.failing.clear()
        self._tell()

    def _tell(self) -> None:
        """Have others hear of this at once."""
        self.dirty, self.written_at = True, float("-inf")

    # --- telling others -------------------------------------------------------------------
    def is_worth_writing(self, now: float, plenty_seconds: float) -> bool:
        """Say whether others should hear now (monotonic `now`): refusals, low counts at once."""
        low = self.remaining is None or self.limit is None or self.remaining * 5 < self.limit
        return self.dirty and (low or now - self.written_at > plenty_seconds)
