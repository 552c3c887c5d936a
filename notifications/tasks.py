"""What the task queue calls; queued by dotted path, so names here never change."""

from __future__ import annotations

from engine.runner import run_slot
from notifications import contacts, digests, sweeper, targets, welcomes
from notifications.dispatcher import DeliveryWorkload


def run_notifier_slot() -> None:
    """Deliver notifications for about ten minutes, if a notifier slot is wanted."""
    run_slot(DeliveryWorkload())


def sweep_minute() -> None:
    """Recover what dead workers left; the slots do it each second, this is the safety net."""
    sweeper.sweep()


def prune_devices() -> None:
    """Delete devices whose app nobody opens any more, and codes of long ago."""
    targets.prune_devices()
    contacts.prune_codes()


def send_digests() -> None:
    """Write the summaries whose moment has come."""
    digests.send_due()


def greet_newcomers() -> None:
    """Welcome the people who have become members."""
    welcomes.greet()
