"""After a failure: what the policy table decides, and what the gate and the account learn."""

from __future__ import annotations

from django.conf import settings

from engine.errors import ErrorCategory, ServiceError
from engine.retry import POLICIES, Action
from scheduling.accounts import ConnectedAccount
from scheduling.announcements import EVENTS
from scheduling.blocking import why_blocked
from scheduling.caller import Caller, put_back
from scheduling.claims import ClaimedPost
from scheduling.outcomes import Situation, decide
from scheduling.reconciler import still_in_doubt
from scheduling.records import AttemptResult, PostResult, count_failures
from scheduling.refreshing import Renewal, after_refusal
from scheduling.states import WAITING, PostState

S = PostState

PASSES = frozenset({S.SCHEDULED, S.DEAD_LETTER})  # what may be otherwise by the post's moment


async def failed(
    caller: Caller,
    post: ClaimedPost,
    account: ConnectedAccount,
    error: ServiceError,
    started: float,
) -> PostResult:
    """Turn a failure into the decision of the policy table."""
    now = caller.clock.now()
    renewal: Renewal | None = None
    if POLICIES[error.category].action is Action.REFRESH:
        renewal = await after_refusal(caller, account, error)
    can_refresh = renewal is not None and not renewal.is_over
    if post.in_doubt:
        if can_refresh:
            error = ServiceError(ErrorCategory.TOKEN_EXPIRED, error.detail)  # passes by itself
        due = caller.not_before(account, now, now + settings.PUBLISH_LEASE.total_seconds())
        return still_in_doubt(
            post,
            error,
            started=started,
            now=now,
            due=due,
            remind_after=settings.OUTCOME_REMINDER,
        )
    sent = post.state in {S.PUBLISHING, S.PROCESSING}
    attempt = post.attempt_of_run(
        settings.PUBLISHER_MAX_ATTEMPTS, is_counted=post.state == S.PUBLISHING
    )
    situation = Situation(
        attempt=attempt,
        of_category=await _tries_of(caller, error.category, post, attempt),
        max_attempts=settings.PUBLISHER_MAX_ATTEMPTS,
        sent=sent,
        sent_before=attempt > 1,
        can_refresh=can_refresh,
    )
    decision = decide(
        error,
        situation,
        base=settings.RETRY_BASE_DELAY,
        cap=settings.RETRY_MAX_DELAY,
        reconcile_after=settings.PUBLISH_LEASE + settings.RECONCILE_GRACE,
        rng=caller.rng,
    )
    due = None if decision.delay is None else now + decision.delay.total_seconds()
    due = caller.not_before(account, now, due)
    if due is not None and renewal is not None and renewal.wait:
        due = max(due, renewal.wait.until.timestamp())
    if error.starts_over:
        post.progress = {"published": post.published_segments}
        post.progress_expires_at, post.needs_preparation = None, True
    target: str = decision.target
    if target in PASSES and _is_ahead(post, now):
        return _again_before_the_moment(post, error, due or now)
    if due is not None and post.state in WAITING:
        target, due = put_back(post, due + settings.CLAIM_AHEAD.total_seconds())
    reason = decision.reason
    if renewal is not None and decision.target == S.BLOCKED:
        reason = why_blocked(renewal.account.connection)
    return PostResult(
        post,
        target,
        reason,
        due=due,
        attempt=AttemptResult(
            started,
            started if sent else None,
            now,
            "unknown" if decision.target == S.OUTCOME_UNKNOWN else "failed",
            category=error.category,
            http_status=error.http_status,
            provider_code=error.provider_code,
            request_id=error.request_id,
            excerpt=error.excerpt,
            retry_after_seconds=(error.retry_after.total_seconds() if error.retry_after else None),
            decision=decision.name,
            reason=reason,
        ),
        category=error.category,
        error=reason,
        event=EVENTS.get(decision.target, ""),
    )


def _is_ahead(post: ClaimedPost, now: float) -> bool:
    """Say whether the post's moment is still to come: only its preparation can have failed."""
    if post.state not in WAITING or post.due_at is None:
        return False
    return post.due_at.timestamp() - now > settings.CLAIM_AHEAD.total_seconds()


def _again_before_the_moment(post: ClaimedPost, error: ServiceError, due: float) -> PostResult:
    """Let the look-ahead try again: a failure ahead of the moment uses up no attempt."""
    target, due = put_back(post, due)
    return PostResult(
        post,
        target,
        f"could not be prepared yet: {error.detail}",
        due=due,
        category=error.category,
        error=f"The files could not be prepared yet; it is tried again before the post's moment. "
        f"{error.detail}",
    )


async def _tries_of(
    caller: Caller, category: ErrorCategory, post: ClaimedPost, attempt: int
) -> int:
    """Return how many tries of this run failed so, this one included (all, if too few)."""
    if attempt == 1 or attempt < POLICIES[category].max_attempts:
        return attempt
    return 1 + await caller.runner.database.run(count_failures, post, category)


def lost(caller: Caller, post: ClaimedPost, started: float) -> PostResult:
    """Keep what was learnt in the attempt; the move itself will be refused by the token."""
    now = caller.clock.now()
    return PostResult(
        post,
        post.state,
        "lease lost",
        attempt=AttemptResult(
            started,
            started if post.state == S.PUBLISHING else None,  # else lost while preparing
            now,
            "lease_lost",
            decision="stop",
        ),
    )


def internal(error: Exception) -> ServiceError:
    """Return a fault of our own as an outcome nobody knows (unsent work is simply repeated)."""
    return ServiceError(
        ErrorCategory.OUTCOME_UNKNOWN, f"Carillon itself failed here ({type(error).__name__})."
    )
