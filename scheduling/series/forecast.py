"""What a series will do: its next occurrences with what became of them, and what to think of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, pairwise

from engine.words import duration
from platforms.adapters.base import Notice
from platforms.models import SocialConnection
from platforms.registry import adapter_for
from scheduling.series.models import PostSeries, SeriesOccurrence, SeriesState
from scheduling.series.recurrence import Recurrence
from scheduling.series.wall_clock import Moment

SHOWN = 12
COMPARED = 60  # occurrences looked at for repeats that come too soon
MOST = 100  # of one preview


@dataclass(frozen=True, slots=True)
class Coming:
    """One occurrence that is still to come, and its rows as far as there are any."""

    moment: Moment
    rows: tuple[SeriesOccurrence, ...] = ()


def coming(series: PostSeries, *, now: datetime, count: int = SHOWN) -> list[Coming]:
    """Return the next occurrences of a stored series, skipped ones included; none once it ended."""
    if series.state == SeriesState.ENDED:
        return []
    moments = series.recurrence.first(count, after=now)
    rows: dict[datetime, list[SeriesOccurrence]] = {}
    at = [moment.at for moment in moments]
    for row in series.occurrences.filter(at__in=at).select_related("post", "connection"):
        rows.setdefault(row.at, []).append(row)
    return [Coming(moment, tuple(rows.get(moment.at, ()))) for moment in moments]


def notices_for(
    recurrence: Recurrence, connections: Iterable[SocialConnection], *, now: datetime
) -> list[Notice]:
    """Return what is good to know before this recurs with the same text on these accounts."""
    moments = list(islice(recurrence.moments(after=now), COMPARED))
    return [*_clock_notices(moments), *_repeat_notices(moments, connections)]


def _clock_notices(moments: Sequence[Moment]) -> Iterable[Notice]:
    if shifted := next((moment for moment in moments if moment.shifted), None):
        yield Notice(
            "shifted",
            f"{shifted.clock:%Y-%m-%d %H:%M} does not exist, as clocks go forward: that post goes "
            f"out at {shifted.shown:%H:%M}.",
        )
    if doubled := next((moment for moment in moments if moment.is_doubled), None):
        yield Notice(
            "doubled",
            f"{doubled.clock:%Y-%m-%d %H:%M} comes twice, as clocks go back: that post goes out at "
            "the first of the two.",
        )


def _repeat_notices(
    moments: Sequence[Moment], connections: Iterable[SocialConnection]
) -> Iterable[Notice]:
    if len(moments) < 2:
        return
    shortest = min(second.at - first.at for first, second in pairwise(moments))
    for slug in dict.fromkeys(connection.platform for connection in connections):
        adapter = adapter_for(slug)
        if shortest <= adapter.same_text_after:
            within = duration(adapter.same_text_after)
            yield Notice(
                "same_text",
                f"{adapter.name} may refuse a text that the account published within the last "
                f"{within}, and this recurs after {duration(shortest)}: make it rarer, or edit "
                "the single occurrences.",
            )
