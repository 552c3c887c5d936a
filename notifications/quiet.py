"""Moments on a reader's wall clock: when quiet hours end, when the next summary is due. Pure.

A wall-clock time that a change to summer time skips is taken as the instant after the gap; one
that happens twice is the first that is still to come.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MORNING = time(8)  # of daily summaries and weekly reports


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone, UTC for a name that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def end_of_quiet(
    now: datetime, zone: ZoneInfo, start: time | None, end: time | None
) -> datetime | None:
    """Return when the quiet hours end that `now` lies in, None outside of them."""
    if start is None or end is None or start == end:
        return None
    local = now.astimezone(zone)
    clock = local.time()
    spans_midnight = start > end
    inside = clock >= start or clock < end if spans_midnight else start <= clock < end
    if not inside:
        return None
    day = local.date() if clock < end else local.date() + timedelta(days=1)
    return _first_after(now, zone, day, end)


def next_morning(now: datetime, zone: ZoneInfo) -> datetime:
    """Return the next 08:00 there that is later than `now`."""
    today = now.astimezone(zone).date()
    moment = _first_after(now, zone, today, MORNING)
    if moment > now:
        return moment
    return _first_after(now, zone, today + timedelta(days=1), MORNING)


def next_hour(now: datetime) -> datetime:
    """Return the beginning of the next hour."""
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _first_after(now: datetime, zone: ZoneInfo, day: date, clock: time) -> datetime:
    """Return the instant of a wall-clock time, of two the first that is after `now`."""
    first, second = (
        datetime.combine(day, clock.replace(fold=fold), tzinfo=zone).astimezone(UTC)
        for fold in (0, 1)
    )
    return first if first > now else max(first, second)
