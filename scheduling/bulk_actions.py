"""What may be done to many posts at once, as data: the same services that do it to one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from engine import rights
from scheduling import services
from scheduling.explanations import refusal
from scheduling.models import BulkItem, BulkJob, ScheduledPost
from scheduling.states import PostState

S = PostState


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
