"""Why a waiting post is tried at just that moment, in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.models import RateLimitState
from platforms.models import SocialConnection
from scheduling.explanations import explain
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.reasons import why_then
from scheduling.states import PostState

NOW = datetime(2026, 11, 22, 9, 0, 10, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def waiting(due_at: datetime, **fields: Any) -> ScheduledPost:
    return ScheduledPost(
        connection=SocialConnection(platform="x", username="ada"),
        platform="x",
        state=PostState.SCHEDULED,
        scheduled_at=NOW - 10 * SECOND,
        due_at=due_at,
        **fields,
    )


def attempt(**fields: Any) -> PublishAttempt:
    return PublishAttempt(number=1, finished_at=NOW, **{"decision": "retry", **fields})


def test_a_network_s_own_wait_is_named() -> None:
    post = waiting(NOW + 121 * SECOND, attempts=1, max_attempts=7, last_category="rate_limit")
    why = why_then(post, attempt(retry_after_seconds=120.0), [], now=NOW)
    told = explain(post, now=NOW, why_then=why)
    assert told.next_step == (
        "Carillon tries again at 09:02:11 UTC because X asked us to wait 120 s."
    )


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (
            {"scope": "connection", "blocked_until": NOW + MINUTE, "reason": "429 from X."},
            "because a limit of its account is in force until then (429 from X)",
        ),
        (
            {"scope": "app", "breaker": "open", "open_until": NOW + MINUTE},
            "because a limit of our application is in force until then",
        ),
        (
            {"scope": "connection", "remaining": 0, "resets_at": NOW + MINUTE},
            "because a limit of its account is in force until then",
        ),
        ({"scope": "connection", "blocked_until": NOW + 9 * MINUTE}, ""),
        ({"scope": "connection", "blocked_until": NOW - MINUTE}, ""),
    ],
)
def test_a_limit_that_ends_at_that_moment_is_the_reason(columns: dict[str, Any], why: str) -> None:
    row = RateLimitState(**columns)
    assert why_then(waiting(NOW + 62 * SECOND), None, [row], now=NOW) == why


def test_a_pause_of_our_own_is_told_as_one() -> None:
    post = waiting(NOW + 5 * SECOND)
    assert why_then(post, attempt(), [], now=NOW) == (
        "because the pause grows with each failed attempt"
    )
    assert why_then(post, attempt(publish_run=9), [], now=NOW) == ""


def test_a_post_that_keeps_its_moment_needs_no_reason() -> None:
    post = waiting(NOW + MINUTE)
    post.scheduled_at = NOW + MINUTE
    assert why_then(post, attempt(retry_after_seconds=60.0), [], now=NOW) == ""
