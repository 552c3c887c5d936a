"""E-mail through Django's mail backend, in threads of its own so that nothing waits for it.

Message-ID comes from the delivery's id, so a mail sent twice (its worker died in between) is one
mail to its receiver. Replies 4xx may pass, 5xx for a recipient or a message will not; a refused
login or sender is our configuration. A mailbox that does not exist (enhanced codes 5.1.1, 5.1.6,
5.1.10) gets nothing more. Sources: RFC 5321, section 4.2; RFC 3463, section 3.2; RFC 7505.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import smtplib
from concurrent.futures import ThreadPoolExecutor
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from engine.errors import ErrorCategory, ServiceError
from engine.redaction import redact
from notifications.channels.base import TargetGone
from notifications.deliveries import ClaimedDelivery
from notifications.lanes import EMAIL_AT_ONCE
from notifications.models import Suppression
from notifications.rendering import render

C = ErrorCategory
NO_MAILBOX = re.compile(r"5\.1\.(1|6|10)\b")


class EmailSender:
    """Renders and sends mails; one conversation with the mail server each."""

    def __init__(self) -> None:
        # Its own threads: a hanging mail server must not hold up the lookups of host names.
        self._threads = ThreadPoolExecutor(EMAIL_AT_ONCE, thread_name_prefix="email")

    def missing(self) -> str:
        """Return which setting is missing, if one is."""
        return "" if settings.EMAIL_FROM else "E-mail is switched off: EMAIL_FROM is not set."

    async def send(self, delivery: ClaimedDelivery) -> str:
        """Hand the mail to the mail server; return its Message-ID."""
        loop = asyncio.get_running_loop()
        failure: ServiceError
        try:
            return await asyncio.wait_for(
                loop.run_in_executor(self._threads, _send, delivery),
                settings.EMAIL_DEADLINE.total_seconds(),
            )
        except (smtplib.SMTPException, OSError, ValueError) as error:
            failure = _failure(error)
        raise failure  # not above: the mail server's words would travel with it

    async def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False)


def _send(delivery: ClaimedDelivery) -> str:
    message = compose(delivery)
    message.connection = get_connection()
    try:
        message.send()
    finally:
        with contextlib.suppress(smtplib.SMTPException, OSError):
            message.connection.close()  # Django leaves it open when the login fails
    return str(message.extra_headers["Message-ID"])


def compose(delivery: ClaimedDelivery) -> EmailMultiAlternatives:
    """Return the mail of a delivery: subject, text, HTML, and an id of its own."""
    said = render(delivery.event, delivery.context)
    domain = parseaddr(settings.EMAIL_FROM)[1].rpartition("@")[2] or "localhost"
    message = EmailMultiAlternatives(
        subject=said.subject,
        body=said.text,
        from_email=settings.EMAIL_FROM,
        to=[delivery.target],
        headers={"Message-ID": f"<{delivery.id}@{domain}>", "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(said.html, "text/html")
    return message


def _failure(error: Exception) -> ServiceError:
    """Return what an exception of the mail conversation means."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            code, reply = next(iter(error.recipients.values()), (550, b""))
            return _recipient_refused(code, reply)
        case smtplib.SMTPAuthenticationError():
            return _reply(error.smtp_code, error.smtp_error, "refused the login", C.AUTH_ERROR)
        case smtplib.SMTPSenderRefused():
            return _reply(error.smtp_code, error.smtp_error, "refused EMAIL_FROM", C.PERMISSION)
        case smtplib.SMTPDataError():
            what = "refused the message"
            return _reply(error.smtp_code, error.smtp_error, what, C.VALIDATION_ERROR)
        case smtplib.SMTPNotSupportedError():
            return ServiceError(
                C.AUTH_ERROR,
                "The mail server does not offer what EMAIL_URL asks for (TLS, login).",
                app_wide=True,
            )
        case smtplib.SMTPResponseException():
            return _reply(error.smtp_code, error.smtp_error, "answered", C.SERVER_ERROR)
        case TimeoutError():
            return ServiceError(C.OUTCOME_UNKNOWN, "The mail server took too long.")
        case smtplib.SMTPServerDisconnected():
            return ServiceError(C.OUTCOME_UNKNOWN, "The mail server closed the connection.")
        case OSError():
            return ServiceError(
                C.NETWORK_ERROR, f"The mail server cannot be reached ({type(error).__name__})."
            )
    return ServiceError(C.VALIDATION_ERROR, "This is not an address that mail can be sent to.")


def _recipient_refused(code: int, reply: bytes | str) -> ServiceError:
    error = _reply(code, reply, "refused the recipient", C.VALIDATION_ERROR)
    words = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    if code >= 500 and NO_MAILBOX.match(words.strip()):
        reason = Suppression.Reason.BOUNCED
        return TargetGone(error.category, error.detail, reason=reason, provider_code=str(code))
    return error


def _reply(code: int, reply: bytes | str, what: str, refused: ErrorCategory) -> ServiceError:
    """Return a reply of the mail server as an error: 4xx may pass, 5xx is `refused`."""
    words = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    category = refused if code >= 500 else C.SERVER_ERROR
    return ServiceError(
        category,
        f"The mail server {what} ({code}): {redact(words)[:300]}",
        provider_code=str(code),
        app_wide=category in {C.AUTH_ERROR, C.PERMISSION},
    )
