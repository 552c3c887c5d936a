"""What a series must satisfy: its recurrence, its accounts, and its content on each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from platforms.models import SocialConnection
from scheduling.drafts import Attachment, FieldError
from scheduling.rules import Invalid
from scheduling.series.content import content_for
from scheduling.series.models import PostSeries, SeriesTarget
from scheduling.series.recurrence import BadStart, Recurrence, read_start
from scheduling.series.rule import BadRule, read_rule
from scheduling.series.wall_clock import UnknownZone, zone_named
from scheduling.services import build_post

ACCOUNTS_MOST = 50
T = TypeVar("T")


def read_recurrence(rule: str, starts: str, time_zone: str) -> Recurrence:
    """Return the recurrence; raises Invalid with what is wrong in each of the three."""
    errors: list[FieldError] = []

    def read(field: str, code: str, reader: Callable[[str], T], text: str) -> T | None:
        try:
            return reader(text)
        except (BadRule, BadStart, UnknownZone) as refused:
            errors.append(FieldError(field, code, str(refused)))
            return None

    found = (
        read("rule", "bad_rule", read_rule, rule),
        read("starts", "bad_start", read_start, starts),
        read("time_zone", "unknown_zone", zone_named, time_zone),
    )
    if found[0] is None or found[1] is None or found[2] is None:
        raise Invalid(errors)
    return Recurrence(found[0], found[1], found[2])


def check_series(
    series: PostSeries,
    targets: Sequence[SeriesTarget],
    attachments: Sequence[Attachment],
    *,
    now: datetime,
    known: Iterable[SocialConnection] = (),
) -> None:
    """Raise Invalid with everything that would make its next post impossible.

    An account among `known` was in the series before: it may have been disconnected since.
    """
    recurrence = read_recurrence(series.rule, series.starts, series.time_zone)
    series.rule = str(recurrence.rule)
    series.starts = recurrence.starts.isoformat()
    coming = recurrence.first(1, after=now)
    errors = _account_errors(targets)
    if not coming:
        remedy = "change the rule, its end or its start"
        errors.append(
            FieldError("rule", "no_occurrence", f"It has no occurrence from now on: {remedy}.")
        )
    if errors:
        raise Invalid(errors)
    before = {connection.pk for connection in known}
    for target in targets:
        found = _content_errors(series, target, attachments, coming[0].at, now)
        may_be_revoked = target.connection_id in before
        errors += [
            FieldError(e.field, e.code, e.message if len(targets) == 1 else f"{who}: {e.message}")
            for e in found
            if not (may_be_revoked and e.code == "revoked")
            for who in [target.connection]
        ]
    if errors:
        raise Invalid(list(dict.fromkeys(errors)))


def _account_errors(targets: Sequence[SeriesTarget]) -> list[FieldError]:
    if not targets:
        return [FieldError("connections", "required", "Say for which accounts.")]
    if len(targets) > ACCOUNTS_MOST:
        return [
            FieldError(
                "connections", "too_many", f"A series goes to at most {ACCOUNTS_MOST} accounts."
            )
        ]
    if len({target.connection_id for target in targets}) < len(targets):
        return [FieldError("connections", "repeated", "An account stands there twice.")]
    return []


def _content_errors(
    series: PostSeries,
    target: SeriesTarget,
    attachments: Sequence[Attachment],
    at: datetime,
    now: datetime,
) -> Sequence[FieldError]:
    try:
        build_post(
            workspace=series.workspace,
            connection=target.connection,
            scheduled_at=at,
            attachments=attachments,
            now=now,
            **content_for(series, target),
        )
    except Invalid as refused:
        return refused.errors
    return ()
