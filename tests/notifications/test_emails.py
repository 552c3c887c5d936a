"""E-mail through a real mail server on loopback, and what each of its replies leads to."""

from __future__ import annotations

import asyncio
import email
import email.policy
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.utils import timezone

from engine.ids import uuid7
from notifications.channels.email import compose
from notifications.deliveries import ClaimedDelivery
from notifications.models import Delivery, DeliveryState
from notifications.rendering import SUBJECT_CHARS
from scheduling.announcements import MAILED
from tests.notifications.stage import deliver_all, notifier, played, settled, tell
from tests.services import free_port

D = DeliveryState
MAIL = {
    "account": "@carillon",
    "network": "Mastodon",
    "excerpt": "Tom & Jerry <3",
    "scheduled_at": "2026-11-23T08:00:00Z",
    "time_zone": "Europe/Berlin",
    "reason": "The text is too long. Change the post, then schedule it again.",
    "path": "/admin/scheduling/scheduledpost/1/change/",
}


class Postbox:
    """A mail server's mind: takes every mail, or replies as told."""

    def __init__(self, *, recipient: str = "", data: str = "", login: str = "") -> None:
        self.recipient, self.data, self.login = recipient, data, login
        self.mails: list[EmailMessage] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Any, envelope: Envelope, address: str, options: Any
    ) -> str:
        if self.recipient:
            return self.recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Any, envelope: Envelope
    ) -> str:
        if self.data:
            return self.data
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(email.message_from_bytes(content, policy=email.policy.default))
        return "250 taken"

    def authenticate(self, *_: Any) -> AuthResult:
        """Refuse every login."""
        return AuthResult(success=False, handled=False, message=self.login)


@pytest.fixture
def mailing(settings: Any, committed: None) -> Any:
    """Switch e-mail on; the mail server's port is set by `with_server`."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_FROM = "Carillon <carillon@post.example>"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.PUBLIC_URL = "https://post.example"
    return settings


def mailed(postbox: Postbox, settings: Any, times: int = 1) -> list[Delivery]:
    """Mail the same failure `times` times through `postbox`, one after the other."""

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(postbox, authenticator=postbox.authenticate, auth_require_tls=False),
            "127.0.0.1",
            0,
        )
        settings.EMAIL_PORT = server.sockets[0].getsockname()[1]
        async with server, notifier() as database:
            for _ in range(times):
                await database.run(tell_author)
                await settled(database)

    played(scene())
    return list(Delivery.objects.order_by("created_at"))


def tell_author() -> Delivery:
    return tell("ada@example.org", channel="email", event="post.failed", mail=MAIL)


def test_a_mail_arrives_with_both_parts_and_an_id_of_its_own(mailing: Any) -> None:
    postbox = Postbox()
    (delivery,) = mailed(postbox, mailing)
    assert (delivery.state, delivery.attempts) == (D.SENT, 1)
    (mail,) = postbox.mails
    assert mail["To"] == "ada@example.org"
    assert mail["From"] == "Carillon <carillon@post.example>"
    assert mail["Message-ID"] == delivery.provider_id == f"<{delivery.pk}@post.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "https://post.example/admin/scheduling/scheduledpost/1/change/" in text.get_content()
    assert "Tom & Jerry <3" in text.get_content()
    assert "Tom &amp; Jerry &lt;3" in html.get_content()
    assert "Monday, 23 November 2026, 09:00 (Europe/Berlin)" in text.get_content()


@pytest.mark.parametrize(
    ("told", "state", "category"),
    [
        ({"recipient": "450 greylisted, come back"}, D.PENDING, "server_error"),
        ({"recipient": "550 no such user"}, D.FAILED, "validation_error"),
        ({"data": "451 try later"}, D.PENDING, "server_error"),
        ({"data": "554 refused as spam"}, D.FAILED, "validation_error"),
    ],
)
def test_what_may_pass_is_tried_again_and_a_refusal_is_final(
    mailing: Any, told: dict[str, str], state: str, category: str
) -> None:
    (delivery,) = mailed(Postbox(**told), mailing)
    assert (delivery.state, delivery.error_category) == (state, category)
    ((code, _, words),) = [reply.partition(" ") for reply in told.values()]
    assert code in delivery.error_text
    assert words in delivery.error_text
    if state == D.PENDING:
        wait = (delivery.due_at or timezone.now()) - (delivery.sent_at or timezone.now())
        assert timedelta(seconds=24) <= wait <= timedelta(seconds=40)


@pytest.mark.parametrize(
    ("reply", "is_gone"),
    [
        ("550 5.1.1 no such user", True),
        ("556 5.1.10 the domain takes no mail", True),
        ("550 5.7.1 refused as spam", False),
        ("550 no such user", False),  # without an enhanced code it may mean anything
    ],
)
def test_a_mailbox_that_does_not_exist_gets_nothing_more(
    mailing: Any, reply: str, is_gone: bool
) -> None:
    first, second = mailed(Postbox(recipient=reply), mailing, times=2)
    assert first.state == D.FAILED
    assert second.state == (D.SKIPPED if is_gone else D.FAILED)
    assert ("bounced" in second.error_text) is is_gone


def test_a_refused_login_is_shown_asked_again_rarely_and_not_repeated_by_each_mail(
    mailing: Any,
) -> None:
    mailing.EMAIL_HOST_USER, mailing.EMAIL_HOST_PASSWORD = "carillon", "wrong-password"
    postbox = Postbox(login="535 authentication failed")
    asked, waiting = mailed(postbox, mailing, times=2)
    assert (asked.state, asked.error_category) == (D.PENDING, "auth_error")
    assert "refused the login (535)" in asked.error_text
    assert "wrong-password" not in asked.error_text
    assert asked.due_at is not None
    assert asked.due_at - timezone.now() > timedelta(minutes=59)
    assert (waiting.state, waiting.attempts) == (D.PENDING, 0)
    assert "refused the login" in waiting.error_text


def test_a_mail_server_that_is_away_is_tried_again(mailing: Any) -> None:
    mailing.EMAIL_PORT = free_port()
    tell_author()
    played(deliver_all())
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error_category) == (D.PENDING, "network_error")


def test_a_mail_server_that_hangs_is_left_at_the_deadline(mailing: Any) -> None:
    mailing.EMAIL_DEADLINE = timedelta(seconds=0.3)
    mailing.EMAIL_TIMEOUT = 1

    callers: list[asyncio.StreamWriter] = []

    async def scene() -> None:
        server = await asyncio.start_server(lambda _, w: callers.append(w), "127.0.0.1", 0)
        mailing.EMAIL_PORT = server.sockets[0].getsockname()[1]
        async with server:
            await deliver_all()
            for caller in callers:
                caller.close()
                await caller.wait_closed()

    tell_author()
    played(scene())
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error_category) == (D.PENDING, "outcome_unknown")
    assert "took too long" in delivery.error_text


def test_without_a_sender_mail_is_skipped_and_says_why(settings: Any, committed: None) -> None:
    settings.EMAIL_FROM = ""
    tell_author()
    played(deliver_all())
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == (D.SKIPPED, 0)
    assert "EMAIL_FROM is not set" in delivery.error_text


# --- what the mails say ---------------------------------------------------------------------


def claimed(event: str, **mail: Any) -> ClaimedDelivery:
    now = timezone.now()
    return ClaimedDelivery(
        id=uuid7(),
        token=1,
        state=D.SENDING,
        due_at=now,
        priority=0,
        notification_id=uuid7(),
        channel="email",
        target="ada@example.org",
        lane="email",
        attempts=1,
        max_attempts=6,
        event=event,
        workspace_id=None,
        context={"mail": {**MAIL, **mail}},
        happened_at=now,
    )


@pytest.mark.parametrize("event", sorted(MAILED))
def test_every_mail_says_what_happened_why_and_what_next(settings: Any, event: str) -> None:
    settings.EMAIL_FROM = "carillon@post.example"
    settings.PUBLIC_URL = "https://post.example"
    message = compose(claimed(event))
    html = str(message.alternatives[0].content)
    assert "@carillon on Mastodon" in message.subject
    assert len(message.subject) <= SUBJECT_CHARS
    for part in (str(message.body), html):
        assert MAIL["reason"] in part
        assert "https://post.example/admin/scheduling/scheduledpost/1/change/" in part
        assert "planned for Monday, 23 November 2026, 09:00 (Europe/Berlin)" in part
        assert "{" not in part.split("</style>")[-1]
    assert "prefers-color-scheme: dark" in html
    assert "http" not in html.replace("https://post.example", "")  # nothing is loaded from anywhere
    assert "\n\n\n" not in str(message.body)


def test_a_subject_is_one_line_of_bounded_length(settings: Any) -> None:
    settings.EMAIL_FROM = "carillon@post.example"
    subject = compose(claimed("post.failed", account="a\r\nBcc: b@example.org" * 20)).subject
    assert "\n" not in subject
    assert "\r" not in subject
    assert len(subject) == SUBJECT_CHARS


def test_an_unknown_time_zone_shows_the_moment_in_utc(settings: Any) -> None:
    settings.EMAIL_FROM = "carillon@post.example"
    assert "08:00 (UTC)" in str(compose(claimed("post.held", time_zone="Mars/Olympus")).body)


def test_every_mailed_event_has_its_three_templates_and_no_other_has() -> None:
    for event in MAILED:
        for part in ("subject.txt", "email.txt", "email.html"):
            assert get_template(f"notifications/{event}/{part}")
    with pytest.raises(TemplateDoesNotExist):
        get_template("notifications/post.published/email.txt")
