"""What a time on the wall means where clocks are set: the rules of series and queue slots.

In the gap when clocks go forward the moment is shifted by the length of the gap: 02:30 becomes
03:30. In the overlap when they go back it is the first of the two. So each wall-clock time means
exactly one instant, and later times never mean earlier instants outside of a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """One wall-clock time and the instant it means; `clock` is naive, `at` is UTC.

    `shifted` is how far a gap moved it (zero: not at all); `is_doubled` tells that the clock shows
    this time twice that day.
    """

    at: datetime
    clock: datetime
    shifted: timedelta = timedelta()
    is_doubled: bool = False

    @property
    def shown(self) -> datetime:
        """Return what the clock on the wall really shows at this instant (naive)."""
        return self.clock + self.shifted


class UnknownZone(Exception):
    """This is not the name of an IANA time zone; the message says so."""


def zone_named(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name; raises UnknownZone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: "Europe" is a directory
        raise UnknownZone(
            f"{name[:100]!r} is not an IANA time zone, such as Europe/Berlin."
        ) from None


def moment_of(clock: datetime, zone: ZoneInfo) -> Moment:
    """Return the moment that a naive wall-clock time means in `zone`."""
    first, second = clock.replace(tzinfo=zone, fold=0), clock.replace(tzinfo=zone, fold=1)
    at = first.astimezone(UTC)
    shown = at.astimezone(zone).replace(tzinfo=None, fold=0)
    is_doubled = shown == clock and first.utcoffset() != second.utcoffset()
    return Moment(at, clock, shown - clock, is_doubled)


def in_order(moments: Iterable[Moment]) -> Iterator[Moment]:
    """Yield moments, given in the order of their clocks, in the order of their instants.

    A shifted one waits until the clock has caught up with it, and is left out if another moment
    falls on the same instant: nobody wants the same post twice at once.
    """
    waiting: list[tuple[datetime, Moment]] = []
    for moment in moments:
        while waiting and waiting[0][0] < moment.clock:
            yield heappop(waiting)[1]
        if moment.shifted:
            heappush(waiting, (moment.shown, moment))
            continue
        if waiting and waiting[0][0] == moment.clock:
            heappop(waiting)
        yield moment
    while waiting:
        yield heappop(waiting)[1]
