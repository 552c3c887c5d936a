"""One act on many posts: frozen when proposed, confirmed by who saw the count, done row by row.

1. `propose` writes down which posts the filter matches at that moment, and in which state; those
   that do not allow the act are refused at once. Nothing else happens to anybody.
2. `confirm` starts it. A worker takes the job under a lease and does one row at a time, each in
   one transaction with its item: whatever dies, a row is done once or not yet. A post that has
   changed its state since it was counted is refused.
3. Whoever finds the lease over goes on from the first item that is still to do.

Every row is done by the same service as by hand, which writes the post's own audit event.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections, transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django_q.tasks import async_task

from accounts.audit import record
from engine import rights
from engine.drain import is_draining
from engine.pauses import is_draining as is_host_draining
from engine.states import IllegalTransition
from scheduling import services
from scheduling.explanations import refusal
from scheduling.models import BulkItem, BulkJob, ScheduledPost
from scheduling.rules import Invalid
from scheduling.states import WAITING, PostState

log = logging.getLogger("carillon.bulk_jobs")

S = PostState
State, Result = BulkJob.State, BulkItem.Result
MOST = 100_000  # posts in one job
WRITTEN_AT_ONCE = 2000
TAKEN_AT_ONCE = 50  # rows between two looks whether the job was stopped
LEASE = timedelta(seconds=30)  # renewed with every look; how long a dead worker's job waits
COUNT_EVERY_SECONDS = 1.0
RUN_SECONDS = 120.0  # then the task makes room for others and the job is queued anew
GOOD_FOR = timedelta(hours=1)  # a proposal: what was counted gets old
KEPT = timedelta(days=90)
TASK = "scheduling.tasks.run_bulk_job"


class JobRefused(Exception):
    """The job cannot be proposed, confirmed or stopped; the message says why."""


@dataclass(frozen=True, slots=True)
class BulkAction:
    """One act that may be done to many posts. `run(job, item)` calls a service for one of them."""

    name: str
    label: str
    done: str
    consequence: str
    permission: str
    rule: str  # key of `explanations.ALLOWED`
    run: Callable[[BulkJob, BulkItem], object]

    takes_doubt: bool = False  # posts in doubt are done too, if a person answers for them

    def refusal(self, state: str, *, in_doubt: bool) -> str:
        """Return why a post in `state` is not done, or ""; `in_doubt`: a person answers for it."""
        if state == S.OUTCOME_UNKNOWN and in_doubt and self.asks_about_doubt:
            return ""
        return refusal(state, self.rule)

    @property
    def asks_about_doubt(self) -> bool:
        """Say whether one person may answer for posts in doubt."""
        return self.takes_doubt and not settings.FOUR_EYES


def _reason(job: BulkJob) -> str:
    """Return what the posts' own histories say."""
    return job.reason or f"a job over {job.total:,} posts"


def _requeue(job: BulkJob, item: BulkItem) -> object:
    in_doubt = item.seen_state == S.OUTCOME_UNKNOWN
    return services.requeue_post(
        item.post_id, actor=job.actor, reason=_reason(job), confirm_not_live=in_doubt
    )


def _simply(service: Callable[..., object]) -> Callable[[BulkJob, BulkItem], object]:
    def run(job: BulkJob, item: BulkItem) -> object:
        return service(item.post_id, actor=job.actor, reason=_reason(job))

    return run


def _reschedule(job: BulkJob, item: BulkItem) -> object:
    planned = ScheduledPost.objects.values_list("scheduled_at", flat=True).get(pk=item.post_id)
    return services.edit_post(
        item.post_id,
        actor=job.actor,
        reason=_reason(job),
        scheduled_at=new_moment(job, item, planned),
    )


def new_moment(job: BulkJob, item: BulkItem, planned: datetime) -> datetime:
    """Return a post's new moment: later by the offset, and by its place's share of the spread."""
    answers = job.answers
    begin = job.confirmed_at or timezone.now()
    base = begin if answers.get("from_now") else planned
    share = item.place / max(1, job.total)
    spread = timedelta(minutes=answers.get("spread_minutes") or 0) * share
    return base + timedelta(minutes=answers.get("offset_minutes") or 0) + spread


ACTIONS = {
    action.name: action
    for action in (
        BulkAction(
            "requeue",
            "Requeue",
            "requeued",
            "A new run with a full set of attempts, at the planned moment or at once if that has "
            "passed. The history stays; parts that are live are not published again.",
            rights.REQUEUE,
            "requeue",
            _requeue,
            takes_doubt=True,
        ),
        BulkAction(
            "cancel",
            "Cancel",
            "cancelled",
            "Nothing is sent. A cancelled post can be requeued.",
            rights.CANCEL,
            "cancel",
            _simply(services.cancel_post),
        ),
        BulkAction(
            "publish_now",
            "Publish now",
            "to be published now",
            "Due at once, however late: they leave as fast as the networks' limits allow.",
            rights.PUBLISH_NOW,
            "publish_now",
            _simply(services.publish_now),
        ),
        BulkAction(
            "reconcile_now",
            "Reconcile now",
            "to be asked about now",
            "Carillon asks the networks what became of them, as soon as that is safe.",
            rights.RECONCILE,
            "reconcile_now",
            _simply(services.reconcile_now),
        ),
        BulkAction(
            "reschedule",
            "Reschedule",
            "rescheduled",
            "Each gets a new moment; uploads that were made ahead are made anew. Held and failed "
            "ones are scheduled again.",
            rights.RESCHEDULE,
            "edit",
            _reschedule,
        ),
    )
}


# --- 1. propose -------------------------------------------------------------------------------


def propose(
    posts: QuerySet[ScheduledPost], *, action: str, actor: str, filter: Mapping[str, Any]
) -> BulkJob:
    """Write down which posts are meant, in the order of their moments; raises JobRefused."""
    found = list(posts.order_by("scheduled_at", "pk").values_list("pk", "state")[: MOST + 1])
    if not found:
        raise JobRefused("No post matches this filter any more.")
    if len(found) > MOST:
        raise JobRefused(f"More than {MOST:,} posts match: narrow the filter first.")
    wanted = ACTIONS[action]
    with transaction.atomic():
        job = BulkJob.objects.create(
            action=action, actor=actor, filter=dict(filter), total=len(found)
        )
        items = []
        for place, (pk, state) in enumerate(found):
            why = wanted.refusal(state, in_doubt=True)
            result = Result.REFUSED if why else Result.PENDING
            items.append(
                BulkItem(job=job, post_id=pk, place=place, seen_state=state, result=result, why=why)
            )
        BulkItem.objects.bulk_create(items, batch_size=WRITTEN_AT_ONCE)
        _count(job)
    return job


def states_of(job: BulkJob) -> dict[str, int]:
    """Return how many of the job's posts were in which state when it was proposed."""
    counted = job.items.order_by().values_list("seen_state").annotate(n=Count("pk"))
    return dict(counted.order_by("-n"))


# --- 2. confirm and stop ----------------------------------------------------------------------


def confirm(job_id: UUID, *, actor: str, reason: str, answers: Mapping[str, Any]) -> BulkJob:
    """Start a job as it was counted; only who proposed it saw the count. Raises JobRefused."""
    with transaction.atomic():
        job = BulkJob.objects.select_for_update().get(pk=job_id)
        if job.state != State.PROPOSED:
            raise JobRefused(f"This job is {job.get_state_display()} already.")
        if job.actor != actor:
            raise JobRefused("Only the person who proposed it, and saw its count, confirms a job.")
        if job.created_at < timezone.now() - GOOD_FOR:
            raise JobRefused("It was counted over an hour ago: propose it anew from the list.")
        if answers.get("in_doubt") and settings.FOUR_EYES:
            raise JobRefused("Two people say what became of a post in doubt, on the post's page.")
        job.state, job.reason, job.answers = State.WAITING, reason, dict(answers)
        job.confirmed_at = timezone.now()
        job.save()
        in_doubt = bool(answers.get("in_doubt"))
        why = ACTIONS[job.action].refusal(S.OUTCOME_UNKNOWN, in_doubt=in_doubt)
        if why:
            doubtful = job.items.filter(seen_state=S.OUTCOME_UNKNOWN, result=Result.PENDING)
            doubtful.update(result=Result.REFUSED, why=why)
        _count(job)
        record(
            actor=actor,
            action="bulk_job.confirmed",
            target=f"bulk_job:{job.pk}",
            reason=reason,
            detail={
                "action": job.action,
                "total": job.total,
                "to_do": job.total - job.refused,
                "filter": job.filter,
                "answers": job.answers,
            },
        )
        transaction.on_commit(lambda: _queue(job.pk))
    return job


def stop(job_id: UUID, *, actor: str, reason: str = "") -> BulkJob:
    """Stop a job between two rows; what was done stays done. Raises JobRefused when it is over."""
    with transaction.atomic():
        job = BulkJob.objects.select_for_update().get(pk=job_id)
        if job.state not in {State.PROPOSED, State.WAITING, State.RUNNING}:
            raise JobRefused(f"This job is {job.get_state_display()} already.")
        job.state, job.stopped_by, job.finished_at = State.STOPPED, actor, timezone.now()
        job.lease_until = None
        job.save()
        _count(job)
        record(
            actor=actor,
            action="bulk_job.stopped",
            target=f"bulk_job:{job.pk}",
            reason=reason,
            detail={"done": job.done, "of": job.total},
        )
    return job


def _queue(job_id: UUID) -> None:
    """Ask for a worker; if the queue is away, the minute's look finds the job."""
    try:
        async_task(TASK, str(job_id), timeout=int(RUN_SECONDS) + 60)
    except Exception:
        log.exception("bulk_job.not_queued", extra={"job": str(job_id)})


# --- 3. run -----------------------------------------------------------------------------------


def run_waiting() -> int:
    """Queue the jobs that nobody works on; returns how many."""
    free = Q(state=State.WAITING) | Q(state=State.RUNNING, lease_until__lt=Now())
    found = list(BulkJob.objects.filter(free).values_list("pk", flat=True))
    for pk in found:
        _queue(pk)
    return len(found)


def run(job_id: UUID) -> None:
    """Go on with a job until it is done, stopped, or RUN_SECONDS are over."""
    if is_host_draining() or not _take(job_id):
        return
    try:
        work(job_id)
    except (OperationalError, InterfaceError) as error:  # when the lease is over another goes on
        connections.close_all()
        log.warning("bulk_job.waits", extra={"job": str(job_id), "error": type(error).__name__})


def work(job_id: UUID) -> None:
    """Do rows while the job is running; the lease keeps others away, the items keep it right."""
    ends_at, counted_at = time.monotonic() + RUN_SECONDS, 0.0
    after = -1  # done items need not be read again; at the end one more look, from the beginning
    while (job := _renew(job_id)) is not None:
        pending = job.items.filter(result=Result.PENDING, place__gt=after)
        items = list(pending.order_by("place")[:TAKEN_AT_ONCE])
        for item in items:
            if is_draining():
                break
            _do(job, item)
        if time.monotonic() - counted_at > COUNT_EVERY_SECONDS:
            _count(job)
            counted_at = time.monotonic()
        if is_draining() or is_host_draining() or time.monotonic() > ends_at:
            _pause(job)
            return
        if not items and after < 0:
            _finish(job)
            return
        after = items[-1].place if items else -1


def _pause(job: BulkJob) -> None:
    """Give the lease back; another task goes on, on a host that is not drained."""
    _count(job)
    BulkJob.objects.filter(pk=job.pk, state=State.RUNNING).update(
        state=State.WAITING, lease_until=None
    )
    if not is_draining() and not is_host_draining():
        _queue(job.pk)


def _take(job_id: UUID) -> bool:
    """Take the job's lease; false if another worker has it or it is over."""
    free = Q(state=State.WAITING) | Q(state=State.RUNNING, lease_until__lt=Now())
    taken = BulkJob.objects.filter(free, pk=job_id).update(
        state=State.RUNNING, lease_until=Now() + LEASE
    )
    return bool(taken)


def _renew(job_id: UUID) -> BulkJob | None:
    """Renew the lease and return the job, or None when it was stopped."""
    kept = BulkJob.objects.filter(pk=job_id, state=State.RUNNING).update(lease_until=Now() + LEASE)
    return BulkJob.objects.get(pk=job_id) if kept else None


def _do(job: BulkJob, item: BulkItem) -> None:
    """Do one row: the service and the item's result in one transaction, so once or not yet."""
    action = ACTIONS[job.action]
    try:
        with transaction.atomic():
            mine = BulkItem.objects.filter(pk=item.pk, result=Result.PENDING)
            if not mine.update(result=Result.DONE):
                return  # another worker was first
            _require_as_seen(item)
            action.run(job, item)
    except (IllegalTransition, Invalid) as refused:
        _note(item, Result.REFUSED, _why(item, action, refused))
    except ScheduledPost.DoesNotExist:
        _note(item, Result.REFUSED, "no longer there")
    except (OperationalError, InterfaceError):
        raise  # the database is away: this row is still to do
    except Exception as error:
        log.exception("bulk_job.row_failed", extra={"job": str(job.pk), "place": item.place})
        _note(item, Result.FAILED, f"an error of ours, it is logged ({type(error).__name__})")


def _require_as_seen(item: BulkItem) -> None:
    """Raise IllegalTransition when the post is no longer what was counted."""
    state = ScheduledPost.objects.values_list("state", flat=True).get(pk=item.post_id)
    same = state == item.seen_state or {state, item.seen_state} <= WAITING
    if not same:
        raise IllegalTransition(f"changed since it was counted: now {S(state).label}")


def _why(item: BulkItem, action: BulkAction, refused: Exception) -> str:
    if isinstance(refused, Invalid):
        return "; ".join(error.message for error in refused.errors)
    return str(refused).rstrip(".")


def _note(item: BulkItem, result: BulkItem.Result, why: str) -> None:
    BulkItem.objects.filter(pk=item.pk, result=Result.PENDING).update(result=result, why=why[:255])


def _count(job: BulkJob) -> None:
    """Bring the job's counts in line with its items."""
    counted = dict(job.items.order_by().values_list("result").annotate(n=Count("pk")))
    job.done, job.refused, job.failed = (
        counted.get(result, 0) for result in (Result.DONE, Result.REFUSED, Result.FAILED)
    )
    job.save(update_fields=["done", "refused", "failed"])


def _finish(job: BulkJob) -> None:
    _count(job)
    with transaction.atomic():
        ended = BulkJob.objects.filter(pk=job.pk, state=State.RUNNING).update(
            state=State.DONE, finished_at=Now(), lease_until=None
        )
        if ended:
            record(
                actor=job.actor,
                action="bulk_job.done",
                target=f"bulk_job:{job.pk}",
                reason=job.reason,
                detail={"done": job.done, "refused": job.refused, "failed": job.failed},
            )
    log.info("bulk_job.done", extra={"job": str(job.pk), "count": job.done})


def tidy() -> None:
    """Remove proposals nobody confirmed, and the rows of jobs long over (the counts stay)."""
    BulkJob.objects.filter(state=State.PROPOSED, created_at__lt=Now() - GOOD_FOR * 24).delete()
    BulkItem.objects.filter(job__finished_at__lt=Now() - KEPT).delete()


def reasons_of(job: BulkJob, most: int = 20) -> list[tuple[str, str, int, list[UUID]]]:
    """Return (result, why, how many, some posts) for what was not done, the most frequent first."""
    missed = job.items.filter(result__in=[Result.REFUSED, Result.FAILED]).order_by()
    groups = missed.values_list("result", "why").annotate(n=Count("pk")).order_by("-n")[:most]
    return [
        (
            result,
            why,
            count,
            list(
                missed.filter(result=result, why=why)
                .order_by("place")
                .values_list("post_id", flat=True)[:5]
            ),
        )
        for result, why, count in groups
    ]
