"""One event, every shape: what a mail, a text message, a push and a Slack message say."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ErrorCategory, ServiceError
from notifications import health
from notifications.models import Channel
from notifications.rendering import SLACK_SECTION_CHARS, SUBJECT_CHARS, render
from notifications.sms_text import size_of
from scheduling.announcements import MAILED
from tests.notifications.senders import MAIL

EVENTS = sorted({*MAILED, health.EVENT})
FACTS = {**MAIL, "channel": "SMS", "repair": "TWILIO_AUTH_TOKEN"}


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.PUBLIC_URL = "https://post.example"


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_has_words_for_every_channel(event: str) -> None:
    message = render(event, {"mail": FACTS})
    link = "https://post.example" + FACTS["path"]
    assert 0 < len(message.subject) <= SUBJECT_CHARS
    for part in (message.text, message.html):
        assert link in part
        assert FACTS["reason"] in part
        assert "{{" not in part
    assert size_of(message.short).segments <= 2
    assert link in message.short
    assert message.title
    assert message.body
    assert message.link == link
    assert len(str(message.blocks)) < 4000


@pytest.mark.parametrize("event", EVENTS)
def test_what_people_wrote_is_escaped_where_it_would_mean_something(event: str) -> None:
    evil = "<script>alert(1)</script> & <!channel> <https://evil.example|here>"
    message = render(event, {"mail": {**FACTS, "reason": evil, "account": evil}})
    assert "<script>" not in message.html
    assert "<script>" in message.text
    assert "<!channel>" not in str([b for b in message.blocks if b["type"] != "header"])
    assert "<https://evil.example" not in str([b for b in message.blocks if b["type"] != "header"])


def test_a_subject_is_one_line() -> None:
    message = render("post.failed", {"mail": {**FACTS, "account": "a\r\nBcc: b@example.org"}})
    assert "\n" not in message.subject
    assert "\r" not in message.subject


def test_long_reasons_are_cut_to_what_slack_takes() -> None:
    message = render("post.failed", {"mail": {**FACTS, "reason": "<&>" * 2000}})
    (section,) = [block for block in message.blocks if block["type"] == "section"]
    assert len(section["text"]["text"]) <= SLACK_SECTION_CHARS


def test_an_event_without_templates_fails_for_good_and_says_so() -> None:
    with pytest.raises(ServiceError) as caught:
        render("no.such_event", {})
    assert caught.value.category is ErrorCategory.VALIDATION_ERROR
    assert "no words" in caught.value.detail


def test_an_event_without_facts_can_be_rendered() -> None:
    assert render("post.failed", {}).blocks[0]["type"] == "header"


def test_staff_learns_what_to_repair_on_every_channel() -> None:
    assert set(health.REPAIRS) == set(Channel) - {Channel.WEBHOOK, Channel.ENDPOINT}
    text = render(health.EVENT, {"mail": FACTS}).text
    assert "TWILIO_AUTH_TOKEN" in text
    assert "because you are staff" in text
