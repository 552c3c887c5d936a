"""Periodic jobs of posts, as data; synced into django-q2 after every migrate."""

from __future__ import annotations

from engine.schedules import Daily, EveryMinutes, SlotKind

SLOTS = [SlotKind("publish", "scheduling.tasks.run_publisher_slot")]

SCHEDULES = [
    EveryMinutes("look-ahead", "scheduling.tasks.look_ahead_minute", minutes=1),
    EveryMinutes("sweep", "scheduling.tasks.sweep_minute", minutes=1),
    EveryMinutes("preflight", "scheduling.tasks.preflight_minutes", minutes=3),
    EveryMinutes("leftovers", "scheduling.tasks.clear_leftovers_minutes", minutes=5),
    EveryMinutes("series", "scheduling.tasks.extend_series_minutes", minutes=5),
    EveryMinutes("bulk jobs", "scheduling.tasks.bulk_jobs_minute", minutes=1),
    Daily("tidy", "scheduling.tasks.tidy_daily", hour=0),
]
