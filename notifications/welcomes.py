"""Welcoming people, once each: whoever gave them their place need not remember to."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from accounts.models import Membership
from notifications.routing import Telling, tell

EVENT = "welcome"
FOR = timedelta(days=1)  # a message of yesterday is late, later it would be odd
NEWCOMER = timedelta(days=7)  # whoever has been here for longer knows the house


def greet() -> int:
    """Write a welcome for the new members who have had none; returns how many."""
    now = timezone.now()
    members = (
        Membership.objects.filter(created_at__gt=now - FOR, user__date_joined__gt=now - NEWCOMER)
        .select_related("user", "workspace")
        .order_by("created_at")
    )
    return tell(
        [
            Telling(
                event=EVENT,
                user_id=member.user_id,
                workspace_id=member.workspace_id,
                context={
                    "mail": {
                        "name": member.user.first_name or member.user.username,
                        "workspace": member.workspace.name,
                        "path": "/connections/",
                    }
                },
                dedupe_key=f"{EVENT}:{member.user_id}",
            )
            for member in members
        ]
    )
