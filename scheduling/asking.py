"""Asking about unknown outcomes: the calls around `scheduling.reconciler`."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings

from engine.crash_points import reach
from engine.errors import ErrorCategory, ServiceError
from scheduling.accounts import ConnectedAccount
from scheduling.blocking import why_blocked
from scheduling.caller import Caller
from scheduling.claims import ClaimedPost
from scheduling.ownership import Others, others_of
from scheduling.questions import answered
from scheduling.reconciler import ASK_A_PERSON, Terms, could_not_look, gather, reconcile
from scheduling.records import PostResult
from scheduling.refreshing import Renewal, after_refusal, fresh_token
from scheduling.states import PostState

log = logging.getLogger("carillon.publisher")

S = PostState

RECONNECTED_AGAIN = timedelta(minutes=15)  # how often we look whether the account works again


async def ask(caller: Caller, post: ClaimedPost, account: ConnectedAccount) -> PostResult | None:
    """Find out what happened; None means: repeat it now, marked, under its living key."""
    reach("reconcile.before")
    try:
        renewal = await fresh_token(caller, account)
        found = await _ask_with(caller, post, renewal)
    except Exception as error:
        log.exception("reconcile.failed", extra={"post_id": str(post.id)})
        return could_not_look(post, error, now=caller.clock.instant(), terms=_terms())
    reach("reconcile.after")
    if found is None:
        post.in_doubt, post.progress = True, answered(post.progress)
    return found


async def _ask_with(caller: Caller, post: ClaimedPost, renewal: Renewal) -> PostResult | None:
    if renewal.wait:
        return _ask_later(caller, post, renewal.wait.until, renewal.wait.reason)
    if renewal.is_over:
        return _ask_owner(caller, post, renewal.account)
    try:
        return await _find_out(caller, post, renewal.account)
    except ServiceError as error:  # the token was refused
        renewal = await after_refusal(caller, renewal.account, error)
        if renewal.is_over:
            return _ask_owner(caller, post, renewal.account)
        until = renewal.wait.until if renewal.wait else caller.clock.instant()
        return _ask_later(caller, post, until, error.detail)


def _ask_later(caller: Caller, post: ClaimedPost, until: datetime, why: str) -> PostResult:
    return PostResult(
        post,
        S.OUTCOME_UNKNOWN,
        "waits for a fresh access token",
        due=max(until, caller.clock.instant()).timestamp(),
        category=ErrorCategory.OUTCOME_UNKNOWN,
        error=f"Whether the post is live is asked with a fresh access token. {why}".strip(),
    )


def _ask_owner(caller: Caller, post: ClaimedPost, account: ConnectedAccount) -> PostResult:
    """Tell once that the account is needed; a reconnect wakes the post (`sweeper`)."""
    return PostResult(
        post,
        S.OUTCOME_UNKNOWN,
        "the account must be connected again",
        due=caller.clock.now() + RECONNECTED_AGAIN.total_seconds(),
        category=ErrorCategory.AUTH_ERROR,
        error=f"Whether the post is live cannot be asked: {why_blocked(account.connection)} "
        f"Or: {ASK_A_PERSON[0].lower()}{ASK_A_PERSON[1:]}",
        event="post.needs_person",
    )


async def _find_out(
    caller: Caller, post: ClaimedPost, account: ConnectedAccount
) -> PostResult | None:
    now = caller.clock.instant()
    evidence = await caller.runner.database.run(gather, post)

    async def look_again() -> Others:
        return await caller.runner.database.run(others_of, post, evidence.since(now))

    return await reconcile(
        post,
        await caller.draft(post, account),
        account.adapter,
        partial(caller.calling, account, "find"),
        evidence,
        now=now,
        terms=_terms(),
        rng=caller.rng,
        look_again=look_again,
    )


def _terms() -> Terms:
    return Terms(
        tries_per_run=settings.PUBLISHER_MAX_ATTEMPTS,
        may_land_for=settings.PUBLISH_LEASE + settings.RECONCILE_GRACE,
        remind_after=settings.OUTCOME_REMINDER,
    )
