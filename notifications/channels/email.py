"""E-mail through Django's mail backend, in threads of its own so that nothing waits for it.

Message-ID comes from the delivery's id, so a mail sent twice (its worker died in between) is one
mail to its receiver. Replies 4xx may pass, 5xx for a recipient or a message will not; a refused
login or sender is our configuration. Source: RFC 5321, section 4.2.
"""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.template import Context, Engine

from engine.errors import ErrorCategory, ServiceError
from engine.redaction import redact
from notifications.deliveries import ClaimedDelivery
from notifications.lanes import EMAIL_AT_ONCE

SUBJECT_CHARS = 120
C = ErrorCategory


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
    folder = f"notifications/{delivery.event}"
    values = _values(delivery.context)
    domain = parseaddr(settings.EMAIL_FROM)[1].rpartition("@")[2] or "localhost"
    message = EmailMultiAlternatives(
        subject=" ".join(_plain(f"{folder}/subject.txt", values).split())[:SUBJECT_CHARS],
        body=_plain(f"{folder}/email.txt", values),
        from_email=settings.EMAIL_FROM,
        to=[delivery.target],
        headers={"Message-ID": f"<{delivery.id}@{domain}>", "Auto-Submitted": "auto-generated"},
    )
    engine = Engine.get_default()
    html = engine.get_template(f"{folder}/email.html").render(Context(values))
    message.attach_alternative(html, "text/html")
    return message


def _plain(template: str, values: Mapping[str, Any]) -> str:
    """Render a text part: what is safe in HTML would only be noise here."""
    context = Context(dict(values), autoescape=False)
    return str(Engine.get_default().get_template(template).render(context))


def _values(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the templates show: the facts, the moment on the author's clock, a link."""
    mail = dict(context.get("mail", {}))
    return {
        **mail,
        "planned": _local(str(mail.get("scheduled_at", "")), str(mail.get("time_zone", "UTC"))),
        "link": settings.PUBLIC_URL + str(mail.get("path", "/admin/")),
        "site": settings.PUBLIC_URL,
    }


def _local(instant: str, zone: str) -> str:
    """Return an ISO instant as people of `zone` write it, "" for none."""
    if not instant:
        return ""
    moment = datetime.fromisoformat(instant)
    try:
        return f"{moment.astimezone(ZoneInfo(zone)):%A, %d %B %Y, %H:%M} ({zone})"
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"{moment.astimezone(UTC):%A, %d %B %Y, %H:%M} (UTC)"


def _failure(error: Exception) -> ServiceError:
    """Return what an exception of the mail conversation means."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            code, reply = next(iter(error.recipients.values()), (550, b""))
            return _reply(code, reply, "refused the recipient", C.VALIDATION_ERROR)
        case smtplib.SMTPAuthenticationError():
            return _reply(error.smtp_code, error.smtp_error, "refused the login", C.AUTH_ERROR)
        case smtplib.SMTPSenderRefused():
            return _reply(error.smtp_code, error.smtp_error, "refused EMAIL_FROM", C.PERMISSION)
        case smtplib.SMTPDataError():
            what = "refused the message"
            return _reply(error.smtp_code, error.smtp_error, what, C.VALIDATION_ERROR)
        case smtplib.SMTPNotSupportedError():
            return ServiceError(
                C.AUTH_ERROR, "The mail server does not offer what EMAIL_URL asks for (TLS, login)."
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


def _reply(code: int, reply: bytes | str, what: str, refused: ErrorCategory) -> ServiceError:
    """Return a reply of the mail server as an error: 4xx may pass, 5xx is `refused`."""
    words = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return ServiceError(
        refused if code >= 500 else C.SERVER_ERROR,
        f"The mail server {what} ({code}): {redact(words)[:300]}",
        provider_code=str(code),
    )
