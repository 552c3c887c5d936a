"""Before the send mark: may this post go, is its token fresh, are its files uploaded?"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from engine import wall_clock
from engine.crash_points import reach
from engine.errors import ErrorCategory, ServiceError
from engine.runner import Job
from platforms.adapters.base import Ready
from platforms.models import ConnectionState
from platforms.tokens import REFRESH_EARLY
from scheduling.accounts import ConnectedAccount
from scheduling.announcements import EVENTS
from scheduling.caller import Caller, expires_before, put_back
from scheduling.claims import ClaimedPost
from scheduling.models import LatePolicy
from scheduling.records import PostResult
from scheduling.states import WAITING, PostState

S = PostState

PROBLEM_AGAIN = timedelta(minutes=1)
PREPARE_STEPS_MOST = 200  # a network that never gets ready must not spin


def needs_work_first(post: ClaimedPost, account: ConnectedAccount, due: float) -> bool:
    """Say whether something comes before the mark: a refusal, a token, an upload."""
    now = wall_clock.instant()
    return (
        post.state not in WAITING
        or account.state != ConnectionState.ACTIVE
        or bool(account.problem)
        or is_too_late(post, account, now.timestamp())
        or expires_before(account, now + REFRESH_EARLY)
        or post.needs_preparation
        or (
            post.progress_expires_at is not None and post.progress_expires_at.timestamp() < due + 60
        )
    )


def is_too_late(post: ClaimedPost, account: ConnectedAccount, now: float) -> bool:
    """Judge lateness against due_at, so that waiting for a gate or a retry never counts."""
    if post.late_policy != LatePolicy.HOLD or post.due_at is None or post.state not in WAITING:
        return False
    minutes = post.late_limit_minutes
    if minutes is None:
        minutes = account.workspace_late_limit
    limit = settings.LATE_LIMIT if minutes is None else timedelta(minutes=minutes)
    return now - post.due_at.timestamp() > limit.total_seconds()


async def get_ready(
    caller: Caller, job: Job, post: ClaimedPost, account: ConnectedAccount
) -> PostResult | None:
    """Do what comes before the mark; None means: mark it and send it."""
    now = caller.clock.now()
    if is_too_late(post, account, now):
        minutes = (now - job.due) / 60
        return PostResult(
            post,
            S.HELD,
            f"{minutes:.0f} minutes late",
            error=f"Found {minutes:.0f} minutes after its moment, later than its limit. "
            "Publish it now, reschedule it or cancel it.",
            event=EVENTS[S.HELD],
        )
    if account.problem:
        target, due = put_back(post, now + PROBLEM_AGAIN.total_seconds())
        return PostResult(
            post,
            target,
            "credentials cannot be opened",
            due=due,
            category=ErrorCategory.AUTH_ERROR,
            error=account.problem,
        )
    if account.state != ConnectionState.ACTIVE:
        return _blocked(post, account)
    if held := caller.hold(job):
        return held
    account = await caller.fresh_token(account)
    if post.progress_expires_at and post.progress_expires_at.timestamp() < job.due + 60:
        post.progress = {"published": post.published_segments}
        post.progress_expires_at = None
        post.needs_preparation = True
    if post.needs_preparation:
        await _prepare(caller, post, account)
    if post.needs_preparation:
        return PostResult(post, post.state, "goes on after the restart", due=job.due)
    if job.due - caller.clock.now() <= settings.CLAIM_AHEAD.total_seconds():
        return None
    return PostResult(post, post.state, "prepared", due=job.due)


def _blocked(post: ClaimedPost, account: ConnectedAccount) -> PostResult:
    connection = account.connection
    why = {
        ConnectionState.PAUSED: f"{connection} is paused. Resume it and the post goes on.",
        ConnectionState.NEEDS_RECONNECT: (
            f"{connection} must be connected again. {connection.state_reason}".strip()
        ),
        ConnectionState.REVOKED: f"{connection} was disconnected. Connect it again.",
    }[ConnectionState(account.state)]
    return PostResult(
        post,
        S.BLOCKED,
        f"connection {account.state}",
        category=ErrorCategory.AUTH_ERROR,
        error=why,
        event=EVENTS[S.BLOCKED],
    )


async def _prepare(caller: Caller, post: ClaimedPost, account: ConnectedAccount) -> None:
    """Upload ahead, step by step; a draining slot stops between two steps, nothing is lost."""
    draft = await caller.draft(post, account, fetch=True)
    for _ in range(PREPARE_STEPS_MOST):
        if caller.runner.is_stopping:
            return
        http = caller.http(account)
        reach("prepare.before")
        try:
            step = await account.adapter.prepare(http, draft, post.progress)
        finally:
            caller.note(post, http)
        reach("prepare.after")
        post.progress = step.progress
        if isinstance(step, Ready):
            post.progress_expires_at = step.expires_at
            post.needs_preparation = False
            return
        await caller.commit(post)
        reach("prepare.committed")
    raise ServiceError(ErrorCategory.MEDIA_ERROR, "The network never finished the upload.")
