"""What every call to a network needs: the account's door, the gate, commits in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from engine.batcher import Batcher
from engine.errors import ErrorCategory, ServiceError
from engine.gate import Gate, Hold
from engine.http import Http, HttpPool
from engine.jobs import LostLease
from engine.runner import Job, Runner
from platforms.adapters.base import Draft, Progress, Segment
from scheduling.accounts import AccountCache, ConnectedAccount
from scheduling.calling import Calling
from scheduling.claims import ClaimedPost
from scheduling.media_loading import MissingMedia, draft_with_media
from scheduling.records import PostResult, commit_progress
from scheduling.states import WAITING, PostState

S = PostState

UPLOADS_AT_ONCE = 8  # of one slot: each holds a few MiB in memory
HINTS = ("repeated", "resumed", "taken")  # in the progress for one call only; never kept
TURN_SECONDS, TURN_HALVES_AT_SECONDS = 0.5, 600.0


class Caller:
    """Shared by all steps of all posts of one slot; belongs to its event loop once opened."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.accounts = AccountCache()
        self.rng = random.Random()  # noqa: S311 - jitter
        self.uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def open(self, runner: Runner[PostResult]) -> None:
        """Begin on the loop: one HTTP session, one batcher for progress commits."""
        self.runner = runner
        self.clock = runner.clock
        self._pool = HttpPool()
        self._progress = Batcher(self._commit_batch)

    async def close(self) -> None:
        """End the HTTP session."""
        await self._pool.close()

    # --- the gate ---------------------------------------------------------------------------
    def hold(self, job: Job) -> PostResult | None:
        """Return "wait until" when a post may not be marked now: an honest new due_at."""
        post: ClaimedPost = job.payload
        hold = self.gate.hold(
            self.accounts.get(post.connection_id).passages["publish"],
            self.clock.now(),
            in_flight=self.runner.in_flight(post.connection_id),
            in_flight_all=self.runner.in_flight_all,
        )
        return None if hold is None else held(post, hold)

    def blocked(self, job: Job) -> Hold | None:
        """Return a refusal that came since the job was marked: its call must not start."""
        post: ClaimedPost = job.payload
        passage = self.accounts.get(post.connection_id).passages["publish"]
        return self.gate.blocked(passage, self.clock.now())

    def spend(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs whose counted buckets have a call left, which is taken; with the mark."""
        wishes = {}
        for job in jobs:
            passage = self.accounts.get(job.payload.connection_id).passages["publish"]
            if passage.is_spent:
                wishes[job.id] = (passage, max(job.due, self.clock.now()))
        if not wishes:
            return list(jobs)
        granted = self.gate.db_spend(wishes.values())
        refused = {pk for pk, may_start in zip(wishes, granted, strict=True) if not may_start}
        return [job for job in jobs if job.id not in refused]

    async def admit(self, account: ConnectedAccount, operation: str) -> Hold | None:
        """Return why a call without a send mark may not start now; None: it may, and is counted.

        `operation` may also be a kind of call that the adapter names.
        """
        passage, now = account.passages[operation], self.clock.now()
        hold = self.gate.hold(passage, now)
        if hold is not None or not passage.is_spent:
            return hold
        if all(await self.runner.database.run(self.gate.db_spend, [(passage, now)])):
            return None
        return self.gate.hold(passage, now) or Hold(now + 1.0, "another call was first")

    def calling(
        self, account: ConnectedAccount, operation: str, moment: datetime | None = None
    ) -> Calling:
        """Open the account's door for one call; leaving it tells the gate how the call went."""
        http = self.http(account, moment)
        return Calling(self.gate, self.clock, account, operation, http, self.share)

    def not_before(self, account: ConnectedAccount, now: float, due: float | None) -> float | None:
        """Return `due`, or the later moment from which the account may be called at all."""
        hold = self.gate.blocked(account.passages["publish"], now)
        return due if hold is None or due is None else max(due, hold.until)

    def share(self) -> None:
        """Let the other processes hear of a refusal, or of its end, at once."""
        self.runner.soon(self.gate.db_write)

    # --- the network ------------------------------------------------------------------------
    def http(self, account: ConnectedAccount, moment: datetime | None = None) -> Http:
        adapter = account.adapter
        return self._pool.http(
            base_url=account.base_url,
            auth=account.auth,
            deadline=settings.CALL_DEADLINE,
            on_response=adapter.rate_hints,
            guard_private=adapter.user_given_host(),
            allow_private=settings.PRIVATE_HOSTS_ALLOWED,
            headers={"X-Carillon-Due-At": moment.isoformat()}
            if settings.TELL_DUE_AT and moment
            else None,
        )

    async def draft(
        self, post: ClaimedPost, account: ConnectedAccount, *, fetch: bool = False
    ) -> Draft:
        if post.media_count:
            try:
                return await draft_with_media(
                    post, account, self.runner.database, self._pool if fetch else None
                )
            except MissingMedia as error:
                raise ServiceError(ErrorCategory.MEDIA_ERROR, str(error)) from None
        return draft_of_text(post, account)

    async def commit(self, post: ClaimedPost) -> None:
        """Commit the progress before the next request; raises LostLease when it is not ours."""
        if not await self._progress.submit(post):
            raise LostLease

    async def _commit_batch(self, posts: list[ClaimedPost]) -> list[bool]:
        kept = await self.runner.marks.run(commit_progress, posts)
        return [(post.id, post.token) in kept for post in posts]


def draft_of_text(post: ClaimedPost, account: ConnectedAccount) -> Draft:
    """Return the draft of a post without files."""
    return Draft(
        segments=tuple(Segment(str(segment.get("text", ""))) for segment in post.segments),
        account=account.account,
        first_comment=post.first_comment,
        options=post.options,
        limits=account.connection.limits,
    )


def without_hints(progress: Progress) -> dict[str, Any]:
    """Return what an adapter left of the progress, without what the engine told it."""
    return {name: value for name, value in progress.items() if name not in HINTS}


def put_back(post: ClaimedPost, due: float) -> tuple[str, float]:
    """Return state and moment of a post that may go on at `due`, but never before its moment.

    One that still needs preparation leaves `queued`, or the next claim would try again at once;
    the look-ahead brings it back within a minute.
    """
    if post.state not in WAITING or post.due_at is None:
        return post.state, due
    target = S.SCHEDULED if post.needs_preparation else post.state
    return target, max(due, post.due_at.timestamp())


def _turn(post: ClaimedPost, until: float) -> float:
    """Return up to half a second, less for older posts: those that wait keep their order."""
    age = max(0.0, until - post.scheduled_at.timestamp())
    return TURN_SECONDS * TURN_HALVES_AT_SECONDS / (age + TURN_HALVES_AT_SECONDS)


def held(post: ClaimedPost, hold: Hold) -> PostResult:
    """Return the result that makes a post wait for its gate; it uses up no attempt."""
    target, due = put_back(post, hold.until + _turn(post, hold.until))
    return PostResult(
        post,
        target,
        hold.reason,
        due=due,
        category=ErrorCategory.RATE_LIMIT,
        error=f"Waiting for the network's limit: {hold.reason}",
    )
