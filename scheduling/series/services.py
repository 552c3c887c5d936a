"""Starting, skipping, pausing and ending series; `editing` changes them.

Each locks the series, changes it, and settles it in the same transaction as far as one pass goes
(the soonest posts first); the periodic job does the rest.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import User, Workspace
from engine.clock import database_now
from engine.states import IllegalTransition
from platforms.models import SocialConnection
from scheduling import services as posts
from scheduling.drafts import Attachment
from scheduling.series.checking import check_series
from scheduling.series.content import attach
from scheduling.series.models import OccurrenceState, PostSeries, SeriesState, SeriesTarget
from scheduling.series.rows import Targets, coming_moment, locked, note, rows_of, targets_of
from scheduling.series.settling import settle_locked


def create_series(
    *,
    workspace: Workspace,
    targets: Targets,
    actor: str,
    attachments: Sequence[Attachment] = (),
    created_by: User | None = None,
    **columns: Any,
) -> PostSeries:
    """Start a series; `columns` are of COLUMNS. Raises Invalid with every error at once."""
    now = database_now()
    columns.setdefault("late_policy", workspace.late_policy)
    series = PostSeries(workspace=workspace, created_by=created_by, written_by=actor, **columns)
    chosen = targets_of(series, targets)
    check_series(series, chosen, attachments, now=now)
    series.next_at = series.recurrence.first(1, after=now)[0].at
    with transaction.atomic():
        series.save(force_insert=True)
        SeriesTarget.objects.bulk_create(chosen)
        attach(series, attachments)
        note(series, actor, "series.created", detail={"rule": series.rule})
        settle_locked(series)
    return series


def skip_occurrence(
    series_id: uuid.UUID,
    at: datetime,
    *,
    actor: str,
    connection: SocialConnection | None = None,
    reason: str = "",
) -> PostSeries:
    """Leave one occurrence out (on one account, if given), however far away; it stays visible.

    Raises IllegalTransition, all or nothing, when one of its posts was sent.
    """
    with transaction.atomic():
        series = locked(series_id)
        moment = coming_moment(series, at)
        for row in rows_of(series, moment, connection, as_skipped=True):
            if row.post is not None and row.post.state != posts.S.CANCELLED:
                why = reason or "this occurrence of the series was skipped"
                posts.cancel_post(row.post.pk, actor=actor, reason=why)
            row.state = OccurrenceState.SKIPPED
            row.save(update_fields=["state"])
        note(series, actor, "series.skipped", reason, {"at": at.isoformat()})
    return series


def pause_series(series_id: uuid.UUID, *, actor: str, reason: str = "") -> PostSeries:
    """Withdraw its future posts and make no more, until somebody resumes it."""
    with transaction.atomic():
        series = locked(series_id)
        if series.state == SeriesState.PAUSED:
            raise IllegalTransition("The series is paused already.")
        _set_state(series, SeriesState.PAUSED, reason)
        note(series, actor, "series.paused", reason)
        settle_locked(series)
    return series


def resume_series(series_id: uuid.UUID, *, actor: str, reason: str = "") -> PostSeries:
    """Put its future posts back; what passed during the pause is not made up for."""
    with transaction.atomic():
        series = locked(series_id)
        if series.state != SeriesState.PAUSED:
            raise IllegalTransition("The series is not paused.")
        _set_state(series, SeriesState.ACTIVE, reason)
        coming = series.recurrence.first(1, after=database_now())
        series.next_at = coming[0].at if coming else None
        series.save(update_fields=["next_at"])
        note(series, actor, "series.resumed", reason)
        settle_locked(series)
    return series


def end_series(series_id: uuid.UUID, *, actor: str, reason: str = "") -> PostSeries:
    """End it for good: its future posts are cancelled, those that were sent stay."""
    with transaction.atomic():
        series = locked(series_id)
        _set_state(series, SeriesState.ENDED, reason)
        note(series, actor, "series.ended", reason)
        settle_locked(series)
    return series


def _set_state(series: PostSeries, state: SeriesState, reason: str) -> None:
    series.state, series.state_reason = state, reason
    series.version += 1
    series.save(update_fields=["state", "state_reason", "version", "updated_at"])
