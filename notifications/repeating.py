"""Telling a receiver again what it was told, or sooner what it is to be told."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils import timezone

from accounts.audit import record
from engine.states import IllegalTransition
from notifications.ladder import attempts_of
from notifications.models import Delivery, DeliveryState
from notifications.resending import resend

D = DeliveryState


def repeat(delivery_id: uuid.UUID, *, actor: str, reason: str = "") -> Delivery:
    """Tell it at once, whatever became of it, under the event's own id; return what will be sent.

    One that waits for its next attempt becomes due, a failed one starts anew, of one that arrived
    a further delivery is made. Raises IllegalTransition while it is being sent, or when another
    delivery of the same event to the same receiver is under way.
    """
    with transaction.atomic():
        delivery = (
            Delivery.objects.select_for_update(of=("self",))
            .select_related("notification__workspace")
            .get(pk=delivery_id)
        )
        if delivery.state in {D.FAILED, D.SKIPPED}:
            _require_single(delivery)
            return resend(delivery_id, actor=actor, reason=reason)
        if delivery.lease_slot is not None or delivery.state == D.SENDING:
            raise IllegalTransition("This callback is being sent right now.")
        if delivery.state == D.PENDING:
            delivery.due_at = timezone.now()
            delivery.fencing_token += 1
            delivery.save(update_fields=["due_at", "fencing_token"])
        else:
            _require_single(delivery)
            delivery = _copy_of(delivery)
        record(
            workspace=delivery.notification.workspace,
            actor=actor,
            action="delivery.resent",
            target=f"delivery:{delivery.pk}",
            reason=reason,
        )
    return delivery


def _require_single(delivery: Delivery) -> None:
    under_way = Delivery.objects.filter(
        notification=delivery.notification_id,
        target=delivery.target,
        state__in=[D.PENDING, D.SENDING],
    )
    if under_way.exclude(pk=delivery.pk).exists():
        raise IllegalTransition("The same event is on its way to this address already.")


def _copy_of(delivery: Delivery) -> Delivery:
    """Return a new delivery of the same event: what is known of the first one stays."""
    return Delivery.objects.create(
        notification=delivery.notification,
        channel=delivery.channel,
        target=delivery.target,
        lane=delivery.lane,
        due_at=timezone.now(),
        max_attempts=attempts_of(delivery.channel),
    )
