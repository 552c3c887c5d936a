"""Posts by the days of a time zone, counted by the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDate

from scheduling.models import ScheduledPost

DAYS_MOST = 93
POSTS_MOST = 2000


@dataclass(slots=True)
class Day:
    """One day: how many posts are in each state, and the posts themselves (maybe not all)."""

    date: date
    states: dict[str, int] = field(default_factory=dict)
    posts: list[ScheduledPost] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Return how many posts the day has."""
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class Days:
    """A range of days of one zone, both ends included."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def number(self) -> int:
        """Return how many days these are."""
        return (self.last - self.first).days + 1

    def narrow(self, posts: QuerySet[ScheduledPost]) -> QuerySet[ScheduledPost]:
        """Return the posts planned for these days; raises OverflowError beyond the calendar."""
        return posts.filter(
            scheduled_at__gte=self._begins(self.first),
            scheduled_at__lt=self._begins(self.last + timedelta(days=1)),
        )

    def __iter__(self) -> Iterator[date]:
        """Yield each day."""
        for number in range(self.number):
            yield self.first + timedelta(days=number)

    def _begins(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone).astimezone(UTC)


def by_day(posts: QuerySet[ScheduledPost], days: Days, *, most: int) -> tuple[list[Day], bool]:
    """Return each day with its counts, which are exact, and its first posts; and if that is all.

    At most `most` posts altogether, the earliest ones: three queries however many there are.
    """
    inside = days.narrow(posts)
    found = {day: Day(day) for day in days}
    counted = (
        inside.annotate(day=TruncDate("scheduled_at", tzinfo=days.zone))
        .values("day", "state")
        .annotate(number=Count("pk"))
        .order_by()
    )
    for row in counted:
        if row["day"] in found:  # else the database knows the zone differently at this edge
            found[row["day"]].states[row["state"]] = row["number"]
    shown = list(inside.select_related("connection").order_by("scheduled_at", "pk")[: most + 1])
    for post in shown[:most]:
        if day := found.get(post.scheduled_at.astimezone(days.zone).date()):
            day.posts.append(post)
    return list(found.values()), len(shown) <= most


def total_of(days: Sequence[Day]) -> dict[str, int]:
    """Return how many posts of all days are in each state."""
    total: dict[str, int] = defaultdict(int)
    for day in days:
        for state, number in day.states.items():
            total[state] += number
    return dict(total)
