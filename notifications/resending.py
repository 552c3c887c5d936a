"""Telling again what could not be told."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils import timezone

from accounts.audit import record
from engine.states import IllegalTransition
from notifications.ladder import attempts_of
from notifications.models import Delivery, DeliveryState, Report


def why_not(delivery: Delivery) -> str:
    """Return why a delivery is not told again, "" when it may be."""
    if delivery.state in {DeliveryState.FAILED, DeliveryState.SKIPPED}:
        return ""
    if delivery.state == DeliveryState.SENT and delivery.report == Report.UNDELIVERED:
        return ""
    return f"it is {delivery.get_state_display()}"


def resend(delivery_id: uuid.UUID, *, actor: str, reason: str = "") -> Delivery:
    """Make a failed, skipped or undelivered delivery due at once, with a full set of attempts.

    Raises IllegalTransition for one that was sent or is still being worked on.
    """
    with transaction.atomic():
        delivery = (
            Delivery.objects.select_for_update(of=("self",))
            .select_related("notification__workspace")
            .get(pk=delivery_id)
        )
        if why := why_not(delivery):
            raise IllegalTransition(why)
        Delivery.graph.check(delivery.state, DeliveryState.PENDING)
        delivery.state, delivery.due_at = DeliveryState.PENDING, timezone.now()
        delivery.max_attempts = delivery.attempts + attempts_of(delivery.channel)
        delivery.error_category = delivery.error_text = ""
        # Reports about the message sent before are not taken for the new one's.
        delivery.provider_id = delivery.report = delivery.report_code = ""
        delivery.reported_at = delivery.delivered_at = delivery.sent_at = None
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
