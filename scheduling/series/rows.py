"""Reading and noting what the services of series work on: locked series and their occurrences."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from accounts.audit import record
from engine.clock import database_now
from engine.states import IllegalTransition
from platforms.models import SocialConnection
from scheduling.drafts import FieldError
from scheduling.rules import Invalid
from scheduling.series.content import CONTENT, VARIED
from scheduling.series.models import (
    OccurrenceState,
    PostSeries,
    SeriesOccurrence,
    SeriesState,
    SeriesTarget,
)
from scheduling.series.settling import SeriesPass
from scheduling.series.wall_clock import Moment

# Accounts of a series, each with what is different there: segments, first_comment, options.
Targets = Sequence[tuple[SocialConnection, Mapping[str, Any]]]
COLUMNS = ("name", "rule", "starts", *CONTENT)


def locked(series_id: uuid.UUID, expected_version: int | None = None) -> PostSeries:
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


def targets_of(series: PostSeries, targets: Targets) -> list[SeriesTarget]:
    return [
        SeriesTarget(
            series=series,
            connection=connection,
            changes={name: changes[name] for name in VARIED if name in changes},
        )
        for connection, changes in targets
    ]


def coming_moment(series: PostSeries, at: datetime) -> Moment:
    """Return the series' moment at `at`; raises Invalid when it has none, or it has passed."""
    now = database_now()
    moment = series.recurrence.has(at)
    if moment is None or at <= now:
        coming = series.recurrence.first(1, after=now)
        remedy = f": the next one is {coming[0].at:%Y-%m-%dT%H:%M:%SZ}" if coming else ""
        problem = "has passed" if moment else "is none of the series'"
        raise Invalid([FieldError("occurrence", "unknown", f"This occurrence {problem}{remedy}.")])
    return moment


def rows_of(
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


def note(
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
