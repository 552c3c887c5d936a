"""Claimed posts as the publisher loop holds them: plain data, read by one statement."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from engine.sql import as_instant, as_json, as_uuid
from scheduling.sealing import unseal

CLAIM_LEASE = timedelta(seconds=120)  # the longest an unsent claim may be held without a commit

COLUMNS = (
    "id",
    "fencing_token",
    "state",
    "due_at",
    "scheduled_at",
    "priority",
    "workspace_id",
    "connection_id",
    "platform",
    "segments",
    "first_comment",
    "options",
    "media_count",
    "needs_preparation",
    "progress",
    "progress_expires_at",
    "content_version",
    "publish_run",
    "attempts",
    "max_attempts",
    "late_policy",
    "late_limit_minutes",
    "late_waived",
    "sent_at",
    "remote_ids",
    "permalink",
    "external_id",
    "callback_url",
    "created_by_id",
    "correlation_id",
)


@dataclass(slots=True)
class ClaimedPost:
    """One row under our lease. `state`, `progress` and `attempts` follow what we commit."""

    id: uuid.UUID
    token: int
    state: str
    due_at: datetime | None
    scheduled_at: datetime
    priority: int
    workspace_id: uuid.UUID
    connection_id: uuid.UUID
    platform: str
    segments: list[Mapping[str, Any]]
    first_comment: str
    options: Mapping[str, Any]
    media_count: int
    needs_preparation: bool
    progress: Mapping[str, Any]
    progress_expires_at: datetime | None
    content_version: int
    publish_run: int
    attempts: int
    max_attempts: int
    late_policy: str
    late_limit_minutes: int | None
    sent_at: datetime | None
    remote_ids: list[str]
    permalink: str
    external_id: str | None
    callback_url: str
    created_by_id: int | None
    attempt_id: uuid.UUID | None = None
    late_waived: bool = False
    correlation_id: str = ""
    in_doubt: bool = False  # this try repeats a call that may have succeeded before

    @property
    def published_segments(self) -> list[str]:
        """Return the remote ids of the segments that are live already, in order."""
        return list(self.progress.get("published", ()))

    def log_extra(self) -> dict[str, object]:
        """Return what a log line says of this post: ids and counts, never its text."""
        many = {0: "none", 1: "single"}.get(self.media_count, "multiple")
        return {
            "post_id": str(self.id),
            "platform": self.platform,
            "attempt": self.attempts,
            "max_attempts": self.max_attempts,
            "upload_mode": many,
            "correlation_id": self.correlation_id,
        }

    def key(self, segment: int) -> str:
        """Return the idempotency key of one segment: the same for all attempts of this run."""
        return f"{self.id}:{self.content_version}:{self.publish_run}:{segment}"

    def attempt_of_run(self, tries_per_run: int, *, is_counted: bool = True) -> int:
        """Return how many tries this run has had, the present one included.

        A requeue raises max_attempts by `tries_per_run` instead of forgetting earlier attempts.
        The mark counts a try in `attempts`; one without a mark is counted when it is recorded.
        """
        tries = self.attempts + (not is_counted)
        return max(1, tries - (self.max_attempts - tries_per_run))


def read_row(row: tuple[Any, ...]) -> ClaimedPost:
    """Return the claimed post of one database row in the order of COLUMNS."""
    values = dict(zip(COLUMNS, row, strict=True))
    for name in ("id", "workspace_id", "connection_id"):
        values[name] = as_uuid(values[name])
    for name in ("due_at", "scheduled_at", "progress_expires_at", "sent_at"):
        values[name] = as_instant(values[name])
    for name in ("segments", "options", "progress", "remote_ids"):
        values[name] = as_json(values[name])
    values["progress"] = unseal(values["progress"])
    for name in ("needs_preparation", "late_waived"):
        values[name] = bool(values[name])
    values["token"] = values.pop("fencing_token")
    return ClaimedPost(**values)
