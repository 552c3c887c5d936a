"""What a post must satisfy before it may be scheduled: every rule, each with its remedy.

The services call these; nothing here writes a row or asks a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.utils import timezone

from accounts.models import Workspace
from notifications.callbacks import problem_of
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import adapter_for
from scheduling.drafts import Attachment, FieldError, draft_of
from scheduling.models import LatePolicy, ScheduledPost
from scheduling.states import WAITING, PostState

S = PostState

SENT_ON = WAITING | {S.HELD, S.FAILED}  # scheduling or editing these lets them go out by themselves


class Invalid(Exception):
    """What was asked for cannot be scheduled; `errors` names each field, the reason, the remedy."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors))
        self.errors = tuple(errors)


def content_errors(post: ScheduledPost, attachments: Sequence[Attachment] = ()) -> list[FieldError]:
    """Return why the network would refuse this content (the adapter's violations); no network."""
    adapter = adapter_for(post.platform)
    draft = draft_of(
        post.connection,
        segments=post.segments,
        first_comment=post.first_comment,
        options=post.options,
        attachments=attachments,
    )
    post.needs_preparation = adapter.needs_preparation(draft)
    return [FieldError(v.field, v.code, v.message) for v in adapter.violations(draft)]


def late_limit_of(post: ScheduledPost, workspace: Workspace) -> timedelta:
    """Return how late this post may still go out by itself."""
    for minutes in (post.late_limit_minutes, workspace.late_limit_minutes):
        if minutes is not None:
            return timedelta(minutes=minutes)
    limit: timedelta = settings.LATE_LIMIT
    return limit


def ownership_errors(workspace: Workspace, connection: SocialConnection) -> list[FieldError]:
    if connection.workspace_id != workspace.pk:
        return [FieldError("connection", "unknown", "This workspace has no such connection.")]
    if connection.state == ConnectionState.REVOKED:
        return [
            FieldError(
                "connection", "revoked", f"{connection} was disconnected: connect it again first."
            )
        ]
    return []


def moment_errors(post: ScheduledPost, workspace: Workspace, now: datetime) -> list[FieldError]:
    errors = []
    if timezone.is_naive(post.scheduled_at):
        return [
            FieldError(
                "scheduled_at",
                "naive_datetime",
                "Give the moment with its offset, for example 2026-11-23T09:00:00+01:00.",
            )
        ]
    try:
        ZoneInfo(post.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: "Europe" is a directory
        errors.append(
            FieldError(
                "time_zone",
                "unknown_zone",
                f"{post.time_zone!r} is not an IANA time zone, such as Europe/Berlin.",
            )
        )
    limit = late_limit_of(post, workspace)
    if (
        post.state in SENT_ON
        and post.late_policy == LatePolicy.HOLD
        and now - post.scheduled_at > limit
    ):
        errors.append(
            FieldError(
                "scheduled_at",
                "too_late",
                f"This moment passed over {limit.total_seconds() / 60:.0f} minutes ago: choose "
                "a later one, or publish now.",
            )
        )
    return errors


def shape_errors(post: ScheduledPost) -> list[FieldError]:
    errors = []
    if not post.segments:
        errors.append(FieldError("segments", "required", "Write at least one segment."))
    if not 0 <= post.priority <= 9:
        errors.append(FieldError("priority", "out_of_range", "Priority goes from 0 to 9."))
    if post.late_policy not in LatePolicy.values:
        errors.append(
            FieldError("late_policy", "unknown", f"Choose one of {', '.join(LatePolicy.values)}.")
        )
    if post.callback_url and not post.callback_url.startswith(("https://", "http://")):
        errors.append(FieldError("callback_url", "not_a_url", "Give an http(s) address."))
    elif post.callback_url and (problem := problem_of(post.callback_url)):
        errors.append(
            FieldError(
                "callback_url",
                "refused_address",
                f"No callback can go there: {problem} (PRIVATE_HOSTS_ALLOWED lists exceptions).",
            )
        )
    return errors
