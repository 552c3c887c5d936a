"""Troubles of the installation that staff hear of once: noted when they begin, gone when over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import User
from notifications.models import Channel, Incident
from notifications.outbox import OutboxEvent, write
from notifications.routing import Telling, tell


def follow(event: str, kind: str, present: Mapping[str, Mapping[str, Any]]) -> int:
    """Tell staff of what is `present` and was not before, forget what is over; returns how many.

    `present` are names and the facts that the templates show; `kind` sets them apart from others.
    """
    names = {f"{kind}:{name}"[:255]: facts for name, facts in present.items()}
    known = Incident.objects.filter(name__startswith=f"{kind}:")
    known.exclude(name__in=list(names)).delete()
    told = 0
    for name in names.keys() - set(known.values_list("name", flat=True)):
        with transaction.atomic():
            incident, is_new = Incident.objects.get_or_create(name=name)
            if is_new:
                tell_staff(event, names[name], key=f"{name}:{incident.since.isoformat()}"[-180:])
                told += 1
    return told


def tell_staff(event: str, facts: Mapping[str, Any], *, key: str) -> None:
    """Tell each of the staff as they chose, and their channel in Slack."""
    staff = User.objects.filter(is_staff=True, is_active=True).values_list("pk", flat=True)
    tell(
        [
            Telling(event, user_id, None, {"mail": dict(facts)}, f"{event}:{key}:{user_id}")
            for user_id in staff
        ]
    )
    if place := settings.STAFF_SLACK_CHANNEL:
        write(
            [
                OutboxEvent(
                    event=event,
                    workspace_id=None,
                    context={"mail": dict(facts)},
                    dedupe_key=f"{event}:{key}:slack",
                    deliveries=((Channel.SLACK.value, place),),
                )
            ]
        )
