"""Telling those who can help that an account must be connected again, or soon must be.

The first is told once per person and state of the account, and stands for the word that posts wait.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from accounts.models import Membership, Role
from engine.credentials import CredentialError
from notifications.quiet import zone_of
from notifications.routing import Telling, tell
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import ADAPTERS
from scheduling.announcements import incident_key

log = logging.getLogger("carillon.scheduling")

NEEDS_RECONNECT, EXPIRING = "connection.needs_reconnect", "connection.expiring"
WARNINGS = (1, 7)  # days before
CAN_RECONNECT = (Role.OWNER, Role.EDITOR)


def ask_to_reconnect(connection: SocialConnection) -> None:
    """Tell the workspace's owners and editors, in the current transaction."""
    facts = {**_facts(connection), "reason": connection.state_reason}
    tell(
        [
            Telling(
                event=NEEDS_RECONNECT,
                user_id=user_id,
                workspace_id=connection.workspace_id,
                context={"mail": facts},
                dedupe_key=incident_key(connection.pk, user_id, connection.version),
            )
            for user_id in _helpers(connection)
        ]
    )


def warn_of_expiry() -> int:
    """Tell of accesses that end within 7 days and 1 day; returns how many warnings were new."""
    now, told = timezone.now(), 0
    for connection, ends in _ending(now, now + timedelta(days=max(WARNINGS))):
        days = -(-(ends - now) // timedelta(days=1))
        step = next(step for step in WARNINGS if days <= step)
        local = ends.astimezone(zone_of(connection.workspace.time_zone))
        facts = {**_facts(connection), "days": days, "ends": f"{local:%A, %d %B %Y}"}
        told += tell(
            [
                Telling(
                    event=EXPIRING,
                    user_id=user_id,
                    workspace_id=connection.workspace_id,
                    context={"mail": facts},
                    dedupe_key=f"{EXPIRING}:{connection.pk}:{user_id}:{ends:%Y-%m-%d}:{step}",
                )
                for user_id in _helpers(connection)
            ]
        )
    return told


def _ending(now: datetime, until: datetime) -> Iterator[tuple[SocialConnection, datetime]]:
    """Yield the active connections whose access ends by `until` unless a person renews it."""
    near = Q(expires_at__gt=now, expires_at__lte=until)
    near |= Q(refresh_expires_at__gt=now, refresh_expires_at__lte=until)
    rows = SocialConnection.objects.filter(near, state=ConnectionState.ACTIVE)
    for connection in rows.select_related("workspace").iterator():
        try:
            renewable = _is_renewable(connection)
        except CredentialError:
            log.warning("expiry.unreadable", extra={"connection_id": str(connection.pk)})
            continue
        ends = connection.refresh_expires_at if renewable else connection.expires_at
        if ends is not None and now < ends <= until:
            yield connection, ends


def _is_renewable(connection: SocialConnection) -> bool:
    adapter = ADAPTERS.get(connection.platform)
    return adapter is not None and adapter().renewable(connection.get_credentials())


def _helpers(connection: SocialConnection) -> Sequence[int]:
    members = Membership.objects.filter(
        workspace_id=connection.workspace_id, role__in=CAN_RECONNECT, user__is_active=True
    )
    return list(members.values_list("user_id", flat=True))


def _facts(connection: SocialConnection) -> dict[str, Any]:
    adapter = ADAPTERS.get(connection.platform)
    return {
        "account": connection.username or connection.external_id,
        "network": adapter.name if adapter else connection.platform,
        "path": "/connections/",
    }
