"""What would become of a draft on an account, without keeping it: violations, notices, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from accounts.models import Workspace
from platforms.models import SocialConnection
from scheduling.drafts import Attachment, FieldError
from scheduling.models import ScheduledPost
from scheduling.notices import Notices, notices_for
from scheduling.rules import content_errors, moment_errors, ownership_errors, shape_errors
from scheduling.states import PostState


@dataclass(frozen=True, slots=True)
class Verdict:
    """What stands in the way of a draft (`errors`), and what is good to know of it."""

    connection: SocialConnection
    errors: Sequence[FieldError]
    notices: Notices


def judge_draft(
    workspace: Workspace,
    connection: SocialConnection,
    *,
    details: Mapping[str, Any],
    attachments: Sequence[Attachment] = (),
    scheduled_at: datetime | None = None,
) -> Verdict:
    """Judge a draft as if it were scheduled, now unless `scheduled_at` says when; nothing is kept.

    `details` are columns: segments, first_comment, options and the like. All errors at once.
    """
    now = timezone.now()
    post = ScheduledPost(
        workspace=workspace,
        connection=connection,
        platform=connection.platform,
        state=PostState.SCHEDULED,
        scheduled_at=scheduled_at or now,
        **details,
    )
    errors = [
        *ownership_errors(workspace, connection),
        *moment_errors(post, workspace, now),
        *shape_errors(post),
        *content_errors(post, attachments),
    ]
    return Verdict(connection, errors, notices_for(post, attachments))
