"""What the roll-ups tell: figures up to this very moment, never from the posts themselves.

Each question is one statement over sums and journal together, so that what is folded at that
moment is counted once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring.models import MinuteSum, Total
from scheduling.models import Tally
from scheduling.states import PostState
from scheduling.tallies import CALL_SECONDS, LATENESS_SECONDS, Sum

Fact = Tally.Fact
_KIND = ("platform", "fact", "label", "category")
_SUMS = ("number", "seconds", "buckets")


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


def totals() -> dict[tuple[str, str, str, str], Sum]:
    """Return what ever happened, by (platform, fact, label, category)."""
    folded = Total.objects.values_list(*_KIND, *_SUMS)
    sums: dict[tuple[str, str, str, str], Sum] = {}
    for platform, fact, label, category, *counted in folded.union(
        Tally.objects.values_list(*_KIND, *_SUMS), all=True
    ):
        sums.setdefault((platform, fact, label, category), Sum()).add(*counted)
    return sums


def published_per_minute(since: datetime, until: datetime) -> dict[datetime, Counter[str]]:
    """Return how many posts each platform published in each minute; empty minutes are left out."""
    minutes: dict[datetime, Counter[str]] = defaultdict(Counter)
    for row in _rows(since, until, fact=Fact.REACHED, label=PostState.PUBLISHED):
        minutes[row["minute"]][row["platform"]] += row["number"]
    return dict(sorted(minutes.items()))


def reached(since: datetime, until: datetime) -> Counter[tuple[str, str]]:
    """Return how many posts reached each end or stop, by (platform, state)."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in _rows(since, until, fact=Fact.REACHED):
        counts[row["platform"], row["label"]] += row["number"]
    return counts


def errors(since: datetime, until: datetime) -> Counter[tuple[str, str]]:
    """Return how many tries failed, by (platform, category)."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in _rows(since, until, fact=Fact.ATTEMPT):
        if row["category"]:
            counts[row["platform"], row["category"]] += row["number"]
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
    for row in _rows(since, until, fact=fact):
        sums[row["platform"]].add(row["number"], row["seconds"], row["buckets"])
    found = {platform: histogram_of(each, bounds) for platform, each in sorted(sums.items())}
    return {platform: each for platform, each in found.items() if each.number}


def _rows(since: datetime, until: datetime, **which: str) -> Iterator[dict[str, Any]]:
    """Yield the sums of the minutes that begin in [since, until), those of the journal too."""
    names = ("minute", *_KIND, *_SUMS)
    within = {"minute__gte": since, "minute__lt": until, **which}
    folded = MinuteSum.objects.filter(**within).values_list(*names)
    journal = Tally.objects.filter(**within).values_list(*names)
    for values in folded.union(journal, all=True):
        yield dict(zip(names, values, strict=True))
