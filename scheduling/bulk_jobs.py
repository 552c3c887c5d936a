"""One act on many posts: frozen when proposed, confirmed by who saw the count, stopped by anybody.

`propose` writes down which posts the filter matches at that moment, and in which state; those that
do not allow the act are refused at once. Nothing else happens to anybody. `confirm` lets a worker
begin: see `scheduling.bulk_work`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.audit import record
from scheduling import bulk_work
from scheduling.bulk_actions import ACTIONS
from scheduling.models import BulkItem, BulkJob, ScheduledPost
from scheduling.states import PostState

S = PostState
State, Result = BulkJob.State, BulkItem.Result
MOST = 100_000  # posts in one job
WRITTEN_AT_ONCE = 2000
GOOD_FOR = timedelta(hours=1)  # a proposal: what was counted gets old
KEPT = timedelta(days=90)


class JobRefused(Exception):
    """The job cannot be proposed, confirmed or stopped; the message says why."""


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
        bulk_work.count(job)
    return job


def states_of(job: BulkJob) -> dict[str, int]:
    """Return how many of the job's posts were in which state when it was proposed."""
    counted = job.items.order_by().values_list("seen_state").annotate(n=Count("pk"))
    return dict(counted.order_by("-n"))


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
        bulk_work.count(job)
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
        transaction.on_commit(lambda: bulk_work.queue(job.pk))
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
        bulk_work.count(job)
        record(
            actor=actor,
            action="bulk_job.stopped",
            target=f"bulk_job:{job.pk}",
            reason=reason,
            detail={"done": job.done, "of": job.total},
        )
    return job


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
