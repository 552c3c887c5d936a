"""Periodic jobs of the instruments, as data; synced into django-q2 after every migrate."""

from __future__ import annotations

from engine.schedules import Daily, EverySeconds

SCHEDULES = [
    Daily("tidy-roll-ups", "monitoring.tasks.tidy_daily", hour=1),
]
BEATS = [
    EverySeconds("monitoring.tasks.fold_seconds", seconds=10),
    EverySeconds("monitoring.tasks.count_half_minute", seconds=30),
]
