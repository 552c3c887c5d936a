"""A bell that signal handlers ring and the main thread waits for, without any lock.

`threading.Event` is not for handlers: a second signal inside `set()`, or one inside `wait()`, comes
upon a lock that its own thread holds and hangs for ever.
"""

from __future__ import annotations

import contextlib
import os
import select


class StopBell:
    """Rings once and for all. Shared over fork: whoever rings, all hear."""

    def __init__(self) -> None:
        self._listen, self._ring = os.pipe()
        os.set_blocking(self._ring, False)

    def ring(self) -> None:
        """Ring; may be called at any point, any number of times."""
        with contextlib.suppress(BlockingIOError):  # rung some thousand times already
            os.write(self._ring, b"!")

    def is_rung(self) -> bool:
        """Say whether it was rung."""
        return self.wait(0.0)

    def wait(self, seconds: float) -> bool:
        """Wait until it is rung or the time is over; says whether it was rung."""
        heard, _, _ = select.select([self._listen], [], [], seconds)
        return bool(heard)
