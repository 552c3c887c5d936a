"""Messages that other systems ask for, in the predecessor's shape: one template, one recipient.

A template has a name and, optionally, its channel before it: `welcome` and `email-welcome` are one.
What callers give is data: it is shown by our templates and is never a template itself.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.audit import record
from accounts.models import Workspace
from engine.ids import uuid7
from notifications.callbacks import problem_of
from notifications.models import Channel, Device, Notification
from notifications.outbox import OutboxEvent, write
from notifications.targets import hint_of

PREFIX = "job."
TEMPLATES = {  # the predecessor's name -> our event, whose words stand in templates/notifications/
    "welcome": "job.welcome",
    "video-processing-complete": "job.video_processing_complete",
    "publishing-success": "job.publishing_success",
}
WINDOW = timedelta(hours=1)
LINKS = ("dashboardUrl", "videoUrl", "postUrl", "url", "link")  # in templateData
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_CHANNEL = re.compile(r"[CGD][A-Z0-9]{6,20}|#[^\s,<>&]{1,79}")


class BadJob(ValueError):
    """What was asked for cannot be sent; `field` says where, the message why and what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class TooMany(Exception):
    """The workspace has asked for as much as it may within an hour."""


@dataclass(frozen=True, slots=True)
class NotificationJob:
    """What to send: `target` is an address, number, device, Slack channel or URL."""

    channel: str
    target: str
    template: str
    data: Mapping[str, Any]
    subject: str = ""


def send(workspace: Workspace, job: NotificationJob, *, actor: str) -> Notification:
    """Write the message into the outbox, due at once; raises BadJob or TooMany.

    At most NOTIFICATION_JOBS_PER_HOUR for a workspace: whoever steals a key must not be able to
    write to the world in our name.
    """
    event = event_of(job.channel, job.template)
    _check_target(workspace, job)
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)  # counted one by one
        _require_room(workspace)
        written = OutboxEvent(
            event=event,
            workspace_id=workspace.pk,
            context=_context(job),
            dedupe_key=f"{event}:{uuid7()}",
            deliveries=((job.channel, job.target),),
        )
        write([written])
        record(
            workspace=workspace,
            actor=actor,
            action="notification.requested",
            target=f"notification:{written.id}",
            detail={"channel": job.channel, "event": event, "to": hint_of(job.target)},
        )
    return Notification.objects.get(pk=written.id)


def event_of(channel: str, template: str) -> str:
    """Return the event whose words a template is; raises BadJob."""
    name = template.strip().lower().replace("_", "-").removeprefix(f"{channel}-")
    if name not in TEMPLATES:
        raise BadJob("template", f"There is no such template; there are {', '.join(TEMPLATES)}.")
    return TEMPLATES[name]


def jobs_of(workspace: Workspace, pk: uuid.UUID) -> Notification | None:
    """Return a message that this workspace asked for."""
    rows = Notification.objects.filter(workspace=workspace, event__startswith=PREFIX)
    return rows.prefetch_related("deliveries").filter(pk=pk).first()


def _check_target(workspace: Workspace, job: NotificationJob) -> None:
    match job.channel:
        case Channel.SMS if not _NUMBER.fullmatch(job.target):
            raise BadJob("sms.to", "Give the number with its country, such as +4915112345678.")
        case Channel.SLACK if not _CHANNEL.fullmatch(job.target):
            raise BadJob("slack.channel", "Give a channel's id or name: C024BE91L or #posts.")
        case Channel.WEBHOOK if problem := problem_of(job.target):
            raise BadJob("webhook.url", f"Nothing can be sent there: {problem}.")
        case Channel.PUSH if not _device_exists(workspace, job.target):
            raise BadJob(
                "push.device_id",
                "There is no such device of a member of this workspace: POST /api/v1/devices.",
            )


def _device_exists(workspace: Workspace, target: str) -> bool:
    try:
        pk = uuid.UUID(target)
    except ValueError:
        return False
    return Device.objects.filter(pk=pk, user__memberships__workspace=workspace).exists()


def _require_room(workspace: Workspace) -> None:
    most = settings.NOTIFICATION_JOBS_PER_HOUR
    asked = Notification.objects.filter(
        workspace=workspace, event__startswith=PREFIX, created_at__gt=timezone.now() - WINDOW
    )
    if most and asked.count() >= most:
        raise TooMany(f"More than {most} messages in an hour: go on later.")


def _context(job: NotificationJob) -> dict[str, Any]:
    if job.channel == Channel.WEBHOOK:
        return {"data": dict(job.data)}
    links = (str(job.data.get(name, "")) for name in LINKS)
    safe = (link for link in links if link.lower().startswith(("https://", "http://")))
    return {
        "mail": {
            "told": dict(job.data),
            "asked_subject": job.subject,
            "action": next(safe, ""),
            "path": "/",
        }
    }
