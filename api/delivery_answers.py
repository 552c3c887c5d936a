"""How deliveries are told over the API: what of, to whom, how far, and what was answered."""

from __future__ import annotations

from typing import Any

from api.fields import instant
from api.shapes import (
    Shape,
    anything,
    identifier,
    moment,
    one_of,
    or_null,
    page_of,
    text,
    whole,
)
from notifications.models import Channel, Delivery, DeliveryState, Report
from notifications.targets import hint_of

_PERSONAL = frozenset({Channel.EMAIL.value, Channel.SMS.value})  # only a hint of these is shown
_DELIVERY = {
    "id": identifier("The delivery's id."),
    "notification_id": identifier("What it tells: its event's id; of webhooks the webhook-id."),
    "event": text("What happened.", "post.published"),
    "channel": one_of(Channel, "By which way.", "endpoint"),
    "target": text(
        "Where to: an address, a Slack channel, the id of a device or webhook endpoint; of e-mail "
        "addresses and numbers just a hint.",
        "0199b7c2-6b1e-7c0a-9d5e-3f0a4c1b2d6e",
    ),
    "state": one_of(DeliveryState, "How far it is.", "sent"),
    "attempts": whole("How often it was tried.", 1),
    "max_attempts": whole("How often it is tried at most.", 10),
    "next_try_at": or_null(moment("When it is tried next; null: it is not."), None),
    "sent_at": or_null(moment("When it was last tried.")),
    "delivered_at": or_null(moment("When the receiver or provider took it.")),
    "category": or_null(text("What went wrong, as a stable word.", "server_error"), None),
    "message": or_null(
        text(
            "The same for people, with the beginning of what was answered, without secrets.",
            "The receiver answered 503.",
        ),
        None,
    ),
    "provider_id": or_null(text("The receiver's or provider's id of it.", "r-1"), None),
    "report": or_null(text("What the provider reported of it since.", "delivered"), None),
    "happened_at": moment("When it happened."),
    "created_at": moment("When this delivery was written."),
}
DELIVERY = Shape("Delivery", "One event on its way to one receiver.", **_DELIVERY)
DELIVERY_FULL = Shape(
    "DeliveryInFull",
    "One event on its way to one receiver, with what a webhook says.",
    **_DELIVERY,
    reported_at=or_null(moment("When the provider reported that."), None),
    data=or_null(
        anything("The `data` of a webhook's body.", {"content_id": "c-1", "state": "published"})
    ),
)
DELIVERIES = page_of(DELIVERY, "deliveries")


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """Return one delivery; its notification is loaded."""
    event = delivery.notification
    is_personal = delivery.channel in _PERSONAL
    return {
        "id": str(delivery.pk),
        "notification_id": str(event.pk),
        "event": event.event,
        "channel": delivery.channel,
        "target": hint_of(delivery.target) if is_personal else delivery.target,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "max_attempts": delivery.max_attempts,
        "next_try_at": instant(delivery.due_at),
        "sent_at": instant(delivery.sent_at),
        "delivered_at": instant(delivery.delivered_at),
        "category": delivery.error_category or None,
        "message": delivery.error_text or None,
        "provider_id": delivery.provider_id or None,
        "report": str(Report(delivery.report)) if delivery.report else None,
        "happened_at": instant(event.created_at),
        "created_at": instant(delivery.created_at),
    }


def delivery_full_json(delivery: Delivery) -> dict[str, Any]:
    """Return one delivery with what a webhook says; what people are written is theirs."""
    data = delivery.notification.context.get("data")
    return {
        **delivery_json(delivery),
        "reported_at": instant(delivery.reported_at),
        "data": data if isinstance(data, dict) else None,
    }
