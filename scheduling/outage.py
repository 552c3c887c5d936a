"""Is this the installation that may send? A restored or copied database starts paused.

A staging copy of a production database would otherwise republish everything that was due.
"""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from accounts.models import AuditEvent
from engine.clock import database_now
from engine.models import Installation
from scheduling.models import ScheduledPost
from scheduling.pauses import take_from_slots
from scheduling.states import WAITING

log = logging.getLogger("carillon.publisher")


def check_installation() -> bool:
    """Pause the installation if its database looks restored or copied; returns whether paused.

    Signs: another INSTALLATION_ID than the one the database was last used with, or no heartbeat
    for RESTORED_AFTER (1 h) while posts are overdue.
    """
    with transaction.atomic():
        Installation.objects.get_or_create(
            pk=1, defaults={"installation_id": settings.INSTALLATION_ID}
        )
        here = Installation.objects.select_for_update().get(pk=1)
        if here.paused:
            return True
        reason = _suspicion(here)
        if reason:
            here.paused, here.pause_reason = True, reason
            here.paused_by, here.paused_since = "system", database_now()
            here.save(update_fields=["paused", "pause_reason", "paused_by", "paused_since"])
            log.error("installation.paused", extra={"reason": reason})
            AuditEvent.objects.create(
                actor="system", action="installation.paused", target="installation", reason=reason
            )
            return True
        if settings.INSTALLATION_ID and not here.installation_id:
            here.installation_id = settings.INSTALLATION_ID
            here.save(update_fields=["installation_id"])
    beat()
    return False


def _suspicion(here: Installation) -> str:
    if (
        settings.INSTALLATION_ID
        and here.installation_id
        and here.installation_id != settings.INSTALLATION_ID
    ):
        return (
            f"This database belongs to installation {here.installation_id!r}, "
            f"but INSTALLATION_ID is {settings.INSTALLATION_ID!r}. Resume if that is intended."
        )
    silent = Installation.objects.filter(
        pk=1, heartbeat_at__lt=Now() - settings.RESTORED_AFTER
    ).exists()
    overdue = silent and ScheduledPost.objects.filter(state__in=WAITING, due_at__lt=Now()).exists()
    if overdue:
        return (
            "Nothing was sent for more than an hour and posts are overdue: was this database "
            "restored or copied? Look at the overdue posts, then resume."
        )
    return ""


def beat() -> bool:
    """Stamp the installation's heartbeat; returns whether it is paused."""
    Installation.objects.filter(pk=1).update(heartbeat_at=Now())
    return Installation.objects.filter(pk=1, paused=True).exists()


def resume(*, actor: str, reason: str = "") -> None:
    """Let the installation send again and adopt the present INSTALLATION_ID."""
    with transaction.atomic():
        Installation.objects.update_or_create(
            pk=1,
            defaults={
                "paused": False,
                "pause_reason": "",
                "paused_by": "",
                "paused_since": None,
                "installation_id": settings.INSTALLATION_ID,
                "heartbeat_at": Now(),
            },
        )
        AuditEvent.objects.create(
            actor=actor, action="installation.resumed", target="installation", reason=reason
        )


def pause(*, actor: str, reason: str) -> None:
    """Stop all sending until somebody resumes; calls already marked run to their end.

    Not to be called inside a transaction: see `scheduling.pauses`.
    """
    with transaction.atomic():
        Installation.objects.update_or_create(
            pk=1,
            defaults={
                "paused": True,
                "pause_reason": reason[:255],
                "paused_by": actor,
                "paused_since": Now(),
            },
        )
        AuditEvent.objects.create(
            actor=actor, action="installation.paused", target="installation", reason=reason
        )
    take_from_slots()
