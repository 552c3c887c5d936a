"""The list of accounts, in plain words, and what people do with one of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, Role, User, Workspace
from platforms.health import health_of
from platforms.models import ConnectionState, SocialConnection
from tests.factories import make_connection, make_post, make_user
from tests.web.browsers import browser_of, messages_of, text_of

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
S = ConnectionState


@pytest.mark.parametrize(
    ("fields", "renewable", "tone", "word", "words"),
    [
        ({}, False, "good", "works", "Token good until it is taken back."),
        (
            {"expires_at": NOW + timedelta(hours=2)},
            True,
            "good",
            "works",
            "Token good until 14:00:00 UTC (in 2 h 0 min); Carillon renews it by itself.",
        ),
        (
            {"expires_at": NOW - timedelta(hours=1), "refresh_expires_at": NOW + timedelta(90)},
            True,
            "good",
            "works",
            "Carillon renews it by itself until 23 Feb 2027 12:00:00 UTC (in 90 days).",
        ),
        (
            {"expires_at": NOW, "refresh_expires_at": NOW + timedelta(days=3)},
            True,
            "warn",
            "ends soon",
            "in 3 days",
        ),
        (
            {"expires_at": NOW, "refresh_expires_at": NOW - timedelta(days=3)},
            True,
            "bad",
            "connect again",
            "Its access ended",
        ),
        ({"expires_at": NOW + timedelta(30)}, False, "good", "works", "again before then"),
        ({"expires_at": NOW + timedelta(5)}, False, "warn", "ends soon", "again before then"),
        ({"expires_at": NOW - timedelta(5)}, False, "bad", "connect again", "Its token ended"),
        ({"state_reason": "X is down."}, False, "warn", "trouble", "X is down."),
        ({"state": S.PAUSED}, False, "warn", "paused", "Its posts wait until it is resumed."),
        ({"state": S.PAUSED, "state_reason": "rest"}, False, "warn", "paused", "rest. Its posts"),
        (
            {"state": S.NEEDS_RECONNECT, "state_reason": "It was taken back."},
            False,
            "bad",
            "connect again",
            "It was taken back.",
        ),
        ({"state": S.REVOKED}, False, "muted", "disconnected", "credentials are deleted"),
        ({"secret": b"?"}, False, "bad", "unreadable", "ask your administrator"),
    ],
)
def test_how_an_account_is_stands_in_plain_words(
    workspace: Workspace,
    fields: dict[str, Any],
    renewable: bool,
    tone: str,
    word: str,
    words: str,
) -> None:
    kept = {"access_token": "a", "refresh_token": "b" if renewable else ""}
    connection = make_connection(workspace, platform="x", credentials=kept)
    for name, value in fields.items():
        setattr(connection, name, value)
    health = health_of(connection, now=NOW)
    assert (health.tone, health.word) == (tone, word)
    assert words in " ".join(health.sentences)


def test_an_empty_list_says_what_to_do(browser: Client) -> None:
    page = text_of(browser.get("/connections/"))
    assert "No account is connected yet. Choose a network." in page


def test_networks_that_are_not_set_up_are_named_with_whom_to_ask(
    browser: Client, settings: Any
) -> None:
    page = text_of(browser.get("/connections/"))
    assert "Not set up here Ask your administrator if you need one of these." in page
    assert " X" in page.partition("Not set up here")[2]
    assert "Sandbox" not in page
    staff = browser_of(make_user(is_staff=True, is_superuser=True))
    assert "Set up networks" in text_of(staff.get("/connections/"))
    settings.OFFER_SANDBOX = True
    assert "Sandbox" in text_of(browser.get("/connections/"))


def test_accounts_stand_under_their_network_and_only_of_this_workspace(
    browser: Client, workspace: Workspace
) -> None:
    make_connection(workspace, platform="x", username="ada", display_name="Ada <b>L</b>")
    make_connection(platform="x", username="stranger")
    response = browser.get("/connections/")
    assert "Ada &lt;b&gt;L&lt;/b&gt;" in response.content.decode()
    assert "stranger" not in text_of(response)
    assert "demo-ada" not in response.content.decode()


def test_a_network_whose_application_went_away_still_shows_its_accounts(
    browser: Client, workspace: Workspace
) -> None:
    make_connection(workspace, platform="x", username="ada")
    page = text_of(browser.get("/connections/"))
    assert "Not set up any more: ask your administrator." in page
    assert "Connect again" not in page
    assert "Disconnect …" in page


def test_a_viewer_sees_and_changes_nothing(workspace: Workspace) -> None:
    connection = make_connection(workspace, username="ada")
    viewer = browser_of(make_user(workspace, role=Role.VIEWER))
    page = viewer.get("/connections/").content.decode()
    assert "ada" in page
    assert "<button" not in page.partition("<main")[2]
    for action in ("pause", "resume", "disconnect"):
        assert viewer.post(f"/connections/{connection.pk}/{action}/").status_code == 403
    assert viewer.get("/connections/new/mastodon/").status_code == 403
    connection.refresh_from_db()
    assert connection.state == S.ACTIVE


def test_staff_who_are_no_members_look_only(workspace: Workspace) -> None:
    connection = make_connection(workspace)
    staff = browser_of(make_user(is_staff=True))
    assert staff.get("/connections/").status_code == 200
    assert staff.post(f"/connections/{connection.pk}/pause/").status_code == 403


def test_an_account_of_another_workspace_does_not_exist(browser: Client) -> None:
    foreign = make_connection()
    for action in ("pause", "resume", "disconnect"):
        assert browser.post(f"/connections/{foreign.pk}/{action}/").status_code == 404
    posted = {"connection": str(foreign.pk)}
    assert browser.post("/oauth/login/x/", posted).status_code == 404
    assert browser.post("/oauth/login/x/", {"connection": "nonsense"}).status_code == 404
    address = f"/connections/new/sandbox/?connection={foreign.pk}"
    assert browser.get(address).status_code == 404


def test_pausing_and_resuming(browser: Client, member: User, workspace: Workspace) -> None:
    connection = make_connection(workspace, username="ada")
    address = f"/connections/{connection.pk}"
    assert browser.get(f"{address}/pause/").status_code == 405
    browser.post(f"{address}/pause/")
    assert messages_of(browser) == ["ada (Sandbox) is paused: its posts wait until it is resumed."]
    browser.post(f"{address}/pause/")
    assert messages_of(browser) == ["The connection is paused."]
    browser.post(f"{address}/resume/")
    assert messages_of(browser) == ["ada (Sandbox) is resumed."]
    browser.post(f"{address}/resume/")
    assert messages_of(browser) == ["The connection is active."]
    actors = AuditEvent.objects.filter(action__startswith="connection.").values_list("actor")
    assert set(actors) == {(f"user:{member.username}",)}


def test_disconnecting_asks_first_and_counts_what_waits(
    browser: Client, workspace: Workspace
) -> None:
    connection = make_connection(workspace, username="ada")
    address = f"/connections/{connection.pk}/disconnect/"
    assert "No post waits for it." in text_of(browser.get(address))
    make_post(connection, due_at=timezone.now() + timedelta(days=3))
    assert "1 post waits for it" in text_of(browser.get(address))
    assert SocialConnection.objects.get(pk=connection.pk).state == S.ACTIVE
    browser.post(address)
    assert (
        "ada (Sandbox) is disconnected and its credentials are deleted."
        in (messages_of(browser)[0])
    )
    connection.refresh_from_db()
    assert (connection.state, bytes(connection.secret)) == (S.REVOKED, b"")
    browser.post(address)
    assert messages_of(browser) == ["The account is disconnected already."]
