"""Bulk calls, slots and each other meet on the same rows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from platforms.models import SocialConnection
from scheduling.bulk_create import Batch, Wish
from scheduling.bulk_moves import cancel_posts, reschedule_posts
from scheduling.models import ScheduledPost
from scheduling.records import mark_sent
from scheduling.states import PostState
from tests.concurrency.threads import behind, together
from tests.factories import make_connection, make_post
from tests.scheduling.claimed import WORKER, claim

S = PostState
HOUR = timedelta(hours=1)


def cancel(account: SocialConnection, ids: list[uuid.UUID]) -> set[uuid.UUID]:
    found = cancel_posts(ids, workspace=account.workspace, actor="user:test")
    return {pk for pk, one in found.items() if one.is_done}


def test_of_a_bulk_cancel_and_the_marks_each_post_has_one_winner() -> None:
    account = make_connection()
    posts = [make_post(account) for _ in range(40)]
    held = claim(*posts)

    def slot() -> set[uuid.UUID]:
        won: set[uuid.UUID] = set()
        for post in reversed(held):
            won |= mark_sent([post], worker=WORKER)
        return won

    halves = [[p.pk for p in posts[:20]], [p.pk for p in posts[20:]]]
    people: list[Callable[[], set[uuid.UUID]]] = [
        lambda ids=ids: cancel(account, ids)  # type: ignore[misc]
        for ids in halves
    ]
    first, second, ours = together([*people, slot])
    assert first | second | ours == {post.pk for post in posts}
    assert not (first | second) & ours
    assert (
        set(ScheduledPost.objects.filter(state=S.PUBLISHING).values_list("pk", flat=True)) == ours
    )


def test_a_mark_that_comes_after_a_bulk_reschedule_is_refused() -> None:
    account = make_connection()
    post = make_post(account)
    held = claim(post)

    def later() -> None:
        reschedule_posts(
            [post.pk],
            lambda one: timezone.now() + HOUR,
            workspace=account.workspace,
            actor="user:test",
        )

    with behind(later, lambda: mark_sent(held, worker=WORKER)) as late:
        assert late.result() == set()


def test_bulk_calls_on_the_same_posts_in_any_order_never_deadlock() -> None:
    account = make_connection()
    ids = [make_post(account).pk for _ in range(60)]
    won = together(
        [lambda order=order: cancel(account, order) for order in (ids, ids[::-1], ids, ids[::-1])]  # type: ignore[misc]
    )
    assert sorted(map(len, won)) == [0, 0, 0, 60]


def test_the_same_rows_written_twice_at_once_are_written_once() -> None:
    account = make_connection()
    moment = timezone.now() + HOUR

    def write() -> list[uuid.UUID]:
        batch = Batch(account.workspace, "user:test")
        batch.judge(
            {
                n: Wish(
                    account,
                    {
                        "segments": [{"text": f"post {n}"}],
                        "scheduled_at": moment,
                        "external_id": f"e{n}",
                    },
                )
                for n in range(100)
            }
        )
        batch.write(action="posts.created")
        return [one.post.pk for one in batch.results.values() if one.post]

    answers = together([write] * 4)
    assert ScheduledPost.objects.count() == 100
    assert all(answer == answers[0] for answer in answers)
    assert len(set(answers[0])) == 100
