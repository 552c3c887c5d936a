"""Text messages through Twilio's Messages API; never twice.

Twilio has no key that makes a repeat safe (R), and a text message costs money: so an answer that is
lost, or a 5xx, is OUTCOME_UNKNOWN, which ends the delivery. A status callback that names it settles
the doubt. 429 and 20429 mean "not processed", so these are tried again.
Sources: Twilio docs, "Message resource" and "Error and warning dictionary" (read 2026-11-24); rows
with R in their comment are recalled.
"""

from __future__ import annotations

import logging
from urllib.parse import quote

from django.conf import settings

from engine.answers import Response
from engine.errors import ErrorCategory, ServiceError
from engine.http import Basic
from notifications.channels.base import (
    ErrorTable,
    Meaning,
    ProviderSender,
    refusal,
    unreadable,
)
from notifications.deliveries import ClaimedDelivery
from notifications.hook_addresses import twilio_hook
from notifications.models import Suppression
from notifications.rendering import render
from notifications.sms_text import size_of

log = logging.getLogger("carillon.notifier")

C = ErrorCategory
R = Suppression.Reason
NAME = "Twilio"
MOST_CHARS = 1600  # of a body (R)
MANY_SEGMENTS = 3
_SENDER = "the sender is not one of this account: look at TWILIO_PHONE_NUMBER"
_IN_DOUBT = "unknown whether it was sent: Twilio broke down after it had the message"
ERRORS: ErrorTable = {
    (401, ""): Meaning(C.AUTH_ERROR, "TWILIO_ACCOUNT_SID or TWILIO_AUTH_TOKEN is refused"),
    (0, "20003"): Meaning(C.AUTH_ERROR, "TWILIO_ACCOUNT_SID or TWILIO_AUTH_TOKEN is refused"),
    (0, "20005"): Meaning(C.PERMISSION, "the account is not active"),  # R
    (0, "20006"): Meaning(C.PERMISSION, "the credentials do not allow sending"),  # R
    (404, "20404"): Meaning(C.AUTH_ERROR, "there is no account TWILIO_ACCOUNT_SID"),
    (429, ""): Meaning(C.RATE_LIMIT, "too many requests; this one was not processed"),
    (0, "20429"): Meaning(C.RATE_LIMIT, "too many requests; this one was not processed"),
    (0, "21211"): Meaning(C.VALIDATION_ERROR, "the number is not valid", gone=R.INVALID),
    (0, "21212"): Meaning(C.PERMISSION, _SENDER),  # R
    (0, "21408"): Meaning(
        C.VALIDATION_ERROR, "the number's country is not enabled in Twilio's console"
    ),  # R
    (0, "21603"): Meaning(C.PERMISSION, "no sender was given: set TWILIO_PHONE_NUMBER"),  # R
    (0, "21606"): Meaning(C.PERMISSION, _SENDER),  # R
    (0, "21608"): Meaning(
        C.VALIDATION_ERROR, "a trial account may write to verified numbers only"
    ),  # R
    (0, "21609"): Meaning(C.PERMISSION, "HOOKS_PUBLIC_URL is not an address Twilio takes"),  # R
    (0, "21610"): Meaning(C.VALIDATION_ERROR, "the recipient answered STOP", gone=R.OPTED_OUT),
    (0, "21611"): Meaning(C.RATE_LIMIT, "the sender's queue is full"),  # R
    (0, "21612"): Meaning(C.VALIDATION_ERROR, "the number cannot be reached at present"),  # R
    (0, "21614"): Meaning(
        C.VALIDATION_ERROR, "the number takes no text messages", gone=R.INVALID
    ),  # R
    (0, "21617"): Meaning(C.VALIDATION_ERROR, "the text is too long"),  # R
    **{(status, ""): Meaning(C.OUTCOME_UNKNOWN, _IN_DOUBT) for status in (500, 502, 503, 504)},
}


class TwilioSender(ProviderSender):
    """Sends one text message per call."""

    def missing(self) -> str:
        """Return which settings are missing, if any are."""
        needed = {
            "TWILIO_ACCOUNT_SID": settings.TWILIO_ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": settings.TWILIO_AUTH_TOKEN,
            "TWILIO_PHONE_NUMBER or TWILIO_MESSAGING_SERVICE_SID": (
                settings.TWILIO_PHONE_NUMBER or settings.TWILIO_MESSAGING_SERVICE_SID
            ),
        }
        names = [name for name, value in needed.items() if not value]
        return f"SMS is switched off: {', '.join(names)} not set." if names else ""

    async def send(self, delivery: ClaimedDelivery) -> str:
        """Send the message; return its sid."""
        sid = settings.TWILIO_ACCOUNT_SID
        http = self.door(settings.TWILIO_API_BASE, Basic(sid, settings.TWILIO_AUTH_TOKEN), delivery)
        path = f"/2010-04-01/Accounts/{quote(sid, safe='')}/Messages.json"
        answer = await http.post(path, form=form_of(delivery), writes=True)
        found = answer.json_object()
        if not answer.ok:
            raise _refused(answer, str(found.get("code") or ""), delivery)
        message_sid = found.get("sid")
        if not isinstance(message_sid, str) or not message_sid:
            raise unreadable(NAME, answer)
        return message_sid


def form_of(delivery: ClaimedDelivery) -> dict[str, str]:
    """Return the request's fields; says in the log when a text is dear."""
    text = render(delivery.event, delivery.context).short[:MOST_CHARS]
    size = size_of(text)
    if size.segments > MANY_SEGMENTS:
        log.warning(
            "sms.long",
            extra={
                "delivery_id": str(delivery.id),
                "segments": size.segments,
                "encoding": size.encoding,
            },
        )
    form = {"To": delivery.target, "Body": text}
    if settings.TWILIO_MESSAGING_SERVICE_SID:
        form["MessagingServiceSid"] = settings.TWILIO_MESSAGING_SERVICE_SID
    else:
        form["From"] = settings.TWILIO_PHONE_NUMBER
    if hook := twilio_hook(delivery.id):
        form["StatusCallback"] = hook
    return form


def _refused(answer: Response, code: str, delivery: ClaimedDelivery) -> ServiceError:
    error = refusal(NAME, answer, ERRORS, code=code, secrets=(delivery.target,))
    had_it = answer.status >= 500 or answer.status == 408
    if had_it and error.category is not C.RATE_LIMIT:
        error.category = C.OUTCOME_UNKNOWN  # whatever the code
    return error
