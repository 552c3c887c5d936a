"""Why a waiting post is tried at just that moment: the network's wish, a limit, a pause of ours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from engine.models import RateLimitState
from engine.words import duration
from platforms.limits import in_force_until
from platforms.registry import ADAPTERS
from scheduling.explanations import Explanation, explain
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.pauses import present as present_pauses
from scheduling.states import WAITING

SPREAD = timedelta(minutes=1)  # posts that wait for one moment are spread over seconds after it
SHORT = timedelta(minutes=10)  # up to here a wait is written in seconds, as networks write it


def explain_now(
    post: ScheduledPost,
    attempt: PublishAttempt | None,
    limits: Sequence[RateLimitState],
    *,
    now: datetime,
) -> Explanation:
    """Explain a post with all that its page knows: pauses, its latest attempt, its limits."""
    why = why_then(post, attempt, limits, now=now)
    return explain(post, now=now, paused=present_pauses(), why_then=why)


def why_then(
    post: ScheduledPost,
    attempt: PublishAttempt | None,
    limits: Sequence[RateLimitState],
    *,
    now: datetime,
) -> str:
    """Return "because ..." for a post that waits for another moment than its own, or "".

    `attempt` is its latest one, `limits` are the rows that rule its account.
    """
    if post.state not in WAITING or post.due_at is None or post.due_at <= post.scheduled_at:
        return ""
    return (
        _asked(post, post.due_at, attempt)
        or _limited(post.due_at, limits, now)
        or _paused(post, attempt)
    )


def _asked(post: ScheduledPost, due_at: datetime, attempt: PublishAttempt | None) -> str:
    if attempt is None or not attempt.retry_after_seconds or attempt.finished_at is None:
        return ""
    wait = timedelta(seconds=attempt.retry_after_seconds)
    if not -SPREAD <= due_at - (attempt.finished_at + wait) <= max(SPREAD, wait):
        return ""  # that wait was long ago, or was overtaken by something else
    adapter = ADAPTERS.get(post.platform)
    name = adapter.name if adapter else post.platform
    length = f"{wait.total_seconds():.0f} s" if wait <= SHORT else duration(wait)
    return f"because {name} asked us to wait {length}"


def _limited(due_at: datetime, limits: Sequence[RateLimitState], now: datetime) -> str:
    for row in limits:
        until = in_force_until(row, now)
        if until is not None and until - SPREAD <= due_at <= until + SPREAD:
            whose = {"connection": "its account", "app": "our application"}.get(row.scope, row.key)
            why = f" ({row.reason.rstrip('.')})" if row.reason else ""
            return f"because a limit of {whose} is in force until then{why}"
    return ""


def _paused(post: ScheduledPost, attempt: PublishAttempt | None) -> str:
    if attempt is None or attempt.decision != "retry" or attempt.publish_run != post.publish_run:
        return ""
    return "because the pause grows with each failed attempt"
