"""What people can do with series: the only door for the API and the admin.

Each locks the series, changes it, and settles it in the same transaction as far as one pass goes
(the soonest posts first); the periodic job does the rest.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.audit import record
from accounts.models import User, Workspace
from engine.clock import database_now
from engine.states import IllegalTransition
from platforms.models import SocialConnection
from scheduling import services as posts
from scheduling.drafts import Attachment, FieldError
from scheduling.rules import Invalid
from scheduling.series.checking import check_series
from scheduling.series.content import CONTENT, VARIED, attach, attachments_of
from scheduling.series.models import (
    OccurrenceState,
    PostSeries,
    SeriesOccurrence,
    SeriesState,
    SeriesTarget,
)
from scheduling.series.rule import BadRule, read_rule
from scheduling.series.settling import SeriesPass, settle_locked
from scheduling.series.wall_clock import Moment

# Accounts of a series, each with what is different there: segments, first_comment, options.
Targets = Sequence[tuple[SocialConnection, Mapping[str, Any]]]
COLUMNS = ("name", "rule", "starts", *CONTENT)


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
    chosen = _targets_of(series, targets)
    check_series(series, chosen, attachments, now=now)
    series.next_at = series.recurrence.first(1, after=now)[0].at
    with transaction.atomic():
        series.save(force_insert=True)
        SeriesTarget.objects.bulk_create(chosen)
        attach(series, attachments)
        _note(series, actor, "series.created", detail={"rule": series.rule})
        settle_locked(series)
    return series


def edit_series(
    series_id: uuid.UUID, *, actor: str, expected_version: int | None = None, **changes: Any
) -> PostSeries:
    """Change a series for all its future: `changes` are of COLUMNS, `targets`, `attachments`.

    Its posts that are not sent follow, but for those edited by themselves and skipped moments.
    Raises IllegalTransition when it has ended or was changed meanwhile, Invalid for bad changes.
    """
    with transaction.atomic():
        series = _locked(series_id, expected_version)
        _apply(series, changes, actor)
        _note(series, actor, "series.edited", detail={"fields": sorted(changes)})
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
        series = _locked(series_id, expected_version)
        moment = _coming(series, at)
        if not _has_past(series, moment):
            _apply(series, changes, actor)
            _note(series, actor, "series.edited", detail={"fields": sorted(changes)})
            settle_locked(series)
            return series
        is_first = series.recurrence.is_first_of_its_day(moment)
        rest = _split(series, moment)
        if "rule" in changes and "starts" not in changes:
            rest.starts = _start_of(changes["rule"], moment, is_first)
        _apply(rest, changes, actor)
        detail = {"at": at.isoformat(), "continued_by": str(rest.pk)}
        _note(series, actor, "series.split", detail=detail)
        _note(rest, actor, "series.created", detail={"continues": str(series.pk)})
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
        series = _locked(series_id, expected_version)
        rows = _rows(series, _coming(series, at), connection)
        if not rows:
            raise IllegalTransition("The series is paused: resume it first.")
        for row in rows:
            if row.state != OccurrenceState.PLANNED or row.post is None:
                raise IllegalTransition(f"This occurrence is {row.get_state_display()}.")
            posts.edit_post(row.post.pk, actor=actor, **changes)
            row.is_detached = True
            row.save(update_fields=["is_detached"])
        detail = {"at": at.isoformat(), "fields": sorted(changes)}
        _note(series, actor, "series.occurrence_edited", detail=detail)
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
        series = _locked(series_id)
        moment = _coming(series, at)
        for row in _rows(series, moment, connection, as_skipped=True):
            if row.post is not None and row.post.state != posts.S.CANCELLED:
                why = reason or "this occurrence of the series was skipped"
                posts.cancel_post(row.post.pk, actor=actor, reason=why)
            row.state = OccurrenceState.SKIPPED
            row.save(update_fields=["state"])
        _note(series, actor, "series.skipped", reason, {"at": at.isoformat()})
    return series


def pause_series(series_id: uuid.UUID, *, actor: str, reason: str = "") -> PostSeries:
    """Withdraw its future posts and make no more, until somebody resumes it."""
    with transaction.atomic():
        series = _locked(series_id)
        if series.state == SeriesState.PAUSED:
            raise IllegalTransition("The series is paused already.")
        _set_state(series, SeriesState.PAUSED, reason)
        _note(series, actor, "series.paused", reason)
        settle_locked(series)
    return series


def resume_series(series_id: uuid.UUID, *, actor: str, reason: str = "") -> PostSeries:
    """Put its future posts back; what passed during the pause is not made up for."""
    with transaction.atomic():
        series = _locked(series_id)
        if series.state != SeriesState.PAUSED:
            raise IllegalTransition("The series is not paused.")
        _set_state(series, SeriesState.ACTIVE, reason)
        coming = series.recurrence.first(1, after=database_now())
        series.next_at = coming[0].at if coming else None
        series.save(update_fields=["next_at"])
        _note(series, actor, "series.resumed", reason)
        settle_locked(series)
    return series


def end_series(series_id: uuid.UUID, *, actor: str, reason: str = "") -> PostSeries:
    """End it for good: its future posts are cancelled, those that were sent stay."""
    with transaction.atomic():
        series = _locked(series_id)
        _set_state(series, SeriesState.ENDED, reason)
        _note(series, actor, "series.ended", reason)
        settle_locked(series)
    return series


# --- inside -----------------------------------------------------------------------------------


def _locked(series_id: uuid.UUID, expected_version: int | None = None) -> PostSeries:
    """Return the series, locked; raises IllegalTransition when it has ended or changed."""
    rows = PostSeries.objects.select_for_update(of=("self",))
    series = rows.select_related("workspace", "created_by").get(pk=series_id)
    if series.state == SeriesState.ENDED:
        raise IllegalTransition("The series has ended: start a new one.")
    if expected_version is not None and series.version != expected_version:
        raise IllegalTransition(
            f"The series was changed meanwhile (version {series.version}, you edited version "
            f"{expected_version}): load it again."
        )
    return series


def _set_state(series: PostSeries, state: SeriesState, reason: str) -> None:
    series.state, series.state_reason = state, reason
    series.version += 1
    series.save(update_fields=["state", "state_reason", "version", "updated_at"])


def _apply(series: PostSeries, changes: dict[str, Any], actor: str) -> None:
    """Change a locked series, checked as a whole; `next_at` starts anew, as moments may differ."""
    now = database_now()
    before = list(series.targets.select_related("connection__workspace"))
    for name in COLUMNS:
        if name in changes:
            setattr(series, name, changes[name])
    targets = _targets_of(series, changes["targets"]) if "targets" in changes else before
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


def _targets_of(series: PostSeries, targets: Targets) -> list[SeriesTarget]:
    return [
        SeriesTarget(
            series=series,
            connection=connection,
            changes={name: changes[name] for name in VARIED if name in changes},
        )
        for connection, changes in targets
    ]


def _coming(series: PostSeries, at: datetime) -> Moment:
    """Return the series' moment at `at`; raises Invalid when it has none, or it has passed."""
    now = database_now()
    moment = series.recurrence.has(at)
    if moment is None or at <= now:
        coming = series.recurrence.first(1, after=now)
        remedy = f": the next one is {coming[0].at:%Y-%m-%dT%H:%M:%SZ}" if coming else ""
        problem = "has passed" if moment else "is none of the series'"
        raise Invalid([FieldError("occurrence", "unknown", f"This occurrence {problem}{remedy}.")])
    return moment


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


def _rows(
    series: PostSeries,
    moment: Moment,
    connection: SocialConnection | None,
    *,
    as_skipped: bool = False,
) -> list[SeriesOccurrence]:
    """Return the rows of one occurrence, made if it is still beyond the horizon."""
    targets = [
        target
        for target in series.targets.select_related("connection__workspace")
        if connection is None or target.connection_id == connection.pk
    ]
    if not targets:
        raise Invalid([FieldError("connection", "unknown", "The series has no such account.")])
    known = set(series.occurrences.filter(at=moment.at).values_list("connection_id", flat=True))
    new = [target for target in targets if target.connection_id not in known]
    if as_skipped:
        SeriesOccurrence.objects.bulk_create(
            SeriesOccurrence(
                series=series,
                connection_id=target.connection_id,
                at=moment.at,
                clock=moment.clock.isoformat(),
                state=OccurrenceState.SKIPPED,
                series_version=series.version,
            )
            for target in new
        )
    elif new and series.state == SeriesState.ACTIVE:
        SeriesPass(series).make_occurrence(moment, new)
    rows = series.occurrences.filter(
        at=moment.at, connection__in=[target.connection_id for target in targets]
    )
    return list(rows.select_related("post"))


def _note(
    series: PostSeries,
    actor: str,
    action: str,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    record(
        workspace=series.workspace,
        actor=actor,
        action=action,
        target=f"series:{series.pk}",
        reason=reason,
        detail=detail,
    )
