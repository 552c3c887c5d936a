"""Messages that other systems ask for, in the predecessor's shape."""

from __future__ import annotations

import json
from typing import Any

from django.db import transaction
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Role
from api.base import ApiView, as_uuid
from api.delivery_answers import DELIVERY, delivery_json
from api.fields import Choice, Identifier, Text, WebAddress
from api.problems import Problem, invalid, unknown
from api.schema import operation
from api.serializers import Body, StrictBody
from api.shapes import Shape, identifier, listed, moment, one_of, text
from api.workspace_serializers import EmailAddress
from notifications import jobs
from notifications.models import Channel, DeliveryState, Notification

DATA_BYTES = 16_000
ASK_AGAIN_SECONDS = "300"
_TARGETS = {  # type -> what of its object names the recipient
    Channel.EMAIL.value: "to",
    Channel.SMS.value: "to",
    Channel.PUSH.value: "device_id",
    Channel.SLACK.value: "channel",
    Channel.WEBHOOK.value: "url",
}
ACCEPTED = Shape(
    "AcceptedNotification",
    "A message that is on its way.",
    job_id=identifier("Its id, for GET notifications/{id}."),
    status=one_of(DeliveryState, "How far it is."),
)
JOB = Shape(
    "NotificationJob",
    "A message that was asked for.",
    job_id=identifier("Its id."),
    status=one_of(DeliveryState, "How far its latest delivery is.", "sent"),
    template=text("Its template.", "welcome"),
    created_at=moment("When it was asked for."),
    deliveries=listed(DELIVERY, "Its deliveries: more than one when it was sent again."),
)


class EmailTarget(Body):
    """An e-mail's recipient, and its subject if it is not the template's."""

    to = EmailAddress(help_text="The recipient's address.")
    subject = Text(
        required=False,
        allow_blank=True,
        default="",
        max_length=200,
        help_text="Instead of the template's subject.",
    )


class SmsTarget(Body):
    """A text message's recipient."""

    to = Text(max_length=32, help_text="The number with its country: +4915112345678.")


class PushTarget(Body):
    """The device that a push goes to."""

    device_id = Identifier(max_length=64, help_text="A device of a member: see POST devices.")


class SlackTarget(Body):
    """The channel that a Slack message goes to."""

    channel = Text(max_length=80, help_text="A channel's id or name: C024BE91L or #posts.")


class WebhookTarget(Body):
    """The address that a webhook goes to."""

    url = WebAddress(help_text="https, at a public host.")


class NotificationInput(StrictBody):
    """What to send: the object called like `type` says to whom."""

    type = Choice(Channel, help_text=f"By which way: {', '.join(_TARGETS)}.")
    template = Text(max_length=100, help_text=f"Any of {', '.join(jobs.TEMPLATES)}.")
    templateData = serializers.DictField(  # noqa: N815 - the predecessor's name
        required=False, default=dict, help_text="What the template shows."
    )
    email = EmailTarget(required=False, help_text="For `email`.")
    sms = SmsTarget(required=False, help_text="For `sms`.")
    push = PushTarget(required=False, help_text="For `push`.")
    slack = SlackTarget(required=False, help_text="For `slack`.")
    webhook = WebhookTarget(required=False, help_text="For `webhook`.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for the one object that belongs to the type, and for data of a sensible size."""
        kind = attrs["type"]
        if kind not in _TARGETS:
            raise serializers.ValidationError({"type": [f"Use one of {', '.join(_TARGETS)}."]})
        given = set(_TARGETS) & set(attrs)
        if given != {kind}:
            wrong = min(given - {kind}, default=kind)
            raise serializers.ValidationError(
                {wrong: [f"Say to whom in `{kind}`, and in no other."]}, "one_of"
            )
        told = json.dumps(attrs["templateData"], ensure_ascii=False)
        if len(told) > DATA_BYTES:
            raise serializers.ValidationError(
                {"templateData": [f"Give at most {DATA_BYTES} characters of JSON."]}, "max_length"
            )
        return attrs


class JobsBase(ApiView):
    """Whoever may write to anybody in our name: owners, a service, keys with the scope."""

    read_scope = "notifications:read"
    write_scope = "notifications:write"
    read_role = write_role = Role.OWNER
    scope_suffices = True


class NotificationsView(JobsBase):
    """POST sends a message."""

    @operation(
        "send_notification",
        "Send somebody a message",
        tag="notifications",
        body=NotificationInput,
        example={
            "type": "email",
            "template": "welcome",
            "templateData": {"name": "Ada", "dashboardUrl": "https://example.com/dashboard"},
            "email": {"to": "ada@example.com", "subject": "Welcome"},
        },
        answers={202: ACCEPTED},
    )
    def post(self, request: Request) -> Response:
        """Write a message into the outbox; it goes out at once and is tried as the others are.

        The predecessor's names with the channel in front (`email-welcome`) mean the same
        templates. A workspace may ask for 1,000 an hour, unless the operator has said otherwise.
        """
        wish = self.read(NotificationInput)
        access = self.enter()
        kind = wish["type"]
        job = jobs.NotificationJob(
            channel=kind,
            target=wish[kind][_TARGETS[kind]],
            template=wish["template"],
            data=wish["templateData"],
            subject=wish[kind].get("subject", ""),
        )
        with transaction.atomic():
            try:
                sent = jobs.send(access.workspace, job, actor=access.actor)
            except jobs.BadJob as error:
                raise invalid(error.field, "invalid", str(error)) from None
            except jobs.TooMany as error:
                headers = {"Retry-After": ASK_AGAIN_SECONDS}
                raise Problem(429, "rate_limited", str(error), headers=headers) from None
            return self.answer({"job_id": str(sent.pk), "status": DeliveryState.PENDING.value}, 202)


class NotificationView(JobsBase):
    """GET shows what became of a message."""

    @operation(
        "get_notification",
        "Look at a message that was asked for",
        tag="notifications",
        answers={200: JOB},
    )
    def get(self, request: Request, notification_id: str) -> Response:
        """Return how far it is, with its deliveries."""
        access = self.enter()
        key = as_uuid(notification_id)
        found = jobs.jobs_of(access.workspace, key) if key else None
        if found is None:
            raise unknown("notification_id", "notification")
        return Response(_job_json(found))


def _job_json(job: Notification) -> dict[str, Any]:
    deliveries = sorted(job.deliveries.all(), key=lambda one: one.pk)
    names = {event: name for name, event in jobs.TEMPLATES.items()}
    return {
        "job_id": str(job.pk),
        "status": deliveries[-1].state,
        "template": names.get(job.event, job.event),
        "created_at": deliveries[0].created_at.isoformat().replace("+00:00", "Z"),
        "deliveries": [delivery_json(one) for one in deliveries],
    }
