"""What the task queue calls; queued by dotted path, so names here never change."""

from __future__ import annotations

from monitoring import rollups


def fold_minute() -> None:
    """Add the last minute's tallies up."""
    rollups.fold()


def tidy_daily() -> None:
    """Delete minutes that nobody looks at any more."""
    rollups.tidy()
