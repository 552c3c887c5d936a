"""How services take hold of a post's row, and write a move and who made it beside it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models import AuditEvent
from engine.clock import database_now
from engine.lookups import at_most_one
from engine.states import IllegalTransition
from platforms.models import SocialConnection
from scheduling.drafts import Attachment
from scheduling.leftovers import leave
from scheduling.models import PostMedia, PostTransition, ScheduledPost
from scheduling.ownership import noted_ids
from scheduling.questions import next_part
from scheduling.states import PostState
from scheduling.tallies import Tallies

S = PostState


def same_external_id(connection: SocialConnection, external_id: str) -> ScheduledPost | None:
    """Return the account's post with this external_id that is not cancelled, if there is one.

    Mostly there is none, so only its key is asked for at first: a post has sixty columns.
    """
    posts = ScheduledPost.objects.filter(connection=connection, external_id=external_id)
    keys = posts.exclude(state=S.CANCELLED).order_by().values_list("pk", flat=True)
    key = next(iter(keys[:1]), None)
    return at_most_one(ScheduledPost.objects.filter(pk=key)) if key else None


def locked(post_id: uuid.UUID) -> ScheduledPost:
    """Return the post with its account and workspace; its row is ours until the commit."""
    return (
        ScheduledPost.objects.select_for_update(of=("self",))
        .select_related("connection", "workspace")
        .get(pk=post_id)
    )


def take_from_slots(post: ScheduledPost) -> None:
    """Raise the fencing token and end any lease: whoever held the row has lost it."""
    post.fencing_token += 1
    post.lease_slot = post.lease_expires_at = None


def move(
    post: ScheduledPost, target: str, actor: str, reason: str, *, due_at: datetime | None
) -> None:
    """Write the whole row in its new state, take it from slots, and note the move."""
    if post.state != target:
        ScheduledPost.graph.check(post.state, target)
    source, post.state, post.due_at = post.state, target, due_at
    take_from_slots(post)
    post.save()
    if source != target:
        note_move(post, source, actor, reason)


def note_move(post: ScheduledPost, source: str, actor: str, reason: str) -> None:
    """Add the row that tells of a move already written, and count it."""
    PostTransition.objects.create(
        post=post,
        source=source,
        target=post.state,
        actor=actor,
        reason=reason,
        fencing_token=post.fencing_token,
        at=timezone.now(),
    )
    tallies = Tallies()
    tallies.reached(post.platform, post.state)
    tallies.write()


def audit(
    post: ScheduledPost,
    actor: str,
    action: str,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add what a person did with the post to the audit log."""
    AuditEvent.objects.create(
        workspace_id=post.workspace_id,
        actor=actor,
        action=action,
        target=f"post:{post.pk}",
        reason=reason,
        detail=dict(detail or {}),
    )


def attach(post: ScheduledPost, attachments: Sequence[Attachment]) -> None:
    """Put the media in their places; assets that are still unsaved are saved with them."""
    for item in attachments:
        if item.asset._state.adding:  # noqa: SLF001 - documented API of models
            item.asset.save()
    PostMedia.objects.bulk_create(media_rows(post.pk, attachments))


def media_rows(post_id: uuid.UUID, attachments: Sequence[Attachment]) -> list[PostMedia]:
    """Return the rows that put saved media in their places, unsaved."""
    places: dict[int, int] = {}
    rows = []
    for item in attachments:
        position = places.get(item.segment, 0)
        places[item.segment] = position + 1
        rows.append(
            PostMedia(
                post_id=post_id,
                asset_id=item.asset.pk,
                segment=item.segment,
                position=position,
                alt_text=item.alt_text,
            )
        )
    return rows


def attachments_of(post: ScheduledPost) -> list[Attachment]:
    """Return the post's media in their places (one query)."""
    return [
        Attachment(row.asset, row.segment, row.alt_text)
        for row in post.post_media.select_related("asset")
    ]


def too_late(wish: str, post: ScheduledPost) -> str:
    """Return why it cannot be `wish` (cancelled, edited ...) any more, with the remedy."""
    state = post.get_state_display()
    remedy = {
        S.PUBLISHING: "the call to the network is under way",
        S.PUBLISHED: "it is live",
        S.OUTCOME_UNKNOWN: "resolve its outcome first",
        S.PROCESSING: "the network is working on it",
        S.CANCELLED: "it was cancelled before",
    }.get(PostState(post.state), "")
    return f"The post is {state}, so it cannot be {wish}" + (f": {remedy}." if remedy else ".")


def start_new_run(post: ScheduledPost) -> None:
    """A new run has its own idempotency keys and a full set of attempts; live segments stay.

    Also those that only an attempt has noted: its worker had lost the row.
    """
    live = noted_ids(post)
    if live and len(live) >= next_part(post).of:
        raise IllegalTransition(
            f"All of it is live already, with the id {live[0]} at the network: there is nothing "
            "left to send."
        )
    post.publish_run += 1
    post.max_attempts = post.attempts + settings.PUBLISHER_MAX_ATTEMPTS
    post.late_waived = post.scheduled_at <= database_now()  # else its moment is still to come
    post.preflight_at = post.warnings = None
    if post.state != S.CANCELLED:  # else noted by the cancellation
        leave(post)
    address = {k: v for k, v in post.progress.items() if k == "permalink"}
    post.progress = {**address, "published": live} if live else {}
    post.progress_expires_at = None
    post.needs_preparation = post.media_count > 0
    post.last_category, post.last_error = "", ""
