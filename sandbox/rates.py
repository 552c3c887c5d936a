"""Fixed windows of calls: how many an account may still make of one kind, and until when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


def next_midnight(zone: str) -> Callable[[float], float]:
    """Return a function from an instant to the next midnight in a time zone."""
    place = ZoneInfo(zone)

    def after(now: float) -> float:
        tomorrow = datetime.fromtimestamp(now, place).date() + timedelta(days=1)
        return datetime.combine(tomorrow, time(), place).timestamp()

    return after


@dataclass(frozen=True, slots=True)
class Allowance:
    """`limit` calls per `window_s` seconds, from the first call on.

    `ends_at` is for days that end at midnight somewhere: now -> that instant (epoch seconds).
    """

    limit: int
    window_s: float
    ends_at: Callable[[float], float] | None = None

    def end(self, now: float) -> float:
        """When a window that opens now ends."""
        return now + self.window_s if self.ends_at is None else self.ends_at(now)


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

    def spend(self, who: str, bucket: str, allowance: Allowance, points: int = 1) -> Window:
        """Count one call and return its window; a call beyond the limit is not counted."""
        now, key = self._now(), (who, bucket)
        window = self._windows.get(key)
        if window is None or now >= window.resets_at:
            window = Window(allowance.limit, 0, allowance.end(now))
            self._windows[key] = window
        window.limit, window.length_s = allowance.limit, allowance.window_s
        window.used_up = window.used + points > window.limit
        if not window.used_up:
            window.used += points
        return window

    def spend_all(self, charges: Sequence[Charge]) -> Window:
        """Count one call in several windows; return the one that refuses it, else the tightest."""
        windows = [self.spend(c.who, c.bucket, c.allowance, c.points) for c in charges]
        return min(windows, key=lambda window: (not window.used_up, window.remaining))
