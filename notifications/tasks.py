"""What the task queue calls; queued by dotted path, so names here never change."""

from __future__ import annotations

from engine.runner import run_slot
from notifications import sweeper, targets
from notifications.dispatcher import DeliveryWorkload


def run_notifier_slot() -> None:
    """Deliver notifications for about ten minutes, if a notifier slot is wanted."""
    run_slot(DeliveryWorkload())


def sweep_minute() -> None:
    """Recover what dead workers left; the slots do it each second, this is the safety net."""
    sweeper.sweep()


def prune_devices() -> None:
    """Delete devices whose app nobody opens any more."""
    targets.prune_devices()
