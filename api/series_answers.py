"""How series, their occurrences and queue slots look in answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from api.fields import instant
from api.representations import MEDIUM, REMARK, SEGMENT
from api.shapes import (
    Shape,
    address,
    anything,
    flag,
    identifier,
    listed,
    moment,
    one_of,
    or_null,
    text,
    whole,
)
from platforms.adapters.base import Notice
from scheduling.models import LatePolicy, PostQueue
from scheduling.queue_slots.services import SlotView
from scheduling.queue_slots.weekly import DAYS, Day
from scheduling.series.content import VARIED
from scheduling.series.forecast import Coming, notices_for
from scheduling.series.models import OccurrenceState, PostSeries, SeriesOccurrence, SeriesState
from scheduling.series.wall_clock import Moment
from scheduling.states import PostState

Json = dict[str, Any]

VARIANT = Shape(
    "SeriesVariant",
    "What is different on one account; null: as the series has it.",
    connection=identifier("The account's id."),
    segments=or_null(listed(SEGMENT, "Its texts there."), None),
    first_comment=or_null(text("The first comment there.", "More below."), None),
    options=or_null(anything("The network's options there.", {"visibility": "unlisted"}), None),
)
SERIES = Shape(
    "Series",
    "A content that recurs.",
    id=identifier("Its id."),
    name=text("What people call it; or empty.", "Monday tip"),
    state=one_of(SeriesState, "Whether posts are made of it."),
    state_reason=or_null(text("Why it was paused or ended.", "Summer break."), None),
    version=whole("Rises with each change.", 1),
    rule=text("When it recurs, as RFC 5545 writes it.", "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9"),
    starts=text("From when on, on the wall in time_zone.", "2026-12-01T09:00:00"),
    time_zone=text("The zone its clock is meant in.", "Europe/Brussels"),
    next_occurrence_at=or_null(moment("The next one; null: none is to come.")),
    connections=listed(identifier("An account's id."), "The accounts it goes to."),
    variants=listed(VARIANT, "What is different on some of them.", []),
    segments=listed(SEGMENT, "Its texts; more than one is a thread."),
    first_comment=text("A comment to add once a post is out; or empty.", ""),
    options=anything("The network's own options.", {"visibility": "unlisted"}),
    media=listed(MEDIUM, "Its files.", []),
    priority=whole("Higher ones go first among those due together.", 0),
    late_policy=one_of(LatePolicy, "What to do when a post could not be sent in time."),
    late_limit_minutes=or_null(whole("Its own limit; null: the workspace's.", 120), None),
    callback_url=or_null(address("Where its posts' outcomes are told."), None),
    notices=listed(REMARK, "What is good to know of it.", []),
    continues=or_null(identifier("The series that was split before it; null: none."), None),
    created_at=moment("When it was made.", "2026-11-25T16:40:00Z"),
    updated_at=moment("When it was changed last.", "2026-11-25T16:40:00Z"),
)
_MOMENT = {
    "at": moment("The instant: the occurrence's name in requests.", "2027-03-28T01:30:00Z"),
    "wall_clock": text("The time on the wall that was meant.", "2027-03-28T02:30:00"),
    "shown_clock": text("What the wall shows then: other only if shifted.", "2027-03-28T03:30:00"),
    "is_shifted": flag("Clocks go forward over it, so it is as much later.", example=True),
    "is_doubled": flag("Clocks go back and show it twice: it is the first of the two."),
}
_ON_AN_ACCOUNT = {
    "connection": identifier("The account's id."),
    "state": one_of(OccurrenceState, "What the series wants of it there."),
    "is_detached": flag("Its post was edited or moved by itself: the series no longer changes it."),
    "post": or_null(identifier("Its post; null: none was made.")),
    "post_state": or_null(one_of(PostState, "Where the post stands.", "scheduled")),
    "post_scheduled_at": or_null(moment("When the post is to go out.")),
    "problem": or_null(text("Why the series could not change it.", "The text is too long."), None),
}
ON_AN_ACCOUNT = Shape("OccurrenceOnAccount", "An occurrence on one account.", **_ON_AN_ACCOUNT)
OCCURRENCE = Shape(
    "Occurrence",
    "What became of an occurrence on one account.",
    at=_MOMENT["at"],
    wall_clock=_MOMENT["wall_clock"],
    **_ON_AN_ACCOUNT,
)
OCCURRENCES = Shape(
    "OccurrencePage",
    "One page of occurrences.",
    next=or_null(address("The next page; null on the last one."), None),
    previous=or_null(address("The page before; null on the first one."), None),
    results=listed(OCCURRENCE, "The occurrences of this page, earliest first."),
)
COMING = Shape(
    "ComingOccurrence",
    "An occurrence that is to come.",
    **_MOMENT,
    accounts=listed(ON_AN_ACCOUNT, "What is made of it already, by account."),
)
FORECAST = Shape(
    "SeriesForecast",
    "What a series will do next.",
    rule=text("Its rule, as it is understood.", "FREQ=WEEKLY;BYDAY=MO"),
    notices=listed(REMARK, "What is good to know of it.", []),
    results=listed(COMING, "The next occurrences."),
)
SLOTS = Shape(
    "WeeklySlots",
    "Slots at each of these times on each of these days.",
    days=listed(one_of(Day, "A day."), "Days of the week."),
    times=listed(text("A time on the wall.", "09:00"), "Times of day."),
)
COMING_SLOT = Shape(
    "ComingSlot",
    "A slot that is to come.",
    **_MOMENT,
    is_free=flag("No post has it."),
    post=or_null(identifier("The post that has it; null: it is free.")),
    is_queued=flag("The post came by the queue, which may move it down.", example=True),
)
QUEUE = Shape(
    "Queue",
    "An account's queue slots.",
    connection=identifier("The account's id."),
    time_zone=or_null(text("The zone of the slots; null: there are none.", "Europe/Brussels")),
    slots=listed(SLOTS, "The slots of a week."),
    next=listed(COMING_SLOT, "The next slots."),
)


def series_json(series: PostSeries, now: datetime) -> Json:
    """Return a series in full (targets with their connections, and series_media, are read)."""
    recurrence = series.recurrence
    targets = list(series.targets.all())
    goes_on = series.state != SeriesState.ENDED
    coming = recurrence.first(1, after=now) if goes_on else []
    notices = notices_for(recurrence, [t.connection for t in targets], now=now) if goes_on else []
    return {
        "id": str(series.pk),
        "name": series.name,
        "state": series.state,
        "state_reason": series.state_reason or None,
        "version": series.version,
        "rule": series.rule,
        "starts": series.starts,
        "time_zone": series.time_zone,
        "next_occurrence_at": instant(coming[0].at) if coming else None,
        "connections": [str(target.connection_id) for target in targets],
        "variants": [
            {
                "connection": str(target.connection_id),
                **{name: target.changes.get(name) for name in VARIED},
            }
            for target in targets
            if target.changes
        ],
        "segments": series.segments,
        "first_comment": series.first_comment,
        "options": series.options,
        "media": [
            {
                "asset": str(row.asset_id),
                "url": row.asset.source_url or None,
                "kind": row.asset.kind,
                "segment": row.segment,
                "alt_text": row.alt_text or row.asset.alt_text,
            }
            for row in series.series_media.all()
        ],
        "priority": series.priority,
        "late_policy": series.late_policy,
        "late_limit_minutes": series.late_limit_minutes,
        "callback_url": series.callback_url or None,
        "notices": notices_json(notices),
        "continues": str(series.continues_id) if series.continues_id else None,
        "created_at": instant(series.created_at),
        "updated_at": instant(series.updated_at),
    }


def notices_json(notices: Sequence[Notice]) -> list[Json]:
    """Return what is good to know."""
    return [{"code": notice.code, "message": notice.message} for notice in notices]


def coming_json(one: Coming) -> Json:
    """Return one occurrence still to come, with what is known of it on each account."""
    return {
        **moment_json(one.moment),
        "accounts": [_account_json(row) for row in one.rows],
    }


def moment_json(when: Moment) -> Json:
    """Return a moment: the instant, the wall clock it was meant for, and what clocks do to it.

    `shown_clock` is what the clock on the wall shows then: another time only where it is shifted.
    """
    return {
        "at": instant(when.at),
        "wall_clock": when.clock.isoformat(),
        "shown_clock": when.shown.isoformat(),
        "is_shifted": bool(when.shifted),
        "is_doubled": when.is_doubled,
    }


def occurrence_json(row: SeriesOccurrence) -> Json:
    """Return what became of one occurrence on one account (post is read)."""
    return {"at": instant(row.at), "wall_clock": row.clock, **_account_json(row)}


def _account_json(row: SeriesOccurrence) -> Json:
    post = row.post
    return {
        "connection": str(row.connection_id),
        "state": row.state,
        "is_detached": row.stands_alone,
        "post": str(post.pk) if post else None,
        "post_state": post.state if post else None,
        "post_scheduled_at": instant(post.scheduled_at) if post else None,
        "problem": row.problem or None,
    }


def queue_json(connection_id: Any, queue: PostQueue | None, coming: Sequence[SlotView]) -> Json:
    """Return an account's weekly slots, days with the same times together, and the next ones."""
    times: dict[str, list[str]] = {}
    for day, clock in queue.slots if queue else ():
        times.setdefault(day, []).append(clock)
    together: dict[tuple[str, ...], list[str]] = {}
    for day in DAYS:
        if day in times:
            together.setdefault(tuple(times[day]), []).append(day)
    return {
        "connection": str(connection_id),
        "time_zone": queue.time_zone if queue else None,
        "slots": [{"days": days, "times": list(clocks)} for clocks, days in together.items()],
        "next": [
            {
                **moment_json(view.moment),
                "is_free": view.post is None,
                "post": str(view.post.pk) if view.post else None,
                "is_queued": view.is_queued,
            }
            for view in coming
        ],
    }
