"""Changing a series: all that is to come, one occurrence and what follows, or one occurrence.

Each locks the series, changes it, and settles it in the same transaction as far as one pass goes.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction

from engine.clock import database_now
from engine.states import IllegalTransition
from platforms.models import SocialConnection
from scheduling import services as posts
from scheduling.series.checking import check_series
from scheduling.series.content import attach, attachments_of
from scheduling.series.models import OccurrenceState, PostSeries, SeriesTarget
from scheduling.series.rows import COLUMNS, coming_moment, locked, note, rows_of, targets_of
from scheduling.series.rule import BadRule, read_rule
from scheduling.series.settling import settle_locked
from scheduling.series.wall_clock import Moment


def edit_series(
    series_id: uuid.UUID, *, actor: str, expected_version: int | None = None, **changes: Any
) -> PostSeries:
    """Change a series for all its future: `changes` are of COLUMNS, `targets`, `attachments`.

    Its posts that are not sent follow, but for those edited by themselves and skipped moments.
    Raises IllegalTransition when it has ended or was changed meanwhile, Invalid for bad changes.
    """
    with transaction.atomic():
        series = locked(series_id, expected_version)
        _apply(series, changes, actor)
        note(series, actor, "series.edited", detail={"fields": sorted(changes)})
        settle_locked(series)
    return series


def edit_following(
    series_id: uuid.UUID,
    at: datetime,
    *,
    actor: str,
    expected_version: int | None = None,
    **changes: Any,
) -> PostSeries:
    """Change the occurrence at `at` and all that follow; returns the series that they are now.

    The series is split: it ends before `at`, and a new one goes on from there. What was made for
    its moments already (posts, skips, single edits) moves over. At the first occurrence that is
    still to come there is nothing to split: the series itself is changed.
    """
    with transaction.atomic():
        series = locked(series_id, expected_version)
        moment = coming_moment(series, at)
        if not _has_past(series, moment):
            _apply(series, changes, actor)
            note(series, actor, "series.edited", detail={"fields": sorted(changes)})
            settle_locked(series)
            return series
        is_first = series.recurrence.is_first_of_its_day(moment)
        rest = _split(series, moment)
        if "rule" in changes and "starts" not in changes:
            rest.starts = _start_of(changes["rule"], moment, is_first)
        _apply(rest, changes, actor)
        detail = {"at": at.isoformat(), "continued_by": str(rest.pk)}
        note(series, actor, "series.split", detail=detail)
        note(rest, actor, "series.created", detail={"continues": str(series.pk)})
        settle_locked(series)
        settle_locked(rest)
    return rest


def edit_occurrence(
    series_id: uuid.UUID,
    at: datetime,
    *,
    actor: str,
    connection: SocialConnection | None = None,
    expected_version: int | None = None,
    **changes: Any,
) -> PostSeries:
    """Change the posts of one occurrence (on one account, if given); the series lets go of them.

    `changes` are those of a post; `scheduled_at` moves it. Raises IllegalTransition, all or
    nothing, when one of them was sent.
    """
    with transaction.atomic():
        series = locked(series_id, expected_version)
        rows = rows_of(series, coming_moment(series, at), connection)
        if not rows:
            raise IllegalTransition("The series is paused: resume it first.")
        for row in rows:
            if row.state != OccurrenceState.PLANNED or row.post is None:
                raise IllegalTransition(f"This occurrence is {row.get_state_display()}.")
            posts.edit_post(row.post.pk, actor=actor, **changes)
            row.is_detached = True
            row.save(update_fields=["is_detached"])
        detail = {"at": at.isoformat(), "fields": sorted(changes)}
        note(series, actor, "series.occurrence_edited", detail=detail)
    return series


# --- inside -----------------------------------------------------------------------------------


def _apply(series: PostSeries, changes: dict[str, Any], actor: str) -> None:
    """Change a locked series, checked as a whole; `next_at` starts anew, as moments may differ."""
    now = database_now()
    before = list(series.targets.select_related("connection__workspace"))
    for name in COLUMNS:
        if name in changes:
            setattr(series, name, changes[name])
    targets = targets_of(series, changes["targets"]) if "targets" in changes else before
    new_media = changes.get("attachments")
    media = attachments_of(series) if new_media is None else new_media
    check_series(series, targets, media, now=now, known=[one.connection for one in before])
    series.version += 1
    series.written_by = actor
    series.next_at = series.recurrence.first(1, after=now)[0].at
    series.save()
    if "targets" in changes:
        series.targets.all().delete()
        SeriesTarget.objects.bulk_create(targets)
    if new_media is not None:
        attach(series, new_media)


def _has_past(series: PostSeries, moment: Moment) -> bool:
    """Say whether anything of the series lies before `moment`: posts made, or still to come."""
    now = database_now()
    return (
        series.occurrences.filter(at__lt=moment.at).exists()
        or series.recurrence.first(1, after=now)[0].at < moment.at
    )


def _split(series: PostSeries, moment: Moment) -> PostSeries:
    """End `series` before `moment` and return its unchanged continuation, both saved."""
    before, after = series.recurrence.split_before(moment)
    targets = list(series.targets.select_related("connection__workspace"))
    media = attachments_of(series)
    rest = PostSeries(
        **{name: getattr(series, name) for name in COLUMNS},
        workspace=series.workspace,
        created_by=series.created_by,
        written_by=series.written_by,
        state=series.state,
        continues=series,
    )
    rest.rule, rest.starts = str(after.rule), after.starts.isoformat()
    rest.save(force_insert=True)
    SeriesTarget.objects.bulk_create(
        SeriesTarget(series=rest, connection=one.connection, changes=one.changes) for one in targets
    )
    attach(rest, media)
    series.occurrences.filter(at__gte=moment.at).update(series=rest, series_version=0)
    series.rule = str(before.rule)
    series.version += 1
    coming = before.first(1, after=database_now())
    series.next_at = coming[0].at if coming else None
    series.save()
    return rest


def _start_of(rule: str, moment: Moment, is_first_of_its_day: bool) -> str:
    """Return where a new rule begins that applies from `moment` on.

    One with hours of its own takes in all of that day, so that 09:00 may become 08:00.
    """
    clock = moment.clock
    try:
        new = read_rule(rule)
    except BadRule:
        return clock.isoformat()  # it is refused in a moment, with its reason
    if new.by_hour and is_first_of_its_day:
        clock = clock.replace(hour=0, minute=0 if new.by_minute else clock.minute)
    return clock.isoformat()
