"""Figures over the API: what the workspace's posts came to, and what waits now."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Workspace
from api import memory
from api.base import ApiView
from api.fields import instant, instant_of
from api.problems import invalid
from api.queue import SHARE, count_posts
from api.representations import Json
from api.schema import Parameter, operation
from api.shapes import Shape, among, anything, listed, moment, number, or_null, text, the, whole
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from scheduling.statistics import FAILED, PERCENTILES, Figures, GroupBy, figures_of, totals_of

S = PostState
DEFAULT_SPAN = timedelta(days=30)
LONGEST_SPAN = timedelta(days=366)
REMEMBERED_SECONDS = 5.0
STILL_OPEN = frozenset(PostState) - {S.PUBLISHED, S.CANCELLED, S.OUTCOME_UNKNOWN, *FAILED}

LATENESS = Shape(
    "Lateness",
    "How long after their moment posts were first sent, in milliseconds, to 5 %.",
    p50=or_null(whole("Half of them within this.", 3)),
    p95=or_null(whole("95 of 100 within this.", 9)),
    p99=or_null(whole("99 of 100 within this.", 14)),
)
_FIGURES = {
    "posts": whole("How many had their moment in the span.", 120),
    "published": whole("How many went out.", 112),
    "failed": whole("How many failed, or used all their attempts.", 3),
    "unknown": whole("Of how many nobody knows yet whether they are live.", 0),
    "cancelled": whole("How many were cancelled.", 4),
    "open": whole("How many still wait, for their moment or a person.", 1),
    "attempts": whole("Tries to publish them, in all.", 121),
    "attempts_per_post": or_null(number("Tries per post that was tried at all.", 1.05)),
    "errors": anything("Failed tries by category.", {"rate_limit": 6, "validation_error": 3}),
    "lateness_ms": the(LATENESS, "How late they were."),
}
FIGURES = Shape("Figures", "What posts came to.", **_FIGURES)
GROUP = Shape(
    "FiguresOfGroup",
    "What the posts of one group came to.",
    key=or_null(text("Which group: a day, a slug, an id, a state or a category.", "2026-11-25")),
    name=or_null(text("What people call it.", "acme"), None),
    **_FIGURES,
)
STATISTICS = Shape(
    "Statistics",
    "What the posts of a span of time came to.",
    **{"from": moment("The span begins.", "2026-11-01T00:00:00Z"), "to": moment("It ends before.")},
    group_by=among(list(GroupBy), "What posts are told apart by."),
    time_zone=text("Whose days these are.", "Europe/Brussels"),
    totals=the(FIGURES, "All of them together."),
    groups=listed(GROUP, "Each group, in the order of their keys."),
)
QUEUE_STATISTICS = Shape(
    "QueueStatistics",
    "How many posts are where, under the names that queues use.",
    waiting=whole("Due, or waiting for a person.", 5),
    active=whole("The network has them, or may have.", 2),
    completed=whole("Published.", 150),
    failed=whole("Failed, or used all their attempts.", 3),
    delayed=whole("Waiting for a moment still to come.", 40),
    totalJobs=whole("All of these together.", 200),
    pendingJobs=whole("Those still to come to an end: waiting, active and delayed.", 47),
    completedJobs=whole("The same as completed.", 150),
    failedJobs=whole("The same as failed.", 3),
    queueSize=whole("Waiting and delayed.", 45),
)
SPAN = (
    Parameter("from", moment("Posts planned for this instant or later; 30 days ago without it.")),
    Parameter("to", moment("Posts planned for before this instant; now without it.")),
    Parameter("group_by", among(list(GroupBy), "What to tell posts apart by; day without it.")),
)


class StatisticsView(ApiView):
    """GET counts the posts of a span of time."""

    @operation(
        "get_statistics",
        "What posts came to",
        tag="statistics",
        query=SPAN,
        answers={200: STATISTICS},
    )
    def get(self, request: Request) -> Response:
        """Return figures of the posts whose moment lies in the span (at most 366 days).

        Counts a few seconds old are not made anew.
        """
        workspace = self.enter().workspace
        since, until = _span(request)
        group_by = _group_by(request)
        name = f"statistics:{workspace.pk}:{since.timestamp()}:{until.timestamp()}:{group_by}"
        return Response(_remembered(name, lambda: _counted(workspace, since, until, group_by)))


class QueueStatisticsView(ApiView):
    """GET counts the workspace's posts as queues are counted."""

    @operation(
        "get_queue_statistics",
        "How full the queue is",
        tag="statistics",
        answers={200: QUEUE_STATISTICS},
    )
    def get(self, request: Request) -> Response:
        """Return how many posts of the workspace are where (at most some seconds old)."""
        workspace = self.enter().workspace
        posts = ScheduledPost.objects.filter(workspace=workspace)
        counts = _remembered(
            f"queue-counts:{workspace.pk}", lambda: count_posts(timezone.now(), posts)
        )
        return Response(queue_json(counts))


def queue_json(counts: dict[str, int]) -> Json:
    """Return queue counts under both predecessors' names."""
    queued = counts["waiting"] + counts["delayed"]
    return {
        **counts,
        "totalJobs": sum(counts.values()),
        "pendingJobs": queued + counts["active"],
        "completedJobs": counts["completed"],
        "failedJobs": counts["failed"],
        "queueSize": queued,
    }


def figures_json(figures: Figures) -> Json:
    """Return the figures of one group of posts."""
    return {
        "posts": figures.posts,
        "published": figures.states[S.PUBLISHED],
        "failed": figures.in_states(FAILED),
        "unknown": figures.states[S.OUTCOME_UNKNOWN],
        "cancelled": figures.states[S.CANCELLED],
        "open": figures.in_states(STILL_OPEN),
        "attempts": figures.attempts,
        "attempts_per_post": round(figures.attempts / figures.tried, 3) if figures.tried else None,
        "errors": dict(sorted(figures.errors.items())),
        "lateness_ms": {f"p{percent}": figures.percentile_ms(percent) for percent in PERCENTILES},
    }


def _counted(workspace: Workspace, since: datetime, until: datetime, group_by: GroupBy) -> Json:
    groups = figures_of(workspace, since=since, until=until, group_by=group_by)
    names = _names(workspace) if group_by is GroupBy.CONNECTION else {}
    return {
        "from": instant(since),
        "to": instant(until),
        "group_by": group_by.value,
        "time_zone": workspace.time_zone,
        "totals": figures_json(totals_of(groups.values())),
        "groups": [
            {"key": str(key) or None, "name": names.get(key), **figures_json(groups[key])}
            for key in sorted(groups, key=str)
        ],
    }


def _names(workspace: Workspace) -> dict[Any, str]:
    rows = SocialConnection.objects.filter(workspace=workspace)
    return {
        pk: username or external_id
        for pk, username, external_id in rows.values_list("pk", "username", "external_id")
    }


def _span(request: Request) -> tuple[datetime, datetime]:
    """Return the span that the query asks for; "now" is the end of this minute, so that what was
    counted is found again."""
    query = request.query_params
    now = timezone.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
    until = instant_of("to", query["to"]) if query.get("to") else now
    try:
        since = instant_of("from", query["from"]) if query.get("from") else until - DEFAULT_SPAN
        longest = since + LONGEST_SPAN
    except OverflowError:
        raise invalid("from", "out_of_range", "This span leaves the calendar.") from None
    if since >= until:
        raise invalid("from", "out_of_range", "The span must end after it begins.")
    if until > longest:
        raise invalid("from", "out_of_range", f"Ask for at most {LONGEST_SPAN.days} days at once.")
    return since, until


def _group_by(request: Request) -> GroupBy:
    given = request.query_params.get("group_by") or GroupBy.DAY
    try:
        return GroupBy(given)
    except ValueError:
        raise invalid("group_by", "unknown", f"Group by one of {', '.join(GroupBy)}.") from None


def _remembered(name: str, count: Any) -> Any:
    """Return what `count` returns, not made anew while it is a few seconds old.

    Counting takes at most a share of the time, however many rows there are.
    """
    found = memory.recall(name)
    if found is None:
        begun = time.monotonic()
        found = count()
        took = time.monotonic() - begun
        memory.remember(name, found, max(REMEMBERED_SECONDS, took * SHARE))
    return found
