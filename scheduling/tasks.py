"""What the task queue calls; queued by dotted path, so names here never change."""

from __future__ import annotations

from uuid import UUID

from engine.runner import run_slot
from scheduling import bulk_work, leftovers, look_ahead, preflight, sweeper, tidying
from scheduling.publisher import PostWorkload
from scheduling.series import settling


def run_publisher_slot() -> None:
    """Publish posts for about ten minutes, if a publisher slot is wanted."""
    run_slot(PostWorkload())


def look_ahead_minute() -> None:
    """Move posts into the look-ahead window."""
    look_ahead.queue_due_posts()


def sweep_minute() -> None:
    """Recover what dead workers left; the slots do it each second, this is the safety net."""
    sweeper.sweep()


def preflight_minutes() -> None:
    """Look at the posts of the coming day and warn their owners."""
    preflight.look_a_day_ahead()


def clear_leftovers_minutes() -> None:
    """Remove from the networks what was prepared there and is not wanted any more."""
    leftovers.clear()


def run_bulk_job(job_id: str) -> None:
    """Go on with one act on many posts."""
    bulk_work.run(UUID(job_id))


def bulk_jobs_minute() -> None:
    """Go on with jobs whose worker died, or that the queue has lost."""
    bulk_work.run_waiting()


def tidy_daily() -> None:
    """Remove what only the past needed."""
    tidying.tidy()


def extend_series_minutes() -> None:
    """Make the posts of series ahead, and finish what changes of series left to do."""
    settling.settle_all()
