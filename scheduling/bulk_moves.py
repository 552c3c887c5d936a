"""Many waiting posts cancelled or rescheduled at once: a few statements, a result for each.

Rows are locked in the order of their ids, so that two such calls wait for each other and never
deadlock; the locks last as long as these few statements.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import AuditEvent, Workspace
from engine import sql
from engine.states import IllegalTransition
from scheduling.announcements import PostChange, announce
from scheduling.drafts import FieldError
from scheduling.leftovers import leave
from scheduling.models import ScheduledPost
from scheduling.moments import change_of, set_moment
from scheduling.records import insert_transitions
from scheduling.rows import take_from_slots, too_late
from scheduling.rules import Invalid
from scheduling.states import CANCELLABLE, PostState
from scheduling.tallies import Tallies

S = PostState
_COLUMNS = {  # what an act may change
    "state": sql.TEXT,
    "due_at": sql.INSTANT,
    "scheduled_at": sql.INSTANT,
    "time_zone": sql.TEXT,
    "fencing_token": sql.BIGINT,
    "late_waived": sql.BOOLEAN,
    "progress": sql.JSONB,
    "progress_expires_at": sql.INSTANT,
    "needs_preparation": sql.BOOLEAN,
    "publish_run": sql.INT,
    "max_attempts": sql.INT,
    "last_category": sql.TEXT,
    "last_error": sql.TEXT,
}
_SET = ", ".join(f"{name} = v.v_{name}" for name in _COLUMNS)
_LEFT_BY_SLOTS = "lease_slot = NULL, lease_expires_at = NULL"
_NOT_LOOKED_AT = "warnings = NULL, preflight_at = NULL"


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of one id: its post as it is now (None: there is none), or why it was refused."""

    post: ScheduledPost | None
    refusal: str = ""
    errors: Sequence[FieldError] = ()

    @property
    def is_done(self) -> bool:
        """Say whether it was done."""
        return self.post is not None and not self.refusal and not self.errors


@dataclass(frozen=True, slots=True)
class _Act:
    change: Callable[[ScheduledPost], None]  # raises IllegalTransition or Invalid
    action: str  # as the audit log calls it
    words: str  # the transition's reason, where nobody gave one
    event: str = ""
    also_set: str = _LEFT_BY_SLOTS


def cancel_posts(
    ids: Sequence[uuid.UUID], *, workspace: Workspace, actor: str, reason: str = ""
) -> dict[uuid.UUID, Moved]:
    """Stop posts for good, as `services.cancel_post` does one."""
    act = _Act(_cancel, "post.cancelled", "cancelled by a person", "post.cancelled")
    return _each(ids, workspace, act, actor, reason)


def reschedule_posts(
    ids: Sequence[uuid.UUID],
    moment_of: Callable[[ScheduledPost], datetime],
    *,
    workspace: Workspace,
    actor: str,
    time_zone: str = "",
    reason: str = "",
) -> dict[uuid.UUID, Moved]:
    """Give posts the moments that `moment_of` says, as `moments.reschedule_post` does one."""

    def change(post: ScheduledPost) -> None:
        try:
            moment = moment_of(post)
        except OverflowError:
            raise Invalid(
                [FieldError("scheduled_at", "out_of_range", "This moment is beyond the calendar.")]
            ) from None
        set_moment(post, moment, time_zone)

    also = f"{_LEFT_BY_SLOTS}, {_NOT_LOOKED_AT}"
    act = _Act(change, "post.rescheduled", "rescheduled", also_set=also)
    return _each(ids, workspace, act, actor, reason)


def _cancel(post: ScheduledPost) -> None:
    if post.state not in CANCELLABLE | {S.FAILED, S.DEAD_LETTER}:
        raise IllegalTransition(too_late("cancelled", post))
    leave(post)
    post.state, post.due_at = S.CANCELLED, None
    take_from_slots(post)


def _each(
    ids: Sequence[uuid.UUID], workspace: Workspace, act: _Act, actor: str, reason: str
) -> dict[uuid.UUID, Moved]:
    results = {pk: Moved(None) for pk in ids}
    done: list[tuple[ScheduledPost, str, datetime]] = []
    with transaction.atomic():
        for post in _locked(ids, workspace):
            source, before = post.state, post.scheduled_at
            try:
                act.change(post)
            except IllegalTransition as why:
                results[post.pk] = Moved(post, refusal=str(why))
            except Invalid as why:
                results[post.pk] = Moved(post, errors=why.errors)
            else:
                results[post.pk] = Moved(post)
                done.append((post, source, before))
        _write(done, act, actor, reason)
    return results


def _locked(ids: Sequence[uuid.UUID], workspace: Workspace) -> Sequence[ScheduledPost]:
    return list(
        ScheduledPost.objects.select_for_update(of=("self",))
        .select_related("connection", "workspace")
        .filter(pk__in=ids, workspace=workspace)
        .order_by("pk")
    )


def _write(
    done: Sequence[tuple[ScheduledPost, str, datetime]], act: _Act, actor: str, reason: str
) -> None:
    posts = [post for post, _, _ in done]
    sql.update_rows(
        ScheduledPost,
        [{"id": p.pk, **{name: getattr(p, name) for name in _COLUMNS}} for p in posts],
        _COLUMNS,
        set_sql=f"{_SET}, {act.also_set}",
    )
    insert_transitions(
        [
            {
                "post_id": post.pk,
                "source": source,
                "target": post.state,
                "actor": actor,
                "reason": reason or act.words,
                "fencing_token": post.fencing_token,
            }
            for post, source, _ in done
            if source != post.state
        ]
    )
    tallies = Tallies()
    for post, source, _ in done:
        if source != post.state:
            tallies.reached(post.platform, post.state)
    tallies.write()
    AuditEvent.objects.bulk_create(
        AuditEvent(
            workspace_id=post.workspace_id,
            actor=actor,
            action=act.action,
            target=f"post:{post.pk}",
            reason=reason,
            detail=_detail(post, before),
        )
        for post, _, before in done
    )
    if act.event:
        announce([PostChange.of(post, event=act.event) for post in posts])


def _detail(post: ScheduledPost, before: datetime) -> dict[str, Any]:
    return change_of(before, post) if post.scheduled_at != before else {}
