"""Periodic jobs of connections, as data; synced into django-q2 after every migrate."""

from __future__ import annotations

from engine.schedules import EveryMinutes

SCHEDULES = [EveryMinutes("tidy-consents", "platforms.tasks.tidy_consents", minutes=15)]
