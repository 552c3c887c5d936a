"""Asking for approval, giving it, refusing it and taking it back.

Each raises the fencing token: an approval taken back before the send mark wins, and is refused
(IllegalTransition) after it. A post approved after its moment is judged by its late policy when a
slot finds it, like every other.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from engine.states import IllegalTransition
from scheduling.announcements import PostChange, announce
from scheduling.approval_mails import ask_approvers
from scheduling.approval_rule import (
    OwnPost,
    forget_approval,
    is_author,
    may_publish,
    note_approval,
    note_author,
)
from scheduling.models import ScheduledPost
from scheduling.rows import attachments_of, audit, locked, move, too_late
from scheduling.rules import Invalid, content_errors, moment_errors, ownership_errors, shape_errors
from scheduling.states import APPROVED, PostState

S = PostState


def submit_post(
    post_id: uuid.UUID,
    *,
    actor: str,
    scheduled_at: datetime | None = None,
    time_zone: str = "",
    reason: str = "",
) -> ScheduledPost:
    """Ask for approval of a draft, at the moment it has or gets now.

    Raises IllegalTransition when it is no draft (any more), Invalid when a rule is broken.
    """
    with transaction.atomic():
        post = locked(post_id)
        if post.state != S.DRAFT:
            raise IllegalTransition(too_late("submitted", post))
        post.scheduled_at = scheduled_at or post.scheduled_at
        post.time_zone = time_zone or post.time_zone
        post.state = S.SCHEDULED  # the rules are those of posts that go out
        _require_valid(post)
        post.state = S.DRAFT
        note_author(post, actor)
        move(post, S.AWAITING_APPROVAL, actor, reason or "submitted for approval", due_at=None)
        audit(post, actor, "post.submitted", reason)
        ask_approvers([post], reason=reason)
    return post


def approve_post(
    post_id: uuid.UUID, *, actor: str, reason: str = "", content_version: int | None = None
) -> ScheduledPost:
    """Let a post go out at its moment; with `content_version` only that version, as it was read.

    Raises OwnPost when `actor` has written in it and needs others' approval, IllegalTransition
    when it does not wait for approval, Invalid when its account is gone.
    """
    with transaction.atomic():
        post = locked(post_id)
        _require_waiting(post, "approved")
        _require_version(post, content_version)
        if is_author(post, actor) and not may_publish(post.workspace, actor):
            raise OwnPost("You have written in this post: somebody else must approve it.")
        if errors := ownership_errors(post.workspace, post.connection):
            raise Invalid(errors)
        note_approval(post, actor)
        move(post, S.SCHEDULED, actor, reason or "approved", due_at=post.scheduled_at)
        audit(post, actor, "post.approved", reason, _version(post))
        _tell(post, reason or f"Approved by {_name(actor)}.")
        announce([PostChange.of(post, event="post.scheduled")])
    return post


def reject_post(
    post_id: uuid.UUID, *, actor: str, reason: str, content_version: int | None = None
) -> ScheduledPost:
    """Send a post back to its author as a draft, saying why."""
    with transaction.atomic():
        post = locked(post_id)
        _require_waiting(post, "rejected")
        _require_version(post, content_version)
        move(post, S.DRAFT, actor, reason, due_at=None)
        audit(post, actor, "post.rejected", reason, _version(post))
        _tell(post, f"{_name(actor)} did not approve it: {reason}")
    return post


def withdraw_approval(post_id: uuid.UUID, *, actor: str, reason: str = "") -> ScheduledPost:
    """Stop a post that was not sent and ask for approval anew; what is prepared stays prepared."""
    with transaction.atomic():
        post = locked(post_id)
        if post.state not in APPROVED:
            raise IllegalTransition(too_late("sent back for approval", post))
        forget_approval(post)
        move(post, S.AWAITING_APPROVAL, actor, reason or "approval withdrawn", due_at=None)
        audit(post, actor, "post.approval_withdrawn", reason, _version(post))
        ask_approvers([post], reason=reason)
    return post


def _require_valid(post: ScheduledPost) -> None:
    errors = [
        *ownership_errors(post.workspace, post.connection),
        *moment_errors(post, post.workspace, timezone.now()),
        *shape_errors(post),
    ] or content_errors(post, attachments_of(post))
    if errors:
        raise Invalid(errors)


def _require_waiting(post: ScheduledPost, wish: str) -> None:
    if post.state != S.AWAITING_APPROVAL:
        raise IllegalTransition(
            f"Only a post that awaits approval can be {wish}; this one is "
            f"{post.get_state_display()}."
        )


def _require_version(post: ScheduledPost, seen: int | None) -> None:
    if seen is not None and post.content_version != seen:
        raise IllegalTransition(
            f"The post was changed meanwhile (version {post.content_version}, you read version "
            f"{seen}): read it again."
        )


def _version(post: ScheduledPost) -> dict[str, Any]:
    return {"content_version": post.content_version}


def _tell(post: ScheduledPost, reason: str) -> None:
    announce([PostChange.of(post, event="post.approval_decided", reason=reason)])


def _name(actor: str) -> str:
    return actor.removeprefix("user:")
