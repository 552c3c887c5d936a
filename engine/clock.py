"""The database's clock, read without asking it each time.

Leases and due moments count on the database's clock; a host's may be minutes off. One measured
offset to this process's monotonic clock, renewed every second, gives both accuracy and speed.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from django.db import connection

from engine import wall_clock


def database_now() -> datetime:
    """Return the present instant on the database's clock (one query): for decisions on leases."""
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


class DatabaseClock:
    """Seconds since the epoch on the database's clock; `sample` must run on a database thread."""

    KEEP_SECONDS = 30.0  # after that a worse sample may replace a better one: clocks drift

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._round_trip = float("inf")
        self._sampled_at = float("-inf")

    def now(self) -> float:
        """Return the present instant as epoch seconds on the database's clock."""
        return time.monotonic() + self._offset

    def instant(self) -> datetime:
        """Return the present instant as an aware datetime on the database's clock."""
        return datetime.fromtimestamp(self.now(), tz=UTC)

    def sample(self) -> None:
        """Measure the offset; the sample with the shortest round trip of late wins."""
        if connection.vendor != "postgresql":
            self._offset = time.time() - time.monotonic()
            return
        before = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            theirs = float(cursor.fetchone()[0])
        after = time.monotonic()
        round_trip = after - before
        if round_trip <= self._round_trip or after - self._sampled_at > self.KEEP_SECONDS:
            self._offset = theirs - (before + after) / 2
            self._round_trip, self._sampled_at = round_trip, after
        wall_clock.correct(self.now() - time.time())
