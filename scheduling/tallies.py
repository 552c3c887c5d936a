"""What happened to posts, counted as it is written: in the transaction of what it counts.

So the counts are exact whatever crashes or is tried again, and late news counts when it comes.
Rows of the journal (`Tally`) are only ever inserted here, one statement a batch;
`monitoring.rollups` folds them into minutes and totals. Whoever moves a post to a state of
`COUNTED` counts it here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from engine import sql, wall_clock
from scheduling.models import Tally
from scheduling.states import ENDS, NEEDS_ATTENTION

COUNTED = ENDS | NEEDS_ATTENTION
Fact = Tally.Fact

# Upper bounds in seconds; one more bucket takes what is beyond the last.
LATENESS_SECONDS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
    3600.0, 7200.0,
)  # fmt: skip
CALL_SECONDS = (
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0, 300.0,
)  # fmt: skip

Key = tuple[int, str, str, str, str]  # minutes since the epoch, platform, fact, label, category

_COLUMNS = {
    "minute": sql.INSTANT,
    "platform": sql.TEXT,
    "fact": sql.TEXT,
    "label": sql.TEXT,
    "category": sql.TEXT,
    "number": sql.INT,
    "seconds": sql.FLOAT,
    "buckets": sql.JSONB,
}


@dataclass(slots=True)
class Sum:
    """How many, how long altogether, and how many of them fell into each bucket of durations."""

    number: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=list)

    def add(self, number: int, seconds: float, buckets: Sequence[int]) -> None:
        """Add another sum of the same thing; the lists of buckets may differ in length."""
        self.number += number
        self.seconds += seconds
        self.buckets += [0] * (len(buckets) - len(self.buckets))
        for place, count in enumerate(buckets):
            self.buckets[place] += count

    def observe(self, seconds: float, bounds: Sequence[float]) -> None:
        """Add one duration to the buckets that end at `bounds`."""
        self.buckets = self.buckets or [0] * (len(bounds) + 1)
        self.buckets[bisect_left(bounds, seconds)] += 1
        self.seconds += seconds


class Tallies:
    """Counts one batch; instants are epoch seconds on the database's clock, None: now."""

    def __init__(self) -> None:
        self._sums: dict[Key, Sum] = {}

    def reached(self, platform: str, state: str, *, at: float | None = None) -> None:
        """Count a post that was moved to `state`, if that is a state we count."""
        if state in COUNTED:
            self._sum(at, platform, Fact.REACHED, state).number += 1

    def sent(self, platform: str, late_seconds: float, *, at: float | None = None) -> None:
        """Count a post that was sent for the first time, so long after its moment."""
        late = self._sum(at, platform, Fact.SENT)
        late.number += 1
        late.observe(max(0.0, late_seconds), LATENESS_SECONDS)

    def attempt(
        self,
        platform: str,
        outcome: str,
        category: str = "",
        *,
        call_seconds: float | None = None,
        at: float | None = None,
    ) -> None:
        """Count a try that ended, and how long its call took if there was one."""
        tries = self._sum(at, platform, Fact.ATTEMPT, outcome, category)
        tries.number += 1
        if call_seconds is not None:
            tries.observe(max(0.0, call_seconds), CALL_SECONDS)

    def write(self) -> None:
        """Insert what was counted; must run in the transaction of what it counts."""
        rows = [
            {
                "minute": datetime.fromtimestamp(minute * 60, tz=UTC),
                "platform": platform,
                "fact": fact,
                "label": label,
                "category": category,
                "number": counted.number,
                "seconds": counted.seconds,
                "buckets": counted.buckets,
            }
            for (minute, platform, fact, label, category), counted in self._sums.items()
        ]
        sql.insert_rows(Tally, rows, _COLUMNS)

    def _sum(
        self, at: float | None, platform: str, fact: str, label: str = "", category: str = ""
    ) -> Sum:
        minute = int(wall_clock.now() if at is None else at) // 60
        key = (minute, platform, fact, label, category)
        if (counted := self._sums.get(key)) is None:
            counted = self._sums[key] = Sum()
        return counted
