"""The outbox: in the caller's transaction, once per happening, at a fixed price."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Workspace
from notifications.models import Delivery, DeliveryState, Notification
from notifications.outbox import OutboxEvent, write

HOOK = ("webhook", "https://Example.org:8443/hook?a=1")
MAIL = ("email", "ada@example.org")


def event(key: str, *deliveries: tuple[str, str], **fields: Any) -> OutboxEvent:
    return OutboxEvent("post.published", None, {"data": {"n": 1}}, key, deliveries, **fields)


class Undo(Exception):
    """Rolls a test's transaction back."""


def test_an_event_of_a_rolled_back_change_leaves_no_row(transactional_db: None) -> None:
    def failing_change() -> None:
        with transaction.atomic():
            assert write([event("a", HOOK)]) == 1
            raise Undo

    with pytest.raises(Undo):
        failing_change()
    assert not Notification.objects.exists()
    assert not Delivery.objects.exists()


def test_deliveries_are_due_at_once_with_their_channel_s_attempts(workspace: Workspace) -> None:
    write([OutboxEvent("post.failed", workspace.pk, {"mail": {"é": "ü"}}, "a", (HOOK, MAIL))])
    told = Notification.objects.get()
    assert (told.event, told.workspace_id) == ("post.failed", workspace.pk)
    assert told.context == {"mail": {"é": "ü"}}
    hook, mail = told.deliveries.order_by("-channel")
    assert (hook.target, hook.lane, hook.max_attempts) == (HOOK[1], "example.org:8443", 10)
    assert (mail.target, mail.lane, mail.max_attempts) == (MAIL[1], "email", 6)
    for delivery in (hook, mail):
        assert delivery.state == DeliveryState.PENDING
        assert delivery.lease_slot is None
        assert abs(timezone.now() - (delivery.due_at or timezone.now())) < timedelta(seconds=5)


def test_two_statements_write_any_number_of_events(
    db: None, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):
        assert write([event(f"key-{n}", HOOK, MAIL) for n in range(200)]) == 200
    assert Delivery.objects.count() == 400


def test_no_event_costs_no_statement(db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert write([]) == 0


def test_a_known_key_is_not_told_again_and_leaves_no_orphan(db: None) -> None:
    write([event("known", HOOK)])
    assert write([event("known", HOOK), event("new", HOOK)]) == 1
    assert set(Notification.objects.values_list("dedupe_key", flat=True)) == {"known", "new"}
    assert Delivery.objects.count() == 2


def test_one_batch_tells_a_happening_once_and_the_first_counts(db: None) -> None:
    assert write([event("same", HOOK), event("same", MAIL)]) == 1
    assert Delivery.objects.get().channel == "webhook"


def test_only_known_keys_cost_one_statement(db: None, django_assert_num_queries: Any) -> None:
    write([event("known", HOOK)])
    with django_assert_num_queries(1):
        assert write([event("known", HOOK)]) == 0
