"""What is due and may go out, and what stops all sending on purpose: one answer for every reader.

/ready, the metrics and the operations page show the same number because all of them ask here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from engine.clock import database_now
from engine.models import Installation
from engine.pauses import are_all_hosts_draining
from scheduling.models import ScheduledPost
from scheduling.pauses import going_on
from scheduling.states import WAITING


def stopped_on_purpose(here: Installation | None) -> str:
    """Return what staff did so that nothing at all is sent, as the start of a sentence, or ""."""
    if here is not None and here.paused:
        return "Sending is paused"
    return "Every host drains" if are_all_hosts_draining() else ""


def waiting_halves() -> tuple[QuerySet[ScheduledPost], QuerySet[ScheduledPost]]:
    """Return the waiting posts that may go out, free and claimed: each half has an index.

    Posts of what staff have paused are not among them: they may wait.
    """
    waiting = ScheduledPost.objects.filter(going_on(), state__in=WAITING, due_at__isnull=False)
    return waiting.filter(lease_slot__isnull=True), waiting.filter(lease_slot__isnull=False)


def oldest_due_age(now: datetime | None = None) -> timedelta:
    """Return how long the oldest due post has been waiting, claimed or not; zero without any."""
    firsts = [
        half.order_by("due_at").values_list("due_at", flat=True).first()
        for half in waiting_halves()
    ]
    oldest = min((due_at for due_at in firsts if due_at is not None), default=None)
    if oldest is None:
        return timedelta()
    return max(timedelta(), (now or database_now()) - oldest)
