"""An account's weekly slots: which one is next, who has it, and what frees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import AuditEvent
from platforms.models import SocialConnection
from scheduling import services as posts
from scheduling.models import PostQueue, QueuePlace, ScheduledPost
from scheduling.queue_slots import services
from scheduling.queue_slots.services import Place
from scheduling.queue_slots.weekly import DAYS, WeeklySlots, sorted_slots
from scheduling.rules import Invalid
from scheduling.states import PostState
from tests.factories import make_connection, make_post

S = PostState
ADA = "user:ada"
BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]

slots_of_a_week = st.lists(
    st.tuples(
        st.sampled_from(DAYS), st.times().map(lambda clock: f"{clock.hour:02}:{clock.minute:02}")
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture
def queue(connection: SocialConnection) -> PostQueue:
    """Give the account two slots every day."""
    return services.set_slots(
        connection,
        slots=[(day, clock) for day in DAYS for clock in ("09:00", "17:30")],
        time_zone="Europe/Berlin",
        actor=ADA,
    )


def coming(connection: SocialConnection, count: int = 12) -> list[datetime]:
    """Return the instants of the next slots."""
    views = services.coming_slots(connection, now=timezone.now(), count=count)
    return [view.moment.at for view in views]


def enqueue(
    connection: SocialConnection, place: Place = Place.NEXT, text: str = "hello", **details: Any
) -> ScheduledPost:
    post, created = services.schedule_in_slot(
        connection=connection,
        workspace=connection.workspace,
        segments=[{"text": text}],
        place=place,
        actor=ADA,
        **details,
    )
    assert created
    return post


def plan(connection: SocialConnection) -> dict[datetime, str]:
    """Return the text of each waiting post under its moment."""
    waiting = ScheduledPost.objects.filter(connection=connection, state=S.SCHEDULED)
    return {post.scheduled_at: post.segments[0]["text"] for post in waiting}


# --- the week -----------------------------------------------------------------------------------
@given(
    slots_of_a_week,
    st.sampled_from(ZONES),
    st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1)),  # noqa: DTZ001
)
def test_slots_come_on_their_days_at_their_times_in_order(
    slots: list[tuple[str, str]], name: str, after: datetime
) -> None:
    weekly = WeeklySlots(sorted_slots(slots), ZoneInfo(name))
    moments = list(weekly.moments(after=after.replace(tzinfo=UTC), within=30 * DAY))
    assert len(moments) >= 3 * len(set(slots))  # four weeks, but for gaps and the edges
    assert all(first.at < second.at for first, second in pairwise(moments))
    for moment in moments:
        assert (DAYS[moment.clock.weekday()], f"{moment.clock:%H:%M}") in slots
        assert after.replace(tzinfo=UTC) < moment.at <= after.replace(tzinfo=UTC) + 30 * DAY


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("slots", "zone", "field"),
    [
        ([("XX", "09:00")], "UTC", "slots[0].day"),
        ([("MO", "9:00")], "UTC", "slots[0].time"),
        ([("MO", "24:00")], "UTC", "slots[0].time"),
        ([("MO", "09:00")], "Mars", "time_zone"),
        ([("MO", "09:00")] * 200, "UTC", "slots"),
    ],
)
def test_bad_slots_are_refused(
    connection: SocialConnection, slots: list[tuple[str, str]], zone: str, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        services.set_slots(connection, slots=slots, time_zone=zone, actor=ADA)
    assert [error.field for error in refused.value.errors] == [field]
    assert not PostQueue.objects.exists()


@pytest.mark.django_db
def test_setting_slots_is_noted_and_repeatable(connection: SocialConnection) -> None:
    for _ in range(2):
        queue = services.set_slots(
            connection, slots=[("TU", "08:00"), ("MO", "09:00")] * 2, time_zone="UTC", actor=ADA
        )
    assert queue.slots == [["MO", "09:00"], ["TU", "08:00"]]
    assert AuditEvent.objects.filter(action="queue.slots_set", actor=ADA).count() == 2


# --- taking one ---------------------------------------------------------------------------------
def test_each_post_takes_the_next_free_slot(queue: PostQueue) -> None:
    moments = coming(queue.connection)
    made = [enqueue(queue.connection) for _ in range(4)]
    assert [post.scheduled_at for post in made] == moments[:4]
    assert {(post.state, post.time_zone) for post in made} == {(S.SCHEDULED, "Europe/Berlin")}
    clocks = {f"{post.scheduled_at.astimezone(BERLIN):%H:%M}" for post in made}
    assert clocks == {"09:00", "17:30"}


def test_a_slot_that_a_post_was_set_for_by_hand_is_taken(queue: PostQueue) -> None:
    moments = coming(queue.connection)
    make_post(queue.connection, due_at=moments[0])
    make_post(make_connection(queue.connection.workspace), due_at=moments[1])  # another account
    make_post(queue.connection, due_at=moments[1] + timedelta(minutes=1))
    assert enqueue(queue.connection).scheduled_at == moments[1]


def test_a_cancelled_or_moved_post_frees_its_slot(queue: PostQueue) -> None:
    moments = coming(queue.connection)
    cancelled, moved, kept = (enqueue(queue.connection) for _ in range(3))
    posts.cancel_post(cancelled.pk, actor=ADA)
    posts.edit_post(moved.pk, actor=ADA, scheduled_at=moments[1] + HOUR)
    assert [enqueue(queue.connection).scheduled_at for _ in range(3)] == [
        moments[0], moments[1], moments[3],
    ]  # fmt: skip
    kept.refresh_from_db()
    assert kept.scheduled_at == moments[2]
    assert QueuePlace.objects.filter(connection=queue.connection).count() == 4


def test_the_bottom_is_behind_all_that_are_queued(queue: PostQueue) -> None:
    moments = coming(queue.connection)
    first, _, _ = (enqueue(queue.connection) for _ in range(3))
    posts.cancel_post(first.pk, actor=ADA)
    assert enqueue(queue.connection, Place.BOTTOM).scheduled_at == moments[3]
    assert enqueue(queue.connection, Place.NEXT).scheduled_at == moments[0]


def test_the_top_moves_the_others_down_to_the_first_gap(queue: PostQueue, settings: Any) -> None:
    settings.LOOK_AHEAD = timedelta()
    moments = coming(queue.connection)
    made = {text: enqueue(queue.connection, text=text) for text in "abcd"}
    posts.cancel_post(made["c"].pk, actor=ADA)
    make_post(queue.connection, due_at=moments[4], text="by hand")
    enqueue(queue.connection, Place.TOP, text="top")
    assert plan(queue.connection) == {
        moments[0]: "top", moments[1]: "a", moments[2]: "b", moments[3]: "d",
        moments[4]: "by hand",
    }  # fmt: skip
    enqueue(queue.connection, Place.TOP, text="higher")
    assert plan(queue.connection) == {
        moments[0]: "higher", moments[1]: "top", moments[2]: "a", moments[3]: "b",
        moments[4]: "by hand", moments[5]: "d",
    }  # fmt: skip


def test_the_top_leaves_what_is_being_prepared(queue: PostQueue, settings: Any) -> None:
    moments = coming(queue.connection)
    settings.LOOK_AHEAD = moments[0] - timezone.now() + HOUR / 60
    enqueue(queue.connection, text="near")
    enqueue(queue.connection, text="far")
    enqueue(queue.connection, Place.TOP, text="top")
    assert plan(queue.connection) == {moments[0]: "near", moments[1]: "top", moments[2]: "far"}


def test_without_slots_there_is_nothing_to_take(connection: SocialConnection) -> None:
    with pytest.raises(Invalid, match="no queue slots") as refused:
        enqueue(connection)
    assert [(e.field, e.code) for e in refused.value.errors] == [("queue", "no_slots")]
    services.set_slots(connection, slots=[], time_zone="UTC", actor=ADA)
    with pytest.raises(Invalid, match="no queue slots"):
        enqueue(connection)
    assert coming(connection) == []


def test_a_full_queue_says_so(
    connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "SEARCHED", 15 * DAY)
    services.set_slots(connection, slots=[("MO", "09:00")], time_zone="UTC", actor=ADA)
    while len(coming(connection)) > ScheduledPost.objects.count():
        enqueue(connection)
    with pytest.raises(Invalid, match="add slots"):
        enqueue(connection)


def test_a_post_that_breaks_a_rule_takes_no_slot(queue: PostQueue) -> None:
    moments = coming(queue.connection)
    for place in Place:
        with pytest.raises(Invalid, match="500"):
            enqueue(queue.connection, place, text="x" * 501)
    assert not QueuePlace.objects.exists()
    assert enqueue(queue.connection).scheduled_at == moments[0]


def test_a_known_external_id_takes_no_second_slot(queue: PostQueue) -> None:
    first = enqueue(queue.connection, external_id="c-1")
    again, created = services.schedule_in_slot(
        connection=queue.connection,
        workspace=queue.connection.workspace,
        segments=[{"text": "hello"}],
        place=Place.TOP,
        actor=ADA,
        external_id="c-1",
    )
    assert (again.pk, again.scheduled_at, created) == (first.pk, first.scheduled_at, False)
    assert QueuePlace.objects.count() == 1


def test_the_queue_shows_who_has_which_slot(queue: PostQueue) -> None:
    queued = enqueue(queue.connection)
    moments = coming(queue.connection)
    by_hand = make_post(queue.connection, due_at=moments[2])
    views = services.coming_slots(queue.connection, now=timezone.now())
    assert [(view.post and view.post.pk, view.is_queued) for view in views[:4]] == [
        (queued.pk, True), (None, False), (by_hand.pk, False), (None, False),
    ]  # fmt: skip
    assert len(views) == 12


def test_queued_posts_keep_their_moments_when_slots_change(queue: PostQueue) -> None:
    post = enqueue(queue.connection)
    services.set_slots(queue.connection, slots=[("MO", "03:00")], time_zone="UTC", actor=ADA)
    post.refresh_from_db()
    assert post.scheduled_at == QueuePlace.objects.get(post=post).at
