"""What the task queue calls; queued by dotted path, so names here never change."""

from __future__ import annotations

from monitoring import census, rollups


def fold_seconds() -> None:
    """Add the last seconds' tallies up."""
    rollups.fold()


def tidy_daily() -> None:
    """Delete minutes that nobody looks at any more."""
    rollups.tidy()


def count_half_minute() -> None:
    """Count rows by state and log the queue."""
    census.take()
