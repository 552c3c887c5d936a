"""What people hear of accounts, breakers and their week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Role, User, Workspace
from engine.models import RateLimitState
from notifications import welcomes
from notifications.models import Delivery, Incident, Mode, Notification, Preference
from notifications.rendering import render
from platforms.models import SocialConnection
from platforms.tokens import mark_needs_reconnect
from scheduling import breaker_mails, connection_mails, weekly_reports
from scheduling.blocking import block_waiting
from scheduling.states import PostState
from tests.factories import make_connection, make_post, make_user, make_workspace

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)  # 08:30 in Berlin, 02:30 in New York


@pytest.fixture
def ada(workspace: Workspace) -> User:
    return make_user(workspace, email="ada@example.org")


def told() -> list[tuple[str, str]]:
    return sorted(Delivery.objects.values_list("notification__event", "target"))


# --- accounts -----------------------------------------------------------------------------------


def test_a_dead_account_is_told_once_to_those_who_can_connect_it(
    connection: SocialConnection, ada: User
) -> None:
    make_user(connection.workspace, role=Role.VIEWER, email="vi@example.org")
    make_user(connection.workspace, role=Role.EDITOR, email="ed@example.org")
    for _ in range(30):
        make_post(connection, created_by=ada)
    assert mark_needs_reconnect(connection.pk, connection.version, "It answered 401.")
    block_waiting(connection.pk)
    block_waiting(connection.pk)
    event = "connection.needs_reconnect"
    assert told() == [(event, "ada@example.org"), (event, "ed@example.org")]
    assert "It answered 401." in render(event, Notification.objects.all()[0].context).text


def test_access_that_ends_is_told_7_days_and_1_day_before(workspace: Workspace, ada: User) -> None:
    connection = make_connection(workspace, expires_at=timezone.now() + timedelta(days=6, hours=1))
    make_connection(workspace, expires_at=timezone.now() + timedelta(days=9))
    assert connection_mails.warn_of_expiry() == 1
    assert connection_mails.warn_of_expiry() == 0
    message = render("connection.expiring", Notification.objects.get().context)
    assert message.subject == f"Access ends in 7 days: {connection.username} on Sandbox"
    ends = timezone.now() + timedelta(hours=20)
    SocialConnection.objects.filter(pk=connection.pk).update(expires_at=ends)
    assert connection_mails.warn_of_expiry() == 1
    message = render("connection.expiring", Notification.objects.order_by("-id")[0].context)
    assert message.subject == f"Access ends tomorrow: {connection.username} on Sandbox"


def test_access_that_renews_itself_is_not_told(workspace: Workspace, ada: User) -> None:
    soon = timezone.now() + timedelta(hours=2)
    tokens = {"access_token": "a", "refresh_token": "r"}
    connection = make_connection(
        workspace, platform="linkedin", credentials=tokens, expires_at=soon
    )
    assert connection_mails.warn_of_expiry() == 0
    SocialConnection.objects.filter(pk=connection.pk).update(
        refresh_expires_at=timezone.now() + timedelta(days=3)
    )
    assert connection_mails.warn_of_expiry() == 1


# --- breakers -----------------------------------------------------------------------------------


def test_a_breaker_is_told_once_per_incident(settings: Any) -> None:
    settings.STAFF_SLACK_CHANNEL = "C024BE91L"
    make_user(is_staff=True, email="staff@example.org")
    row = RateLimitState.objects.create(
        scope="app", key="mastodon", platform="mastodon", breaker="open", reason="Three were 503."
    )
    RateLimitState.objects.create(scope="connection", key="1", breaker="open")
    RateLimitState.objects.create(scope="app", key="sms", bucket="notify", breaker="open")
    assert [breaker_mails.watch() for _ in range(3)] == [1, 0, 0]
    RateLimitState.objects.filter(pk=row.pk).update(breaker="half_open")
    assert breaker_mails.watch() == 0
    assert told() == [("breaker.opened", "C024BE91L"), ("breaker.opened", "staff@example.org")]
    RateLimitState.objects.filter(pk=row.pk).update(breaker="closed")
    assert breaker_mails.watch() == 0
    assert not Incident.objects.exists()
    RateLimitState.objects.filter(pk=row.pk).update(breaker="open")
    assert breaker_mails.watch() == 1
    assert len(told()) == 4


# --- the week -----------------------------------------------------------------------------------


def at(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    monkeypatch.setattr(timezone, "now", lambda: now)


def test_the_report_comes_on_monday_morning_of_the_workspace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    berlin = make_workspace(name="Bells", time_zone="Europe/Berlin")
    york = make_workspace(name="Apples", time_zone="America/New_York")
    for workspace, name in ((berlin, "ada"), (york, "nia")):
        make_user(workspace, email=f"{name}@example.org")
        make_post(make_connection(workspace), due_at=MONDAY - timedelta(days=3))
    at(monkeypatch, MONDAY - timedelta(hours=1))
    assert weekly_reports.write_due() == 0
    at(monkeypatch, MONDAY)
    assert [weekly_reports.write_due() for _ in range(2)] == [1, 0]
    assert told() == [("report.weekly", "ada@example.org")]
    at(monkeypatch, MONDAY + timedelta(hours=6))
    assert [weekly_reports.write_due() for _ in range(2)] == [1, 0]
    assert len(told()) == 2


def test_the_report_counts_last_week_and_what_this_week_holds(workspace: Workspace) -> None:
    connection = make_connection(workspace)
    last = MONDAY - timedelta(days=2)
    for state in (PostState.PUBLISHED, PostState.PUBLISHED, PostState.FAILED, PostState.HELD):
        make_post(
            connection,
            state=state,
            due_at=last,
            first_sent_at=last + timedelta(seconds=2) if state == PostState.PUBLISHED else None,
        )
    make_post(connection, due_at=MONDAY + timedelta(days=2))
    make_post(connection, due_at=MONDAY + timedelta(days=2), state=PostState.CANCELLED)
    make_post(connection, due_at=MONDAY + timedelta(days=8))
    make_post(connection, due_at=MONDAY - timedelta(days=9))
    facts = weekly_reports.facts_of(workspace, MONDAY)
    assert facts is not None
    assert {k: facts[k] for k in ("published", "failed", "waiting", "planned_next")} == {
        "published": 2,
        "failed": 1,
        "waiting": 1,
        "planned_next": 1,
    }
    assert facts["lateness"] == "2.0 s"
    assert facts["week"] == "16 November to 22 November 2026"


def test_an_idle_workspace_and_one_whose_people_want_none_get_no_report(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace, ada: User
) -> None:
    at(monkeypatch, MONDAY + timedelta(hours=3))
    assert weekly_reports.write_due() == 0
    make_post(make_connection(workspace), due_at=MONDAY - timedelta(days=1))
    Preference.objects.create(
        user=ada, workspace=workspace, event="report.weekly", channel="email", mode=Mode.OFF
    )
    assert weekly_reports.write_due() == 0
    assert told() == []


# --- newcomers ----------------------------------------------------------------------------------


def test_newcomers_are_welcomed_once(workspace: Workspace, ada: User) -> None:
    old = make_user(workspace, email="old@example.org")
    User.objects.filter(pk=old.pk).update(date_joined=timezone.now() - timedelta(days=30))
    assert [welcomes.greet() for _ in range(2)] == [1, 0]
    assert told() == [("welcome", "ada@example.org")]
    assert workspace.name in render("welcome", Notification.objects.get().context).text
