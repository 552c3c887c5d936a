"""From the rows of a trial's database to what the judge reads."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

from notifications.models import Notification
from scheduling.models import ScheduledPost
from tests.chaos.burst import network_of
from tests.chaos.verdict import Attempt, Move, Story


def read_stories(texts: Mapping[uuid.UUID, tuple[str, ...]]) -> list[Story]:
    """Return the story of every post in `texts`; one whose row is gone has no state."""
    posts = ScheduledPost.objects.select_related("connection").prefetch_related(
        "attempt_log", "transitions"
    )
    rows = posts.in_bulk(list(texts))
    told = _told()
    return [_story(rows[key], parts, told) for key, parts in texts.items()]


def _told() -> dict[str, int]:
    counts: dict[str, int] = {}
    for notification in Notification.objects.filter(event="post.published"):
        post_id = notification.dedupe_key.split(":")[1]
        counts[post_id] = counts.get(post_id, 0) + 1
    return counts


def _story(post: ScheduledPost, texts: tuple[str, ...], told: Mapping[str, int]) -> Story:
    attempts = sorted(post.attempt_log.all(), key=lambda a: (a.number, a.started_at))
    moves = sorted(post.transitions.all(), key=lambda move: move.pk)
    return Story(
        id=str(post.pk),
        network=network_of(post.connection),
        account=post.connection.username,
        texts=texts,
        state=post.state,
        scheduled=post.scheduled_at.timestamp(),
        due=_epoch(post.due_at),
        lease_slot=post.lease_slot,
        lease_end=_epoch(post.lease_expires_at),
        remote_ids=tuple(post.remote_ids),
        attempts=tuple(
            Attempt(
                a.fencing_token, a.outcome, a.sent_at is not None, tuple(a.remote_ids), a.category
            )
            for a in attempts
        ),
        moves=tuple(
            Move(m.source, m.target, m.fencing_token, m.at.timestamp(), m.actor, m.reason)
            for m in moves
        ),
        last_error=post.last_error,
        told=told.get(str(post.pk), 0) if post.callback_url else None,
    )


def _epoch(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()
