"""How the staff console shows states and instants, the same on every page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from engine.words import distance, moment

NOTHING = "-"
GOOD, BUSY, WAIT, WARN, BAD, MUTED = "good", "busy", "wait", "warn", "bad", "muted"


def badge(text: str, tone: str) -> SafeString:
    """Return `text` on a coloured ground; `tone` is one of the constants of this module."""
    return format_html('<span class="badge badge-{}">{}</span>', tone, text)


def time_cell(
    at: datetime | None, *, now: datetime | None = None, with_distance: bool = False
) -> SafeString | str:
    """Return an instant: short to read, exact in its `datetime` attribute and its tooltip."""
    if at is None:
        return NOTHING
    exact = at.astimezone(UTC).isoformat(timespec="milliseconds")
    away = f" ({distance(at, now=now)})" if with_distance else ""
    short = moment(at, now=now).removesuffix(
        " UTC"
    )  # the tooltip and the page's foot tell the zone
    return format_html('<time datetime="{}" title="{}">{}{}</time>', exact, exact, short, away)


def exact_cell(name: str, description: str) -> Callable[[Any, Any], SafeString | str]:
    """Return an admin's field that shows the row's instant `name` to the millisecond, in UTC."""

    @admin.display(description=description)
    def cell(_: Any, row: Any) -> SafeString | str:
        at: datetime | None = getattr(row, name)
        if at is None:
            return NOTHING
        at = at.astimezone(UTC)
        shown = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} UTC"
        return format_html('<time datetime="{}">{}</time>', at.isoformat(), shown)

    return cell
