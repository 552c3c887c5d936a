"""Periodic jobs of the instruments, as data; synced into django-q2 after every migrate."""

from __future__ import annotations

from engine.schedules import Daily, EveryMinutes

SCHEDULES = [
    EveryMinutes("roll-ups", "monitoring.tasks.fold_minute", minutes=1),
    Daily("tidy-roll-ups", "monitoring.tasks.tidy_daily", hour=1),
]
