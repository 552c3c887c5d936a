"""Before the send mark: may this post go, is its token fresh, are its files uploaded?"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from engine import wall_clock
from engine.errors import ErrorCategory
from engine.runner import Job
from platforms.models import ConnectionState
from platforms.tokens import Wait
from scheduling.accounts import ConnectedAccount
from scheduling.announcements import EVENTS
from scheduling.blocking import why_blocked
from scheduling.caller import Caller, held, put_back
from scheduling.claims import ClaimedPost
from scheduling.models import LatePolicy
from scheduling.preparing import prepare
from scheduling.records import PostResult
from scheduling.refreshing import STILL_GOOD, expires_before, fresh_token
from scheduling.states import WAITING, PostState

S = PostState

PROBLEM_AGAIN = timedelta(minutes=1)


def needs_work_first(post: ClaimedPost, account: ConnectedAccount, due: float) -> bool:
    """Say whether something comes before the mark: a refusal, a token, an upload."""
    now = wall_clock.instant()
    return (
        post.state not in WAITING
        or account.state != ConnectionState.ACTIVE
        or bool(account.problem)
        or is_too_late(post, account, now.timestamp())
        or expires_before(account, now + STILL_GOOD)
        or post.needs_preparation
        or (
            post.progress_expires_at is not None and post.progress_expires_at.timestamp() < due + 60
        )
    )


def is_too_late(post: ClaimedPost, account: ConnectedAccount, now: float) -> bool:
    """Say whether the post's late policy wants a person to decide."""
    if post.late_policy != LatePolicy.HOLD or post.late_waived or post.state not in WAITING:
        return False
    return now - _meant_for(post, account) > _late_limit(post, account).total_seconds()


def _late_limit(post: ClaimedPost, account: ConnectedAccount) -> timedelta:
    minutes = post.late_limit_minutes
    if minutes is None:
        minutes = account.workspace_late_limit
    return settings.LATE_LIMIT if minutes is None else timedelta(minutes=minutes)


def _meant_for(post: ClaimedPost, account: ConnectedAccount) -> float:
    """Return what lateness is judged against, in epoch seconds: due_at, which waits move on.

    So a wait for the gate or a retry never counts. A wait for our own keys does: it is an outage.
    """
    if account.problem or post.due_at is None:
        return post.scheduled_at.timestamp()
    return post.due_at.timestamp()


async def get_ready(
    caller: Caller, job: Job, post: ClaimedPost, account: ConnectedAccount
) -> PostResult | None:
    """Do what comes before the mark; None means: mark it and send it."""
    now = caller.clock.now()
    if is_too_late(post, account, now):
        minutes = (now - _meant_for(post, account)) / 60
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
    if hold := caller.gate.blocked(account.passages["publish"], now):
        return held(post, hold)
    renewal = await fresh_token(caller, account)
    account = renewal.account
    if account.state != ConnectionState.ACTIVE:
        return _blocked(post, account)
    if renewal.wait:
        return _without_token(caller, post, account, renewal.wait)
    if post.progress_expires_at and post.progress_expires_at.timestamp() < job.due + 60:
        post.progress = {"published": post.published_segments}
        post.progress_expires_at = None
        post.needs_preparation = True
    if post.needs_preparation and (not_yet := await prepare(caller, job, post, account)):
        return not_yet
    if job.due - caller.clock.now() <= settings.CLAIM_AHEAD.total_seconds():
        return None
    return PostResult(post, post.state, "prepared", due=job.due)


def _blocked(post: ClaimedPost, account: ConnectedAccount) -> PostResult:
    return PostResult(
        post,
        S.BLOCKED,
        f"connection {account.state}",
        category=ErrorCategory.AUTH_ERROR,
        error=why_blocked(account.connection),
        event=EVENTS[S.BLOCKED],
    )


def _without_token(
    caller: Caller, post: ClaimedPost, account: ConnectedAccount, wait: Wait
) -> PostResult:
    """Return when to look for a fresh token again; this uses up no attempt.

    A token that cannot be had for longer than the late limit holds the post: never silence.
    """
    target, due = put_back(post, wait.until.timestamp())
    if wait.failing_since and post.late_policy == LatePolicy.HOLD and not post.late_waived:
        since = max(wait.failing_since, post.scheduled_at)
        too_late = (since + _late_limit(post, account)).timestamp()
        due = min(due, too_late)
        if caller.clock.now() >= too_late:
            return PostResult(
                post,
                S.HELD,
                "no fresh access token",
                category=ErrorCategory.TOKEN_EXPIRED,
                error=f"{account.connection} could not be used until the post was too late. "
                f"{wait.reason} Publish it now, reschedule it or cancel it.",
                event=EVENTS[S.HELD],
            )
    return PostResult(
        post,
        target,
        "waits for a fresh access token",
        due=due,
        category=ErrorCategory.TOKEN_EXPIRED,
        error=f"Waiting for a fresh access token of {account.connection}. {wait.reason}".strip(),
    )
