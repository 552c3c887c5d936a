"""Bar charts as SVG, drawn here: named for screen readers, coloured by classes alone.

Only bars are inside the SVG: it is stretched to its place, and letters would be stretched along.
The page writes the scale around it and offers the same numbers as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

HEIGHT = 100  # units of the drawing; its width is one for each column
GAP = 0.15  # of a column's width, left free at its right


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of thing that is counted; `tone` is one of `engine.admin_cells`."""

    name: str
    tone: str


@dataclass(frozen=True, slots=True)
class Column:
    """One stretch of time: its name, and a count for each series."""

    label: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Columns side by side, each with its series on top of each other."""

    name: str  # part of ids on the page
    title: str
    description: str
    series: tuple[Series, ...]
    columns: tuple[Column, ...]

    @property
    def highest(self) -> int:
        """Return the sum of the highest column."""
        return max((sum(column.counts) for column in self.columns), default=0)

    @property
    def totals(self) -> list[tuple[Series, int]]:
        """Return each series with its sum."""
        sums = [sum(c.counts[place] for c in self.columns) for place in range(len(self.series))]
        return list(zip(self.series, sums, strict=True))

    @property
    def is_empty(self) -> bool:
        """Say whether nothing was counted at all."""
        return self.highest == 0

    def svg(self) -> SafeString:
        """Return the drawing."""
        columns = [(self._column(place, column),) for place, column in enumerate(self.columns)]
        return format_html(
            '<svg class="chart" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
            'aria-labelledby="{n}-title {n}-description"><title id="{n}-title">{}</title>'
            '<desc id="{n}-description">{}</desc>{}</svg>',
            max(1, len(self.columns)),
            HEIGHT,
            self.title,
            self.description,
            format_html_join("", "{}", columns),
            n=self.name,
        )

    def _column(self, place: int, column: Column) -> SafeString:
        scale = HEIGHT / (self.highest or 1)
        top = float(HEIGHT)
        bars = []
        for series, count in zip(self.series, column.counts, strict=True):
            top -= count * scale
            if count:
                bars.append((series.tone, place, f"{top:.2f}", 1 - GAP, f"{count * scale:.2f}"))
        drawn = format_html_join(
            "",
            '<rect class="bar bar-{}" x="{}" y="{}" width="{}" height="{}"></rect>',
            bars,
        )
        return format_html(
            '<g><title>{}</title><rect class="bar-room" x="{}" y="0" width="1" height="{}"></rect>'
            "{}</g>",
            f"{column.label}: {self._in_words(column.counts)}",
            place,
            HEIGHT,
            drawn,
        )

    def _in_words(self, counts: Sequence[int]) -> str:
        return ", ".join(
            f"{count} {series.name}" for series, count in zip(self.series, counts, strict=True)
        )
