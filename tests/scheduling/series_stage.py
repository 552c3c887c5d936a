"""A series and its clock for tests: daily at nine in Berlin, from tomorrow on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.series import services
from scheduling.series.models import PostSeries

ADA = "user:ada"
BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)


def tomorrow(hour: int = 9) -> datetime:
    """Return a time of tomorrow on the wall in Berlin (naive)."""
    day = timezone.now().astimezone(BERLIN).date() + DAY
    return datetime(day.year, day.month, day.day, hour)  # noqa: DTZ001


def start(connection: SocialConnection, *others: SocialConnection, **columns: Any) -> PostSeries:
    """Start a series on these accounts."""
    return services.create_series(
        **{
            "workspace": connection.workspace,
            "targets": [(one, {}) for one in (connection, *others)],
            "actor": ADA,
            "rule": "FREQ=DAILY",
            "starts": tomorrow().isoformat(),
            "time_zone": "Europe/Berlin",
            "segments": [{"text": "hello"}],
            **columns,
        }
    )


def posts_of(series: PostSeries) -> list[ScheduledPost]:
    """Return the series' posts in the order of its occurrences."""
    rows = series.occurrences.filter(post__isnull=False).select_related("post")
    return [row.post for row in rows.order_by("at", "id") if row.post]


def texts_of(series: PostSeries) -> list[str]:
    return [post.segments[0]["text"] for post in posts_of(series)]


def at(number: int, hour: int = 9) -> datetime:
    """Return the instant of the occurrence `number` days after tomorrow."""
    return (tomorrow(hour) + number * DAY).replace(tzinfo=BERLIN)
