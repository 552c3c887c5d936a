"""Delivering notifications: the workload that runs in every notifier slot (see `engine.runner`).

At least once: a delivery is marked, made, recorded; one whose worker died in between is made again
under the same id, except a text message, which is never repeated. Receivers share nothing but the
slot: see `notifications.lanes`. A channel whose provider refuses us waits: see
`notifications.health`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from engine import correlation
from engine.errors import ErrorCategory, ServiceError
from engine.gate import Gate, Hold, Key, Passage
from engine.jobs import Deal
from engine.runner import Job, Runner
from notifications import clearance, deliveries, endpoint_health, health, sweeper, targets
from notifications.channels import make_senders
from notifications.channels.base import ChannelSender, TargetGone
from notifications.deliveries import ClaimedDelivery, DeliveryResult
from notifications.ladder import MISCONFIGURED, NEVER_TWICE, is_in_doubt, wait_after
from notifications.lanes import Lanes
from notifications.models import Channel, Delivery, DeliveryState

log = logging.getLogger("carillon.notifier")

D = DeliveryState

# Unsent claims may wait behind a slow receiver; a dead slot is noticed by its heartbeat anyway.
CLAIM_LEASE = timedelta(minutes=10)
CLAIM_AT_ONCE = 40  # lanes are looked at again after so many, so none can fill the memory
REPAIR_PAUSE = timedelta(minutes=10)  # a server locks out whoever fails to log in too often
SLACK_SPACING = timedelta(seconds=1)  # between two messages in one channel
LONGEST_PAUSE = timedelta(minutes=1)  # of a whole host: others may have addresses there too
CLOSES_GATE = MISCONFIGURED | {ErrorCategory.RATE_LIMIT}
NAMED_BY_USERS = frozenset({Channel.WEBHOOK.value, Channel.ENDPOINT.value})
UNANSWERED = frozenset({ErrorCategory.NETWORK_ERROR, ErrorCategory.OUTCOME_UNKNOWN})


class DeliveryWorkload:
    """Everything a slot needs to know about deliveries."""

    kind = "notify"

    def __init__(self) -> None:
        self.concurrency: int = settings.NOTIFIER_CONCURRENCY
        # A receiver's own pauses are bounded, see LONGEST_PAUSE.
        self.gate = Gate(breaks=False, spacing=SLACK_SPACING)
        self._lanes = Lanes(self.concurrency)
        self._slot = 0
        self._is_unsure = False  # a claim may have been committed without our hearing of it
        self._may_send = False
        self._unhealthy: set[str] = set()
        self._rng = random.Random()  # noqa: S311 - jitter

    # --- on the database threads ------------------------------------------------------------

    def db_start(self, slot_id: int, worker: str) -> None:
        """Begin: take over what silent slots left, read the gate."""
        self._slot = slot_id
        self.db_tick()

    def db_claim(self, limit: int, *, ahead: int = 0, deal: Deal | None = None) -> list[Job]:
        """Claim due deliveries in small portions, sparing receivers that hold enough already.

        What an earlier call claimed before the database was cut off nobody works on: it is freed.
        """
        if not self._may_send:
            return []
        if self._is_unsure:
            Delivery.forsake(self._slot)
        self._is_unsure = True
        jobs: list[Job] = []
        try:
            self._claim(limit, jobs)
        except (DatabaseError, InterfaceError):
            for job in jobs:  # the portions before the one that failed are lost with it
                self._lanes.leave(job.payload.lane, job.id)
            raise
        self._is_unsure = False
        return jobs

    def _claim(self, limit: int, jobs: list[Job]) -> None:
        while len(jobs) < limit:
            portion = min(CLAIM_AT_ONCE, limit - len(jobs))
            claimed = deliveries.claim(
                self._slot, limit=portion, lease=CLAIM_LEASE, other_than=self._lanes.full()
            )
            for delivery in claimed:
                self._lanes.take(delivery.lane, delivery.id)
                jobs.append(self._job(delivery))
            if len(claimed) < portion:
                break

    def _job(self, delivery: ClaimedDelivery) -> Job:
        return Job(
            id=delivery.id,
            token=delivery.token,
            due=delivery.due_at.timestamp(),
            owner=delivery.workspace_id,
            lanes=self._lanes.caps(delivery.lane),
            priority=delivery.priority,
            marked=True,
            payload=delivery,
        )

    def db_mark(self, jobs: Sequence[Job]) -> set[uuid.UUID]:
        """Commit the send marks of those whose receiver may be written to at this moment."""
        return deliveries.mark_sending([job.payload for job in self._spend(jobs)])

    def _spend(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs that may start now; in a Slack channel one a second may."""
        spaced = [job for job in jobs if _passage(job.payload).is_spent]
        wishes = [(_passage(job.payload), max(job.due, self._clock.now())) for job in spaced]
        granted = self.gate.db_spend(wishes) if wishes else []
        early = {job.id for job, may in zip(spaced, granted, strict=True) if not may}
        return [job for job in jobs if job.id not in early]

    def db_release(self, jobs: Sequence[Job]) -> None:
        """Give claims back."""
        for job in jobs:
            self._lanes.leave(job.payload.lane, job.id)
        Delivery.release([(job.id, job.token) for job in jobs])

    def db_take_back(self, jobs: Sequence[Job]) -> None:
        """Undo marks that may or may not be committed, then give the claims back."""
        deliveries.record([self.unsent(job, "the database was away") for job in jobs])
        self.db_release(jobs)

    def db_record(self, results: Sequence[DeliveryResult]) -> None:
        """Write results, and blocks at once, so that other slots stop calling too."""
        deliveries.record(results)
        for result in results:
            self._lanes.leave(result.delivery.lane, result.delivery.id)
        self._learn(results)
        if any(result.category in CLOSES_GATE for result in results):
            self.gate.db_write()

    def _learn(self, results: Sequence[DeliveryResult]) -> None:
        """Keep what results say of their targets and channels."""
        targets.retire(
            [
                (result.delivery.channel, result.delivery.target, gone.reason, gone.detail)
                for result in results
                if isinstance(gone := result.error, TargetGone)
            ]
        )
        for result in results:
            error = result.error
            if error is not None and error.category in MISCONFIGURED:
                channel = result.delivery.channel
                health.refused(channel, error.detail, is_whole=error.app_wide)
                if error.app_wide:
                    self._unhealthy.add(channel)
        endpoint_health.learn(
            [
                (result.delivery.target, result.target == D.SENT, result.error)
                for result in results
                if result.delivery.channel == Channel.ENDPOINT
                and (result.error is not None or result.target == D.SENT)
            ]
        )
        works = {result.delivery.channel for result in results if result.target == D.SENT}
        if well := works & self._unhealthy:
            health.recovered(well)
            self._unhealthy -= well

    def db_glance(self) -> None:
        """Look whether other slots were refused."""
        self.gate.db_glance()

    def db_tick(self) -> None:
        """Do the once-a-second work of a notifier slot."""
        self._may_send = clearance.may_send()
        self._unhealthy = health.unhealthy()
        self.gate.db_sync()
        sweeper.sweep()

    # --- on the loop ------------------------------------------------------------------------

    async def open(self, runner: Runner[DeliveryResult]) -> None:
        """Begin on the loop: the channels, and a thread for each host name being looked up."""
        self._runner, self._clock = runner, runner.clock
        lookups = ThreadPoolExecutor(self.concurrency, thread_name_prefix="lookup")
        asyncio.get_running_loop().set_default_executor(lookups)
        self._senders: dict[str, ChannelSender] = make_senders()

    async def close(self) -> None:
        """End the channels."""
        for sender in self._senders.values():
            await sender.close()

    def hold(self, job: Job) -> DeliveryResult | None:
        """Return "skipped" where nothing may go, "wait" for a limited receiver."""
        delivery: ClaimedDelivery = job.payload
        if reason := self._senders[delivery.channel].missing() or delivery.refusal:
            return DeliveryResult(delivery, D.SKIPPED, text=reason)
        hold = self.gate.hold(_passage(delivery), self._clock.now())
        return None if hold is None else _held(delivery, delivery.state, hold)

    def hold_back(self, job: Job) -> DeliveryResult | None:
        """Return "wait" for a marked delivery whose receiver has refused others meanwhile."""
        delivery: ClaimedDelivery = job.payload
        hold = self.gate.blocked(_passage(delivery), self._clock.now())
        if hold is None:
            return None
        delivery.state = D.SENDING
        return _held(delivery, D.PENDING, hold, taken_back=True)

    def unsent(self, job: Job, reason: str) -> DeliveryResult:
        """Return the result that takes the mark back; `attempts` do not count it."""
        delivery: ClaimedDelivery = job.payload
        delivery.state = D.SENDING  # if the mark failed we do not know whether it is committed
        return DeliveryResult(
            delivery, D.PENDING, due=job.due, text=f"Not sent: {reason}.", taken_back=True
        )

    async def call(self, job: Job) -> DeliveryResult:
        """Deliver once; every failure becomes a decision."""
        delivery: ClaimedDelivery = job.payload
        delivery.start_before = self._runner.latest_start(job)
        told = delivery.context.get("data") or {}
        with correlation.working_on(str(told.get("correlation_id") or "")):
            return await self._call(delivery)

    async def _call(self, delivery: ClaimedDelivery) -> DeliveryResult:
        try:
            provider_id = await self._senders[delivery.channel].send(delivery)
        except ServiceError as error:
            return self._failed(delivery, error)
        except Exception as error:
            log.exception("delivery.crashed", extra={"delivery_id": str(delivery.id)})
            detail = f"Carillon itself failed here ({type(error).__name__})."
            once = delivery.channel in NEVER_TWICE
            category = ErrorCategory.OUTCOME_UNKNOWN if once else ErrorCategory.UNKNOWN
            return self._failed(delivery, ServiceError(category, detail))
        self._lanes.heard(delivery.lane)
        self.gate.succeeded(_passage(delivery), self._clock.now())
        return DeliveryResult(delivery, D.SENT, provider_id=provider_id)

    def _failed(self, delivery: ClaimedDelivery, error: ServiceError) -> DeliveryResult:
        """Turn a failure into the ladder's next step, or the end."""
        if error.category in UNANSWERED:
            self._lanes.unheard(delivery.lane)
        else:
            self._lanes.heard(delivery.lane)
        now = self._clock.now()
        attempt = delivery.attempt_of_run
        wait = wait_after(delivery.channel, error, attempt=attempt, rng=self._rng)
        log.info(
            "delivery.failed",
            extra={
                "delivery_id": str(delivery.id),
                "channel": delivery.channel,
                "category": error.category,
                "attempt": attempt,
            },
        )
        text = "\n".join(part for part in (error.detail, error.excerpt) if part)
        held_until = self._close_gate(delivery, error, now)
        if wait is None:
            text += f"\n{_verdict(delivery, error, attempt)}"
            return DeliveryResult(
                delivery, D.FAILED, category=error.category, text=text, error=error
            )
        due = max(now + wait.total_seconds(), held_until)
        return DeliveryResult(
            delivery, D.PENDING, due=due, category=error.category, text=text, error=error
        )

    def _close_gate(self, delivery: ClaimedDelivery, error: ServiceError, now: float) -> float:
        """Hold back the receiver's other deliveries when it asked for it; returns until when.

        A host that a user named may ask for a minute at most, a provider for what it likes.
        """
        key, pause = _gate_key(delivery.lane), error.retry_after
        if pause is not None and delivery.channel in NAMED_BY_USERS:
            pause = min(pause, LONGEST_PAUSE)
        if error.app_wide and error.category in MISCONFIGURED:
            key, pause = _channel_key(delivery.channel), REPAIR_PAUSE
        elif pause is None and error.category is not ErrorCategory.RATE_LIMIT:
            return now
        return self.gate.refused(key, platform="", now=now, retry_after=pause, reason=error.detail)


def _verdict(delivery: ClaimedDelivery, error: ServiceError, attempt: int) -> str:
    """Return how a delivery that is given up ends, and what to do."""
    if is_in_doubt(delivery.channel, error):
        return (
            "Unknown whether it was sent, so it is not repeated: send it again if the recipient "
            "has not got it."
        )
    return f"Given up after {_tries(attempt)}: send it again when the cause is gone."


def _gate_key(lane: str) -> Key:
    return ("host", lane, "notify")


def _channel_key(channel: str) -> Key:
    return ("app", channel, "notify")


def _passage(delivery: ClaimedDelivery) -> Passage:
    return Passage(
        platform="",
        own=_gate_key(delivery.lane),
        shared=_channel_key(delivery.channel),
        is_spaced=delivery.channel == Channel.SLACK,
    )


def _held(
    delivery: ClaimedDelivery, state: str, hold: Hold, *, taken_back: bool = False
) -> DeliveryResult:
    return DeliveryResult(
        delivery,
        state,
        due=hold.until,
        category=ErrorCategory.RATE_LIMIT,
        text=f"Waiting for the receiver: {hold.reason}",
        taken_back=taken_back,
    )


def _tries(attempt: int) -> str:
    return "one try" if attempt == 1 else f"{attempt} tries"
