"""Telling again what could not be told."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils import timezone

from accounts.audit import record
from engine.states import IllegalTransition
from notifications.ladder import attempts_of
from notifications.models import Delivery, DeliveryState


def resend(delivery_id: uuid.UUID, *, actor: str, reason: str = "") -> Delivery:
    """Make a failed or skipped delivery due at once, with a full set of further attempts.

    Raises IllegalTransition for one that was sent or is still being worked on.
    """
    with transaction.atomic():
        delivery = (
            Delivery.objects.select_for_update(of=("self",))
            .select_related("notification__workspace")
            .get(pk=delivery_id)
        )
        if delivery.state not in {DeliveryState.FAILED, DeliveryState.SKIPPED}:
            raise IllegalTransition(f"it is {delivery.get_state_display()}")
        Delivery.graph.check(delivery.state, DeliveryState.PENDING)
        delivery.state, delivery.due_at = DeliveryState.PENDING, timezone.now()
        delivery.max_attempts = delivery.attempts + attempts_of(delivery.channel)
        delivery.error_category = delivery.error_text = ""
        delivery.sent_at = None
        delivery.fencing_token += 1
        delivery.lease_slot = delivery.lease_expires_at = None
        delivery.save()
        record(
            workspace=delivery.notification.workspace,
            actor=actor,
            action="delivery.resent",
            target=f"delivery:{delivery.pk}",
            reason=reason,
        )
    return delivery
