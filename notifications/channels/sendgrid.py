"""E-mail through SendGrid (Mail Send v3), used instead of a mail server with SENDGRID_API_KEY.

At least once: SendGrid has no key that makes a repeat safe (R), but the Message-ID is the
delivery's own, so most mail programs show one mail. 202 means taken, not delivered: what becomes
of it comes through the event webhook, which finds the delivery by its custom argument.
Source: Twilio SendGrid docs, "Mail Send" and its "Errors" and "Responses" (read 2026-11-24).
The order of the two contents, X-Message-Id and X-RateLimit-Reset are recalled.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from typing import Any

from django.conf import settings

from engine.answers import Response
from engine.errors import ErrorCategory, ServiceError
from engine.http import Bearer
from notifications.channels.base import ErrorTable, Meaning, ProviderSender, refusal
from notifications.deliveries import ClaimedDelivery
from notifications.rendering import render

C = ErrorCategory
NAME = "SendGrid"
ERRORS: ErrorTable = {
    (400, ""): Meaning(C.VALIDATION_ERROR, "the mail is refused as it is"),
    (401, ""): Meaning(C.AUTH_ERROR, "SENDGRID_API_KEY is refused: make a new one"),
    (403, ""): Meaning(
        C.PERMISSION,
        "the sender in EMAIL_FROM is not verified there, the key lacks Mail Send, or the account "
        "is blocked for a while",
    ),
    (404, ""): Meaning(C.PERMISSION, "there is no such address: look at SENDGRID_API_BASE"),
    (405, ""): Meaning(C.PERMISSION, "there is no such address: look at SENDGRID_API_BASE"),
    (413, ""): Meaning(C.VALIDATION_ERROR, "the mail is too large"),
    (415, ""): Meaning(C.VALIDATION_ERROR, "the mail is refused as it is"),
    (429, ""): Meaning(C.RATE_LIMIT, "too many mails at once"),
    (500, ""): Meaning(C.SERVER_ERROR, "SendGrid has a fault of its own"),
    (503, ""): Meaning(C.SERVER_ERROR, "SendGrid is not available"),
}


class SendGridSender(ProviderSender):
    """Hands mails to SendGrid, one per call."""

    def missing(self) -> str:
        """Return which setting is missing, if one is."""
        return "" if settings.EMAIL_FROM else "E-mail is switched off: EMAIL_FROM is not set."

    async def send(self, delivery: ClaimedDelivery) -> str:
        """Hand the mail over; return its X-Message-Id."""
        http = self.door(settings.SENDGRID_API_BASE, Bearer(settings.SENDGRID_API_KEY), delivery)
        try:
            answer = await http.post("/v3/mail/send", json=body_of(delivery), writes=True)
        except ServiceError as error:
            if error.http_status == 202:
                return ""  # taken; only the rest of the answer was lost
            raise
        if answer.status == 202:
            return answer.headers.get("x-message-id", "")
        raise refusal(NAME, answer, ERRORS, retry_after=_wait(answer))


def body_of(delivery: ClaimedDelivery) -> dict[str, Any]:
    """Return the request of a mail; links and opens are not tracked."""
    message = render(delivery.event, delivery.context)
    name, address = parseaddr(settings.EMAIL_FROM)
    domain = address.rpartition("@")[2] or "localhost"
    off = {"enable": False}
    return {
        "personalizations": [{"to": [{"email": delivery.target}]}],
        "from": {"email": address, **({"name": name} if name else {})},
        "subject": message.subject,
        "content": [  # plain first: the order is a rule
            {"type": "text/plain", "value": message.text},
            {"type": "text/html", "value": message.html},
        ],
        "headers": {
            "Message-ID": f"<{delivery.id}@{domain}>",
            "Auto-Submitted": "auto-generated",
        },
        "custom_args": {"delivery_id": str(delivery.id)},
        "tracking_settings": {"click_tracking": off, "open_tracking": off},
    }


def _wait(answer: Response) -> timedelta | None:
    """Return how long a 429 asks to wait: until X-RateLimit-Reset (epoch seconds)."""
    reset = answer.headers.get("x-ratelimit-reset", "")
    if answer.status != 429 or not reset.isdecimal() or len(reset) > 11:
        return None
    try:
        return answer.wait_until(datetime.fromtimestamp(int(reset), UTC))
    except (OverflowError, ValueError, OSError):
        return None
