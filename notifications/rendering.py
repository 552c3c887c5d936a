"""What a message says in every channel: made of an event's templates, here and nowhere else.

`templates/notifications/<event>/` holds subject.txt, email.txt and email.html; sms.txt, push.txt
and slack.txt are optional and replace what is made of the subject. Parts that are JSON on the wire
are built in Python, never by templates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.template import Context, Engine, TemplateDoesNotExist

from engine.errors import ErrorCategory, ServiceError
from notifications.sms_text import fit

SUBJECT_CHARS = 120
PUSH_BODY_CHARS = 240
SLACK_HEADER_CHARS = 150  # limits of Slack's blocks: header, section
SLACK_SECTION_CHARS = 3000
SLACK_NOTE_CHARS = 2000

Block = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One event in every shape: an e-mail, a text message, a push, a Slack message."""

    subject: str  # one line
    text: str
    html: str
    short: str  # one text message's worth
    title: str
    body: str
    link: str  # where a click leads: an address of the site
    blocks: tuple[Block, ...]


def render(event: str, context: Mapping[str, Any]) -> Message:
    """Return the message of an event; raises ServiceError when it has no templates.

    `context["mail"]` are the facts that the templates show.
    """
    values = _values(context)
    try:
        subject = " ".join(_text(event, "subject.txt", values).split())[:SUBJECT_CHARS]
        text = _text(event, "email.txt", values)
        html = _engine().get_template(f"notifications/{event}/email.html").render(Context(values))
    except TemplateDoesNotExist:
        raise ServiceError(
            ErrorCategory.VALIDATION_ERROR, f"Carillon has no words for the event {event}."
        ) from None
    link = str(values["link"])
    body = _optional(event, "push.txt", values) or _one_line(values)
    return Message(
        subject=subject,
        text=text,
        html=html,
        short=_optional(event, "sms.txt", values) or fit(subject, link),
        title=subject,
        body=body[:PUSH_BODY_CHARS],
        link=link,
        blocks=_blocks(subject, _optional(event, "slack.txt", values) or body, values),
    )


def _engine() -> Engine:
    return Engine.get_default()


def _text(event: str, part: str, values: Mapping[str, Any]) -> str:
    """Render a text part: what is safe in HTML would only be noise here."""
    context = Context(dict(values), autoescape=False)
    return str(_engine().get_template(f"notifications/{event}/{part}").render(context))


def _optional(event: str, part: str, values: Mapping[str, Any]) -> str:
    try:
        return _text(event, part, values).strip()
    except TemplateDoesNotExist:
        return ""


def _one_line(values: Mapping[str, Any]) -> str:
    """Return the reason, else the beginning of the post."""
    return " ".join(str(values.get("reason") or values.get("excerpt") or "").split())


def _blocks(subject: str, body: str, values: Mapping[str, Any]) -> tuple[Block, ...]:
    """Return Slack's blocks: a headline, what happened, where and when, a link."""
    blocks: list[Block] = [
        {"type": "header", "text": {"type": "plain_text", "text": subject[:SLACK_HEADER_CHARS]}}
    ]
    if body:
        # Escaping makes it longer, and a cut must not leave half of an entity.
        words = _mrkdwn(body[: SLACK_SECTION_CHARS // 5])
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": words}})
    place = " on ".join(str(values[key]) for key in ("account", "network") if values.get(key))
    notes = [_mrkdwn(note) for note in (place, str(values["planned"])) if note]
    notes.append(f"<{_mrkdwn(str(values['link']))}|Open in Carillon>")
    elements = [{"type": "mrkdwn", "text": note[:SLACK_NOTE_CHARS]} for note in notes]
    blocks.append({"type": "context", "elements": elements})
    return tuple(blocks)


def _mrkdwn(text: str) -> str:
    """Escape the three characters that Slack gives a meaning; it wants no others escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


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
