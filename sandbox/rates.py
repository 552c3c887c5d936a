"""Fixed windows of calls: how many an account may still make of one kind, and until when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """`limit` calls per `window_s` seconds."""

    limit: int
    window_s: float


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call costs: `points` of the allowance that `who` has in `bucket`."""

    who: str
    bucket: str
    allowance: Allowance
    points: int = 1


@dataclass(slots=True)
class Window:
    """One running window, as the headers tell it; `used_up` means this call is one too many."""

    limit: int
    used: int
    resets_at: float
    used_up: bool = False
    length_s: float = 0.0

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


class Rates:
    """The windows of one network, by account and bucket."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._now = clock
        self._windows: dict[tuple[str, str], Window] = {}

    def spend(self, charge: Charge) -> Window:
        """Count one call and return its window; a call beyond the limit is not counted."""
        now, allowance, key = self._now(), charge.allowance, (charge.who, charge.bucket)
        window = self._windows.get(key)
        if window is None or now >= window.resets_at:
            window = Window(allowance.limit, 0, now + allowance.window_s)
            self._windows[key] = window
        window.limit, window.length_s = allowance.limit, allowance.window_s
        window.used_up = window.used + charge.points > window.limit
        if not window.used_up:
            window.used += charge.points
        return window

    def spend_all(self, charges: Sequence[Charge]) -> Window:
        """Count one call in several windows; return the one that refuses it, else the tightest."""
        windows = [self.spend(charge) for charge in charges]
        return min(windows, key=lambda window: (not window.used_up, window.remaining))
