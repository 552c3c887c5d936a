"""The pages around posts: accounts, limits, slots, keys, the outbox, the main switch."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts import members
from accounts import services as accounts
from accounts.keys import authenticate_key
from accounts.models import ApiKey, AuditEvent, User, Workspace
from accounts.staff_roles import ROLES, group_name
from engine.models import Installation, Pause, RateLimitState
from notifications.models import Delivery, DeliveryState, Notification
from platforms.models import ConnectionState, SocialConnection
from tests.admin.console import client_of
from tests.admin.crawl import SUPERUSERS_ONLY, Rows, one_of_each, pages, questions
from tests.factories import make_user

CONNECTIONS = "/admin/platforms/socialconnection/"
LIMITS = "/admin/engine/ratelimitstate/"
INSTALLATION = "/admin/engine/installation/"
INVITATIONS = "/admin/accounts/invitation/"
KEYS = "/admin/accounts/apikey/"
SECRET = "a-token-nobody-may-read"


def said_by(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


@pytest.fixture
def everything(connection: SocialConnection, user: User) -> Rows:
    """Give one row for every kind of page."""
    return one_of_each(connection, user)


def test_every_page_opens_and_would_pass_a_strict_content_policy(
    staff: Client, everything: Rows
) -> None:
    for address in [*pages(everything), *questions(everything)]:
        answer = staff.get(address)
        assert answer.status_code == 200, address
        page = answer.content.decode()
        scripts = re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", page)
        assert not scripts, address
        assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", page), address


def test_there_is_a_row_for_every_kind_of_page(everything: Rows) -> None:
    ours = {m for m in admin.site._registry if m._meta.app_label not in {"auth", "django_q"}}
    assert ours - set(everything) == {Pause}  # its list is the board of switches


@pytest.mark.parametrize("role", list(ROLES))
def test_staff_of_every_role_see_every_page(role: str, everything: Rows) -> None:
    somebody = make_user(is_staff=True)
    somebody.groups.add(Group.objects.get(name=group_name(role)))
    client = client_of(somebody)
    for address in pages(everything):
        expected = 403 if SUPERUSERS_ONLY in address or "/admin/auth/" in address else 200
        assert client.get(address).status_code == expected, address


def test_credentials_are_on_no_page(staff: Client, everything: Rows) -> None:
    connection = everything[SocialConnection]
    connection.set_credentials({"token": SECRET})
    connection.save()
    encrypted = bytes(connection.secret).decode()
    api_key = everything[ApiKey]
    for address in [*pages(everything), *questions(everything)]:
        page = staff.get(address).content.decode()
        for hidden in (SECRET, encrypted, encrypted[:20], api_key.secret_sha256):
            assert hidden not in page, address
        assert 'name="secret' not in page, address


def test_q2_s_own_pages_change_nothing(staff: Client) -> None:
    registered = {
        m._meta.model_name for m in admin.site._registry if m._meta.app_label == "django_q"
    }
    assert registered == {"schedule", "failure"}
    for model in registered:
        assert staff.get(f"/admin/django_q/{model}/add/").status_code == 403


# --- accounts at networks --------------------------------------------------------------------
def test_accounts_are_paused_and_resumed_with_a_name_in_the_audit_log(
    staff: Client, connection: SocialConnection
) -> None:
    form = {"ids": str(connection.pk), "reason": "campaign over"}
    version = connection.version
    assert "1 paused" in said_by(staff.post(f"{CONNECTIONS}act/pause/", form, follow=True))
    connection.refresh_from_db()
    assert (connection.state, connection.state_reason) == (ConnectionState.PAUSED, "campaign over")
    assert connection.version == version + 1
    again = said_by(staff.post(f"{CONNECTIONS}act/pause/", form, follow=True))
    assert "0 paused, 1 refused: The connection is paused" in again
    staff.post(f"{CONNECTIONS}act/resume/", {"ids": str(connection.pk)})
    connection.refresh_from_db()
    assert (connection.state, connection.state_reason) == (ConnectionState.ACTIVE, "")
    actions = AuditEvent.objects.order_by("at").values_list("action", "actor")
    assert list(actions) == [
        ("connection.paused", "user:boss"),
        ("connection.resumed", "user:boss"),
    ]


def test_accounts_are_not_added_here_and_the_page_says_where(staff: Client, db: None) -> None:
    assert staff.get(f"{CONNECTIONS}add/").status_code == 403
    assert "add_connection" in staff.get(CONNECTIONS).content.decode()


def test_the_account_chooser_of_a_new_post_finds_accounts(
    staff: Client, connection: SocialConnection
) -> None:
    query = "app_label=scheduling&model_name=scheduledpost&field_name=connection"
    answer = staff.get(f"/admin/autocomplete/?{query}&term={connection.username}")
    assert [found["id"] for found in answer.json()["results"]] == [str(connection.pk)]


def test_a_viewer_may_not_pause(viewer: Client, connection: SocialConnection) -> None:
    form = {"ids": str(connection.pk)}
    assert viewer.post(f"{CONNECTIONS}act/pause/", form).status_code == 403


# --- limits and the main switch --------------------------------------------------------------
def test_a_block_is_cleared_for_the_gate_to_notice(
    staff: Client, connection: SocialConnection
) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    state = RateLimitState.objects.create(
        scope="connection",
        key=str(connection.pk),
        platform="sandbox",
        remaining=0,
        blocked_until=timezone.now() + timedelta(minutes=15),
        breaker="open",
        updated_at=long_ago,
    )
    page = staff.get(f"{LIMITS}?waiting=yes").content.decode()
    assert connection.username in page
    assert "may punish" in staff.get(f"{LIMITS}act/clear/?ids={state.pk}").content.decode()
    staff.post(f"{LIMITS}act/clear/", {"ids": str(state.pk), "reason": "they said sorry"})
    state.refresh_from_db()
    assert (state.blocked_until, state.remaining, state.breaker) == (None, None, "closed")
    assert state.updated_at > long_ago
    event = AuditEvent.objects.get(action="rate_limit.cleared")
    assert (event.actor, event.reason) == ("user:boss", "they said sorry")


def test_all_sending_is_paused_with_a_reason_and_resumed(staff: Client) -> None:
    assert staff.get(INSTALLATION).status_code == 200
    refused = staff.post(f"{INSTALLATION}act/pause/", {"ids": "1"})
    assert "This field is required" in refused.content.decode()
    staff.post(f"{INSTALLATION}act/pause/", {"ids": "1", "reason": "network on fire"})
    assert Installation.objects.get().paused
    assert "Sending is paused: network on fire" in staff.get("/admin/").content.decode()
    staff.post(f"{INSTALLATION}act/resume/", {"ids": "1"})
    assert not Installation.objects.get().paused
    assert "Sending is paused" not in staff.get("/admin/").content.decode()


# --- invitations ------------------------------------------------------------------------------
def test_an_invitation_is_shown_without_its_token_and_revoked(
    staff: Client, workspace: Workspace
) -> None:
    made, token = members.invite(
        workspace, role="editor", actor="user:ada", own_role="owner", email="bob@x.example"
    )
    page = staff.get(INVITATIONS).content.decode()
    assert "bob@x.example" in page
    assert ">pending<" in page
    page += staff.get(f"{INVITATIONS}{made.pk}/change/").content.decode()
    assert token not in page
    assert made.token_sha256 not in page
    form = {"ids": str(made.pk), "reason": "wrong bob"}
    assert "1 revoked" in said_by(staff.post(f"{INVITATIONS}act/revoke/", form, follow=True))
    assert members.invitation_of(token) is None
    again = said_by(staff.post(f"{INVITATIONS}act/revoke/", form, follow=True))
    assert "0 revoked, 1 refused: revoked already" in again
    event = AuditEvent.objects.get(action="invitation.revoked")
    assert (event.actor, event.reason) == ("user:boss", "wrong bob")
    assert staff.get(f"{INVITATIONS}add/").status_code == 403


# --- keys, outbox ------------------------------------------------------------------------------
def test_an_api_key_is_shown_once_and_works(staff: Client, workspace: Workspace) -> None:
    form = {"workspace": str(workspace.pk), "name": "robot", "scopes": ["posts:read"]}
    answer = staff.post(f"{KEYS}add/", {**form, "valid_days": "30"})
    text = re.search(r"crl_\w+_[\w-]+", answer.content.decode())
    assert text is not None
    assert "no-store" in answer["Cache-Control"]
    key = authenticate_key(text[0])
    assert (key.workspace, key.scopes) == (workspace, ["posts:read"])
    assert key.expires_at is not None
    for address in (KEYS, f"{KEYS}{key.pk}/change/", f"{KEYS}{key.pk}/history/", "/admin/"):
        assert text[0] not in staff.get(address).content.decode()


def test_a_key_is_revoked(staff: Client, workspace: Workspace) -> None:
    key, _ = accounts.issue_api_key(workspace=workspace, name="robot", actor="test")
    staff.post(f"{KEYS}act/revoke/", {"ids": str(key.pk), "reason": "leaked"})
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert AuditEvent.objects.get(action="api_key.revoked").reason == "leaked"


@pytest.mark.parametrize(
    ("state", "after"),
    [(DeliveryState.FAILED, DeliveryState.PENDING), (DeliveryState.SENT, DeliveryState.SENT)],
)
def test_only_what_could_not_be_told_is_told_again(
    staff: Client, workspace: Workspace, state: str, after: str
) -> None:
    notification = Notification.objects.create(
        workspace=workspace, event="post.failed", dedupe_key="one"
    )
    delivery = Delivery.objects.create(
        notification=notification, channel="email", target="a@x.example", state=state, attempts=7
    )
    staff.post("/admin/notifications/delivery/act/resend/", {"ids": str(delivery.pk)})
    delivery.refresh_from_db()
    assert delivery.state == after
    assert (delivery.due_at is not None) == (after == DeliveryState.PENDING)


def test_the_audit_log_cannot_be_changed_here(staff: Client, everything: Rows) -> None:
    event = everything[AuditEvent]
    place = f"/admin/accounts/auditevent/{event.pk}"
    assert staff.post(f"{place}/change/", {"actor": "nobody"}).status_code == 403
    assert staff.post(f"{place}/delete/", {"post": "yes"}).status_code == 403
    event.refresh_from_db()
    assert event.actor == "test"
