"""An account's weekly slots: from days and times on the wall to instants; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import models

from scheduling.series.wall_clock import Moment, in_order, moment_of


class Day(models.TextChoices):
    """A day of the week, as recurrence rules call it."""

    MO = "MO", "Monday"
    TU = "TU", "Tuesday"
    WE = "WE", "Wednesday"
    TH = "TH", "Thursday"
    FR = "FR", "Friday"
    SA = "SA", "Saturday"
    SU = "SU", "Sunday"


DAYS: tuple[str, ...] = tuple(Day.values)
SLOTS_MOST = 24 * 7
CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
SLACK = timedelta(days=2)  # no zone's offset and no gap is longer
DAY = timedelta(days=1)

Slot = tuple[str, str]  # ("MO", "09:00")


@dataclass(frozen=True, slots=True)
class WeeklySlots:
    """Slots in the order of the week, in a time zone. Gap and overlap are as with series."""

    slots: tuple[Slot, ...]
    zone: ZoneInfo

    def moments(self, *, after: datetime, within: timedelta) -> Iterator[Moment]:
        """Yield the slots' moments later than `after` (aware), for `within` from then on."""
        begin = after.astimezone(UTC).replace(tzinfo=None) - SLACK
        end = after + within
        for moment in in_order(self._all(begin, within + 2 * SLACK)):
            if moment.at > end:
                return
            if moment.at > after:
                yield moment

    def _all(self, begin: datetime, length: timedelta) -> Iterator[Moment]:
        by_day: dict[str, list[time]] = {}
        for day, clock in self.slots:
            by_day.setdefault(day, []).append(time.fromisoformat(clock))
        for number in range(length // DAY + 1):
            date = begin.date() + number * DAY
            for at in sorted(by_day.get(DAYS[date.weekday()], ())):
                yield moment_of(datetime.combine(date, at), self.zone)


def sorted_slots(slots: Sequence[Slot]) -> tuple[Slot, ...]:
    """Return slots once each, in the order of the week."""
    return tuple(sorted(set(slots), key=lambda slot: (DAYS.index(slot[0]), slot[1])))
