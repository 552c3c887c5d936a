"""May this installation tell anybody anything?

A restored or copied database holds deliveries that its original has made already. So nothing
leaves before a publisher slot has looked at the database: the slot pauses the installation if it
looks restored, and stamps its heartbeat if not. A pause holds notifications back like posts; a
staging copy must not call a customer's production system.
"""

from __future__ import annotations

from django.conf import settings
from django.db.models.functions import Now

from engine.models import Installation


def may_send() -> bool:
    """Say whether the installation is not paused and was found to be the one it says it is.

    False too while no publisher slot has run for RESTORED_AFTER (1 h): deliveries wait for one.
    """
    here = Installation.objects.filter(
        pk=1, paused=False, heartbeat_at__gt=Now() - settings.RESTORED_AFTER
    )
    if settings.INSTALLATION_ID:
        here = here.filter(installation_id=settings.INSTALLATION_ID)
    return here.exists()
