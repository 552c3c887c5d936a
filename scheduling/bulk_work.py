"""The worker's side of a job over many posts: one row at a time, each once or not yet.

1. Take the job under a lease, which keeps other workers away.
2. Do one row after the other, each in one transaction with its item: whatever dies, a row is done
   once or not yet. A post that has changed its state since it was counted is refused. Every row is
   done by the same service as by hand, which writes the post's own audit event.
3. Whoever finds the lease over goes on from the first item that is still to do.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, connections, transaction
from django.db.models import Count, Q
from django.db.models.functions import Now
from django_q.tasks import async_task

from accounts.audit import record
from engine.drain import is_draining
from engine.pauses import is_draining as is_host_draining
from engine.states import IllegalTransition
from scheduling.bulk_actions import ACTIONS
from scheduling.models import BulkItem, BulkJob, ScheduledPost
from scheduling.rules import Invalid
from scheduling.states import WAITING, PostState

log = logging.getLogger("carillon.bulk_jobs")

S = PostState
State, Result = BulkJob.State, BulkItem.Result
TAKEN_AT_ONCE = 50  # rows between two looks whether the job was stopped
LEASE = timedelta(seconds=30)  # renewed with every look; how long a dead worker's job waits
COUNT_EVERY_SECONDS = 1.0
RUN_SECONDS = 120.0  # then the task makes room for others and the job is queued anew
TASK = "scheduling.tasks.run_bulk_job"


def queue(job_id: UUID) -> None:
    """Ask for a worker; if the queue is away, the minute's look finds the job."""
    try:
        async_task(TASK, str(job_id), timeout=int(RUN_SECONDS) + 60)
    except Exception:
        log.exception("bulk_job.not_queued", extra={"job": str(job_id)})


def run_waiting() -> int:
    """Queue the jobs that nobody works on; returns how many."""
    free = Q(state=State.WAITING) | Q(state=State.RUNNING, lease_until__lt=Now())
    found = list(BulkJob.objects.filter(free).values_list("pk", flat=True))
    for pk in found:
        queue(pk)
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
            count(job)
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
    count(job)
    BulkJob.objects.filter(pk=job.pk, state=State.RUNNING).update(
        state=State.WAITING, lease_until=None
    )
    if not is_draining() and not is_host_draining():
        queue(job.pk)


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
        _note(item, Result.REFUSED, _why(refused))
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


def _why(refused: Exception) -> str:
    if isinstance(refused, Invalid):
        return "; ".join(error.message for error in refused.errors)
    return str(refused).rstrip(".")


def _note(item: BulkItem, result: BulkItem.Result, why: str) -> None:
    BulkItem.objects.filter(pk=item.pk, result=Result.PENDING).update(result=result, why=why[:255])


def count(job: BulkJob) -> None:
    """Bring the job's counts in line with its items."""
    counted = dict(job.items.order_by().values_list("result").annotate(n=Count("pk")))
    job.done, job.refused, job.failed = (
        counted.get(result, 0) for result in (Result.DONE, Result.REFUSED, Result.FAILED)
    )
    job.save(update_fields=["done", "refused", "failed"])


def _finish(job: BulkJob) -> None:
    count(job)
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
