"""Figures over the API: what is counted, how it is told apart, and whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache

from accounts.models import Workspace
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.states import PostState
from scheduling.statistics import Figures, _rounded
from tests.api.client import Api
from tests.factories import make_connection, make_post

S = PostState
NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
WEEK = "from=2026-11-16T00:00:00Z&to=2026-11-23T00:00:00Z"


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def posted(connection: Any, state: str, *, late_ms: int | None = None, **fields: Any) -> Any:
    at = fields.pop("at", NINE)
    sent = None if late_ms is None else at + timedelta(milliseconds=late_ms)
    return make_post(connection, state=state, due_at=at, first_sent_at=sent, **fields)


def failed_try(post: ScheduledPost, category: str) -> None:
    PublishAttempt.objects.create(
        post=post, number=1, fencing_token=1, started_at=NINE, category=category
    )


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """Fill a week: two networks, two days, every kind of end."""
    x, sandbox = make_connection(workspace, platform="x"), make_connection(workspace, username="bo")
    for late_ms in range(1, 101):
        posted(x, S.PUBLISHED, late_ms=late_ms, attempts=1)
    next_day = NINE + timedelta(days=1)
    dead = posted(
        sandbox, S.DEAD_LETTER, late_ms=0, attempts=7, last_category="server_error", at=next_day
    )
    for category in ("server_error", "server_error", "rate_limit", ""):
        failed_try(dead, category)
    posted(sandbox, S.OUTCOME_UNKNOWN, at=next_day, attempts=1, late_ms=5)
    posted(sandbox, S.CANCELLED, at=next_day)
    posted(sandbox, S.HELD, at=next_day)
    posted(x, S.PUBLISHED, late_ms=9, at=NINE - timedelta(days=30), attempts=1)
    failed_try(posted(make_connection(platform="x"), S.FAILED, late_ms=1), "permission")
    return workspace


def test_a_week_is_counted_by_day(filled: Workspace, api: Api) -> None:
    body = api.get(f"statistics?{WEEK}").body
    assert (body["group_by"], body["time_zone"]) == ("day", "UTC")
    assert body["totals"] == {
        "posts": 104,
        "published": 100,
        "failed": 1,
        "unknown": 1,
        "cancelled": 1,
        "open": 1,
        "attempts": 108,
        "attempts_per_post": round(108 / 102, 3),
        "errors": {"rate_limit": 1, "server_error": 2},
        "lateness_ms": {"p50": 49, "p95": 95, "p99": 99},
    }
    assert [(g["key"], g["posts"], g["errors"]) for g in body["groups"]] == [
        ("2026-11-20", 100, {}),
        ("2026-11-21", 4, {"rate_limit": 1, "server_error": 2}),
    ]


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        ("platform", {"sandbox": 4, "x": 100}),
        (
            "state",
            {"cancelled": 1, "dead_letter": 1, "held": 1, "outcome_unknown": 1, "published": 100},
        ),
        ("category", {None: 103, "server_error": 1}),
    ],
)
def test_posts_are_told_apart(
    filled: Workspace, api: Api, group_by: str, expected: dict[str, int]
) -> None:
    groups = api.get(f"statistics?{WEEK}&group_by={group_by}").body["groups"]
    assert {group["key"]: group["posts"] for group in groups} == expected


def test_accounts_are_named(filled: Workspace, api: Api) -> None:
    groups = api.get(f"statistics?{WEEK}&group_by=connection").body["groups"]
    assert {(group["name"], group["posts"]) for group in groups} >= {("bo", 4)}


def test_days_are_those_of_the_workspace_s_time_zone(workspace: Workspace, api: Api) -> None:
    Workspace.objects.update(time_zone="Pacific/Auckland")  # UTC+13 in November
    posted(make_connection(workspace), S.PUBLISHED, at=datetime(2026, 11, 20, 12, tzinfo=UTC))
    (group,) = api.get(f"statistics?{WEEK}").body["groups"]
    assert group["key"] == "2026-11-21"
    assert group["lateness_ms"] == {"p50": None, "p95": None, "p99": None}


def test_an_empty_span_is_all_zeros(api: Api) -> None:
    body = api.get("statistics").body
    assert (body["totals"]["posts"], body["totals"]["attempts_per_post"], body["groups"]) == (
        0,
        None,
        [],
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("group_by=moon", "group_by"),
        ("from=2026-11-23T00:00:00Z&to=2026-11-22T00:00:00Z", "from"),
        ("from=2020-11-23T00:00:00Z&to=2026-11-22T00:00:00Z", "from"),
        ("to=0001-01-01T00:00:00Z", "from"),
        ("from=9999-12-31T00:00:00Z&to=9999-12-31T23:00:00Z", "from"),
        ("from=2026-11-23", "from"),
        ("to=%00", "to"),
    ],
)
def test_a_span_that_is_none_is_refused(api: Api, query: str, field: str) -> None:
    api.get(f"statistics?{query}").problem(422, "invalid", field)


def test_the_queue_is_counted_under_both_predecessors_names(filled: Workspace, api: Api) -> None:
    connection = make_connection(filled)
    posted(connection, S.SCHEDULED)
    posted(connection, S.SCHEDULED, at=datetime(2099, 1, 1, tzinfo=UTC))
    assert api.get("statistics/queue").body == {
        "waiting": 2,  # the due one, and the held one
        "active": 1,
        "completed": 101,
        "failed": 1,
        "delayed": 1,
        "totalJobs": 106,
        "pendingJobs": 4,
        "completedJobs": 101,
        "failedJobs": 1,
        "queueSize": 3,
    }


@pytest.mark.parametrize("late_ms", [0, 1, 199, 203, 999, 12_345, 99_999, 5_000_000, 10**9])
def test_lateness_is_counted_to_five_per_cent(late_ms: int) -> None:
    assert 0 <= late_ms - _rounded(late_ms) <= max(late_ms * 0.05, 1)


def test_the_database_rounds_lateness_as_python_does(workspace: Workspace, api: Api) -> None:
    connection = make_connection(workspace)
    for late_ms in (0, 7, 204, 1_234, 56_789, 777_777, 5_000_000):
        posted(connection, S.PUBLISHED, late_ms=late_ms)
        body = api.get(f"statistics?{WEEK}").body
        assert body["totals"]["lateness_ms"]["p99"] == _rounded(late_ms)
        cache.clear()


def test_percentiles_are_nearest_ranks() -> None:
    figures = Figures()
    assert figures.percentile_ms(50) is None
    figures.lateness.update({10: 1, 20: 1, 30: 1, 1000: 1})
    assert [figures.percentile_ms(percent) for percent in (25, 50, 95)] == [10, 20, 1000]


def test_counts_are_remembered_for_a_moment(filled: Workspace, api: Api) -> None:
    first = api.get(f"statistics?{WEEK}").body
    ScheduledPost.objects.filter(state=S.CANCELLED).delete()
    assert api.get(f"statistics?{WEEK}").body == first
