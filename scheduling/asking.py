"""Asking about unknown outcomes: the calls around `scheduling.reconciler`."""

from __future__ import annotations

import logging
from functools import partial

from django.conf import settings

from engine.crash_points import reach
from platforms.tokens import REFRESH_EARLY
from scheduling.accounts import ConnectedAccount
from scheduling.caller import Caller, expires_before
from scheduling.claims import ClaimedPost
from scheduling.ownership import Others, others_of
from scheduling.questions import answered
from scheduling.reconciler import Terms, could_not_look, gather, reconcile
from scheduling.records import PostResult

log = logging.getLogger("carillon.publisher")


async def ask(caller: Caller, post: ClaimedPost, account: ConnectedAccount) -> PostResult | None:
    """Find out what happened; None means: repeat it now, marked, under its living key."""
    reach("reconcile.before")
    try:
        found = await _find_out(caller, post, await account_for_question(caller, account))
    except Exception as error:
        log.exception("reconcile.failed", extra={"post_id": str(post.id)})
        return could_not_look(post, error, now=caller.clock.instant(), terms=_terms())
    reach("reconcile.after")
    if found is None:
        post.in_doubt, post.progress = True, answered(post.progress)
    return found


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


async def account_for_question(caller: Caller, account: ConnectedAccount) -> ConnectedAccount:
    """Return the account, its token refreshed if that is due; if it fails, the answer tells."""
    if expires_before(account, caller.clock.instant() + REFRESH_EARLY):
        await caller.refresh_quietly(account)
    return caller.accounts.get(account.connection.pk)
