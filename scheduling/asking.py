"""Asking about unknown outcomes: the calls around `scheduling.reconciler`."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings

from engine.crash_points import reach
from engine.errors import ErrorCategory
from platforms.tokens import REFRESH_EARLY
from scheduling.accounts import ConnectedAccount
from scheduling.caller import Caller, expires_before
from scheduling.claims import ClaimedPost
from scheduling.reconciler import gather, reconcile
from scheduling.records import PostResult
from scheduling.states import PostState

log = logging.getLogger("carillon.publisher")

S = PostState

POLL_AGAIN = timedelta(seconds=30)


async def ask(caller: Caller, post: ClaimedPost, account: ConnectedAccount) -> PostResult | None:
    """Find out what happened; None means: repeat it now, marked, under its living key."""
    reach("reconcile.before")
    try:
        found = await _find_out(caller, post, await account_for_question(caller, account))
    except Exception as error:
        log.exception("reconcile.failed", extra={"post_id": str(post.id)})
        return PostResult(
            post,
            S.OUTCOME_UNKNOWN,
            "could not ask",
            due=caller.clock.now() + POLL_AGAIN.total_seconds(),
            category=ErrorCategory.OUTCOME_UNKNOWN,
            error=f"Could not find out yet whether the post is live ({type(error).__name__}).",
        )
    reach("reconcile.after")
    post.in_doubt = found is None
    return found


async def _find_out(
    caller: Caller, post: ClaimedPost, account: ConnectedAccount
) -> PostResult | None:
    http = caller.http(account)
    try:
        return await reconcile(
            post,
            await caller.draft(post, account),
            account.adapter,
            http,
            await caller.runner.database.run(gather, post),
            now=caller.clock.instant(),
            tries_per_run=settings.PUBLISHER_MAX_ATTEMPTS,
            may_land_for=settings.PUBLISH_LEASE + settings.RECONCILE_GRACE,
            rng=caller.rng,
        )
    finally:
        caller.note(post, http)


async def account_for_question(caller: Caller, account: ConnectedAccount) -> ConnectedAccount:
    """Return the account, its token refreshed if that is due; if it fails, the answer tells."""
    if expires_before(account, caller.clock.instant() + REFRESH_EARLY):
        await caller.refresh_quietly(account)
    return caller.accounts.get(account.connection.pk)
