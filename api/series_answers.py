"""How series, their occurrences and queue slots look in answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from api.fields import instant
from platforms.adapters.base import Notice
from scheduling.models import PostQueue
from scheduling.queue_slots.services import SlotView
from scheduling.queue_slots.weekly import DAYS
from scheduling.series.forecast import Coming, notices_for
from scheduling.series.models import PostSeries, SeriesOccurrence, SeriesState
from scheduling.series.wall_clock import Moment

Json = dict[str, Any]


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
            {"connection": str(target.connection_id), **target.changes}
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


def coming_json(coming: Coming) -> Json:
    """Return one occurrence still to come, with what is known of it on each account."""
    return {
        **moment_json(coming.moment),
        "accounts": [_account_json(row) for row in coming.rows],
    }


def moment_json(moment: Moment) -> Json:
    """Return a moment: the instant, the wall clock it was meant for, and what clocks do to it.

    `shown_clock` is what the clock on the wall shows then: another time only where it is shifted.
    """
    return {
        "at": instant(moment.at),
        "wall_clock": moment.clock.isoformat(),
        "shown_clock": moment.shown.isoformat(),
        "is_shifted": bool(moment.shifted),
        "is_doubled": moment.is_doubled,
    }


def occurrence_json(row: SeriesOccurrence) -> Json:
    """Return what became of one occurrence on one account (post is read)."""
    return {"at": instant(row.at), "wall_clock": row.clock, **_account_json(row)}


def _account_json(row: SeriesOccurrence) -> Json:
    post = row.post
    return {
        "connection": str(row.connection_id),
        "state": row.state,
        "is_detached": row.is_detached
        or (post is not None and post.content_version != row.post_version),
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
