"""What a cluster's processes tell their supervisor, through shared memory without any lock.

A process killed at any point can leave nothing locked here; a torn read costs one wrong second.
"""

from __future__ import annotations

import mmap
import time


class Vitals:
    """Four numbers shared by fork: create one before the first child is started."""

    _BEAT, _QUEUED, _IDLE, _STARTED = range(4)

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, 64)).cast("d")
        self.reset()

    def reset(self) -> None:
        """Begin anew: everything was well just now."""
        now = time.monotonic()
        self._cells[self._BEAT] = self._cells[self._STARTED] = now
        self._cells[self._QUEUED] = self._cells[self._IDLE] = 0.0

    def guard_passed(self, *, queued: int, idle: int) -> None:
        """Say that the guard came round: `queued` local tasks wait, `idle` workers are free."""
        self._cells[self._QUEUED], self._cells[self._IDLE] = float(queued), float(idle)
        self._cells[self._BEAT] = time.monotonic()

    def task_started(self) -> None:
        """Say that a worker took a task."""
        self._cells[self._STARTED] = time.monotonic()

    def seconds_since_guard(self) -> float:
        """Return how long ago the guard loop came round."""
        return time.monotonic() - self._cells[self._BEAT]

    def is_starving(self, patience: float) -> bool:
        """Say whether tasks wait beside idle workers and none was taken for `patience` seconds.

        That is what a worker leaves behind that was killed while it held the queue's lock.
        """
        waiting = self._cells[self._QUEUED] > 0 and self._cells[self._IDLE] > 0
        return waiting and time.monotonic() - self._cells[self._STARTED] > patience
