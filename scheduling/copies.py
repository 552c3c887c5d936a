"""A copy of a post as a new draft, and drafts thrown away."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.audit import record
from accounts.models import User
from engine.states import IllegalTransition
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.rows import attachments_of, audit, locked, too_late
from scheduling.services import schedule_post
from scheduling.states import PostState

COPIED = (
    "first_comment",
    "options",
    "priority",
    "late_policy",
    "late_limit_minutes",
    "callback_url",
)


def duplicate_post(
    post: ScheduledPost,
    *,
    actor: str,
    created_by: User | None = None,
    connection: SocialConnection | None = None,
    scheduled_at: datetime | None = None,
    time_zone: str = "",
    external_id: str | None = None,
) -> tuple[ScheduledPost, bool]:
    """Make a new post with the content of `post`, for its account or another; (post, is it new).

    A draft, unless `scheduled_at` says when it goes out. Its own life begins: no external_id but
    the one given, no group, no attempts. Raises Invalid when a rule is broken; an `external_id`
    that is there already names that post, as ever.
    """
    details: dict[str, Any] = {name: getattr(post, name) for name in COPIED}
    with transaction.atomic():
        copy, is_new = schedule_post(
            workspace=post.workspace,
            connection=connection or post.connection,
            segments=post.segments,
            scheduled_at=scheduled_at or post.scheduled_at,
            time_zone=time_zone or post.time_zone,
            attachments=attachments_of(post),
            actor=actor,
            created_by=created_by,
            as_draft=scheduled_at is None,
            external_id=external_id,
            **details,
        )
        if is_new:
            audit(copy, actor, "post.duplicated", "", {"of": str(post.pk)})
    return copy, is_new


def delete_draft(post_id: uuid.UUID, *, actor: str) -> None:
    """Delete a draft for good; raises IllegalTransition for a post that is or was more than that.

    A draft that was something else before (rejected, sent back) has a history, which is kept: such
    a one can be cancelled.
    """
    with transaction.atomic():
        post = locked(post_id)
        if post.state != PostState.DRAFT:
            raise IllegalTransition(f"{too_late('deleted', post)} Cancel it to stop it.")
        if post.transitions.exists():
            raise IllegalTransition("This draft has a history, which is kept: cancel it instead.")
        record(
            workspace=post.workspace,
            actor=actor,
            action="post.deleted",
            target=f"post:{post.pk}",
            detail={"external_id": post.external_id, "platform": post.platform},
        )
        post.delete()
