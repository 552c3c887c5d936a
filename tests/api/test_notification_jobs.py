"""Messages asked for in the predecessor's shape, and devices: what is sent, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import AuditEvent, Workspace
from notifications import jobs
from notifications.models import Delivery, Device
from notifications.rendering import render
from notifications.targets import register_device
from tests.api.client import Api, keyed
from tests.factories import make_user, make_workspace

HIS = {  # the predecessor's own example
    "type": "email",
    "template": "email-welcome",
    "templateData": {"name": "John Doe", "dashboardUrl": "https://nexus.example/dashboard"},
    "email": {"to": "user@example.com", "subject": "Welcome to NEXUS"},
}
REST: dict[str, dict[str, Any]] = {
    "sms": {"to": "+4915112345678"},
    "slack": {"channel": "#posts"},
    "webhook": {"url": "https://example.com/hook"},
}


def test_the_predecessor_s_example_is_sent_as_it_stands(api: Api) -> None:
    answer = api.post("notifications", HIS)
    assert answer.status == 202, answer.body
    delivery = Delivery.objects.get()
    assert (delivery.channel, delivery.target) == ("email", "user@example.com")
    message = render(delivery.notification.event, delivery.notification.context)
    assert message.subject == "Welcome to NEXUS"
    for part in (message.text, message.html):
        assert "John Doe" in part
        assert "https://nexus.example/dashboard" in part
    told = api.get(f"notifications/{answer.body['job_id']}").body
    assert (told["status"], told["template"]) == ("pending", "welcome")
    assert told["deliveries"][0]["target"] == "u***@example.com"
    event = AuditEvent.objects.get(action="notification.requested")
    assert "user@example.com" not in str(event.detail)


@pytest.mark.parametrize("kind", sorted(REST))
def test_every_way_takes_its_recipient(api: Api, kind: str) -> None:
    body = {"type": kind, "template": "publishing-success", kind: REST[kind]}
    assert api.post("notifications", body).status == 202
    delivery = Delivery.objects.get()
    assert (delivery.channel, delivery.target) == (kind, next(iter(REST[kind].values())))


def test_a_push_goes_to_members_devices_alone(api: Api, workspace: Workspace) -> None:
    ours = register_device(user=make_user(workspace), token="t-1", platform="ios")
    theirs = register_device(user=make_user(make_workspace()), token="t-2", platform="ios")
    body = {"type": "push", "template": "welcome"}
    assert api.post("notifications", {**body, "push": {"device_id": str(ours.pk)}}).status == 202
    answer = api.post("notifications", {**body, "push": {"device_id": str(theirs.pk)}})
    answer.problem(422, "invalid", "push.device_id")


@pytest.mark.parametrize("template", sorted(jobs.TEMPLATES))
def test_data_is_shown_and_never_a_template_or_markup(template: str) -> None:
    job = jobs.NotificationJob(
        "email",
        "a@example.com",
        template,
        {
            "name": "<b>{{ link }}</b>",
            "title": "<i>x</i>",
            "link": "javascript:alert(1)",
            "scheduled_at": "never",
            "time_zone": ["?"],
        },
    )
    message = render(jobs.event_of("email", template), jobs._context(job))
    assert "<b>" not in message.html
    assert "<i>" not in message.html
    assert "javascript:" not in message.html
    assert message.subject
    assert message.short


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"template": "newsletter"}, "template"),
        ({"type": "pigeon"}, "type"),
        ({"type": "endpoint"}, "type"),
        ({"email": {"to": "nobody"}}, "email.to"),
        ({"type": "sms"}, "email"),
        ({"email": None}, "email"),
        ({"sms": {"to": "+4915112345678"}}, "sms"),
        ({"templateData": {"x": "y" * 20_000}}, "templateData"),
    ],
)
def test_what_cannot_be_sent_names_its_field(api: Api, change: Any, field: str) -> None:
    api.post("notifications", {**HIS, **change}).problem(422, "invalid", field)
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("sms", {"to": "0151 12345"}),
        ("slack", {"channel": "<!everyone>"}),
        ("webhook", {"url": "https://10.0.0.1/"}),
    ],
)
def test_recipients_that_cannot_be_are_refused(api: Api, kind: str, target: Any) -> None:
    body = {"type": kind, "template": "welcome", kind: target}
    api.post("notifications", body).problem(422, "invalid", f"{kind}.{next(iter(target))}")


def test_a_workspace_may_ask_for_so_many_an_hour(api: Api, settings: Any) -> None:
    settings.NOTIFICATION_JOBS_PER_HOUR = 2
    answers = [api.post("notifications", HIS) for _ in range(3)]
    assert [answer.status for answer in answers] == [202, 202, 429]
    assert answers[2].headers["Retry-After"]
    assert keyed(make_workspace()).post("notifications", HIS).status == 202


def test_a_repeat_under_one_key_is_one_message(api: Api) -> None:
    first, again = (api.post("notifications", HIS, Idempotency_Key="once") for _ in range(2))
    assert first.body == again.body
    assert Delivery.objects.count() == 1


def test_a_person_registers_and_forgets_their_own_devices(
    as_user: Callable[..., Api], workspace: Workspace
) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(external_id="o1")
    ada, bob = as_user("u1", org_id="o1"), as_user("u2", org_id="o1")
    body = {"token": "fcm-1", "platform": "android", "name": "phone"}
    first, again = ada.post("devices", body), ada.post("devices", body)
    assert first.status == 200, first.body
    assert first.body["id"] == again.body["id"]
    assert "fcm-1" not in str(first.body)
    pk = first.body["id"]
    bob("DELETE", f"devices/{pk}").problem(404, "not_found", "device_id")
    assert ada("DELETE", f"devices/{pk}").body == {"id": pk, "forgotten": True}
    assert not Device.objects.exists()
    keyed(workspace).post("devices", body).problem(422, "invalid", "")
