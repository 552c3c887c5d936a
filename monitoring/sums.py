"""Adding up: the one shape in which journal, minutes and totals meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from scheduling.models import Tally


@dataclass(slots=True)
class Sum:
    """How many, how long altogether, and how many of them fell into each bucket of durations."""

    number: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=list)

    def add(self, number: int, seconds: float, buckets: Sequence[int]) -> None:
        """Add another sum of the same thing; the lists of buckets may differ in length."""
        self.number += number
        self.seconds += seconds
        self.buckets += [0] * (len(buckets) - len(self.buckets))
        for place, count in enumerate(buckets):
            self.buckets[place] += count

    def add_row(self, number: int, seconds: float, bucket: int) -> None:
        """Add a row of the journal."""
        counts = [] if bucket == Tally.NO_BUCKET else [0] * bucket + [number]
        self.add(number, seconds, counts)
