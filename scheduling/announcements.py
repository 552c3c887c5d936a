"""What posts tell the outside: outbox rows, written in the transaction of the change itself."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scheduling.models import ScheduledPost


@dataclass(frozen=True, slots=True)
class PostChange:
    """One thing worth telling about one post; `event` is noun.verb, such as post.published."""

    event: str
    post_id: uuid.UUID
    workspace_id: uuid.UUID
    platform: str
    connection_id: uuid.UUID
    external_id: str
    callback_url: str
    created_by_id: int | None
    state: str
    publish_run: int
    content_version: int
    scheduled_at: datetime
    published_at: datetime | None = None
    remote_ids: tuple[str, ...] = ()
    permalink: str = ""
    category: str = ""
    reason: str = ""

    @classmethod
    def of(cls, post: ScheduledPost, *, event: str, reason: str = "") -> PostChange:
        """Return the change as seen from a loaded row."""
        return cls(
            event=event,
            post_id=post.pk,
            workspace_id=post.workspace_id,
            platform=post.platform,
            connection_id=post.connection_id,
            external_id=post.external_id or "",
            callback_url=post.callback_url,
            created_by_id=post.created_by_id,
            state=post.state,
            publish_run=post.publish_run,
            content_version=post.content_version,
            scheduled_at=post.scheduled_at,
            published_at=post.published_at,
            remote_ids=tuple(post.remote_ids),
            permalink=post.permalink,
            category=post.last_category,
            reason=reason or post.last_error,
        )


def announce(changes: Sequence[PostChange]) -> None:
    """Write the outbox rows for `changes` in the current transaction (completed by the outbox)."""
