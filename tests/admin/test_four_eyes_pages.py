"""Two members of staff and one post in doubt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.admin.console import POSTS, client_of
from tests.admin.test_post_actions import act, state_of
from tests.factories import make_post, make_user

S = PostState
ADDRESS = "http://127.0.0.1:8010/#sandbox-17"


@pytest.fixture
def post(connection: SocialConnection, settings: Any) -> ScheduledPost:
    """Give a post in doubt while two are needed."""
    settings.FOUR_EYES = True
    sent_at = timezone.now() - timedelta(minutes=10)
    return make_post(connection, state=S.OUTCOME_UNKNOWN, sent_at=sent_at)


@pytest.fixture
def second(db: None) -> Client:
    """Give another superuser's browser."""
    return client_of(make_user(username="second", is_staff=True, is_superuser=True))


def buttons(client: Client, post: ScheduledPost) -> set[str]:
    page = client.get(f"{POSTS}{post.pk}/change/")
    return {button["name"] for button in page.context["console_buttons"]}


def test_one_says_and_the_other_confirms(
    staff: Client, second: Client, post: ScheduledPost
) -> None:
    asked = staff.get(f"{POSTS}act/resolve_live/?ids={post.pk}").content.decode()
    assert "when a second person has confirmed it" in asked
    said = act(staff, "resolve_live", [post], permalink=ADDRESS)
    assert said == "1 proposed: a second person has to confirm."
    assert buttons(second, post) >= {"confirm_resolution", "withdraw_resolution"}
    assert buttons(staff, post) & {"confirm_resolution", "withdraw_resolution", "resolve_live"} == {
        "withdraw_resolution"
    }
    assert "You said so yourself" in act(staff, "confirm_resolution", [post], looked="on")
    assert state_of(post) == S.OUTCOME_UNKNOWN
    page = second.get(f"{POSTS}act/confirm_resolution/?ids={post.pk}").content.decode()
    assert "boss said at" in page
    assert ADDRESS in page
    unsure = second.post(f"{POSTS}act/confirm_resolution/", {"ids": str(post.pk)})
    assert "Look at the account first" in unsure.content.decode()
    said = act(second, "confirm_resolution", [post], looked="on", reason="I see it too")
    assert said == "1 resolved by two people."
    assert state_of(post) == S.PUBLISHED


def test_what_was_said_is_withdrawn(staff: Client, second: Client, post: ScheduledPost) -> None:
    act(staff, "resolve_not_live", [post], looked="on")
    assert act(second, "withdraw_resolution", [post]) == "1 in doubt as before."
    assert "resolve_live" in buttons(second, post)


def test_without_four_eyes_there_is_nothing_to_confirm(
    staff: Client, post: ScheduledPost, settings: Any
) -> None:
    settings.FOUR_EYES = False
    assert not buttons(staff, post) & {"confirm_resolution", "withdraw_resolution"}
    assert act(staff, "resolve_live", [post], permalink=ADDRESS) == "1 resolved as published."
