"""What happened to posts, counted as it is written: in the transaction of what it counts.

So the counts are exact whatever crashes or is tried again, and late news counts when it comes.
Rows of the journal (`Tally`) are only ever inserted here, one statement a batch;
`monitoring.rollups` folds them into minutes and totals. Whoever moves a post to a state of
`COUNTED` counts it here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
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

# minutes since the epoch, platform, fact, label, category, bucket
Key = tuple[int, str, str, str, str, int]

_COLUMNS = {
    "minute": sql.INSTANT,
    "platform": sql.TEXT,
    "fact": sql.TEXT,
    "label": sql.TEXT,
    "category": sql.TEXT,
    "bucket": sql.INT,
    "number": sql.INT,
    "seconds": sql.FLOAT,
}


class Tallies:
    """Counts one batch; instants are epoch seconds on the database's clock, None: now."""

    def __init__(self) -> None:
        self._numbers: dict[Key, int] = defaultdict(int)
        self._seconds: dict[Key, float] = defaultdict(float)

    def reached(self, platform: str, state: str, *, at: float | None = None) -> None:
        """Count a post that was moved to `state`, if that is a state we count."""
        if state in COUNTED:
            self._numbers[_minute(at), platform, Fact.REACHED, state, "", Tally.NO_BUCKET] += 1

    def sent(self, platform: str, late_seconds: float, *, at: float | None = None) -> None:
        """Count a post that was sent for the first time, so long after its moment."""
        late = max(0.0, late_seconds)
        key = (_minute(at), platform, Fact.SENT, "", "", bisect_left(LATENESS_SECONDS, late))
        self._numbers[key] += 1
        self._seconds[key] += late

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
        took = max(0.0, call_seconds or 0.0)
        bucket = Tally.NO_BUCKET if call_seconds is None else bisect_left(CALL_SECONDS, took)
        key = (_minute(at), platform, Fact.ATTEMPT, outcome, category, bucket)
        self._numbers[key] += 1
        self._seconds[key] += took

    def write(self) -> None:
        """Insert what was counted; must run in the transaction of what it counts."""
        rows = [
            {
                "minute": datetime.fromtimestamp(key[0] * 60, tz=UTC),
                "platform": key[1],
                "fact": key[2],
                "label": key[3],
                "category": key[4],
                "bucket": key[5],
                "number": number,
                "seconds": self._seconds.get(key, 0.0),
            }
            for key, number in self._numbers.items()
        ]
        sql.insert_rows(Tally, rows, _COLUMNS)


def _minute(at: float | None) -> int:
    return int(wall_clock.now() if at is None else at) // 60
