"""The present instant as the database tells it, for those who sign or stamp without asking it.

A host's own clock may be minutes off: a network then refuses what this host signs, and a receiver
takes its callbacks for replays. Whoever samples the database's clock corrects this one; before the
first sample, and in processes that never take one, it is the host's.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from zoneinfo import ZoneInfo

_ahead = 0.0  # seconds the database's clock is ahead of this host's


def correct(ahead: float) -> None:
    """Take over how many seconds the database's clock is ahead of this host's."""
    global _ahead
    _ahead = ahead


def now() -> float:
    """Return epoch seconds."""
    return time.time() + _ahead


def instant() -> datetime:
    """Return an aware instant in UTC."""
    return datetime.fromtimestamp(now(), tz=UTC)


def next_midnight(after: datetime, zone: str) -> datetime:
    """Return the first midnight in `zone` (a name such as America/Los_Angeles) later than `after`.

    Networks refill daily quotas then; a day there may have 23 or 25 hours.
    """
    place = ZoneInfo(zone)
    day = after.astimezone(place).date() + timedelta(days=1)
    return datetime.combine(day, clock_time(), place).astimezone(UTC)
