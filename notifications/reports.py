"""What providers report of messages: written to the delivery, once, in any order, as often as told.

A report only replaces those that come before it in `Report`, in the UPDATE itself; one about a
message that the delivery no longer stands for is left out. A text message whose answer was lost
is found by the delivery's id in its callback's address, and is then known to have been sent.
Sources: Twilio's Message statuses; SendGrid docs, "Event Webhook reference" (event names recalled).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from engine.errors import ErrorCategory
from notifications.models import Channel, Delivery, DeliveryState, Report, Suppression
from notifications.targets import suppress

log = logging.getLogger("carillon.notifier")

D = DeliveryState
TWILIO: Mapping[str, Report] = {
    "accepted": Report.QUEUED,
    "scheduled": Report.QUEUED,
    "queued": Report.QUEUED,
    "sending": Report.ON_ITS_WAY,
    "sent": Report.HANDED_ON,
    "delivered": Report.DELIVERED,
    "read": Report.DELIVERED,
    "undelivered": Report.UNDELIVERED,
    "failed": Report.UNDELIVERED,
    "canceled": Report.UNDELIVERED,
}
SENDGRID: Mapping[str, Report] = {
    "processed": Report.QUEUED,
    "deferred": Report.ON_ITS_WAY,
    "delivered": Report.DELIVERED,
    "dropped": Report.UNDELIVERED,
    "bounce": Report.UNDELIVERED,
}
SUPPRESSES: Mapping[str, Suppression.Reason] = {  # events after which no mail goes there any more
    "bounce": Suppression.Reason.BOUNCED,
    "spamreport": Suppression.Reason.COMPLAINED,
    "unsubscribe": Suppression.Reason.UNSUBSCRIBED,
    "group_unsubscribe": Suppression.Reason.UNSUBSCRIBED,
}
SOFT_BOUNCE = "blocked"  # a bounce of this type may pass: the mailbox exists
OPTED_OUT = "21610"
WORDS_CHARS = 255


@dataclass(frozen=True, slots=True)
class Told:
    """One report: `message_id` is the provider's, `code` its reason, "" for none."""

    delivery_id: uuid.UUID
    channel: str
    report: Report
    message_id: str = ""
    code: str = ""


def take_twilio(delivery_id: uuid.UUID, form: Mapping[str, str]) -> bool:
    """Take a verified status callback; returns whether it changed anything."""
    report = TWILIO.get(form.get("MessageStatus") or form.get("SmsStatus") or "")
    if report is None:
        return False
    code = form.get("ErrorCode", "")[:WORDS_CHARS]
    told = Told(
        delivery_id,
        Channel.SMS,
        report,
        (form.get("MessageSid") or form.get("SmsSid") or "")[:WORDS_CHARS],
        f"Twilio error {code}" if code else "",
    )
    with transaction.atomic():
        if code == OPTED_OUT:
            _suppress(told, Suppression.Reason.OPTED_OUT)
        return _write(told)


def take_sendgrid(events: Sequence[Any]) -> int:
    """Take a verified batch of events, whatever else is in it; returns how many changed a row."""
    changed = 0
    ours = _mails(events)
    for event in events:
        key = _uuid(event.get("delivery_id")) if isinstance(event, dict) else None
        if key is None or key not in ours:
            continue
        name = str(event.get("event"))
        reason = SUPPRESSES.get(name)
        if name == "bounce" and event.get("type") == SOFT_BOUNCE:
            reason = None
        report = SENDGRID.get(name, Report.NONE)
        message_id = _message_id(str(event.get("sg_message_id") or ""), ours[key])
        words = str(event.get("reason") or event.get("response") or "")
        told = Told(key, Channel.EMAIL, report, _clean(message_id), _clean(words))
        with transaction.atomic():
            if reason is not None:
                _suppress(told, reason)
            changed += report is not Report.NONE and _write(told)
    return changed


def _mails(events: Sequence[Any]) -> dict[uuid.UUID, str]:
    """Return the X-Message-Id of every mail of ours that a batch speaks of, "" while unknown."""
    named = (_uuid(event.get("delivery_id")) for event in events if isinstance(event, dict))
    mails = Delivery.objects.filter(pk__in={key for key in named if key}, channel=Channel.EMAIL)
    return dict(mails.values_list("pk", "provider_id"))


def _message_id(given: str, known: str) -> str:
    """Return which mail an event is about: `sg_message_id` is X-Message-Id, a dot and more (R)."""
    if known and (given == known or given.startswith(f"{known}.")):
        return known
    return given.partition(".")[0]


def _write(told: Told) -> bool:
    """Write a report where it is news, and settle the doubt about a lost answer."""
    about = Q(pk=told.delivery_id, channel=told.channel)
    if told.message_id:
        about &= Q(provider_id__in=["", told.message_id])
    fresh = Delivery.objects.filter(about, report__in=Report.before(told.report))
    fields = {"report": told.report, "report_code": told.code, "reported_at": Now()}
    if told.message_id:
        fields["provider_id"] = told.message_id
    if not fresh.update(**fields):
        return False
    Delivery.graph.check(D.FAILED, D.SENT)
    settled = Delivery.objects.filter(
        about, state=D.FAILED, error_category=ErrorCategory.OUTCOME_UNKNOWN
    ).update(state=D.SENT, error_category="", error_text="", delivered_at=timezone.now())
    log.info(
        "delivery.reported",
        extra={
            "delivery_id": str(told.delivery_id),
            "channel": told.channel,
            "report": told.report,
            "settled": bool(settled),
        },
    )
    return True


def _suppress(told: Told, reason: Suppression.Reason) -> None:
    target = (
        Delivery.objects.filter(pk=told.delivery_id, channel=told.channel)
        .values_list("target", flat=True)
        .first()
    )
    if target is not None:
        suppress(told.channel, target, reason)


def _clean(text: str) -> str:
    """Return text that a column takes: no NUL, and not too much of it."""
    return text.replace("\0", "")[:WORDS_CHARS]


def _uuid(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None
