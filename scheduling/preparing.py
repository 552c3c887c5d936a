"""Before the moment: uploads and containers, step by step, committed in between.

How long ahead a post is prepared is its network's to say (`Adapter.prepare_ahead`). What fails
ahead of the moment uses up no attempt: it is tried again each minute, by the look-ahead, until the
moment has come; then failures count like all others.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from django.conf import settings

from engine import sql
from engine.crash_points import reach
from engine.errors import ErrorCategory, ServiceError
from engine.runner import Job
from platforms.adapters.base import Processing, Progress, Ready
from platforms.registry import ADAPTERS
from scheduling.accounts import ConnectedAccount
from scheduling.caller import Caller, held, put_back, without_hints
from scheduling.claims import ClaimedPost
from scheduling.records import PostResult

STEPS_MOST = 5000  # a network that never gets ready must not spin
RUN_MOST_SECONDS = 60.0  # then the claim is given back, long before it ends; the rest follows


def longest_window() -> timedelta:
    """Return how long before its moment any post may be prepared."""
    return max(settings.LOOK_AHEAD, *_windows().values())


@cache
def _windows() -> dict[str, timedelta]:
    found = {slug: kind.prepare_ahead for slug, kind in ADAPTERS.items()}
    return {slug: window for slug, window in found.items() if window is not None} or {
        "": timedelta()
    }


def inside_window() -> str:
    """Return the SQL condition: it is time to prepare this row's post."""
    cases = "".join(
        f"WHEN '{slug}' THEN {sql.now_plus(window)} " for slug, window in _windows().items()
    )
    ends = f"CASE platform {cases}ELSE {sql.now_plus(settings.LOOK_AHEAD)} END"
    return f"needs_preparation AND due_at <= {ends}"


async def prepare(
    caller: Caller, job: Job, post: ClaimedPost, account: ConnectedAccount
) -> PostResult | None:
    """Go on with the preparation as far as it goes now; None: all is prepared.

    Raises ServiceError when a step fails. A draining slot stops between two steps.
    """
    draft = await caller.draft(post, account, fetch=True)
    progress: Progress = {**post.progress, "resumed": True} if post.progress else {}
    began = caller.clock.now()
    for _ in range(STEPS_MOST):
        if caller.runner.is_stopping or caller.clock.now() - began > RUN_MOST_SECONDS:
            return PostResult(post, post.state, "the preparation goes on soon", due=job.due)
        kind = account.adapter.call_kind("prepare", draft, progress)
        if hold := await caller.admit(account, kind):
            return held(post, hold)
        reach("prepare.before")
        async with caller.uploads:
            with caller.calling(account, "prepare") as http:
                step = await account.adapter.prepare(http, draft, progress)
        reach("prepare.after")
        progress = post.progress = without_hints(step.progress)
        if isinstance(step, Ready):
            post.progress_expires_at = step.expires_at
            post.needs_preparation = False
            return None
        if isinstance(step, Processing):
            return _working(caller, post, account, step)
        await caller.commit(post)
        reach("prepare.committed")
    raise ServiceError(ErrorCategory.MEDIA_ERROR, "The network never finished the upload.")


def _working(
    caller: Caller, post: ClaimedPost, account: ConnectedAccount, step: Processing
) -> PostResult:
    """Look again later: the network is still busy with a file."""
    target, due = put_back(post, caller.clock.now() + step.poll_after.total_seconds())
    return PostResult(
        post,
        target,
        f"{account.adapter.name} is still working on the files",
        due=due,
    )
