"""The front page: what is the matter now, what became of the last hour, and the lists behind it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.staff_roles import ROLES, group_name
from engine.models import Installation, Pause, RateLimitState, WorkerSlot
from monitoring import rollups
from monitoring.charts import Chart, Column, Series
from notifications.models import Delivery, Notification
from platforms.models import ConnectionState, SocialConnection
from scheduling import admin_filters
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.states import PostState
from scheduling.tallies import Tallies
from tests.admin.console import POSTS, client_of
from tests.factories import make_connection, make_post, make_user

S = PostState
FIGURES = "/admin/operations/"
DESK = (
    "scheduling/scheduledpost",
    "engine/pause",
    "scheduling/bulkjob",
    "platforms/socialconnection",
    "scheduling/postseries",
    "scheduling/postqueue",
    "accounts/auditevent",
)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def page_of(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/admin/").context["operations"]
    return found


def figures_of(client: Client) -> dict[str, Any]:
    return {one.label: one for group in page_of(client)["groups"] for one in group.figures}


def leased(**more: Any) -> dict[str, Any]:
    return {"lease_slot": 1, "lease_expires_at": timezone.now() + MINUTE, **more}


def publish(connection: SocialConnection, late: timedelta, *, ago: timedelta) -> ScheduledPost:
    """Save a post that was published, with its attempt and what was counted of it."""
    sent = timezone.now() - ago
    post = make_post(
        connection,
        state=S.PUBLISHED,
        scheduled_at=sent - late,
        first_sent_at=sent,
        sent_at=sent,
        published_at=sent,
    )
    PublishAttempt.objects.create(
        post=post, number=1, fencing_token=1, started_at=sent, sent_at=sent, finished_at=sent
    )
    tallies = Tallies()
    tallies.sent(post.platform, late.total_seconds(), at=sent.timestamp())
    tallies.reached(post.platform, S.PUBLISHED, at=sent.timestamp())
    tallies.write()
    return post


def fail(connection: SocialConnection, category: str, *, ago: timedelta) -> None:
    """Save an attempt that failed, and what was counted of it."""
    at = timezone.now() - ago
    PublishAttempt.objects.create(
        post=make_post(connection, due_at=timezone.now() + HOUR),
        number=1,
        fencing_token=1,
        started_at=at,
        finished_at=at,
        outcome="failed",
        category=category,
    )
    tallies = Tallies()
    tallies.attempt(connection.platform, "failed", category, at=at.timestamp())
    tallies.write()


@pytest.fixture
def trouble(connection: SocialConnection, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Have at least one row behind every figure, and others that must not count."""
    monkeypatch.setattr(admin_filters, "OVERDUE_AFTER", HOUR)  # however slow this machine is
    now = timezone.now()
    make_post(connection, due_at=now - 2 * HOUR)
    make_post(connection, due_at=now - 2 * HOUR, **leased())
    make_post(connection, due_at=now - MINUTE)  # due, not overdue yet
    make_post(connection, due_at=now + HOUR)
    make_post(connection, scheduled_at=now - HOUR, due_at=now + HOUR)
    make_post(connection, state=S.PUBLISHING, **leased(sent_at=now))
    make_post(connection, state=S.OUTCOME_UNKNOWN, due_at=now + MINUTE)
    asked = {"asked": {"at": now.isoformat(), "reminders": 0, "next": now.isoformat()}}
    make_post(connection, state=S.OUTCOME_UNKNOWN, due_at=now + MINUTE, progress=asked)
    make_post(connection, state=S.DEAD_LETTER)
    make_post(connection, state=S.FAILED, scheduled_at=now - 2 * HOUR)
    make_post(connection, state=S.FAILED, scheduled_at=now - 48 * HOUR)
    make_post(connection, state=S.HELD)
    make_post(connection, state=S.BLOCKED)
    make_connection(state=ConnectionState.NEEDS_RECONNECT)
    make_connection(state=ConnectionState.PAUSED)
    until = {"blocked_until": now + HOUR}
    RateLimitState.objects.create(scope="connection", key="a", **until)
    RateLimitState.objects.create(scope="app", key="x", breaker="open", open_until=now + HOUR)
    RateLimitState.objects.create(scope="app", key="y", blocked_until=now - MINUTE)
    Pause.objects.create(scope="platform", key="tiktok", by="user:ada")
    told = Notification.objects.create(event="post.failed", dedupe_key="one")
    for state, due_at in (("pending", now), ("pending", now + HOUR), ("sent", None)):
        Delivery.objects.create(
            notification=told, channel="webhook", target="https://x.example", state=state,
            due_at=due_at,
        )  # fmt: skip
    for kind in ("cluster", "publish", "notify"):
        WorkerSlot.objects.create(
            kind=kind, host="h", pid=1, started_at=now, heartbeat_at=now + HOUR, in_flight=3
        )
    Installation.objects.update_or_create(pk=1, defaults={"canary_at": now})
    return now


def test_every_figure_counts_what_its_list_shows(staff: Client, trouble: datetime) -> None:
    figures = figures_of(staff)
    numbers = {label: figure.number for label, figure in figures.items()}
    assert (
        numbers
        | {
            "overdue": "2",
            "is it live? only a person can tell": "1",
            "dead letters": "1",
            "failed, past 24 h": "1",
            "held": "1",
            "blocked by their account": "1",
            "accounts to reconnect": "1",
            "due now": "3",
            "publishing": "1",
            "waiting longer than planned": "1",
            "outcome unknown": "2",
            "accounts told to wait": "1",
            "limits in force": "2",
            "breakers open": "1",
            "accounts paused": "1",
            "platforms, workspaces, hosts stopped": "1",
            "messages not sent yet": "1",
            "workers": "1",
            "sending": "on",
        }
        == numbers
    )
    for figure in figures.values():
        if not figure.url:
            continue
        listed = staff.get(figure.url)
        assert listed.status_code == 200, figure.label
        count = figure.number.partition("/")[0]
        if count.isdigit() and "cl" in listed.context:  # the board of switches is no list
            assert listed.context["cl"].result_count == int(count), figure.label


def test_the_machinery_is_told_in_words(staff: Client, trouble: datetime, settings: Any) -> None:
    settings.PUBLISHER_SLOTS = 2
    figures = figures_of(staff)
    assert figures["publisher slots"].number == "1/2"
    assert figures["publisher slots"].note == "3 in flight"
    assert figures["notifier slots"].number == "1/1"
    assert figures["tasks in the queue"].number == "0"
    assert figures["last canary task"].number.endswith("ago")


def test_a_quiet_installation_says_so(staff: Client) -> None:
    page = staff.get("/admin/").content.decode()
    for told in (
        "Nothing needs anybody.",
        "Nothing is overdue, and nothing waits longer than planned.",
        "Nothing was published or failed in this time.",
        "No post was sent in the past hour.",
        "No attempt failed in the past 24 hours.",
    ):
        assert told in page
    assert figures_of(staff)["workers"].note == "start `manage.py qcluster`"


def test_a_broker_that_is_away_is_told_and_not_waited_for(staff: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    depth = figures_of(staff)["tasks in the queue"]
    assert (depth.number, depth.note) == ("?", "the broker does not answer")


def test_the_post_that_waits_longest_is_named_with_its_reason(
    staff: Client, connection: SocialConnection
) -> None:
    now = timezone.now()
    make_post(connection, due_at=now - MINUTE)
    oldest = make_post(
        connection,
        scheduled_at=now - HOUR,
        due_at=now + MINUTE,
        last_category="rate_limit",
        last_error="Waiting for the network's limit: 429",
    )
    make_post(connection, due_at=now - 2 * MINUTE, scheduled_at=now - 2 * MINUTE)
    RateLimitState.objects.create(
        scope="connection", key=str(connection.pk), blocked_until=now + MINUTE, reason="429"
    )
    found = page_of(staff)["oldest"]
    assert found.post == oldest
    assert found.late == "1 h 0 min"
    assert "because a limit of its account is in force until then (429)" in (
        found.explanation.next_step
    )
    assert f"{POSTS}{oldest.pk}/change/" in staff.get("/admin/").content.decode()


# --- what became of the past hour ----------------------------------------------------------------
@pytest.mark.parametrize("folded", [False, True])
def test_published_and_lateness_come_from_the_roll_ups_and_lead_to_those_posts(
    staff: Client, connection: SocialConnection, folded: bool
) -> None:
    for seconds in (0.004, 0.02, 4.0):
        publish(connection, timedelta(seconds=seconds), ago=5 * MINUTE)
    publish(connection, timedelta(seconds=1), ago=3 * HOUR)
    if folded:
        rollups.fold()
    page = page_of(staff)
    assert [one.number for one in page["published"]] == [3, 4]
    for one in page["published"]:
        assert staff.get(one.url).context["cl"].result_count == one.number
    (row,) = page["lateness"]
    assert (row.network, row.sent) == ("Sandbox", 3)
    assert staff.get(row.url).context["cl"].result_count == 3
    hour, day = page["charts"]
    assert [total for _, total in hour.totals] == [3, 0]
    assert [total for _, total in day.totals] == [4, 0]


def test_errors_by_category_lead_to_those_attempts(
    staff: Client, connection: SocialConnection
) -> None:
    for _ in range(2):
        fail(connection, "server_error", ago=5 * MINUTE)
    fail(connection, "rate_limit", ago=5 * HOUR)
    fail(connection, "rate_limit", ago=30 * HOUR)
    rows = page_of(staff)["errors"]
    told = [(row.category, row.hour, row.day, row.where) for row in rows]
    assert told == [("server_error", 2, 2, "Sandbox 2"), ("rate_limit", 0, 1, "")]
    for row in rows:
        assert staff.get(row.hour_url).context["cl"].result_count == row.hour
        assert staff.get(row.day_url).context["cl"].result_count == row.day


# --- who sees what ----------------------------------------------------------------------------
def test_the_figures_are_only_for_people_who_may_see_posts(db: None) -> None:
    nobody = client_of(make_user(username="porter", is_staff=True))
    page = nobody.get("/admin/")
    assert page.status_code == 200
    assert page.context["operations"] is None
    assert "htmx" not in page.content.decode()
    assert nobody.get(POSTS).status_code == 403


def test_a_figure_links_only_what_this_person_may_open(db: None) -> None:
    helper = make_user(username="helper", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename="view_scheduledpost"))
    figures = figures_of(client_of(helper))
    assert figures["overdue"].url
    assert figures["accounts to reconnect"].url == ""


def test_the_figures_alone_are_fetched_anew_by_whoever_is_logged_in(
    staff: Client, client: Client, trouble: datetime
) -> None:
    part = staff.get(FIGURES)
    assert part.status_code == 200
    assert "<html" not in part.content.decode()
    assert 'id="figure-overdue"' in part.content.decode()
    assert client.get(FIGURES).status_code == 302
    assert staff.post(FIGURES).status_code == 405


# --- the desk -----------------------------------------------------------------------------------
def test_what_is_often_needed_is_one_click_away_for_those_who_may(staff: Client) -> None:
    page = staff.get("/admin/").content.decode()
    for place in DESK:
        assert page.count(f'<li><a href="/admin/{place}/">') == 1, place
    nobody = client_of(make_user(is_staff=True)).get("/admin/").content.decode()
    assert not [place for place in DESK if f"/admin/{place}/" in nobody]


def test_all_sending_is_stopped_on_the_front_page_with_a_reason(staff: Client) -> None:
    page = staff.get("/admin/").content.decode()
    action = re.search(r'<details class="kill-switch">.*?action="([^"]+)"', page, re.DOTALL)
    assert action is not None
    form = {"ids": "1", "back": "/admin/", "reason": "everything twice"}
    answer = staff.post(action[1], form, follow=True)
    assert answer.redirect_chain == [("/admin/", 302)]
    assert (Installation.objects.get().paused, Installation.objects.get().pause_reason) == (
        True,
        "everything twice",
    )
    page = answer.content.decode()
    assert "kill-switch" not in page
    assert "Sending is paused: everything twice" in page


def test_the_kill_switch_is_shown_to_those_who_may_use_it(trouble: datetime) -> None:
    shown = {}
    for role in ROLES:
        somebody = make_user(is_staff=True)
        somebody.groups.add(Group.objects.get(name=group_name(role)))
        shown[role] = "kill-switch" in client_of(somebody).get("/admin/").content.decode()
    assert shown == {"viewer": False, "operator": False, "admin": True}


# --- what it costs ------------------------------------------------------------------------------
def test_the_page_takes_few_queries_whatever_there_is(
    staff: Client, trouble: datetime, connection: SocialConnection
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            assert staff.get("/admin/").status_code == 200
        return len(captured)

    queries()
    few = queries()
    for _ in range(5):
        make_post(connection, state=S.HELD)
        make_post(connection, due_at=timezone.now() - MINUTE)
        publish(connection, MINUTE, ago=MINUTE)
    assert queries() == few <= 22


# --- the drawing ----------------------------------------------------------------------------------
def test_a_chart_is_named_described_and_drawn_to_scale() -> None:
    series = (Series("published", "good"), Series("failed", "bad"))
    columns = (Column("09:00", (3, 1)), Column("09:01", (0, 0)), Column("09:02", (2, 0)))
    chart = Chart("hour", "Past <hour>", "3 & 1", series, columns)
    drawing = ET.fromstring(str(chart.svg()))  # noqa: S314 - our own
    assert drawing.attrib["role"] == "img"
    names = drawing.attrib["aria-labelledby"].split()
    told = {one.attrib["id"]: one.text for one in drawing if "id" in one.attrib}
    assert [told[name] for name in names] == ["Past <hour>", "3 & 1"]
    assert [g.findtext("title") for g in drawing.findall("g")] == [
        "09:00: 3 published, 1 failed",
        "09:01: 0 published, 0 failed",
        "09:02: 2 published, 0 failed",
    ]
    bars = [bar.attrib for bar in drawing.iter("rect") if bar.attrib["class"] != "bar-room"]
    assert [(bar["y"], bar["height"]) for bar in bars] == [
        ("25.00", "75.00"),
        ("0.00", "25.00"),
        ("50.00", "50.00"),
    ]
    assert not re.search(r"\sstyle=", str(chart.svg()))


def test_an_empty_chart_is_no_division_by_nothing() -> None:
    chart = Chart("day", "t", "d", (Series("published", "good"),), (Column("09:00", (0,)),))
    assert chart.is_empty
    assert ET.fromstring(str(chart.svg())) is not None  # noqa: S314 - our own
