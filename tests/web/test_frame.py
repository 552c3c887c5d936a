"""The site's frame: the door, workspaces, and what browsers may do with its pages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import Membership, Role, User, Workspace
from accounts.services import add_member
from tests.factories import make_user, make_workspace
from tests.web.browsers import browser_of, messages_of, text_of

pytestmark = pytest.mark.django_db
PAGES = [
    "/connections/",
    "/connections/new/mastodon/",
    "/connections/new/sandbox/",
    "/setup/",
    "/notifications/settings/",
    "/setup/notifications/",
]


@pytest.mark.parametrize("address", ["/", *PAGES])
def test_strangers_are_led_to_the_login_and_back(address: str) -> None:
    response = Client().get(address)
    assert response.status_code == 302
    assert response["Location"] == f"/login/?next={address}"


def test_logging_in_and_out(member: User) -> None:
    client = Client()
    given = {"username": member.username, "password": "a long pass phrase"}
    wrong = client.post("/login/", {**given, "password": "no"})
    assert "Please enter a correct username and password" in text_of(wrong)
    answer = client.post("/login/?next=/setup/", {**given, "next": "https://evil.example/"})
    assert answer["Location"] == "/"
    assert client.get("/")["Location"] == "/connections/"
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/connections/").status_code == 302


def test_the_staff_see_the_way_to_their_console(browser: Client) -> None:
    assert "/admin/" not in browser.get("/connections/").content.decode()
    staff = browser_of(make_user(is_staff=True, is_superuser=True))
    page = staff.get("/connections/").content.decode()
    assert 'href="/admin/"' in page
    assert 'href="/setup/"' in page
    assert 'href="/setup/"' in staff.get("/admin/").content.decode()


def test_people_without_a_workspace_learn_what_to_do() -> None:
    page = browser_of(make_user(username="nora")).get("/connections/")
    assert page.status_code == 403
    assert "You belong to no workspace yet" in text_of(page)
    assert "your login is nora" in text_of(page)


def test_members_of_several_workspaces_switch_between_them(
    browser: Client, member: User, workspace: Workspace
) -> None:
    assert "<select" not in browser.get("/connections/").content.decode()
    other, foreign = make_workspace(name="The other one"), make_workspace(name="Not theirs")
    add_member(other, member, role=Role.VIEWER, actor="system")
    page = browser.get("/connections/").content.decode()
    assert f'<option value="{workspace.pk}" selected>' in page
    assert "Not theirs" not in page
    browser.post("/workspace/", {"workspace": str(other.pk)})
    page = text_of(browser.get("/connections/"))
    assert "The accounts" in page or "No account" in page
    assert "You may look at them" in page
    browser.post("/workspace/", {"workspace": str(foreign.pk)})
    assert "not a member" in messages_of(browser)[0]
    Membership.objects.filter(workspace=other).delete()
    assert f"{workspace.name}" in text_of(browser.get("/connections/"))


@pytest.mark.parametrize("address", [*PAGES, "/login/", "/admin/"])
def test_pages_run_no_code_of_their_own_and_load_nothing_from_elsewhere(
    address: str, workspace: Workspace, settings: Any
) -> None:
    settings.OFFER_SANDBOX = True
    user = make_user(workspace, is_staff=True, is_superuser=True)
    client = Client() if address == "/login/" else browser_of(user)
    response = client.get(address)
    assert response.status_code == 200
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = response.content.decode()
    if address != "/admin/":
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=", page)
        sources = re.findall(r'(?:src|href|action)="([^"]*)"', page)
        assert sources
        assert [one for one in sources if not one.startswith(("/", "#", "?"))] == []


@pytest.mark.parametrize(
    ("address", "leaves"),
    [("/connections/", True), ("/connections/new/mastodon/", True), ("/login/", False)],
)
def test_only_pages_that_lead_to_networks_let_forms_leave(
    browser: Client, address: str, leaves: bool, settings: Any
) -> None:
    settings.OFFER_SANDBOX = True
    client = Client() if address == "/login/" else browser
    (targets,) = re.findall(r"form-action ([^;]*)", client.get(address)["Content-Security-Policy"])
    expected = ["'self'", "https:", "http://127.0.0.1:8010"] if leaves else ["'self'"]
    assert targets.split() == expected


def test_a_form_without_its_token_is_answered_in_words(member: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(member)
    response = client.post("/workspace/", {"workspace": "x"})
    assert response.status_code == 403
    assert "This form was not taken" in text_of(response)


def test_an_unknown_address_is_answered_in_words(browser: Client) -> None:
    response = browser.get("/connections/nowhere/")
    assert response.status_code == 404
    assert "There is nothing at this address" in text_of(response)


def test_a_fault_of_ours_is_answered_in_words_and_shows_nothing(
    member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr("web.views.connections.all_networks", fail)
    client = Client(raise_request_exception=False)
    client.force_login(member)
    response = client.get("/connections/")
    assert response.status_code == 500
    assert "Something went wrong here" in text_of(response)
    assert "a secret of ours" not in response.content.decode()
    assert "Content-Security-Policy" in response.headers


def test_cookies_come_along_when_a_network_sends_people_back(settings: Any) -> None:
    assert settings.SESSION_COOKIE_SAMESITE == "Lax"
    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.AUTHENTICATION_BACKENDS == [  # no network's consent ever logs anybody in
        "axes.backends.AxesStandaloneBackend",
        "django.contrib.auth.backends.ModelBackend",
    ]


@pytest.mark.parametrize("address", ["/oauth/disconnect/x/", "/oauth/idp-launch/x/"])
def test_social_auth_s_own_doors_are_closed(browser: Client, address: str) -> None:
    assert browser.post(address).status_code == 404
    assert browser.get(address).status_code == 404
    staff = browser_of(make_user(is_staff=True, is_superuser=True))
    assert staff.get("/admin/social_django/").status_code == 404
