"""Publishing posts: the workload that runs in every publisher slot (see `engine.runner`).

Per claimed post: late policy, connection and token first; then uploads that nobody sees; then,
marked, one protected request after the other with the progress committed in between; then the
decision. Nothing here sleeps or retries: patience belongs to the row.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from engine import sql
from engine.batcher import Batcher
from engine.errors import ErrorCategory, ServiceError
from engine.gate import Gate, Key
from engine.http import Http, HttpPool
from engine.retry import POLICIES, Action
from engine.runner import Job, Runner
from platforms.adapters.base import (
    Adapter,
    Capability,
    Draft,
    Processing,
    Published,
    Ready,
    Segment,
)
from platforms.models import ConnectionState
from platforms.tokens import (
    REFRESH_EARLY,
    end_refresh_lease,
    mark_needs_reconnect,
    store_refreshed,
    take_refresh_lease,
)
from scheduling import outage, sweeper
from scheduling.accounts import AccountCache, ConnectedAccount
from scheduling.claims import COLUMNS, ClaimedPost, read_row
from scheduling.media_loading import MissingMedia, draft_with_media
from scheduling.models import LatePolicy, ScheduledPost
from scheduling.outcomes import Situation, decide
from scheduling.reconciler import gather, reconcile, still_in_doubt
from scheduling.records import (
    AttemptResult,
    PostResult,
    commit_progress,
    count_failures,
    mark_sent,
    record,
    take_back_marks,
)
from scheduling.states import WAITING, PostState

log = logging.getLogger("carillon.publisher")

S = PostState

CLAIM_LEASE = timedelta(seconds=120)  # the longest an unsent claim may be held
PREPARE_AT_ONCE = 16  # preparations taken ahead with one claim
POLL_AGAIN = timedelta(seconds=30)
PROBLEM_AGAIN = timedelta(minutes=1)
POLL_PATIENCE = timedelta(hours=24)
PREPARE_STEPS_MOST = 200  # a network that never gets ready must not spin
EVENTS = {
    S.PUBLISHED: "post.published",
    S.FAILED: "post.failed",
    S.DEAD_LETTER: "post.failed",
    S.OUTCOME_UNKNOWN: "post.outcome_unknown",
    S.BLOCKED: "post.blocked",
    S.HELD: "post.held",
}


_IS_WAITING = "state IN ({})".format(", ".join(f"'{state}'" for state in sorted(WAITING)))


class LostPost(Exception):
    """A progress commit was refused: somebody else owns the row now, so make no further call."""


class PostWorkload:
    """Everything a slot needs to know about posts."""

    kind = "publish"

    def __init__(self) -> None:
        self.concurrency: int = settings.PUBLISHER_CONCURRENCY
        self.gate = Gate()
        self.accounts = AccountCache()
        self._worker = ""
        self._slot = 0
        self._paused = False
        self._rng = random.Random()  # noqa: S311 - jitter

    # --- on the database threads ------------------------------------------------------------

    def db_start(self, slot_id: int, worker: str) -> None:
        """Begin: look whether this database was restored, read the gate."""
        self._slot, self._worker = slot_id, worker
        outage.check_installation()
        self.db_tick()

    def db_claim(self, limit: int, *, saturated: bool) -> list[Job]:
        """Claim due posts and, when there is room, posts to prepare ahead."""
        if self._paused:
            return []
        rows = ScheduledPost.claim(
            self._slot,
            limit=limit,
            horizon=settings.CLAIM_AHEAD,
            lease=CLAIM_LEASE,
            columns=COLUMNS,
            fair_by="workspace_id" if saturated else "",
            # Questions to the network are asked at their moment: a call may land until then.
            extra_where=f"{_IS_WAITING} OR due_at <= {sql.now_plus()}",
        )
        if len(rows) < limit:
            rows += ScheduledPost.claim(
                self._slot,
                limit=min(PREPARE_AT_ONCE, limit - len(rows)),
                horizon=settings.LOOK_AHEAD,
                lease=CLAIM_LEASE,
                columns=COLUMNS,
                extra_where=f"state = '{S.QUEUED}' AND needs_preparation",
            )
        if not rows:
            return []
        posts = [read_row(row) for row in rows]
        self.accounts.load({post.connection_id for post in posts})
        return [self._job(post) for post in posts]

    def _job(self, post: ClaimedPost) -> Job:
        account = self.accounts.get(post.connection_id)
        adapter = account.adapter
        due = (post.due_at or post.scheduled_at).timestamp()
        return Job(
            id=post.id,
            token=post.token,
            due=due,
            owner=post.workspace_id,
            lanes=_lanes(post, adapter),
            priority=post.priority,
            marked=not self._needs_work_first(post, account, due),
            payload=post,
        )

    def _needs_work_first(self, post: ClaimedPost, account: ConnectedAccount, due: float) -> bool:
        """Say whether something comes before the mark: a refusal, a token, an upload."""
        now = datetime.now(UTC)
        return (
            post.state not in WAITING
            or account.state != ConnectionState.ACTIVE
            or bool(account.problem)
            or self._is_too_late(post, account, now.timestamp())
            or _expires_before(account, now + REFRESH_EARLY)
            or post.needs_preparation
            or (
                post.progress_expires_at is not None
                and post.progress_expires_at.timestamp() < due + 60
            )
        )

    def db_mark(self, jobs: Sequence[Job]) -> set[uuid.UUID]:
        """Commit the send marks."""
        return mark_sent([job.payload for job in jobs], worker=self._worker)

    def db_release(self, jobs: Sequence[Job]) -> None:
        """Give claims back."""
        ScheduledPost.release([(job.id, job.token) for job in jobs])

    def db_take_back(self, jobs: Sequence[Job]) -> None:
        """Undo marks that may or may not be committed, then give the claims back."""
        sure = [job for job in jobs if not job.payload.in_doubt]
        take_back_marks([(job.id, job.token, job.due) for job in sure], worker=self._worker)
        self.db_release(jobs)

    def db_record(self, results: Sequence[PostResult]) -> None:
        """Write results, and blocks at once, so that other processes stop calling too."""
        record(results, worker=self._worker)
        if any(result.category == ErrorCategory.RATE_LIMIT for result in results):
            self.gate.db_write()

    def db_tick(self) -> None:
        """Do the once-a-second work of a publisher slot."""
        self._paused = outage.beat()
        self.gate.db_sync()
        sweeper.sweep()

    # --- on the loop ------------------------------------------------------------------------

    async def open(self, runner: Runner[PostResult]) -> None:
        """Begin on the loop: one HTTP session, one batcher for progress commits."""
        self._runner = runner
        self._clock = runner.clock
        self._pool = HttpPool()
        self._progress = Batcher(self._commit_batch)

    async def close(self) -> None:
        """End the HTTP session."""
        await self._pool.close()

    def hold(self, job: Job) -> PostResult | None:
        """Return "wait until" when the gate says no; the post's due_at then tells the truth."""
        post: ClaimedPost = job.payload
        now = self._clock.now()
        hold = self.gate.hold(
            _gate_keys(post, is_question=not job.marked and post.state not in WAITING),
            now,
            in_flight=self._runner.in_flight(post.connection_id),
        )
        if hold is None:
            return None
        target, due = _put_back(post, hold.until)
        return PostResult(
            post,
            target,
            hold.reason,
            due=due,
            category=ErrorCategory.RATE_LIMIT,
            error=f"Waiting for the network's limit: {hold.reason}",
        )

    def unsent(self, job: Job, reason: str) -> PostResult:
        """Return the result that takes the mark back; `attempts` do not count it."""
        post: ClaimedPost = job.payload
        now = self._clock.now()
        post.attempts -= 1
        return PostResult(
            post,
            S.OUTCOME_UNKNOWN if post.in_doubt else S.SCHEDULED,
            f"not sent: {reason}",
            due=job.due,
            attempt=AttemptResult(now, None, now, "not_sent", decision="retry", reason=reason),
        )

    async def call(self, job: Job) -> PostResult | None:
        """Do what this post needs next; every failure becomes a decision."""
        post: ClaimedPost = job.payload
        account = self.accounts.get(post.connection_id)
        started = self._clock.now()
        try:
            if post.state == S.PUBLISHING:
                return await self._publish(job, post, account, started)
            if post.state in WAITING:
                return await self._get_ready(job, post, account)
            if held := self.hold(job):
                return held
            if post.state == S.PROCESSING:
                return await self._check(post, account, started)
            return await self._reconcile(post, account)
        except ServiceError as error:
            return await self._failed(post, account, error, started)
        except LostPost:
            log.warning("lease.lost", extra={"post_id": str(post.id), "step": "progress"})
            return self._lost(post, started)
        except (DatabaseError, InterfaceError) as error:
            return await self._failed(post, account, _internal(error), started)
        except Exception as error:
            log.exception("post.crashed", extra={"post_id": str(post.id)})
            return await self._failed(post, account, _internal(error), started)

    async def _publish(
        self, job: Job, post: ClaimedPost, account: ConnectedAccount, started: float
    ) -> PostResult:
        draft = await self._draft(post, account)
        while True:
            http = self._http(account, post.scheduled_at)
            try:
                step = await account.adapter.publish(
                    http, draft, post.progress, key=post.key(len(post.published_segments))
                )
            finally:
                self._note(post, http)
            if isinstance(step, Published):
                return self._published(post, step, started)
            post.progress, post.in_doubt = step.progress, False
            if isinstance(step, Processing):
                return self._processing(post, step, started)
            committed_at = time.monotonic()
            await self._commit(post)
            job.marked_at = committed_at
            if hold := self.hold(job):
                return self._paused_between(post, hold, started)
            if not self._runner.lease_outlasts_a_call(job):
                hold = PostResult(post, post.state, "the commit took too long", due=started)
                return self._paused_between(post, hold, started)

    def _published(self, post: ClaimedPost, step: Published, started: float) -> PostResult:
        now = self._clock.now()
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

    def _processing(self, post: ClaimedPost, step: Processing, started: float) -> PostResult:
        now = self._clock.now()
        return PostResult(
            post,
            S.PROCESSING,
            "the network is working on it",
            due=now + step.poll_after.total_seconds(),
            attempt=AttemptResult(started, started, now, "processing", decision="poll"),
        )

    def _paused_between(self, post: ClaimedPost, hold: PostResult, started: float) -> PostResult:
        """End this try between two segments because the gate closed; the rest follows later."""
        now = self._clock.now()
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

    async def _check(
        self, post: ClaimedPost, account: ConnectedAccount, started: float
    ) -> PostResult:
        account = await self._account_for_question(account)
        http = self._http(account)
        try:
            step = await account.adapter.check(
                http, await self._draft(post, account), post.progress
            )
        except ServiceError as error:
            if POLICIES[error.category].action is Action.FAIL:
                raise  # the network says that its work has failed
            return self._poll_again(post, error, started)
        finally:
            self._note(post, http)
        now = self._clock.now()
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
            return PostResult(post, S.SCHEDULED, "ready for the next step", due=now)
        return PostResult(
            post, S.PROCESSING, "still working", due=now + step.poll_after.total_seconds()
        )

    def _poll_again(self, post: ClaimedPost, error: ServiceError, now: float) -> PostResult:
        """Stay with the network's unfinished work: sending again could make a second copy."""
        wait = (error.retry_after or POLL_AGAIN).total_seconds()
        if post.sent_at and now - post.sent_at.timestamp() > POLL_PATIENCE.total_seconds():
            return PostResult(
                post,
                S.OUTCOME_UNKNOWN,
                "no answer about the network's work for a day",
                due=now,
                category=error.category,
                error=error.detail,
                event=EVENTS[S.OUTCOME_UNKNOWN],
            )
        return PostResult(
            post,
            S.PROCESSING,
            "could not ask",
            due=self._close_gate(post, error, now, now + wait),
            category=error.category,
            error=f"Could not ask how far the network is ({error.detail}); asked again soon.",
        )

    async def _reconcile(self, post: ClaimedPost, account: ConnectedAccount) -> PostResult | None:
        """Find out what happened; None means: repeat it now, marked, under its living key."""
        try:
            found = await self._find_out(post, await self._account_for_question(account))
        except Exception as error:
            log.exception("reconcile.failed", extra={"post_id": str(post.id)})
            return PostResult(
                post,
                S.OUTCOME_UNKNOWN,
                "could not ask",
                due=self._clock.now() + POLL_AGAIN.total_seconds(),
                category=ErrorCategory.OUTCOME_UNKNOWN,
                error=f"Could not find out yet whether the post is live ({type(error).__name__}).",
            )
        post.in_doubt = found is None
        return found

    async def _find_out(self, post: ClaimedPost, account: ConnectedAccount) -> PostResult | None:
        http = self._http(account)
        try:
            return await reconcile(
                post,
                await self._draft(post, account),
                account.adapter,
                http,
                await self._runner.database.run(gather, post),
                now=self._clock.instant(),
                tries_per_run=settings.PUBLISHER_MAX_ATTEMPTS,
                may_land_for=settings.PUBLISH_LEASE + settings.RECONCILE_GRACE,
                rng=self._rng,
            )
        finally:
            self._note(post, http)

    async def _account_for_question(self, account: ConnectedAccount) -> ConnectedAccount:
        """Return the account, its token refreshed if that is due; if it fails, the answer tells."""
        if _expires_before(account, self._clock.instant() + REFRESH_EARLY):
            await self._refresh_quietly(account)
        return self.accounts.get(account.connection.pk)

    # --- before the mark --------------------------------------------------------------------

    async def _get_ready(
        self, job: Job, post: ClaimedPost, account: ConnectedAccount
    ) -> PostResult | None:
        """Do what comes before the mark; None means: mark it and send it."""
        now = self._clock.now()
        if self._is_too_late(post, account, now):
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
            target, due = _put_back(post, now + PROBLEM_AGAIN.total_seconds())
            return PostResult(
                post,
                target,
                "credentials cannot be opened",
                due=due,
                category=ErrorCategory.AUTH_ERROR,
                error=account.problem,
            )
        if account.state != ConnectionState.ACTIVE:
            return self._blocked(post, account)
        if held := self.hold(job):
            return held
        account = await self._fresh_token(account)
        if post.progress_expires_at and post.progress_expires_at.timestamp() < job.due + 60:
            post.progress = {"published": post.published_segments}
            post.progress_expires_at = None
            post.needs_preparation = True
        if post.needs_preparation:
            await self._prepare(post, account)
        if post.needs_preparation:
            return PostResult(post, post.state, "goes on after the restart", due=job.due)
        if job.due - self._clock.now() <= settings.CLAIM_AHEAD.total_seconds():
            return None
        return PostResult(post, post.state, "prepared", due=job.due)

    def _is_too_late(self, post: ClaimedPost, account: ConnectedAccount, now: float) -> bool:
        """Judge lateness against due_at, so that waiting for a gate or a retry never counts."""
        if post.late_policy != LatePolicy.HOLD or post.due_at is None or post.state not in WAITING:
            return False
        minutes = post.late_limit_minutes
        if minutes is None:
            minutes = account.workspace_late_limit
        limit = settings.LATE_LIMIT if minutes is None else timedelta(minutes=minutes)
        return now - post.due_at.timestamp() > limit.total_seconds()

    def _blocked(self, post: ClaimedPost, account: ConnectedAccount) -> PostResult:
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

    async def _prepare(self, post: ClaimedPost, account: ConnectedAccount) -> None:
        """Upload ahead, step by step; a draining slot stops between two steps, nothing is lost."""
        draft = await self._draft(post, account, fetch=True)
        for _ in range(PREPARE_STEPS_MOST):
            if self._runner.is_stopping:
                return
            http = self._http(account)
            try:
                step = await account.adapter.prepare(http, draft, post.progress)
            finally:
                self._note(post, http)
            post.progress = step.progress
            if isinstance(step, Ready):
                post.progress_expires_at = step.expires_at
                post.needs_preparation = False
                return
            await self._commit(post)
        raise ServiceError(ErrorCategory.MEDIA_ERROR, "The network never finished the upload.")

    async def _fresh_token(self, account: ConnectedAccount) -> ConnectedAccount:
        """Refresh an access token that runs out soon; whoever comes second uses the first's."""
        now = self._clock.instant()
        if not _expires_before(account, now + REFRESH_EARLY):
            return account
        return await self._refresh(account)

    async def _refresh(self, account: ConnectedAccount) -> ConnectedAccount:
        connection, database = account.connection, self._runner.database
        if await database.run(take_refresh_lease, connection.pk, connection.version):
            try:
                fresh = await account.adapter.refresh(self._http(account), account.credentials)
                await database.run(store_refreshed, connection, account.credentials, fresh)
            finally:
                await database.run(end_refresh_lease, connection.pk)
        self.accounts.forget(connection.pk)
        await database.run(self.accounts.load, [connection.pk])
        return self.accounts.get(connection.pk)

    # --- after a failure --------------------------------------------------------------------

    async def _failed(
        self, post: ClaimedPost, account: ConnectedAccount, error: ServiceError, started: float
    ) -> PostResult:
        """Turn a failure into the decision of the policy table."""
        now = self._clock.now()
        if post.in_doubt:
            due = self._close_gate(post, error, now, now + settings.PUBLISH_LEASE.total_seconds())
            return still_in_doubt(post, error, started=started, now=now, due=due)
        sent = post.state in {S.PUBLISHING, S.PROCESSING}
        attempt = post.attempt_of_run(
            settings.PUBLISHER_MAX_ATTEMPTS, is_counted=post.state == S.PUBLISHING
        )
        situation = Situation(
            attempt=attempt,
            of_category=await self._tries_of(error.category, post, attempt),
            max_attempts=settings.PUBLISHER_MAX_ATTEMPTS,
            sent=sent,
            sent_before=attempt > 1,
            can_refresh=Capability.REFRESH in account.adapter.capabilities
            and bool(account.credentials.get("refresh_token")),
        )
        decision = decide(
            error,
            situation,
            base=settings.RETRY_BASE_DELAY,
            cap=settings.RETRY_MAX_DELAY,
            reconcile_after=settings.PUBLISH_LEASE + settings.RECONCILE_GRACE,
            rng=self._rng,
        )
        due = None if decision.delay is None else now + decision.delay.total_seconds()
        due = self._close_gate(post, error, now, due)
        target: str = decision.target
        if due is not None and post.state in WAITING:
            target, due = _put_back(post, due + settings.CLAIM_AHEAD.total_seconds())
        if decision.name == "refresh":
            await self._refresh_quietly(account)
        if decision.target == S.BLOCKED:
            await self._runner.database.run(
                mark_needs_reconnect,
                account.connection.pk,
                account.connection.version,
                error.detail,
            )
            self.accounts.forget(account.connection.pk)
            await self._runner.database.run(self.accounts.load, [account.connection.pk])
        return PostResult(
            post,
            target,
            decision.reason,
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
                retry_after_seconds=(
                    error.retry_after.total_seconds() if error.retry_after else None
                ),
                decision=decision.name,
                reason=decision.reason,
            ),
            category=error.category,
            error=decision.reason,
            event=EVENTS.get(decision.target, ""),
        )

    async def _tries_of(self, category: ErrorCategory, post: ClaimedPost, attempt: int) -> int:
        """Return how many tries of this run failed so, this one included (all, if too few)."""
        if attempt == 1 or attempt < POLICIES[category].max_attempts:
            return attempt
        return 1 + await self._runner.database.run(count_failures, post, category)

    async def _refresh_quietly(self, account: ConnectedAccount) -> None:
        """Refresh now; a failure shows at the next try, which decides about it."""
        try:
            await self._refresh(account)
        except ServiceError as error:
            log.info("token.refresh_failed", extra={"category": error.category})

    def _close_gate(
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

    def _lost(self, post: ClaimedPost, started: float) -> PostResult:
        """Keep what was learnt in the attempt; the move itself will be refused by the token."""
        now = self._clock.now()
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

    # --- shared -----------------------------------------------------------------------------

    async def _draft(
        self, post: ClaimedPost, account: ConnectedAccount, *, fetch: bool = False
    ) -> Draft:
        if post.media_count:
            try:
                return await draft_with_media(
                    post, account, self._runner.database, self._pool if fetch else None
                )
            except MissingMedia as error:
                raise ServiceError(ErrorCategory.MEDIA_ERROR, str(error)) from None
        return draft_of_text(post, account)

    def _http(self, account: ConnectedAccount, moment: datetime | None = None) -> Http:
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

    def _note(self, post: ClaimedPost, http: Http) -> None:
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

    async def _commit(self, post: ClaimedPost) -> None:
        """Commit the progress before the next request; raises LostPost when it is not ours."""
        if not await self._progress.submit(post):
            raise LostPost

    async def _commit_batch(self, posts: list[ClaimedPost]) -> list[bool]:
        kept = await self._runner.marks.run(commit_progress, posts)
        return [post.id in kept for post in posts]


def draft_of_text(post: ClaimedPost, account: ConnectedAccount) -> Draft:
    """Return the draft of a post without files."""
    return Draft(
        segments=tuple(Segment(str(segment.get("text", ""))) for segment in post.segments),
        account=account.account,
        first_comment=post.first_comment,
        options=post.options,
        limits=account.connection.limits,
    )


def _put_back(post: ClaimedPost, due: float) -> tuple[str, float]:
    """Return state and moment of a post that may go on at `due`, but never before its moment.

    One that still needs preparation leaves `queued`, or the next claim would try again at once;
    the look-ahead brings it back within a minute.
    """
    if post.state not in WAITING or post.due_at is None:
        return post.state, due
    target = S.SCHEDULED if post.needs_preparation else post.state
    return target, max(due, post.due_at.timestamp())


def _lanes(post: ClaimedPost, adapter: Adapter) -> tuple[tuple[Hashable, int], ...]:
    connection = (post.connection_id, adapter.in_flight_per_connection)
    if adapter.in_flight_per_app is None:
        return (connection,)
    return (connection, (post.platform, adapter.in_flight_per_app))


def _gate_keys(post: ClaimedPost, *, is_question: bool) -> tuple[Key, ...]:
    """Return the buckets that must be free; a question takes nothing from the publish allowance."""
    buckets = ("all",) if is_question else ("all", "publish")
    owners = (("connection", str(post.connection_id)), ("app", post.platform))
    return tuple((scope, key, bucket) for scope, key in owners for bucket in buckets)


def _expires_before(account: ConnectedAccount, moment: datetime) -> bool:
    return (
        account.expires_at is not None
        and account.expires_at < moment
        and bool(account.credentials.get("refresh_token"))
        and Capability.REFRESH in account.adapter.capabilities
    )


def _internal(error: Exception) -> ServiceError:
    """Return a fault of our own as an outcome nobody knows (unsent work is simply repeated)."""
    return ServiceError(
        ErrorCategory.OUTCOME_UNKNOWN, f"Carillon itself failed here ({type(error).__name__})."
    )
