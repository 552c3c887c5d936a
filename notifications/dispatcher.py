"""Delivering notifications: the workload that runs in every notifier slot (see `engine.runner`).

At least once: a delivery is marked, made, recorded; one whose worker died in between is made again
under the same id. Receivers share nothing but the slot: see `notifications.lanes`.
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

from engine import correlation
from engine.errors import ErrorCategory, ServiceError
from engine.gate import Gate, Hold, Key, Passage
from engine.jobs import Deal
from engine.runner import Job, Runner
from notifications import clearance, deliveries, sweeper
from notifications.channels.base import ChannelSender
from notifications.channels.email import EmailSender
from notifications.channels.webhook import WebhookSender
from notifications.deliveries import ClaimedDelivery, DeliveryResult
from notifications.ladder import MISCONFIGURED, wait_after
from notifications.lanes import EMAIL_LANE, Lanes
from notifications.models import Channel, Delivery, DeliveryState

log = logging.getLogger("carillon.notifier")

D = DeliveryState

# Unsent claims may wait behind a slow receiver; a dead slot is noticed by its heartbeat anyway.
CLAIM_LEASE = timedelta(minutes=10)
CLAIM_AT_ONCE = 40  # lanes are looked at again after so many, so none can fill the memory
LOGIN_PAUSE = timedelta(minutes=10)  # a mail server locks out whoever fails to log in too often
LONGEST_PAUSE = timedelta(minutes=1)  # of a whole host: others may have addresses there too
UNANSWERED = frozenset({ErrorCategory.NETWORK_ERROR, ErrorCategory.OUTCOME_UNKNOWN})


class DeliveryWorkload:
    """Everything a slot needs to know about deliveries."""

    kind = "notify"

    def __init__(self) -> None:
        self.concurrency: int = settings.NOTIFIER_CONCURRENCY
        self.gate = Gate(breaks=False)  # a receiver's own pauses are bounded, see LONGEST_PAUSE
        self._lanes = Lanes(self.concurrency)
        self._slot = 0
        self._may_send = False
        self._rng = random.Random()  # noqa: S311 - jitter

    # --- on the database threads ------------------------------------------------------------

    def db_start(self, slot_id: int, worker: str) -> None:
        """Begin: take over what silent slots left, read the gate."""
        self._slot = slot_id
        self.db_tick()

    def db_claim(self, limit: int, *, ahead: int = 0, deal: Deal | None = None) -> list[Job]:
        """Claim due deliveries in small portions, sparing receivers that hold enough already."""
        jobs: list[Job] = []
        while self._may_send and len(jobs) < limit:
            portion = min(CLAIM_AT_ONCE, limit - len(jobs))
            claimed = deliveries.claim(
                self._slot, limit=portion, lease=CLAIM_LEASE, other_than=self._lanes.full()
            )
            for delivery in claimed:
                self._lanes.take(delivery.lane, delivery.id)
                jobs.append(self._job(delivery))
            if len(claimed) < portion:
                break
        return jobs

    def _job(self, delivery: ClaimedDelivery) -> Job:
        return Job(
            id=delivery.id,
            token=delivery.token,
            due=delivery.due_at.timestamp(),
            owner=delivery.workspace_id,
            lanes=((delivery.lane, self._lanes.cap(delivery.lane)),),
            priority=delivery.priority,
            marked=True,
            payload=delivery,
        )

    def db_mark(self, jobs: Sequence[Job]) -> set[uuid.UUID]:
        """Commit the send marks."""
        return deliveries.mark_sending([job.payload for job in jobs])

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
        if any(result.category == ErrorCategory.RATE_LIMIT for result in results):
            self.gate.db_write()

    def db_glance(self) -> None:
        """Look whether other slots were refused."""
        self.gate.db_glance()

    def db_tick(self) -> None:
        """Do the once-a-second work of a notifier slot."""
        self._may_send = clearance.may_send()
        self.gate.db_sync()
        sweeper.sweep()

    # --- on the loop ------------------------------------------------------------------------

    async def open(self, runner: Runner[DeliveryResult]) -> None:
        """Begin on the loop: the channels, and a thread for each host name being looked up."""
        self._clock = runner.clock
        lookups = ThreadPoolExecutor(self.concurrency, thread_name_prefix="lookup")
        asyncio.get_running_loop().set_default_executor(lookups)
        self._senders: dict[str, ChannelSender] = {
            Channel.WEBHOOK: WebhookSender(),
            Channel.EMAIL: EmailSender(),
        }

    async def close(self) -> None:
        """End the channels."""
        for sender in self._senders.values():
            await sender.close()

    def hold(self, job: Job) -> DeliveryResult | None:
        """Return "skipped" for a channel without configuration, "wait" for a limited receiver."""
        delivery: ClaimedDelivery = job.payload
        if missing := self._senders[delivery.channel].missing():
            return DeliveryResult(delivery, D.SKIPPED, text=missing)
        hold = self.gate.hold(_passage(delivery.lane), self._clock.now())
        return None if hold is None else _held(delivery, delivery.state, hold)

    def hold_back(self, job: Job) -> DeliveryResult | None:
        """Return "wait" for a marked delivery whose receiver has refused others meanwhile."""
        delivery: ClaimedDelivery = job.payload
        hold = self.gate.blocked(_passage(delivery.lane), self._clock.now())
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
            return self._failed(delivery, ServiceError(ErrorCategory.UNKNOWN, detail))
        self._lanes.heard(delivery.lane)
        self.gate.succeeded(_passage(delivery.lane), self._clock.now())
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
        if wait is None:
            text += f"\nGiven up after {_tries(attempt)}: send it again when the cause is gone."
            return DeliveryResult(delivery, D.FAILED, category=error.category, text=text)
        due = max(now + wait.total_seconds(), self._close_gate(delivery, error, now))
        return DeliveryResult(delivery, D.PENDING, due=due, category=error.category, text=text)

    def _close_gate(self, delivery: ClaimedDelivery, error: ServiceError, now: float) -> float:
        """Hold back the receiver's other deliveries when it asked for it; returns until when."""
        pause = None if error.retry_after is None else min(error.retry_after, LONGEST_PAUSE)
        if delivery.lane == EMAIL_LANE and error.category in MISCONFIGURED:
            pause = LOGIN_PAUSE
        elif pause is None and error.category is not ErrorCategory.RATE_LIMIT:
            return now
        return self.gate.refused(
            _gate_key(delivery.lane),
            platform="",
            now=now,
            retry_after=pause,
            reason=error.detail,
        )


def _gate_key(lane: str) -> Key:
    return ("host", lane, "notify")


def _passage(lane: str) -> Passage:
    return Passage(platform="", own=_gate_key(lane))


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
