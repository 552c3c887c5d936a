"""What the roll-ups tell: figures up to this very moment, never from the posts themselves.

Each question is one statement over sums and journal together, so that what is folded at that
moment is counted once.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from engine import sql
from monitoring.models import MinuteSum, Total
from monitoring.sums import Sum
from scheduling.models import Tally
from scheduling.states import PostState
from scheduling.tallies import CALL_SECONDS, LATENESS_SECONDS

Fact = Tally.Fact
_KIND = "platform, fact, label, category"
Kind = tuple[str, str, str, str]  # the same, in this order


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations in buckets that end at `bounds` (seconds); the last bucket has no end."""

    bounds: Sequence[float]
    counts: Sequence[int]  # of each bucket, not cumulative
    seconds: float  # the durations' sum

    @property
    def number(self) -> int:
        """Return how many durations there are."""
        return sum(self.counts)

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Yield each bound, infinity last, with how many durations are not above it."""
        below = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            below += count
            yield bound, below

    def quantile(self, share: float) -> float | None:
        """Return the duration in seconds that `share` (0-1) do not exceed; None without any.

        Interpolated inside its bucket; of the last bucket only its beginning is known.
        """
        wanted, below, start = share * self.number, 0, 0.0
        if not self.number:
            return None
        for bound, count in zip(self.bounds, self.counts, strict=False):
            if count and below + count >= wanted:
                return start + (bound - start) * (wanted - below) / count
            below, start = below + count, bound
        return start


def totals() -> dict[Kind, Sum]:
    """Return what ever happened."""
    return dict(_read(Total, _KIND, "", ()))


def published_per_minute(since: datetime, until: datetime) -> dict[datetime, Counter[str]]:
    """Return how many posts each platform published in each minute; empty minutes are left out."""
    minutes: dict[datetime, Counter[str]] = defaultdict(Counter)
    where = "minute >= %s AND minute < %s AND fact = %s AND label = %s"
    values = (_moment(since), _moment(until), Fact.REACHED.value, PostState.PUBLISHED.value)
    for (minute, platform), counted in _read(MinuteSum, "minute, platform", where, values):
        minutes[_instant(minute)][platform] += counted.number
    return dict(sorted(minutes.items()))


def reached(since: datetime, until: datetime) -> Counter[tuple[str, str]]:
    """Return how many posts reached each end or stop, by (platform, state)."""
    counts: Counter[tuple[str, str]] = Counter()
    for (platform, _, state, _), counted in _within(since, until, Fact.REACHED):
        counts[platform, state] += counted.number
    return counts


def errors(since: datetime, until: datetime) -> Counter[tuple[str, str]]:
    """Return how many tries failed, by (platform, category)."""
    counts: Counter[tuple[str, str]] = Counter()
    for (platform, _, _, category), counted in _within(since, until, Fact.ATTEMPT):
        if category:
            counts[platform, category] += counted.number
    return counts


def lateness(since: datetime, until: datetime) -> dict[str, Histogram]:
    """Return how late the posts were that were sent first in this time, by platform."""
    return _histograms(since, until, Fact.SENT, LATENESS_SECONDS)


def call_times(since: datetime, until: datetime) -> dict[str, Histogram]:
    """Return how long the calls took that ended in this time, by platform."""
    return _histograms(since, until, Fact.ATTEMPT, CALL_SECONDS)


def together(histograms: Sequence[Histogram]) -> Histogram | None:
    """Return one histogram of several with the same bounds; None without any."""
    if not histograms:
        return None
    added = Sum()
    for each in histograms:
        added.add(each.number, each.seconds, each.counts)
    return Histogram(histograms[0].bounds, added.buckets, added.seconds)


def histogram_of(counted: Sum, bounds: Sequence[float]) -> Histogram:
    """Return a sum's durations; its buckets may be missing or of another length."""
    counts = [*counted.buckets, *[0] * (len(bounds) + 1)][: len(bounds) + 1]
    return Histogram(bounds, counts, counted.seconds)


def _histograms(
    since: datetime, until: datetime, fact: str, bounds: Sequence[float]
) -> dict[str, Histogram]:
    sums: dict[str, Sum] = defaultdict(Sum)
    for (platform, *_), counted in _within(since, until, fact):
        sums[platform].add(counted.number, counted.seconds, counted.buckets)
    found = {platform: histogram_of(each, bounds) for platform, each in sorted(sums.items())}
    return {platform: each for platform, each in found.items() if each.number}


def _within(since: datetime, until: datetime, fact: str) -> list[tuple[Kind, Sum]]:
    where = "minute >= %s AND minute < %s AND fact = %s"
    return _read(MinuteSum, _KIND, where, (_moment(since), _moment(until), str(fact)))


def _read(
    model: type[MinuteSum] | type[Total], key: str, where: str, values: Sequence[Any]
) -> list[tuple[Any, Sum]]:
    """Return sums by `key` (columns) of the rows that `where` chooses, of the journal too.

    One statement, so one snapshot; the journal is added up by the database.
    """
    chosen = f"WHERE {where}" if where else ""
    statement = (
        f"SELECT {key}, number, seconds, CAST(buckets AS text), NULL FROM {sql.table_of(model)} "  # noqa: S608
        f"{chosen} UNION ALL SELECT {key}, sum(number), sum(seconds), NULL, bucket "
        f"FROM {sql.table_of(Tally)} {chosen} GROUP BY {key}, bucket"
    )
    sums: dict[Any, Sum] = {}
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, *values])
        for *found, number, seconds, buckets, bucket in cursor.fetchall():
            counted = sums.setdefault(tuple(found), Sum())
            if bucket is None:
                counted.add(int(number), seconds, json.loads(buckets))
            else:
                counted.add_row(int(number), seconds, bucket)
    return list(sums.items())


def _moment(instant: datetime) -> Any:
    """Return an instant as a parameter that the database compares rightly."""
    return connection.ops.adapt_datetimefield_value(instant)


def _instant(value: Any) -> datetime:
    found = sql.as_instant(value)
    if found is None:
        raise ValueError("a sum without its minute")
    return found
