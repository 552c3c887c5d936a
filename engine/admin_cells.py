"""How the staff console writes states, durations and instants, the same on every page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

NOTHING = "–"
GOOD, BUSY, WAIT, WARN, BAD, MUTED = "good", "busy", "wait", "warn", "bad", "muted"


def badge(text: str, tone: str) -> SafeString:
    """Return `text` on a coloured ground; `tone` is one of the constants of this module."""
    return format_html('<span class="badge badge-{}">{}</span>', tone, text)


def duration(length: timedelta) -> str:
    """Return a length with the unit that fits it: "3 ms", "4.2 s", "12 min", "3 h 5 min"."""
    sign = "-" if length < timedelta() else ""
    seconds = abs(length.total_seconds())
    if seconds < 1:
        return f"{sign}{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{sign}{seconds:.1f} s"
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if hours < 1:
        return f"{sign}{minutes} min"
    if hours < 48:
        return f"{sign}{hours} h {minutes % 60} min"
    return f"{sign}{hours // 24} days"


def moment(at: datetime | None, *, now: datetime | None = None) -> str:
    """Return an instant in UTC to the second; today's come without their date."""
    if at is None:
        return NOTHING
    at, today = at.astimezone(UTC), (now or timezone.now()).astimezone(UTC).date()
    clock = f"{at:%H:%M:%S} UTC"
    if at.date() == today:
        return clock
    year = "" if at.year == today.year else f" {at.year}"
    return f"{at.day} {at:%b}{year} {clock}"


def until(at: datetime | None, *, now: datetime | None = None) -> str:
    """Return an instant with its distance: "09:00:43 UTC (in 40.0 s)"."""
    if at is None:
        return NOTHING
    now = now or timezone.now()
    away = at - now
    distance = f"in {duration(away)}" if away > timedelta() else f"{duration(-away)} ago"
    return f"{moment(at, now=now)} ({distance})"


def time_cell(at: datetime | None, *, now: datetime | None = None) -> SafeString | str:
    """Return an instant for a list: short to read, exact in its `datetime` attribute."""
    if at is None:
        return NOTHING
    return format_html(
        '<time datetime="{}">{}</time>',
        at.astimezone(UTC).isoformat(timespec="milliseconds"),
        moment(at, now=now),
    )
