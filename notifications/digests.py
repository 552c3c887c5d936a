"""Summaries: what waits for its reader's hour or morning becomes one e-mail per person.

The items of one person are taken and their summary is written in one transaction, under a lock of
the person's row: two workers never tell the same twice, and no item is lost. Nothing waiting means
no mail.
"""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import User
from engine.errors import ServiceError
from notifications.catalog import EVENTS
from notifications.models import DigestItem, Notification
from notifications.outbox import OutboxEvent, write
from notifications.rendering import render
from notifications.routing import Readers

log = logging.getLogger("carillon.notifier")

EVENT = "digest"
AT_ONCE = 500  # people in one run; the others a minute later
LINES = 10  # of one event that are shown singly


def send_due() -> int:
    """Write the summaries whose moment has come; returns how many."""
    due = DigestItem.objects.filter(due_at__lte=timezone.now())
    people = due.order_by().values_list("user_id", flat=True).distinct()[:AT_ONCE]
    written = sum(_summarise(user_id) for user_id in list(people))
    if written:
        log.info("digests.written", extra={"count": written})
    return written


def _summarise(user_id: int) -> bool:
    """Turn what is due for one person into one event; says whether there was anything to tell."""
    with transaction.atomic():
        # Whoever comes second finds nothing; NO KEY, so that new items can still be written.
        person = User.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=user_id)
        if person.first() is None:
            return False
        items = list(
            DigestItem.objects.select_related("notification")
            .filter(user_id=user_id, due_at__lte=timezone.now())
            .order_by("id")
        )
        if not items:
            return False
        DigestItem.objects.filter(pk__in=[item.pk for item in items]).delete()
        key = f"{EVENT}:{user_id}:{items[0].pk}"
        ways = Readers.load([user_id], [EVENT]).ways(EVENT, user_id, None, key=key)
        if not ways:
            return False  # the person has left, or has no address any more
        told = [item.notification for item in items]
        return bool(
            write(
                [
                    OutboxEvent(
                        event=EVENT,
                        workspace_id=None,
                        context={"mail": facts_of(told)},
                        dedupe_key=key,
                        deliveries=ways.deliveries,
                        user_id=user_id,
                    )
                ]
            )
        )


def facts_of(told: Sequence[Notification]) -> dict[str, Any]:
    """Return what a summary of these events shows, the most important events first."""
    by_event: defaultdict[str, list[Notification]] = defaultdict(list)
    for notification in told:
        by_event[notification.event].append(notification)
    order = list(EVENTS)
    groups = [
        _group(name, by_event[name])
        for name in sorted(by_event, key=lambda name: order.index(name) if name in EVENTS else 99)
    ]
    total = sum(group["count"] for group in groups)
    head = groups[0]
    first = head["lines"][0]["words"] if head["count"] == 1 else head["title"]
    if head["count"] > 1:
        first = f"{first} ({head['count']})"
    return {
        "total": total,
        "first": first,
        "rest": total - head["count"],
        "groups": groups,
        "path": "/",
    }


def _group(name: str, told: Sequence[Notification]) -> dict[str, Any]:
    event = EVENTS.get(name)
    count = sum(_count(one.context) for one in told)
    lines = [_line(one) for one in told[:LINES]]
    shown = sum(_count(one.context) for one in told[:LINES])
    return {
        "title": event.label if event else name,
        "count": count,
        "lines": lines,
        "rest": count - shown,
    }


def _line(one: Notification) -> dict[str, str]:
    """Return one event as a line: its headline, its reason, where it leads."""
    try:
        message = render(one.event, one.context)
    except ServiceError as error:
        return {"words": one.event, "detail": error.detail, "link": ""}
    count = _count(one.context)
    if count > 1:
        words = gettext("%(first)s, and %(rest)d more") % {
            "first": message.subject,
            "rest": count - 1,
        }
        return {"words": words, "detail": "", "link": message.link}
    detail = str(one.context.get("mail", {}).get("reason") or "")
    return {"words": message.subject, "detail": detail, "link": message.link}


def _count(context: Mapping[str, Any]) -> int:
    return int(context.get("mail", {}).get("count") or 1)


def forget(user_id: int, workspace_id: uuid.UUID | None, event: str) -> None:
    """Drop what waits of an event that somebody has just switched off."""
    waiting = DigestItem.objects.filter(user_id=user_id, notification__event=event)
    if workspace_id is None:
        waiting = waiting.filter(notification__workspace=None)
    else:
        waiting = waiting.filter(notification__workspace_id=workspace_id)
    waiting.delete()
