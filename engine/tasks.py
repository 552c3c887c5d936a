"""The engine's own queue tasks; queued by dotted path, so names here never change."""

from __future__ import annotations

from django.db.models.functions import Now

from engine.models import Installation


def canary() -> None:
    """Show that the queue works from end to end: a task was queued, taken and run."""
    Installation.objects.get_or_create(pk=1)
    Installation.objects.filter(pk=1).update(canary_at=Now())
