"""The operations page: is everything well, what is stuck and why, and where to click.

About fifteen short queries, however many posts there are; nothing here reads the posts' history.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from engine.words import duration
from monitoring import readings
from monitoring.now import groups
from monitoring.throughput import counts_between, past_day, past_hour
from platforms.limits import limits_of
from platforms.registry import ADAPTERS
from scheduling.admin_attempts import failed_since
from scheduling.admin_filters import day_before, hour_before, overdue, put_off
from scheduling.explanations import Explanation
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.pauses import going_on
from scheduling.reasons import explain_now

SHARES = (0.5, 0.95, 0.99)
POSTS, ATTEMPTS = "scheduling_scheduledpost", "scheduling_publishattempt"


@dataclass(frozen=True, slots=True)
class Published:
    """How many posts went live in a time, with their list."""

    when: str
    number: int
    url: str


@dataclass(frozen=True, slots=True)
class LatenessRow:
    """One network's lateness in the past hour; `shares` are p50, p95 and p99 in words."""

    network: str
    sent: int
    shares: tuple[str, ...]
    url: str


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """How often one category of error happened; `where` tells the networks of the past hour."""

    category: str
    hour: int
    day: int
    where: str
    hour_url: str
    day_url: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The post that has waited longest past its moment, and why."""

    post: ScheduledPost
    network: str
    late: str
    explanation: Explanation


def operations(request: HttpRequest) -> dict[str, Any]:
    """Return the template's variables."""
    now = timezone.now()
    since, until = day_before(now)
    counts = counts_between(since, until)
    hour = past_hour(counts, until)
    in_hour = sum(column.counts[0] for column in hour.columns)
    in_day = sum(number for (_, series), number in counts.items() if series == 0)
    return {
        "as_of": now,
        "groups": groups(request, now),
        "oldest": _oldest(now),
        "charts": [hour, past_day(counts, until)],
        "published": [
            Published("past hour", in_hour, f"{_list(POSTS)}?done=published_hour"),
            Published("past 24 hours", in_day, f"{_list(POSTS)}?done=published_day"),
        ],
        "lateness": _lateness(now),
        "errors": _errors(now),
    }


def _oldest(now: datetime) -> Waiting | None:
    """Return the oldest of the overdue and of those put off; both have an index in that order.

    Posts of what staff have paused are not asked about.
    """
    posts = ScheduledPost.objects.select_related("connection")
    found = [
        posts.filter(overdue(now)).order_by("due_at").first(),
        posts.filter(put_off(now) & going_on()).order_by("scheduled_at").first(),
    ]
    waiting = [post for post in found if post is not None]
    if not waiting:
        return None
    post = min(waiting, key=lambda one: one.scheduled_at)
    attempt = post.attempt_log.order_by("-started_at", "-pk").first()
    said = explain_now(post, attempt, limits_of(post.connection), now=now)
    return Waiting(post, _network(post.platform), duration(now - post.scheduled_at), said)


def _lateness(now: datetime) -> list[LatenessRow]:
    rows = []
    for platform, histogram in readings.lateness(*hour_before(now)).items():
        shares = tuple(_in_words(histogram.quantile(share)) for share in SHARES)
        url = f"{_list(POSTS)}?done=sent_hour&platform={platform}"
        rows.append(LatenessRow(_network(platform), histogram.number, shares, url))
    return rows


def _errors(now: datetime) -> list[ErrorRow]:
    """Return the categories of the past day, the most frequent of the past hour first."""
    hour, end = hour_before(now)
    day, _ = day_before(now)
    found = (
        PublishAttempt.objects.filter(failed_since(day))
        .values("category")
        .annotate(day=Count("pk"), hour=Count("pk", filter=Q(started_at__gte=hour)))
        .order_by("-hour", "-day", "category")
    )
    where: dict[str, Counter[str]] = defaultdict(Counter)
    for (platform, category), number in readings.errors(hour, end).items():
        where[category][_network(platform)] += number
    return [
        ErrorRow(
            category=row["category"],
            hour=row["hour"],
            day=row["day"],
            where=", ".join(
                f"{network} {number}" for network, number in where[row["category"]].most_common(3)
            ),
            hour_url=f"{_list(ATTEMPTS)}?failed=past_hour&category={row['category']}",
            day_url=f"{_list(ATTEMPTS)}?failed=past_day&category={row['category']}",
        )
        for row in found
    ]


def _in_words(seconds: float | None) -> str:
    return "-" if seconds is None else duration(timedelta(seconds=seconds))


def _network(platform: str) -> str:
    adapter = ADAPTERS.get(platform)
    return adapter.name if adapter else platform


def _list(model: str) -> str:
    return reverse(f"admin:{model}_changelist")
