"""Callbacks over real HTTP: what arrives, what is tried again, and what never leaves."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from notifications import callbacks
from notifications.channels.webhook import MAX_ANSWER_BYTES
from notifications.models import Delivery, DeliveryState
from notifications.signing import secrets
from tests.notifications.stage import (
    DATA,
    Heard,
    Receiver,
    deliver_all,
    notifier,
    played,
    receiving,
    settled,
    tell,
    until,
)

pytestmark = pytest.mark.usefixtures("committed")
D = DeliveryState


def delivered(**told: Any) -> tuple[Delivery, list[Heard]]:
    """Deliver one event to a receiver that answers as `told`; return the row and the requests."""

    async def scene() -> Receiver:
        async with receiving(**told) as receiver, notifier() as database:
            await database.run(tell, receiver.url)
            await until(lambda: bool(receiver.heard))
            await settled(database)
            return receiver

    receiver = played(scene())
    return Delivery.objects.get(), receiver.heard


def wait_of(delivery: Delivery) -> timedelta:
    assert delivery.due_at is not None
    assert delivery.sent_at is not None
    return delivery.due_at - delivery.sent_at


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_callback_arrives_signed_and_is_recorded(status: int) -> None:
    delivery, (heard,) = delivered(status=status, headers={"X-Request-Id": "r-1"})
    assert (delivery.state, delivery.attempts, delivery.provider_id) == (D.SENT, 1, "r-1")
    assert delivery.delivered_at is not None
    assert (delivery.lease_slot, delivery.due_at, delivery.error_text) == (None, None, "")
    assert heard.headers["webhook-id"] == str(delivery.notification_id)
    assert heard.headers["content-type"] == "application/json"
    assert "x-service-token" not in {name.lower() for name in heard.headers}
    body = Webhook(secrets()[0]).verify(heard.body, dict(heard.headers))
    assert body == {
        "type": "post.published",
        "timestamp": callbacks.instant(delivery.notification.created_at),
        "data": DATA,
    }


@pytest.mark.parametrize(
    ("status", "category"),
    [(500, "server_error"), (404, "unknown"), (302, "unknown"), (401, "unknown")],
)
def test_a_refusal_climbs_the_ladder_and_says_why(status: int, category: str) -> None:
    delivery, (_,) = delivered(
        status=status, headers={"Location": "https://example.org/"}, text="broken today"
    )
    assert (delivery.state, delivery.error_category) == (D.PENDING, category)
    assert f"answered {status}" in delivery.error_text
    assert "broken today" in delivery.error_text
    assert timedelta(seconds=4) <= wait_of(delivery) <= timedelta(seconds=9)


def test_a_retry_carries_the_same_id_and_the_last_one_is_the_end() -> None:
    async def scene() -> list[Heard]:
        async with receiving(status=503) as receiver:
            async with notifier() as database:
                await database.run(tell, receiver.url)
                await until(lambda: len(receiver.heard) == 1)
                await settled(database)
                await database.run(Delivery.objects.update, attempts=9, due_at=timezone.now())
                await until(lambda: len(receiver.heard) == 2)
            return receiver.heard

    first, last = played(scene())
    assert first.headers["webhook-id"] == last.headers["webhook-id"]
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.due_at) == (D.FAILED, 10, None)
    assert "Given up after 10 tries" in delivery.error_text


def test_gone_is_final() -> None:
    delivery, (_,) = delivered(status=410)
    assert (delivery.state, delivery.attempts) == (D.FAILED, 1)
    assert "no more callbacks" in delivery.error_text


def test_a_receiver_that_does_not_answer_in_time_is_asked_again(settings: Any) -> None:
    settings.CALLBACK_DEADLINE = timedelta(seconds=0.3)
    delivery, _ = delivered(hang=True)
    assert (delivery.state, delivery.error_category) == (D.PENDING, "outcome_unknown")
    assert "took too long" in delivery.error_text


def test_a_receiver_that_is_not_there_is_asked_again() -> None:
    async def scene() -> None:
        async with receiving() as receiver:
            url = receiver.url
        async with notifier() as database:
            await database.run(tell, url)
            await settled(database)

    played(scene())
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error_category) == (D.PENDING, "network_error")


def test_an_endless_answer_is_cut_off_and_counts_by_its_status() -> None:
    delivery, (_,) = delivered(text="x" * (MAX_ANSWER_BYTES + 1))
    assert delivery.state == D.SENT


def test_only_so_much_of_an_answer_is_kept() -> None:
    delivery, (_,) = delivered(status=500, text="y " * 20_000)
    assert len(delivery.error_text) < 2048


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:9/hook",
        "https://127.0.0.1:9/hook",
        "https://10.0.0.1/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://localhost:9/hook",
        "https://user:secret@example.org/hook",
        "http://example.org/hook",
        "https://[broken/hook",
    ],
)
def test_an_address_that_leads_inside_fails_with_its_reason(settings: Any, target: str) -> None:
    settings.PRIVATE_HOSTS_ALLOWED = []
    tell(target)
    played(deliver_all())
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error_category) == (D.FAILED, "validation_error")
    assert "refused" in delivery.error_text or "not a web address" in delivery.error_text
    assert "secret" not in delivery.error_text


def test_retry_after_holds_the_receiver_s_other_callbacks_too() -> None:
    async def scene() -> int:
        async with receiving(status=429, headers={"Retry-After": "40"}) as receiver:
            async with notifier() as database:
                await database.run(tell, receiver.url)
                await until(lambda: bool(receiver.heard))
                await settled(database)
                await database.run(tell, receiver.url)
                await settled(database)
            return len(receiver.heard)

    assert played(scene()) == 1
    asked, held = Delivery.objects.order_by("created_at")
    assert wait_of(asked) >= timedelta(seconds=39)
    assert (held.state, held.attempts, held.sent_at) == (D.PENDING, 0, None)
    assert held.due_at is not None
    assert held.due_at - timezone.now() > timedelta(seconds=30)
    assert "429" in held.error_text


def test_the_predecessor_s_application_gets_its_shape_and_the_service_token(
    settings: Any,
) -> None:
    settings.SERVICE_TOKEN = "shared-service-secret"
    settings.PRIVATE_HOSTS_ALLOWED = []  # the operator's own address needs no permission

    async def scene() -> list[Heard]:
        async with receiving(callbacks.DEFAULT_PATH) as receiver, notifier() as database:
            settings.DJANGO_API_URL = receiver.url.removesuffix(callbacks.DEFAULT_PATH)
            data = {**DATA, "reason": None, "published_at": "2026-11-23T08:00:00Z"}
            await database.run(tell, receiver.url, data=data)
            await until(lambda: bool(receiver.heard))
            return receiver.heard

    (heard,) = played(scene())
    assert heard.headers["x-service-token"] == "shared-service-secret"
    body = json.loads(heard.body)
    assert Webhook(secrets()[0]).verify(heard.body, dict(heard.headers)) == body
    assert body["data"]["job_id"] == "j-1"
    assert {name: body[name] for name in body if name not in {"type", "timestamp", "data"}} == {
        "content_id": "c-1",
        "job_id": "j-1",
        "status": "published",
        "platform_post_id": "77",
        "published_at": "2026-11-23T08:00:00Z",
        "error_message": None,
    }


def test_another_receiver_on_the_same_host_never_sees_the_service_token(settings: Any) -> None:
    settings.SERVICE_TOKEN = "shared-service-secret"

    async def scene() -> list[Heard]:
        async with receiving("/hook") as receiver, notifier() as database:
            settings.DJANGO_API_URL = receiver.url.removesuffix("/hook")
            await database.run(tell, receiver.url)
            await until(lambda: bool(receiver.heard))
            return receiver.heard

    (heard,) = played(scene())
    assert "shared-service-secret" not in str(dict(heard.headers))
    assert set(json.loads(heard.body)) == {"type", "timestamp", "data"}
