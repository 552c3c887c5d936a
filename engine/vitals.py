"""What a cluster's processes tell their supervisor, through shared memory without any lock.

A process killed at any point can leave nothing locked here; a torn read costs one wrong second.
"""

from __future__ import annotations

import mmap
import time

SEATS = 1000  # more workers than anybody starts on one host
_CELL_BYTES = 8


class Vitals:
    """A few numbers shared by fork: create one before the first child is started."""

    _BEAT, _QUEUED, _IDLE, _MOVED, _PUSHED, _FIRST_SEAT = range(6)

    def __init__(self) -> None:
        shared = mmap.mmap(-1, (self._FIRST_SEAT + SEATS) * _CELL_BYTES)
        self._cells = memoryview(shared).cast("d")
        self.reset()

    def reset(self) -> None:
        """Begin anew, with other processes."""
        self.excuse()
        self._cells[self._QUEUED] = self._cells[self._IDLE] = 0.0
        for seat in range(SEATS):
            self.empty_seat(seat)

    def excuse(self) -> None:
        """Count all silence from now on: until now nobody could have come round."""
        now = time.monotonic()
        self._cells[self._BEAT] = self._cells[self._MOVED] = self._cells[self._PUSHED] = now

    def guard_passed(self, *, queued: int, idle: int) -> None:
        """Say that the guard came round: `queued` local tasks wait, `idle` workers are free."""
        self._cells[self._QUEUED], self._cells[self._IDLE] = float(queued), float(idle)
        self._cells[self._BEAT] = time.monotonic()

    def pusher_passed(self) -> None:
        """Say that the pusher came round: it asks the broker for tasks about once a second."""
        self._cells[self._PUSHED] = time.monotonic()

    def task_started(self, seat: int) -> None:
        """Say that the worker on `seat` took a task."""
        self._cells[self._FIRST_SEAT + seat] = 1.0
        self._cells[self._MOVED] = time.monotonic()

    def task_ended(self, seat: int) -> None:
        """Say that the worker on `seat` is free; it has yet to come back for the next task."""
        self._cells[self._FIRST_SEAT + seat] = 0.0
        self._cells[self._MOVED] = time.monotonic()

    def empty_seat(self, seat: int) -> None:
        """Say that nobody works on `seat`: whoever sat there may have died in the middle."""
        self._cells[self._FIRST_SEAT + seat] = 0.0

    def is_working(self) -> bool:
        """Say whether any worker is in the middle of a task."""
        return any(self._cells[self._FIRST_SEAT :])

    def seconds_since_guard(self) -> float:
        """Return how long ago the guard loop came round."""
        return time.monotonic() - self._cells[self._BEAT]

    def is_starving(self, patience: float) -> bool:
        """Say whether tasks wait beside idle workers and nothing moved for `patience` seconds.

        That is what a worker leaves behind that was killed while it held the queue's lock.
        """
        waiting = self._cells[self._QUEUED] > 0 and self._cells[self._IDLE] > 0
        return waiting and time.monotonic() - self._cells[self._MOVED] > patience

    def is_pusher_silent(self, patience: float) -> bool:
        """Say whether the pusher did not come round for `patience` seconds beside idle workers.

        While all workers are busy it may wait as long as it likes: its queue is full.
        """
        silent = time.monotonic() - self._cells[self._PUSHED] > patience
        return silent and self._cells[self._IDLE] > 0
