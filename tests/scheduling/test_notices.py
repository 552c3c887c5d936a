"""What people are told of a post that is in order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.notices import notices_of
from scheduling.states import PostState
from tests.factories import make_connection, make_post

pytestmark = pytest.mark.django_db
TOKEN = {"access_token": "x-access"}
RENEWABLE = {**TOKEN, "refresh_token": "x-refresh"}


def codes(post: ScheduledPost) -> list[str]:
    return [notice.code for notice in notices_of(post).found if notice.cost_usd is None]


def account(credentials: dict[str, str], days: int, **fields: Any) -> SocialConnection:
    ends = timezone.now() + timedelta(days=days)
    return make_connection(platform="x", credentials=credentials, expires_at=ends, **fields)


def post_in(days: int, connection: SocialConnection, **fields: Any) -> ScheduledPost:
    moment = timezone.now() + timedelta(days=days)
    return make_post(connection, scheduled_at=moment, due_at=moment, **fields)


def test_access_that_ends_before_the_post_is_named_while_it_can_still_be_prolonged() -> None:
    connection = account(TOKEN, days=60)
    assert codes(post_in(59, connection)) == []
    found = notices_of(post_in(61, connection)).found
    assert found[-1].code == "access_ends"
    assert "connect the account again" in found[-1].message


def test_access_that_renews_itself_ends_with_its_refresh_token_only() -> None:
    assert codes(post_in(9, account(RENEWABLE, days=1))) == []
    later = timezone.now() + timedelta(days=20)
    connection = account(RENEWABLE, days=1, refresh_expires_at=later)
    assert codes(post_in(19, connection)) == []
    assert codes(post_in(21, connection)) == ["access_ends"]


@pytest.mark.parametrize("state", [PostState.PUBLISHED, PostState.CANCELLED, PostState.PROCESSING])
def test_a_post_that_is_out_has_nothing_to_note(state: PostState) -> None:
    post = post_in(61, account(TOKEN, days=60), state=state)
    assert notices_of(post).found == ()
    assert notices_of(post).cost_usd is None


def test_credentials_that_no_key_opens_are_somebody_elses_word() -> None:
    connection = account(TOKEN, days=1)
    connection.secret = b"garbage"
    connection.save()
    assert codes(post_in(9, connection)) == []
