"""The support bundle: all a developer needs, nothing that gives power, no words unless wanted."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from engine.models import RateLimitState
from media.models import Asset
from notifications.models import Delivery, Notification
from platforms.models import SocialConnection
from scheduling.models import PostMedia, PostTransition, PublishAttempt, ScheduledPost
from scheduling.sealing import seal
from scheduling.states import PostState
from scheduling.support_bundle import SETTINGS
from tests.admin.console import POSTS
from tests.factories import make_post

TEXT = "Our quarterly figures are out: “nobody expected this”\nRead them <today>."
COMMENT = "Ask us anything about the figures."
DESCRIPTION = "A chart that rises steeply to the right"
TOKEN, REFRESH = "tok-ada-1f2e3d", "refresh-ada-9z8y7x"
HOOK = "https://hooks.example/services/T00AA11/secret-path-77?key=abc123def"
MAIL = "ada.lovelace@mail.example"
SEALED = "https://upload.example/session/abc"
SIGNED = "https://files.example/chart.png?X-Amz-Signature=feedface77feed&Expires=9"


@pytest.fixture
def story(connection: SocialConnection, user: User) -> ScheduledPost:
    """Give a post with a messy history in which others quote its text and its secrets."""
    connection.set_credentials({"access_token": TOKEN, "deep": {"refresh_token": REFRESH}})
    connection.state_reason = f"the network said: token {TOKEN} is refused"
    connection.save()
    now = timezone.now()
    post = make_post(
        connection,
        state=PostState.FAILED,
        text=TEXT,
        first_comment=COMMENT,
        options={"title": "Quarterly figures, at last"},
        caller_data={"name": "Grace Hopper's campaign"},
        callback_url=HOOK,
        media_count=1,
        created_by=user,
        progress=dict(seal({"sealed": {"session": SEALED}, "container": "c-17"})),
        last_error=f"The network did not like “{TEXT[4:40]}”.",
    )
    asset = Asset.objects.create(
        workspace=connection.workspace, source_url=SIGNED, alt_text=DESCRIPTION
    )
    PostMedia.objects.create(post=post, asset=asset, alt_text=DESCRIPTION)
    PublishAttempt.objects.create(
        post=post,
        number=1,
        fencing_token=1,
        started_at=now,
        outcome="failed",
        category="validation_error",
        http_status=422,
        provider_code="too-loud",
        request_id="req-17",
        excerpt=json.dumps({"error": "too loud", "text": TEXT[:60], "access_token": TOKEN}),
    )
    PostTransition.objects.create(
        post=post, source="publishing", target="failed", actor="w:1", reason=COMMENT, at=now
    )
    told = Notification.objects.create(
        workspace=connection.workspace, event="post.failed", dedupe_key=f"post.failed:{post.pk}:1:1"
    )
    for channel, target, error in (
        ("webhook", HOOK, f"{HOOK} answered 404"),
        ("email", MAIL, f"550 no such person: {MAIL}"),
    ):
        Delivery.objects.create(
            notification=told, channel=channel, target=target, error_text=error, state="failed"
        )
    RateLimitState.objects.create(
        scope="connection", key=str(connection.pk), blocked_until=now + timedelta(minutes=2)
    )
    return post


def bundle_of(client: Client, post: ScheduledPost, **form: str) -> dict[str, Any]:
    answer = client.post(f"{POSTS}{post.pk}/bundle/", form)
    assert answer.status_code == 200
    assert "attachment" in answer["Content-Disposition"]
    found: dict[str, Any] = json.loads(answer.content)
    return found


def secrets(settings: Any, connection: SocialConnection) -> list[str]:
    """Return everything that must be in no bundle, with or without text."""
    settings.SERVICE_TOKEN = "service-token-0815-4711"
    settings.JWT_SECRET = ["jwt-secret-of-thirty-two-bytes!!"]
    return [
        TOKEN,
        REFRESH,
        bytes(connection.secret).decode(),
        SEALED,
        "secret-path-77",
        "abc123def",
        "feedface77feed",
        MAIL,
        settings.SECRET_KEY,
        settings.SERVICE_TOKEN,
        *settings.JWT_SECRET,
        *settings.CREDENTIAL_KEYS,
        str(settings.DATABASES["default"].get("PASSWORD") or settings.SECRET_KEY),
    ]


@pytest.mark.parametrize("form", [{}, {"with_text": "on"}])
def test_no_secret_is_in_a_bundle(
    staff: Client, story: ScheduledPost, settings: Any, form: dict[str, str]
) -> None:
    hidden = secrets(settings, story.connection)
    story.last_error = f"{story.last_error} {' '.join(hidden)}"
    story.save(update_fields=["last_error"])
    text = json.dumps(bundle_of(staff, story, **form), ensure_ascii=False)
    for secret in hidden:
        assert secret not in text


def test_without_text_only_lengths_are_told_and_quotations_are_found(
    staff: Client, story: ScheduledPost
) -> None:
    bundle = bundle_of(staff, story)
    assert bundle["post"]["segments"] == [{"text": f"({len(TEXT)} characters)"}]
    assert bundle["post"]["options"] == {"title": "(26 characters)"}
    assert bundle["media"][0]["alt_text"] == f"({len(DESCRIPTION)} characters)"
    text = json.dumps(bundle, ensure_ascii=False).casefold()
    for words in (
        "quarterly figures",
        "nobody expected",
        "read them",
        "ask us anything",
        "rises steeply",
        "hopper",
    ):
        assert words not in text
    assert "too loud" in bundle["attempts"][0]["excerpt"]  # the network's own words stay


def test_with_text_the_words_are_there(staff: Client, story: ScheduledPost) -> None:
    bundle = bundle_of(staff, story, with_text="on")
    assert bundle["post"]["segments"] == [{"text": TEXT}]
    assert bundle["media"][0]["alt_text"] == DESCRIPTION
    assert bundle["with_text"] is True


def test_a_bundle_tells_what_a_developer_asks_for(staff: Client, story: ScheduledPost) -> None:
    bundle = bundle_of(staff, story)
    assert bundle["post"]["state"] == "failed"
    attempt = bundle["attempts"][0]
    told = (attempt["http_status"], attempt["provider_code"], attempt["request_id"])
    assert told == (422, "too-loud", "req-17")
    assert [move["target"] for move in bundle["transitions"]] == ["failed"]
    assert sorted(one["target"] for one in bundle["deliveries"]) == [
        "https://hooks.example/…",
        "…@mail.example",
    ]
    assert bundle["connection"]["health"]["word"] == "trouble"
    assert bundle["limits"][0]["blocked_until"]
    assert bundle["versions"]["carillon"] == "0.1.0"
    assert bundle["migrations"]["scheduling"]
    assert set(bundle["settings"]) == set(SETTINGS)
    assert bundle["settings"]["CALL_DEADLINE"] == "20 s"


def test_making_one_is_noted_and_looking_at_its_address_is_not(
    staff: Client, story: ScheduledPost
) -> None:
    assert staff.get(f"{POSTS}{story.pk}/bundle/").url.endswith("/change/#bundle")
    assert not AuditEvent.objects.exists()
    bundle_of(staff, story, with_text="on")
    event = AuditEvent.objects.get()
    assert (event.action, event.actor) == ("post.bundle_made", "user:boss")
    assert event.detail == {"with_text": True}


def test_who_may_not_see_posts_gets_none(client: Client, story: ScheduledPost) -> None:
    assert client.post(f"{POSTS}{story.pk}/bundle/").status_code == 302
    assert not AuditEvent.objects.exists()


def test_no_setting_of_a_bundle_is_a_secret() -> None:
    named = [name for name in SETTINGS if "SECRET" in name or "KEY" in name or "TOKEN" in name]
    assert named == []
