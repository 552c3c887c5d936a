"""What the staff console's templates need of the engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from engine import words
from engine.models import Installation

register = template.Library()


@register.simple_tag
def sending_paused() -> Installation | None:
    """Return the installation if it is paused, for the banner."""
    return Installation.objects.filter(paused=True).first()


@register.filter
def spaced(word: str) -> str:
    """Write a stored word for people: "dead_letter" -> "dead letter"."""
    return str(word).replace("_", " ")


@register.filter
def thousands(number: int) -> str:
    """Write a count so that it is read at a glance: 1,234,567."""
    return f"{number:,}"


@register.filter
def duration(length: timedelta) -> str:
    """Write a length with the unit that fits it."""
    return words.duration(length)


@register.filter
def exact_moment(at: datetime) -> SafeString:
    """Show an instant to the millisecond; the heading around it says that it is UTC."""
    at = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}">{}.{}</time>',
        at.isoformat(),
        f"{at.day} {at:%b %H:%M:%S}",
        f"{at.microsecond // 1000:03d}",
    )
