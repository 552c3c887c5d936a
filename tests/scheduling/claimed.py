"""Posts as a slot holds them, without a slot around them."""

from __future__ import annotations

import time
from datetime import timedelta

from engine import sql
from scheduling.claims import COLUMNS, ClaimedPost, read_row
from scheduling.models import ScheduledPost
from scheduling.records import AttemptResult, PostResult, mark_sent
from scheduling.states import PostState

SLOT = 1
WORKER = "worker:1"
S = PostState


def claim(*posts: ScheduledPost, slot: int = SLOT) -> list[ClaimedPost]:
    """Claim what is due and return the given posts in their order (all of them must be free)."""
    rows = ScheduledPost.claim(
        slot,
        limit=1000,
        horizon=timedelta(seconds=5),
        lease=timedelta(seconds=120),
        columns=COLUMNS,
    )
    held = {sql.as_uuid(row[0]): read_row(row) for row in rows}
    return [held[post.pk] for post in posts]


def marked(*posts: ScheduledPost) -> list[ClaimedPost]:
    """Claim and mark posts: from here on their calls may have happened."""
    held = claim(*posts)
    assert mark_sent(held, worker=WORKER) == {post.pk for post in posts}
    return held


def published(post: ClaimedPost, *ids: str, sent: float | None = None) -> PostResult:
    """Return the result of a call that was accepted."""
    now = time.time()
    post.remote_ids = list(ids)
    post.progress = {"published": list(ids)}
    return PostResult(
        post,
        S.PUBLISHED,
        "the network accepted it",
        attempt=AttemptResult(now, sent or now, now, "published", decision="done"),
        published=now,
        event="post.published",
    )


def again(post: ClaimedPost, *, sent: float | None = None) -> PostResult:
    """Return the result of a call that was refused for now."""
    now = time.time()
    return PostResult(
        post,
        S.SCHEDULED,
        "too busy",
        due=now,
        attempt=AttemptResult(now, sent or now, now, "failed", category="server_error"),
        category="server_error",
        error="too busy",
    )
