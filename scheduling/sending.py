"""After the send mark: one protected request after the other, and polling slow networks."""

from __future__ import annotations

import time
from datetime import timedelta

from engine.crash_points import reach
from engine.errors import ErrorCategory, ServiceError
from engine.retry import POLICIES, Action
from engine.runner import Job
from platforms.adapters.base import Processing, Progress, Published, Ready
from scheduling.accounts import ConnectedAccount
from scheduling.announcements import EVENTS
from scheduling.blocking import why_blocked
from scheduling.caller import Caller, held, without_hints
from scheduling.claims import ClaimedPost
from scheduling.ownership import others_of
from scheduling.records import AttemptResult, PostResult
from scheduling.refreshing import Renewal, after_refusal, fresh_token
from scheduling.states import PostState

S = PostState

POLL_AGAIN = timedelta(seconds=30)
RECONNECTED_AGAIN = timedelta(minutes=5)  # how often we look whether the account works again
POLL_PATIENCE = timedelta(hours=24)


async def publish(
    caller: Caller, job: Job, post: ClaimedPost, account: ConnectedAccount, started: float
) -> PostResult:
    """Send the post, segment by segment; progress is committed before the next request."""
    draft = await caller.draft(post, account)
    while True:
        progress = await _as_repeat(caller, post) if post.in_doubt else post.progress
        with caller.calling(account, "publish", post.scheduled_at) as http:
            http.start_before = caller.runner.latest_start(job)
            step = await account.adapter.publish(
                http, draft, progress, key=post.key(len(post.published_segments))
            )
        if isinstance(step, Published):
            return _published(caller, post, step, started)
        post.progress, post.in_doubt = without_hints(step.progress), False
        if isinstance(step, Processing):
            return _processing(caller, post, step, started)
        committed_at = time.monotonic()
        reach("progress.before")
        await caller.commit(post)
        reach("progress.after")
        job.marked_at = committed_at
        kind = account.adapter.call_kind("publish", draft, post.progress)
        if hold := await caller.admit(account, kind):
            return _paused_between(caller, post, held(post, hold), started)
        if not caller.runner.lease_outlasts_a_call(job):
            late = PostResult(post, post.state, "the commit took too long", due=started)
            return _paused_between(caller, post, late, started)


async def _as_repeat(caller: Caller, post: ClaimedPost) -> Progress:
    """Return the progress for a call that may have been made before, with what others own."""
    others = await caller.runner.database.run(others_of, post, post.scheduled_at)
    return {**post.progress, "repeated": True, "taken": sorted(others.taken)}


def _published(caller: Caller, post: ClaimedPost, step: Published, started: float) -> PostResult:
    now = caller.clock.now()
    post.remote_ids = list(step.remote_ids)
    post.progress = {"published": post.remote_ids}
    post.progress_expires_at = None
    return PostResult(
        post,
        S.PUBLISHED,
        "the network accepted it",
        attempt=AttemptResult(started, started, now, "published", decision="done"),
        permalink=step.permalink,
        published=now,
        event="post.published",
    )


def _processing(caller: Caller, post: ClaimedPost, step: Processing, started: float) -> PostResult:
    now = caller.clock.now()
    return PostResult(
        post,
        S.PROCESSING,
        "the network is working on it",
        due=now + step.poll_after.total_seconds(),
        attempt=AttemptResult(started, started, now, "processing", decision="poll"),
    )


def _paused_between(
    caller: Caller, post: ClaimedPost, hold: PostResult, started: float
) -> PostResult:
    """End this try between two parts because the gate closed; the rest follows later.

    A part went live: the try did not fail, and however many parts follow, tries are left for them.
    """
    now = caller.clock.now()
    post.attempts -= 1
    return PostResult(
        post,
        S.SCHEDULED,
        hold.reason,
        due=hold.due,
        attempt=AttemptResult(
            started, started, now, "continued", decision="wait", reason=hold.reason
        ),
        category=hold.category,
        error=hold.error,
    )


async def check(
    caller: Caller, post: ClaimedPost, account: ConnectedAccount, started: float
) -> PostResult:
    renewal = await fresh_token(caller, account)
    if renewal.wait or renewal.is_over:
        return _poll_with_token(post, renewal, started)
    account = renewal.account
    draft = await caller.draft(post, account)
    try:
        with caller.calling(account, "find") as http:
            step = await account.adapter.check(http, draft, post.progress)
    except ServiceError as error:
        if POLICIES[error.category].action is Action.FAIL or error.starts_over:
            raise  # the network says that its work has failed
        if POLICIES[error.category].action is Action.REFRESH:
            renewal = await after_refusal(caller, account, error)
            return _poll_with_token(post, renewal, caller.clock.now())
        return _poll_again(caller, post, account, error, started)
    now = caller.clock.now()
    if isinstance(step, Published):
        post.remote_ids = list(step.remote_ids)
        post.progress = {"published": post.remote_ids}
        return PostResult(
            post,
            S.PUBLISHED,
            "the network finished its work",
            published=now,
            permalink=step.permalink,
            event="post.published",
        )
    post.progress = step.progress
    if isinstance(step, Ready):
        # The try that brought us here has not failed: the next one goes on from it.
        post.attempts = max(0, post.attempts - 1)
        return PostResult(post, S.SCHEDULED, "ready for the next step", due=now)
    return PostResult(
        post, S.PROCESSING, "still working", due=now + step.poll_after.total_seconds()
    )


def _poll_again(
    caller: Caller, post: ClaimedPost, account: ConnectedAccount, error: ServiceError, now: float
) -> PostResult:
    """Stay with the network's unfinished work: sending again could make a second copy."""
    wait = (error.retry_after or POLL_AGAIN).total_seconds()
    if _has_waited_enough(post, now):
        return _no_answer(post, error.category, error.detail, now)
    return PostResult(
        post,
        S.PROCESSING,
        "could not ask",
        due=caller.not_before(account, now, now + wait),
        category=error.category,
        error=f"Could not ask how far the network is ({error.detail}); asked again soon.",
    )


def _poll_with_token(post: ClaimedPost, renewal: Renewal, now: float) -> PostResult:
    """Ask again when there is a fresh token; sending again could make a second copy."""
    category, error, event = ErrorCategory.TOKEN_EXPIRED, "", ""
    due = now
    if renewal.wait:
        due, error = renewal.wait.until.timestamp(), renewal.wait.reason
    if renewal.is_over:
        category, error = ErrorCategory.AUTH_ERROR, why_blocked(renewal.account.connection)
        due, event = now + RECONNECTED_AGAIN.total_seconds(), EVENTS[S.BLOCKED]
    if _has_waited_enough(post, now):
        return _no_answer(post, category, error, now)
    return PostResult(
        post,
        S.PROCESSING,
        "waits for a fresh access token",
        due=max(due, now),
        category=category,
        error=f"Could not ask how far the network is. {error}".strip(),
        event=event,
    )


def _has_waited_enough(post: ClaimedPost, now: float) -> bool:
    sent_at = post.sent_at.timestamp() if post.sent_at else now
    return now - sent_at > POLL_PATIENCE.total_seconds()


def _no_answer(post: ClaimedPost, category: str, error: str, now: float) -> PostResult:
    return PostResult(
        post,
        S.OUTCOME_UNKNOWN,
        "no answer about the network's work for a day",
        due=now,
        category=category,
        error=error,
        event=EVENTS[S.OUTCOME_UNKNOWN],
    )
