"""Publishing posts: the workload that runs in every publisher slot (see `engine.runner`).

Per claimed post: `readiness` (late policy, account, token, invisible uploads), then the send mark,
then `sending` (one protected request after the other, progress committed in between), then the
record. `failures` decides about what went wrong, `asking` about what nobody knows; `caller` holds
what all of them share. Nothing sleeps or retries: patience belongs to the row.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Hashable, Sequence

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from engine import correlation, pauses, sql
from engine.errors import ErrorCategory, ServiceError
from engine.jobs import Deal, LostLease
from engine.runner import GLANCE_SECONDS, Job, Runner
from platforms.adapters.base import Adapter
from platforms.models import SocialConnection
from scheduling import outage, sweeper
from scheduling.accounts import ConnectedAccount
from scheduling.asking import ask
from scheduling.caller import Caller, held
from scheduling.claims import CLAIM_LEASE, COLUMNS, ClaimedPost, read_row
from scheduling.failures import failed, internal, lost
from scheduling.models import ScheduledPost
from scheduling.preparing import inside_window, longest_window
from scheduling.readiness import get_ready, needs_work_first
from scheduling.records import (
    AttemptResult,
    PostResult,
    mark_sent,
    record,
    take_back_marks,
)
from scheduling.refreshing import RefreshAhead
from scheduling.sending import check, publish
from scheduling.states import WAITING, PostState

log = logging.getLogger("carillon.publisher")

S = PostState

QUIET = frozenset({S.PUBLISHED, S.PROCESSING, S.SCHEDULED, S.QUEUED})
PREPARE_AT_ONCE = 16  # preparations ahead of the moment in one slot
PREPARE_AGAIN_SECONDS = 5.0  # while something is paused
LANE_PAST_PAUSES = 128  # rows of one account in one claim, while something is paused
_IS_WAITING = "state IN ({})".format(", ".join(f"'{state}'" for state in sorted(WAITING)))


class PostWorkload:
    """Everything a slot needs to know about posts."""

    kind = "publish"

    def __init__(self) -> None:
        self.concurrency: int = settings.PUBLISHER_CONCURRENCY
        self.caller = Caller()
        self.refresh_ahead = RefreshAhead(self.caller)
        self._worker = ""
        self._slot = 0
        self._paused = False
        self._preparing = 0
        self._is_unsure = False  # a claim may have been committed without our hearing of it
        self._prepare_again_at = 0.0  # monotonic seconds

    # --- on the database threads ------------------------------------------------------------

    def db_start(self, slot_id: int, worker: str) -> None:
        """Begin: look whether this database was restored, read the gate."""
        self._slot, self._worker = slot_id, worker
        outage.check_installation()
        self.db_tick()

    def db_claim(
        self, limit: int, *, ahead: int = PREPARE_AT_ONCE, deal: Deal | None = None
    ) -> list[Job]:
        """Claim due posts and, when there is room, up to `ahead` posts to prepare ahead.

        What an earlier call claimed before the database was cut off nobody works on: it is freed.
        """
        if self._paused:
            return []
        if self._is_unsure:
            ScheduledPost.forsake(self._slot)
        self._is_unsure = True
        jobs = self._claim(limit, ahead=ahead, deal=deal)
        self._is_unsure = False
        return jobs

    def _claim(self, limit: int, *, ahead: int, deal: Deal | None) -> list[Job]:
        some_paused = pauses.is_any_sending_paused()
        if some_paused:
            deal = _past_what_is_paused(deal, limit)
        rows = ScheduledPost.claim(
            self._slot,
            limit=limit,
            horizon=settings.CLAIM_AHEAD,
            lease=CLAIM_LEASE,
            columns=COLUMNS,
            deal=deal,
            # Questions to the network are asked at their moment: a call may land until then.
            extra_where=f"{_IS_WAITING} OR due_at <= {sql.now_plus()}",
        )
        ahead = min(ahead, PREPARE_AT_ONCE - self._preparing, limit - len(rows))
        if ahead > 0 and time.monotonic() >= self._prepare_again_at:
            unpaused = "TRUE"
            if some_paused:  # no index tells them apart: what is paused is read, so not often
                self._prepare_again_at = time.monotonic() + PREPARE_AGAIN_SECONDS
                unpaused = pauses.not_paused("platform", "workspace_id")
            rows += ScheduledPost.claim(
                self._slot,
                limit=ahead,
                horizon=longest_window(),
                lease=CLAIM_LEASE,
                columns=COLUMNS,
                extra_where=f"state = '{S.QUEUED}' AND {inside_window()} AND {unpaused}",
            )
        if not rows:
            return []
        posts = [read_row(row) for row in rows]
        self.caller.gate.db_glance(at_most_every=GLANCE_SECONDS)
        self.caller.accounts.load({post.connection_id for post in posts})
        return [self._job(post) for post in posts]

    def _job(self, post: ClaimedPost) -> Job:
        account = self.caller.accounts.get(post.connection_id)
        adapter = account.adapter
        due = (post.due_at or post.scheduled_at).timestamp()
        return Job(
            id=post.id,
            token=post.token,
            due=due,
            owner=post.workspace_id,
            lanes=_lanes(post, adapter),
            priority=post.priority,
            marked=not needs_work_first(post, account, due),
            payload=post,
        )

    def db_mark(self, jobs: Sequence[Job]) -> set[uuid.UUID]:
        """Commit the send marks."""
        admitted = self.caller.spend(jobs)
        return mark_sent([job.payload for job in admitted], worker=self._worker)

    def db_release(self, jobs: Sequence[Job]) -> None:
        """Give claims back."""
        ScheduledPost.release([(job.id, job.token) for job in jobs])

    def db_take_back(self, jobs: Sequence[Job]) -> None:
        """Undo marks that may or may not be committed, then give the claims back."""
        sure = [job for job in jobs if not job.payload.in_doubt]
        take_back_marks([(job.id, job.token, job.due) for job in sure], worker=self._worker)
        self.db_release(jobs)

    def db_record(self, results: Sequence[PostResult]) -> None:
        """Write results."""
        record(results, worker=self._worker)

    def db_glance(self) -> None:
        """Look whether other processes were refused."""
        self.caller.gate.db_glance()

    def db_tick(self) -> None:
        """Do the once-a-second work of a publisher slot."""
        self._paused = outage.beat()
        self.caller.gate.db_sync()
        sweeper.sweep()
        if not self._paused:
            self.refresh_ahead.db_look()

    # --- on the loop ------------------------------------------------------------------------

    async def open(self, runner: Runner[PostResult]) -> None:
        """Begin on the loop."""
        await self.caller.open(runner)
        self.refresh_ahead.open()

    async def close(self) -> None:
        """Let refreshes end, then end the HTTP session."""
        await self.refresh_ahead.close()
        await self.caller.close()

    def hold(self, job: Job) -> PostResult | None:
        """Return "wait until" when the gate says no."""
        return self.caller.hold(job)

    def hold_back(self, job: Job) -> PostResult | None:
        """Return "wait until" for a marked post when the network has refused others meanwhile."""
        hold = self.caller.blocked(job)
        if hold is None:
            return None
        result = self.unsent(job, hold.reason)
        result.due, result.category = hold.until, ErrorCategory.RATE_LIMIT
        result.error = f"Waiting for the network's limit: {hold.reason}"
        return result

    def unsent(self, job: Job, reason: str) -> PostResult:
        """Return the result that takes the mark back; `attempts` do not count it."""
        post: ClaimedPost = job.payload
        now = self.caller.clock.now()
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
        with correlation.working_on(post.correlation_id):
            result = await self._call(job, post)
            if result is not None:
                _tell(post, result)
        return result

    async def _call(self, job: Job, post: ClaimedPost) -> PostResult | None:
        account = self.caller.accounts.get(post.connection_id)
        started = self.caller.clock.now()
        try:
            if post.state == S.PUBLISHING:
                return await publish(self.caller, job, post, account, started)
            if post.state in WAITING:
                return await self._get_ready(job, post, account)
            if hold := await self.caller.admit(account, "find"):
                return held(post, hold)
            if post.state == S.PROCESSING:
                return await check(self.caller, post, account, started)
            return await ask(self.caller, post, account)
        except ServiceError as error:
            return await failed(self.caller, post, account, error, started)
        except LostLease:
            log.warning("lease.lost", extra={**post.log_extra(), "step": "progress"})
            return lost(self.caller, post, started)
        except (DatabaseError, InterfaceError) as error:
            return await failed(self.caller, post, account, internal(error), started)
        except Exception as error:
            log.exception("post.crashed", extra=post.log_extra())
            return await failed(self.caller, post, account, internal(error), started)

    async def _get_ready(
        self, job: Job, post: ClaimedPost, account: ConnectedAccount
    ) -> PostResult | None:
        """Bring the post to its mark; no more uploads are taken on than are worked off."""
        if not post.needs_preparation:
            return await get_ready(self.caller, job, post, account)
        self._preparing += 1
        try:
            return await get_ready(self.caller, job, post, account)
        finally:
            self._preparing -= 1


def _past_what_is_paused(deal: Deal | None, limit: int) -> Deal:
    """Return a deal by which a claim walks past the lanes of what is paused, backlog and all.

    Earliest first would read the whole backlog of a paused platform again with every claim.
    """
    connections = sql.table_of(SocialConnection)
    platform = f"(SELECT c.platform FROM {connections} c WHERE c.id = l)"  # noqa: S608 - names are ours
    lane_most = deal.lane_most if deal else min(limit, LANE_PAST_PAUSES)
    full = deal.full if deal else ()
    return Deal(lane_most, full, pauses.not_paused(platform, "o"))


def _tell(post: ClaimedPost, result: PostResult) -> None:
    """Log where a post goes. What simply goes well is told at debug: there may be thousands."""
    level = logging.DEBUG if result.target in QUIET and not result.category else logging.INFO
    if not log.isEnabledFor(level):
        return
    told = {**post.log_extra(), "source": result.source, "category": str(result.category)}
    log.log(level, "post.%s", result.target, extra=told)


def _lanes(post: ClaimedPost, adapter: Adapter) -> tuple[tuple[Hashable, int], ...]:
    connection = (post.connection_id, adapter.in_flight_per_connection)
    if adapter.in_flight_per_app is None:
        return (connection,)
    return (connection, (post.platform, adapter.in_flight_per_app))
