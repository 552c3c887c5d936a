from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone

from platforms.models import SocialConnection
from scheduling.bulk import insert_posts
from scheduling.models import ScheduledPost
from scheduling.services import build_post
from scheduling.states import PostState
from tests.factories import make_connection

pytestmark = pytest.mark.django_db


def a_post(connection: SocialConnection, number: int = 1, **details: object) -> ScheduledPost:
    return build_post(
        workspace=connection.workspace,
        connection=connection,
        segments=[{"text": f"Nummer {number} — “naïve”\n\ttab \\ backslash"}],
        scheduled_at=timezone.now() + timedelta(hours=1),
        **details,
    )


def test_posts_arrive_exactly_as_they_were_built(connection: SocialConnection) -> None:
    post = a_post(connection, priority=3, external_id="ours-1", callback_url="https://x.example/cb")
    assert insert_posts([post]) == 1
    stored = ScheduledPost.objects.get(pk=post.pk)
    for field in ScheduledPost._meta.concrete_fields:
        assert getattr(stored, field.attname) == getattr(post, field.attname), field.name


def test_an_external_id_that_is_taken_is_left_out(connection: SocialConnection) -> None:
    insert_posts([a_post(connection, external_id="a")])
    again = [a_post(connection, n, external_id=name) for n, name in enumerate("abcb")]
    assert insert_posts(again) == 2
    assert sorted(ScheduledPost.objects.values_list("external_id", flat=True)) == ["a", "b", "c"]


def test_a_cancelled_post_gives_its_external_id_free(connection: SocialConnection) -> None:
    insert_posts([a_post(connection, external_id="a")])
    ScheduledPost.objects.update(state=PostState.CANCELLED, due_at=None)
    assert insert_posts([a_post(connection, external_id="a")]) == 1


def test_posts_without_external_id_and_of_other_connections_never_conflict(
    connection: SocialConnection,
) -> None:
    other = make_connection(connection.workspace)
    posts = [a_post(connection), a_post(connection), a_post(connection, external_id="a")]
    assert insert_posts([*posts, a_post(other, external_id="a")]) == 4


def test_more_than_one_batch_is_one_transaction(connection: SocialConnection) -> None:
    good = [a_post(connection, number) for number in range(6000)]
    bad = a_post(connection)
    bad.priority = 77
    with pytest.raises(IntegrityError, match="priority_is_0_to_9"):
        insert_posts([*good, bad])
    assert not ScheduledPost.objects.exists()
    assert insert_posts(iter(good)) == 6000


def test_nothing_to_insert_is_no_error() -> None:
    assert insert_posts([]) == 0
