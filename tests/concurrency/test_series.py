"""Several at once on one series, and on one queue: no occurrence and no slot goes out twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.states import IllegalTransition
from platforms.models import SocialConnection
from scheduling import services as posts
from scheduling.models import ScheduledPost, SeriesOccurrence
from scheduling.queue_slots import services as queue_slots
from scheduling.queue_slots.services import Place
from scheduling.queue_slots.weekly import DAYS
from scheduling.series import editing, services, settling
from scheduling.states import PostState
from scheduling.tasks import extend_series_minutes
from tests.concurrency.threads import behind, together
from tests.factories import make_connection
from tests.scheduling.series_stage import ADA, at, posts_of, start

HORIZON = timedelta(days=10)


@pytest.fixture(autouse=True)
def horizon(settings: Any) -> None:
    """Make posts ten days ahead."""
    settings.SERIES_HORIZON = HORIZON


def nothing_is_there_twice() -> None:
    """Assert that each occurrence has one post, and each post one occurrence."""
    rows = SeriesOccurrence.objects.values_list("series_id", "at", "connection_id")
    assert len(rows) == len(set(rows))
    assert ScheduledPost.objects.count() == len(rows)
    moments = ScheduledPost.objects.values_list("connection_id", "scheduled_at")
    assert len(moments) == len(set(moments))


def test_workers_that_settle_at_once_make_each_post_once(settings: Any) -> None:
    series = [start(make_connection()) for _ in range(3)]
    settings.SERIES_HORIZON = 2 * HORIZON
    together([extend_series_minutes] * 4)
    extend_series_minutes()
    for one in series:
        assert len(posts_of(one)) in {19, 20}
    nothing_is_there_twice()


def test_workers_that_do_not_pass_by_wait_and_find_nothing_left(settings: Any) -> None:
    series = start(make_connection())
    settings.SERIES_HORIZON = 2 * HORIZON
    together([lambda: settling.settle(series.pk)] * 4)
    assert len(posts_of(series)) in {19, 20}
    nothing_is_there_twice()


def test_an_edit_and_the_workers_leave_no_post_with_old_text(settings: Any) -> None:
    series = start(make_connection())
    settings.SERIES_HORIZON = 2 * HORIZON

    def edit() -> object:
        return editing.edit_series(series.pk, actor=ADA, segments=[{"text": "new"}])

    together([edit, extend_series_minutes, extend_series_minutes])
    extend_series_minutes()
    assert {post.segments[0]["text"] for post in posts_of(series)} == {"new"}
    nothing_is_there_twice()


def test_a_pause_and_the_workers_leave_nothing_to_be_sent(settings: Any) -> None:
    series = start(make_connection())
    settings.SERIES_HORIZON = 2 * HORIZON
    pause = lambda: services.pause_series(series.pk, actor=ADA)  # noqa: E731
    together([pause, extend_series_minutes, extend_series_minutes])
    extend_series_minutes()
    assert {post.state for post in posts_of(series)} == {PostState.CANCELLED}


def test_a_person_s_own_edit_and_the_series_edit_end_with_the_person_s_text() -> None:
    series = start(make_connection())
    mine = posts_of(series)[1]

    def by_itself() -> object:
        return posts.edit_post(mine.pk, actor=ADA, segments=[{"text": "mine"}])

    def all_of_it() -> object:
        return editing.edit_series(series.pk, actor=ADA, segments=[{"text": "new"}])

    with behind(by_itself, all_of_it) as late:
        assert late.exception() is None
    texts = [post.segments[0]["text"] for post in posts_of(series)]
    assert texts[:3] == ["new", "mine", "new"]


def test_of_two_skips_at_once_both_find_it_skipped() -> None:
    series = start(make_connection())
    together([lambda: services.skip_occurrence(series.pk, at(1), actor=ADA)] * 3)
    assert posts_of(series)[1].state == PostState.CANCELLED
    nothing_is_there_twice()


def test_of_two_ends_at_once_one_is_told() -> None:
    series = start(make_connection())

    def end() -> bool:
        try:
            services.end_series(series.pk, actor=ADA)
        except IllegalTransition:
            return False
        return True

    assert sorted(together([end, end])) == [False, True]


# --- queue slots --------------------------------------------------------------------------------
def account_with_slots() -> SocialConnection:
    connection = make_connection()
    slots = [(day, "09:00") for day in DAYS]
    queue_slots.set_slots(connection, slots=slots, time_zone="UTC", actor=ADA)
    return connection


@pytest.mark.parametrize("place", list(Place))
def test_callers_at_once_never_get_the_same_slot(place: Place) -> None:
    connection = account_with_slots()

    def take() -> list[object]:
        return [
            queue_slots.schedule_in_slot(
                connection=connection,
                workspace=connection.workspace,
                segments=[{"text": "hello"}],
                place=place,
                actor=ADA,
            )
            for _ in range(5)
        ]

    together([take] * 6)
    moments = list(ScheduledPost.objects.values_list("scheduled_at", flat=True))
    assert len(moments) == len(set(moments)) == 30
    first = min(moments)
    assert max(moments) - first == timedelta(days=29)  # no slot was left out
