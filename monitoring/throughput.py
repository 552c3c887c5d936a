"""What the charts show: how many posts went out, and how many failed, stretch by stretch."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from django.db.models import Sum

from engine.admin_cells import BAD, GOOD
from monitoring.charts import Chart, Column, Series
from monitoring.models import MinuteSum
from scheduling.models import Tally
from scheduling.states import PostState

SERIES = (Series("published", GOOD), Series("failed", BAD))
PLACES = {PostState.PUBLISHED.value: 0, PostState.FAILED.value: 1, PostState.DEAD_LETTER.value: 1}
MINUTE, QUARTER, HOUR, DAY = (timedelta(minutes=n) for n in (1, 15, 60, 1440))

Counts = Counter[tuple[datetime, int]]  # (minute, place in SERIES)


def counts_between(since: datetime, until: datetime) -> Counts:
    """Return what happened in the minutes from `since` on (one statement, added up in it)."""
    within = {
        "minute__gte": since,
        "minute__lt": until,
        "fact": Tally.Fact.REACHED,
        "label__in": list(PLACES),
    }
    folded = MinuteSum.objects.filter(**within).values_list("minute", "label")
    journal = Tally.objects.filter(**within).values_list("minute", "label")
    counts: Counts = Counter()
    for minute, label, number in folded.annotate(n=Sum("number")).union(
        journal.annotate(n=Sum("number")), all=True
    ):
        counts[minute, PLACES[label]] += number
    return counts


def past_hour(counts: Counts, until: datetime) -> Chart:
    """Return the sixty minutes before `until`, a column each."""
    columns = _columns(counts, until - HOUR, until, MINUTE)
    return _chart("hour", "The past 60 minutes, minute by minute", columns, "minute")


def past_day(counts: Counts, until: datetime) -> Chart:
    """Return the 24 hours before `until` in quarters of an hour, the last one as far as it is."""
    end = until + (QUARTER - timedelta(seconds=until.timestamp() % QUARTER.total_seconds()))
    columns = _columns(counts, end - DAY, end, QUARTER)
    return _chart("day", "The past 24 hours, in quarters of an hour", columns, "quarter")


def _columns(
    counts: Counts, since: datetime, until: datetime, step: timedelta
) -> tuple[Column, ...]:
    places = round((until - since) / step)
    sums = [[0] * len(SERIES) for _ in range(places)]
    for (minute, series), number in counts.items():
        place = (minute - since) // step
        if 0 <= place < places:
            sums[place][series] += number
    return tuple(
        Column(f"{since + place * step:%H:%M}", tuple(each)) for place, each in enumerate(sums)
    )


def _chart(name: str, title: str, columns: tuple[Column, ...], unit: str) -> Chart:
    busiest = max(columns, key=lambda column: sum(column.counts))
    published = sum(column.counts[0] for column in columns)
    failed = sum(column.counts[1] for column in columns)
    description = f"From {columns[0].label} UTC on: {published} published, {failed} failed."
    if sum(busiest.counts):
        description += f" The busiest {unit} began at {busiest.label}: {sum(busiest.counts)}."
    return Chart(name, title, description, SERIES, columns)
