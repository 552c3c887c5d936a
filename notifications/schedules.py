"""Periodic jobs of notifications, as data; synced into django-q2 after every migrate."""

from __future__ import annotations

from engine.schedules import Daily, EveryMinutes, SlotKind

SLOTS = [SlotKind("notify", "notifications.tasks.run_notifier_slot")]

SCHEDULES = [
    EveryMinutes("sweep-deliveries", "notifications.tasks.sweep_minute", minutes=1),
    Daily("prune-devices", "notifications.tasks.prune_devices", hour=3),
]
