"""Instants and durations in words for people, the same in explanations, admin and messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils import timezone


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


def moment(at: datetime, *, now: datetime | None = None) -> str:
    """Return an instant in UTC to the second; today's come without their date."""
    at, today = at.astimezone(UTC), (now or timezone.now()).astimezone(UTC).date()
    clock = f"{at:%H:%M:%S} UTC"
    if at.date() == today:
        return clock
    year = "" if at.year == today.year else f" {at.year}"
    return f"{at.day} {at:%b}{year} {clock}"


def distance(at: datetime, *, now: datetime | None = None) -> str:
    """Return how far away an instant is: "in 40.0 s", "3 min ago"."""
    away = at - (now or timezone.now())
    return f"in {duration(away)}" if away > timedelta() else f"{duration(-away)} ago"
