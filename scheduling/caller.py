"""What every call to a network needs: the account's door, the gate, commits in between."""

from __future__ import annotations

import logging
import random
from datetime import datetime, timedelta

from django.conf import settings

from engine.batcher import Batcher
from engine.crash_points import reach
from engine.errors import ErrorCategory, ServiceError
from engine.gate import Gate, Key
from engine.http import Http, HttpPool
from engine.jobs import LostLease
from engine.retry import PASSING
from engine.runner import Job, Runner
from platforms.adapters.base import Capability, Draft, Segment
from platforms.tokens import (
    REFRESH_EARLY,
    end_refresh_lease,
    store_refreshed,
    take_refresh_lease,
)
from scheduling.accounts import AccountCache, ConnectedAccount
from scheduling.claims import ClaimedPost
from scheduling.media_loading import MissingMedia, draft_with_media
from scheduling.records import PostResult, commit_progress
from scheduling.states import WAITING, PostState

log = logging.getLogger("carillon.publisher")

S = PostState

STILL_GOOD = timedelta(minutes=1)  # a token that lasts this long serves the next call


class Caller:
    """Shared by all steps of all posts of one slot; belongs to its event loop once opened."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.accounts = AccountCache()
        self.rng = random.Random()  # noqa: S311 - jitter

    async def open(self, runner: Runner[PostResult]) -> None:
        """Begin on the loop: one HTTP session, one batcher for progress commits."""
        self.runner = runner
        self.clock = runner.clock
        self._pool = HttpPool()
        self._progress = Batcher(self._commit_batch)

    async def close(self) -> None:
        """End the HTTP session."""
        await self._pool.close()

    def hold(self, job: Job) -> PostResult | None:
        """Return "wait until" when the gate says no; the post's due_at then tells the truth."""
        post: ClaimedPost = job.payload
        now = self.clock.now()
        hold = self.gate.hold(
            _gate_keys(post, is_question=not job.marked and post.state not in WAITING),
            now,
            in_flight=self.runner.in_flight(post.connection_id),
        )
        if hold is None:
            return None
        target, due = put_back(post, hold.until)
        return PostResult(
            post,
            target,
            hold.reason,
            due=due,
            category=ErrorCategory.RATE_LIMIT,
            error=f"Waiting for the network's limit: {hold.reason}",
        )

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

    def note(self, post: ClaimedPost, http: Http) -> None:
        """Hand an answer's rate headers to the gate."""
        for hint in http.hints:
            owner = str(post.connection_id) if hint.scope == "connection" else post.platform
            self.gate.note(
                (hint.scope, owner, hint.bucket),
                platform=post.platform,
                limit=hint.limit,
                remaining=hint.remaining,
                resets_at=hint.resets_at,
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

    async def fresh_token(self, account: ConnectedAccount) -> ConnectedAccount:
        """Refresh an access token that runs out soon; whoever comes second uses the first's.

        While the old token is good, a refresh that fails for a passing reason delays nothing.
        """
        now = self.clock.instant()
        if not expires_before(account, now + REFRESH_EARLY):
            return account
        try:
            return await self.refresh(account)
        except ServiceError as error:
            if error.category not in PASSING or expires_before(account, now + STILL_GOOD):
                raise
            log.info("token.refresh_failed", extra={"category": error.category})
            return account

    async def refresh(self, account: ConnectedAccount) -> ConnectedAccount:
        connection, database = account.connection, self.runner.database
        if await database.run(take_refresh_lease, connection.pk, connection.version):
            reach("refresh.leased")
            try:
                fresh = await account.adapter.refresh(self.http(account), account.credentials)
                reach("refresh.fetched")
                await database.run(store_refreshed, connection, account.credentials, fresh)
                reach("refresh.stored")
            finally:
                await database.run(end_refresh_lease, connection.pk)
        await database.run(self.accounts.load, [connection.pk])
        return self.accounts.get(connection.pk)

    async def refresh_quietly(self, account: ConnectedAccount) -> None:
        """Refresh now; a failure shows at the next try, which decides about it."""
        try:
            await self.refresh(account)
        except ServiceError as error:
            log.info("token.refresh_failed", extra={"category": error.category})

    def close_gate(
        self, post: ClaimedPost, error: ServiceError, now: float, due: float | None
    ) -> float | None:
        """Note a refusal in the gate; returns the moment the post may really go on."""
        if error.category not in {ErrorCategory.RATE_LIMIT, ErrorCategory.QUOTA_EXCEEDED}:
            return due
        key: Key = ("connection", str(post.connection_id), "all")
        if error.app_wide:
            key = ("app", post.platform, "all")
        until = self.gate.block(
            key,
            platform=post.platform,
            now=now,
            retry_after=error.retry_after,
            reason=error.detail,
        )
        return None if due is None else max(due, until)


def draft_of_text(post: ClaimedPost, account: ConnectedAccount) -> Draft:
    """Return the draft of a post without files."""
    return Draft(
        segments=tuple(Segment(str(segment.get("text", ""))) for segment in post.segments),
        account=account.account,
        first_comment=post.first_comment,
        options=post.options,
        limits=account.connection.limits,
    )


def put_back(post: ClaimedPost, due: float) -> tuple[str, float]:
    """Return state and moment of a post that may go on at `due`, but never before its moment.

    One that still needs preparation leaves `queued`, or the next claim would try again at once;
    the look-ahead brings it back within a minute.
    """
    if post.state not in WAITING or post.due_at is None:
        return post.state, due
    target = S.SCHEDULED if post.needs_preparation else post.state
    return target, max(due, post.due_at.timestamp())


def _gate_keys(post: ClaimedPost, *, is_question: bool) -> tuple[Key, ...]:
    """Return the buckets that must be free; a question takes nothing from the publish allowance."""
    buckets = ("all",) if is_question else ("all", "publish")
    owners = (("connection", str(post.connection_id)), ("app", post.platform))
    return tuple((scope, key, bucket) for scope, key in owners for bucket in buckets)


def expires_before(account: ConnectedAccount, moment: datetime) -> bool:
    return (
        account.expires_at is not None
        and account.expires_at < moment
        and bool(account.credentials.get("refresh_token"))
        and Capability.REFRESH in account.adapter.capabilities
    )
