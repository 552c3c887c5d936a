"""Every event in the catalog has words for every channel, and no event is without an entry."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings as site

from notifications.catalog import EVENTS, Audience, choosable
from notifications.models import Channel, Mode
from notifications.rendering import SUBJECT_CHARS, render
from notifications.sms_text import size_of
from scheduling.announcements import MAILED

BRACES = re.compile(r"\{\{|\{%|%\}")


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.PUBLIC_URL = "https://post.example"


def parts_of(event: str) -> dict[str, str]:
    message = render(event, {"mail": EVENTS[event].sample, "unsubscribe": "https://post.example/u"})
    return {
        "subject": message.subject,
        "text": message.text,
        "html": message.html,
        "sms": message.short,
        "push title": message.title,
        "push body": message.body,
        "Slack": str(message.blocks),
    }


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_every_event_has_words_for_every_channel(event: str) -> None:
    for name, words in parts_of(event).items():
        assert words.strip(), name
        assert not BRACES.search(words), name
        assert "None" not in words, name


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_a_message_is_short_where_it_must_be_and_says_where_to_go(event: str) -> None:
    parts, message = parts_of(event), render(event, {"mail": EVENTS[event].sample})
    assert len(parts["subject"]) <= SUBJECT_CHARS
    assert "\n" not in parts["subject"]
    assert size_of(parts["sms"]).segments <= 3
    assert message.link in parts["text"]
    assert message.link in parts["html"]
    assert "https://post.example/u" in parts["html"]
    assert "https://post.example/u" in parts["text"]


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_facts_mean_nothing_in_html(event: str) -> None:
    evil = "<script>alert(1)</script>"
    facts = {k: evil if isinstance(v, str) and v else v for k, v in EVENTS[event].sample.items()}
    keep = {k: EVENTS[event].sample[k] for k in ("scheduled_at", "path") if k in facts}
    assert "<script" not in render(event, {"mail": facts | keep}).html


def test_every_folder_of_templates_is_an_event_and_the_other_way_round() -> None:
    folder = site.BASE_DIR / "templates" / "notifications"
    found = {path.name for path in folder.iterdir() if path.is_dir()}
    on_request = {name for name in found if name.startswith("job.")}  # nobody chooses about these
    assert found - on_request == set(EVENTS)


def test_what_posts_tell_is_in_the_catalog() -> None:
    assert set(EVENTS) >= MAILED


def test_only_e_mail_is_collected_and_only_staff_choose_about_the_installation() -> None:
    for event in EVENTS.values():
        for channel, mode in event.modes.items():
            assert channel == Channel.EMAIL or mode in {Mode.OFF, Mode.IMMEDIATE}
    assert all(event.audience is not Audience.STAFF for event in choosable(is_staff=False))
    assert any(event.audience is Audience.STAFF for event in choosable(is_staff=True))
