"""Another moment for a post whose content stays: cheaper than an edit, and its approval holds.

What is prepared at the network stays prepared if it lasts until the new moment. The content version
does not change, so neither do the idempotency keys of a post that was tried before.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from engine.states import IllegalTransition
from scheduling.leftovers import leave
from scheduling.models import ScheduledPost
from scheduling.rows import audit, locked, note_move, start_new_run, take_from_slots, too_late
from scheduling.rules import Invalid, moment_errors
from scheduling.states import EDITABLE, PostState

S = PostState
SENT_AGAIN = frozenset({S.SCHEDULED, S.QUEUED, S.HELD, S.FAILED})  # a new moment sends these on
LASTS = timedelta(minutes=1)  # what is prepared must outlive its moment by this


def reschedule_post(
    post_id: uuid.UUID,
    *,
    actor: str,
    scheduled_at: datetime,
    time_zone: str = "",
    reason: str = "",
) -> ScheduledPost:
    """Give a post that was not sent another moment, by which its lateness is judged from now on.

    A held or failed post goes on, a draft stays one, and who else decides (an approver, the
    account's owner) still does. Raises IllegalTransition when it is too late, Invalid for a moment
    that has passed or an unknown time zone.
    """
    with transaction.atomic():
        post = locked(post_id)
        source, before = post.state, post.scheduled_at
        set_moment(post, scheduled_at, time_zone)
        post.save()
        if post.state != source:
            note_move(post, source, actor, reason or "rescheduled")
        audit(post, actor, "post.rescheduled", reason, change_of(before, post))
    return post


def set_moment(post: ScheduledPost, scheduled_at: datetime, time_zone: str = "") -> None:
    """Put a locked row at its new moment, to be saved by the caller; raises as above."""
    if post.state not in EDITABLE:
        raise IllegalTransition(too_late("rescheduled", post))
    if post.progress.get("published"):
        raise IllegalTransition("Part of this thread is live already, so it cannot be rescheduled.")
    source = post.state
    post.scheduled_at, post.time_zone = scheduled_at, time_zone or post.time_zone
    if source != S.DRAFT:
        post.state = S.SCHEDULED  # whoever decides about it, it is meant to go out then
    errors = moment_errors(post, post.workspace, timezone.now())
    post.state = source
    if errors:
        raise Invalid(errors)
    if source == S.FAILED:
        start_new_run(post)
    if source in SENT_AGAIN:
        post.state, post.due_at = S.SCHEDULED, scheduled_at
    post.late_waived = False
    post.preflight_at = post.warnings = None
    _drop_what_expires(post)
    take_from_slots(post)


def change_of(before: datetime, post: ScheduledPost) -> dict[str, str]:
    """Return what the audit log says of the change."""
    return {"from": before.isoformat(), "to": post.scheduled_at.isoformat()}


def _drop_what_expires(post: ScheduledPost) -> None:
    """Have uploads that will be gone by then made anew."""
    ends = post.progress_expires_at
    if ends is not None and ends < post.scheduled_at + LASTS:
        leave(post)
        post.progress, post.progress_expires_at = {}, None
        post.needs_preparation = True
