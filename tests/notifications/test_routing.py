"""Whom an event reaches, how and when: choices, quiet hours, summaries, floods."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Role, User, Workspace
from notifications import preferences
from notifications.models import (
    Delivery,
    DigestItem,
    Mode,
    Notification,
    Preference,
    Reader,
    SlackPlace,
)
from notifications.quiet import end_of_quiet, next_hour, next_morning, zone_of
from notifications.routing import FLOOD, Readers, Telling, tell
from notifications.targets import register_device
from platforms.models import SocialConnection
from scheduling.announcements import PostChange, announce
from scheduling.connection_mails import ask_to_reconnect
from scheduling.states import PostState
from tests.factories import make_connection, make_post, make_user
from tests.notifications.senders import MAIL

pytestmark = pytest.mark.django_db
BERLIN = zone_of("Europe/Berlin")
NIGHT = (time(22), time(7))


@pytest.fixture
def ada(workspace: Workspace) -> User:
    return make_user(workspace, email="ada@example.org")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def prefer(user: User, workspace: Workspace, event: str, channel: str, mode: str) -> None:
    Preference.objects.update_or_create(
        user=user, workspace=workspace, event=event, channel=channel, defaults={"mode": mode}
    )


def reachable_everywhere(user: User, workspace: Workspace, **fields: Any) -> Reader:
    SlackPlace.objects.create(user=user, workspace=workspace, target="C024BE91L")
    register_device(user=user, token=f"token-of-{user.pk}", platform="ios")
    return Reader.objects.create(
        user=user, phone="+4915112345678", phone_verified_at=timezone.now(), **fields
    )


def telling(
    user: User, workspace: Workspace, event: str = "post.failed", key: str = "1"
) -> Telling:
    return Telling(event, user.pk, workspace.pk, {"mail": MAIL}, f"{event}:{key}:{user.pk}")


def channels() -> list[str]:
    return sorted(Delivery.objects.values_list("channel", flat=True))


# --- quiet hours and summaries on the wall clock ------------------------------------------------


@pytest.mark.parametrize(
    ("now", "hours", "ends"),
    [
        ("2026-01-10T20:59", NIGHT, None),  # 21:59 there
        ("2026-01-10T21:00", NIGHT, "2026-01-11T06:00"),
        ("2026-01-11T05:59", NIGHT, "2026-01-11T06:00"),
        ("2026-01-11T06:00", NIGHT, None),
        ("2026-01-10T12:30", (time(13), time(14)), "2026-01-10T13:00"),  # within one day
        ("2026-01-10T13:00", (time(13), time(14)), None),
        ("2026-01-10T12:30", (time(13), time(13)), None),  # empty
        # Summer time begins on 29 March 2026: the night is an hour shorter.
        ("2026-03-28T21:30", NIGHT, "2026-03-29T05:00"),
        # 02:30 does not exist that night: the instant after the gap, 03:30 summer time.
        ("2026-03-28T23:00", (time(22), time(2, 30)), "2026-03-29T01:30"),
        # It ends on 25 October 2026: 02:30 comes twice, quiet hours end at the first ...
        ("2026-10-24T22:00", (time(22), time(2, 30)), "2026-10-25T00:30"),
        # ... and at the second for what happens in the second half past one.
        ("2026-10-25T01:10", (time(22), time(2, 30)), "2026-10-25T01:30"),
    ],
)
def test_quiet_hours_end_by_the_wall_clock(
    now: str, hours: tuple[time, time], ends: str | None
) -> None:
    assert end_of_quiet(at(now), BERLIN, *hours) == (at(ends) if ends else None)


def test_quiet_hours_end_later_than_they_are_asked_about_at_every_minute_of_the_year() -> None:
    now = at("2026-03-28T00:00")
    for _ in range(3 * 24 * 60):
        for hours in (NIGHT, (time(22), time(2, 30)), (time(2, 15), time(2, 45))):
            ends = end_of_quiet(now, BERLIN, *hours)
            assert ends is None or now < ends <= now + timedelta(hours=26)
        now += timedelta(minutes=1)


@pytest.mark.parametrize(
    ("now", "morning"),
    [
        ("2026-01-10T06:59", "2026-01-10T07:00"),
        ("2026-01-10T07:00", "2026-01-11T07:00"),
        ("2026-03-28T20:00", "2026-03-29T06:00"),  # summer time begins in between
        ("2026-10-24T20:00", "2026-10-25T07:00"),
    ],
)
def test_the_morning_is_the_reader_s(now: str, morning: str) -> None:
    assert next_morning(at(now), BERLIN) == at(morning)
    assert next_hour(at(now)) > at(now)


# --- choices ------------------------------------------------------------------------------------


def test_whoever_chose_nothing_is_mailed_at_once(ada: User, workspace: Workspace) -> None:
    tell([telling(ada, workspace)])
    delivery = Delivery.objects.get()
    assert (delivery.channel, delivery.target) == ("email", "ada@example.org")
    assert delivery.due_at is not None
    assert delivery.due_at <= timezone.now()


def test_each_channel_is_told_as_chosen(ada: User, workspace: Workspace) -> None:
    reachable_everywhere(ada, workspace)
    for channel in ("sms", "push", "slack"):
        prefer(ada, workspace, "post.failed", channel, Mode.IMMEDIATE)
    prefer(ada, workspace, "post.failed", "email", Mode.OFF)
    tell([telling(ada, workspace)])
    assert channels() == ["push", "slack", "sms"]


def test_choices_in_one_workspace_do_not_count_in_another(ada: User, workspace: Workspace) -> None:
    other = make_connection().workspace
    prefer(ada, other, "post.failed", "email", Mode.OFF)
    tell([telling(ada, workspace), telling(ada, other, key="2")])
    assert Notification.objects.get().workspace == workspace


def test_a_number_that_is_not_confirmed_gets_nothing(ada: User, workspace: Workspace) -> None:
    Reader.objects.create(user=ada, phone="+4915112345678", email="new@example.org")
    prefer(ada, workspace, "post.failed", "sms", Mode.IMMEDIATE)
    tell([telling(ada, workspace)])
    assert list(Delivery.objects.values_list("target", flat=True)) == ["ada@example.org"]
    Reader.objects.update(email_verified_at=timezone.now())
    tell([telling(ada, workspace, key="2")])
    assert Delivery.objects.filter(target="new@example.org").count() == 1


def test_people_who_have_left_hear_nothing(ada: User, workspace: Workspace) -> None:
    User.objects.update(is_active=False)
    assert tell([telling(ada, workspace)]) == 0


def test_the_same_happening_is_told_once(ada: User, workspace: Workspace) -> None:
    prefer(ada, workspace, "post.held", "email", Mode.DAILY)
    for _ in range(3):
        tell([telling(ada, workspace), telling(ada, workspace, "post.held")])
    assert (Delivery.objects.count(), DigestItem.objects.count()) == (1, 1)


# --- quiet hours --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "wakes", "at_once"),
    [
        ("post.failed", False, {"email", "slack"}),
        ("post.failed", True, {"email", "slack", "sms", "push"}),
        ("post.blocked", False, set()),
        ("post.blocked", True, set()),
    ],
)
def test_at_night_only_what_is_critical_is_told_and_no_phone_rings_unasked(
    ada: User, workspace: Workspace, event: str, wakes: bool, at_once: set[str]
) -> None:
    now = timezone.now().astimezone(BERLIN)
    quiet = {
        "quiet_from": (now - timedelta(hours=1)).time(),
        "quiet_until": (now + timedelta(hours=1)).time(),
    }
    reachable_everywhere(
        ada, workspace, time_zone="Europe/Berlin", wakes_for_critical=wakes, **quiet
    )
    for channel in ("sms", "push", "slack"):
        prefer(ada, workspace, event, channel, Mode.IMMEDIATE)
    tell([telling(ada, workspace, event)])
    assert channels() == ["email", "push", "slack", "sms"]
    soon = timezone.now() + timedelta(minutes=1)
    waiting = Delivery.objects.filter(due_at__gt=soon)
    told = set(Delivery.objects.exclude(pk__in=waiting).values_list("channel", flat=True))
    assert told == at_once
    for moment in waiting.values_list("due_at", flat=True):
        assert moment is not None
        assert abs(moment - now - timedelta(hours=1)) < timedelta(minutes=1)


def test_summaries_are_due_on_the_hour_and_in_the_morning_but_not_at_night(
    ada: User, workspace: Workspace
) -> None:
    Reader.objects.create(
        user=ada, time_zone="Europe/Berlin", quiet_from=time(22), quiet_until=time(9)
    )
    prefer(ada, workspace, "post.failed", "email", Mode.HOURLY)
    prefer(ada, workspace, "post.held", "email", Mode.DAILY)
    now = at("2026-06-10T20:30")  # 22:30 there
    readers = Readers.load([ada.pk], ["post.failed", "post.held"], now=now)
    for event in ("post.failed", "post.held"):
        ways = readers.ways(event, ada.pk, workspace.pk, key=event)
        assert ways.deliveries == ()
        assert ways.digest_at == at("2026-06-11T07:00")


# --- storms -------------------------------------------------------------------------------------


def test_a_dead_account_with_many_posts_is_one_message(
    connection: SocialConnection, ada: User
) -> None:
    posts = [make_post(connection, created_by=ada, state=PostState.BLOCKED) for _ in range(100)]
    connection.state, connection.state_reason = "needs_reconnect", "401"
    connection.save()
    ask_to_reconnect(connection)
    for start in range(0, 100, 20):
        announce([PostChange.of(p, event="post.blocked") for p in posts[start : start + 20]])
    assert Notification.objects.get().event == "connection.needs_reconnect"
    assert Delivery.objects.count() == 1
    assert DigestItem.objects.count() == 0


def test_an_author_who_cannot_reconnect_hears_once_that_posts_wait(
    connection: SocialConnection,
) -> None:
    author = make_user(connection.workspace, role=Role.VIEWER, email="vi@example.org")
    posts = [make_post(connection, created_by=author) for _ in range(30)]
    ask_to_reconnect(connection)
    announce([PostChange.of(post, event="post.blocked") for post in posts])
    assert Notification.objects.get().event == "post.blocked"


def test_many_of_one_event_are_told_together(connection: SocialConnection, ada: User) -> None:
    posts = [make_post(connection, created_by=ada) for _ in range(50)]
    for start in range(0, 50, 10):
        announce([PostChange.of(p, event="post.failed") for p in posts[start : start + 10]])
    assert Delivery.objects.count() == FLOOD
    assert DigestItem.objects.count() == 50 - FLOOD
    tell([telling(ada, connection.workspace, "post.held")])
    assert Delivery.objects.count() == FLOOD + 1  # another event is no flood


def test_yesterdays_flood_is_over(connection: SocialConnection, ada: User) -> None:
    announce(
        [
            PostChange.of(make_post(connection, created_by=ada), event="post.failed")
            for _ in range(30)
        ]
    )
    Notification.objects.update(created_at=timezone.now() - timedelta(hours=2))
    tell([telling(ada, connection.workspace)])
    assert Delivery.objects.count() == FLOOD + 1


def test_callbacks_are_told_singly_in_a_flood(connection: SocialConnection, ada: User) -> None:
    url = "https://customer.example/hook"
    posts = [make_post(connection, created_by=ada, callback_url=url) for _ in range(30)]
    announce([PostChange.of(post, event="post.failed") for post in posts])
    assert Delivery.objects.filter(channel="webhook").count() == 30


# --- successes ----------------------------------------------------------------------------------


def test_whoever_wants_successes_in_a_summary_gets_one_row_for_a_batch(
    connection: SocialConnection, ada: User, django_assert_num_queries: Any
) -> None:
    prefer(ada, connection.workspace, "post.published", "email", Mode.DAILY)
    posts = [make_post(connection, created_by=ada) for _ in range(40)]
    with django_assert_num_queries(8):
        announce([PostChange.of(post, event="post.published") for post in posts])
    assert DigestItem.objects.get().notification.context["mail"]["count"] == 40
    assert Delivery.objects.count() == 0


def test_whoever_wants_to_hear_of_each_success_does(
    connection: SocialConnection, ada: User
) -> None:
    reachable_everywhere(ada, connection.workspace)
    prefer(ada, connection.workspace, "post.published", "push", Mode.IMMEDIATE)
    post = make_post(connection, created_by=ada, callback_url="https://customer.example/hook")
    announce([PostChange.of(post, event="post.published")])
    assert channels() == ["push", "webhook"]


# --- choosing -----------------------------------------------------------------------------------


def test_choosing_keeps_what_is_offered_and_refuses_the_rest(
    ada: User, workspace: Workspace
) -> None:
    wanted = {("post.failed", "email"): "daily", ("post.failed", "push"): "off"}
    assert preferences.choose(ada, workspace, wanted) == 2
    assert preferences.choose(ada, workspace, wanted) == 0
    rows = {row.event.name: row.modes for row in preferences.choices_of(ada, workspace)}
    assert rows["post.failed"]["email"] == "daily"
    for event, channel, mode in (
        ("post.failed", "sms", "daily"),
        ("channel.unhealthy", "email", "off"),
        ("breaker.opened", "email", "off"),  # for staff
        ("no.such", "email", "off"),
        ("post.failed", "webhook", "off"),
    ):
        with pytest.raises(preferences.PreferenceError):
            preferences.choose(ada, workspace, {(event, channel): mode})


def test_staff_choose_about_the_installation_once_for_all_workspaces(workspace: Workspace) -> None:
    staff = make_user(workspace, is_staff=True)
    preferences.choose(staff, workspace, {("breaker.opened", "email"): "off"})
    assert Preference.objects.get().workspace is None
    rows = {row.event.name: row.modes for row in preferences.choices_of(staff, None)}
    assert rows["breaker.opened"]["email"] == "off"
    assert set(rows) == {"breaker.opened"}


def test_switching_an_event_off_drops_what_waits_for_the_summary(
    ada: User, workspace: Workspace
) -> None:
    prefer(ada, workspace, "post.failed", "email", Mode.DAILY)
    tell([telling(ada, workspace)])
    preferences.choose(ada, workspace, {("post.failed", "email"): "off"})
    assert DigestItem.objects.count() == 0


@pytest.mark.parametrize("place", ["C024BE91L", "#posts", "U024BE7LH"])
def test_a_place_in_slack_is_kept_and_forgotten(
    ada: User, workspace: Workspace, place: str
) -> None:
    preferences.set_slack_place(ada, workspace, f" {place} ")
    assert SlackPlace.objects.get().target == place
    preferences.set_slack_place(ada, workspace, "")
    assert not SlackPlace.objects.exists()
    with pytest.raises(preferences.PreferenceError):
        preferences.set_slack_place(ada, workspace, "somewhere nice")


def test_hours_are_checked(ada: User) -> None:
    with pytest.raises(preferences.PreferenceError):
        preferences.set_hours(
            ada,
            time_zone="Mars/Olympus",
            quiet_from=None,
            quiet_until=None,
            wakes_for_critical=False,
        )
    with pytest.raises(preferences.PreferenceError):
        preferences.set_hours(
            ada, time_zone="UTC", quiet_from=time(22), quiet_until=None, wakes_for_critical=False
        )
