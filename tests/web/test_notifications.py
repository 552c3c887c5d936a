"""What people choose to hear of, stopping mails from the mail itself, and the staff's previews."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import User, Workspace
from notifications.catalog import EVENTS
from notifications.models import (
    Delivery,
    DigestItem,
    Mode,
    Notification,
    Preference,
    Reader,
    SlackPlace,
)
from notifications.rendering import render
from notifications.routing import Telling, tell
from notifications.targets import suppress
from notifications.unsubscribing import address_for, headers_for
from tests.factories import make_user
from tests.notifications.senders import MAIL
from tests.web.browsers import browser_of, messages_of, text_of

pytestmark = pytest.mark.django_db
SETTINGS = "/notifications/settings/"


def staff_browser() -> Client:
    return browser_of(make_user(is_staff=True, is_superuser=True))


def path_for(user: User, workspace: Workspace | None, event: str = "post.failed") -> str:
    address = address_for(user.pk, workspace.pk if workspace else None, event)
    return address[address.index("/notifications/") :]


# --- the page -----------------------------------------------------------------------------------


def test_the_page_shows_each_event_with_its_defaults(browser: Client) -> None:
    page = browser.get(SETTINGS)
    assert page.status_code == 200
    html = page.content.decode()
    for event in ("post.failed", "report.weekly"):
        assert EVENTS[event].label in text_of(page)
        field = re.search(rf'<select name="mode\|{event}\|email".*?</select>', html, re.DOTALL)
        assert field
        assert '<option value="immediate" selected>' in field.group()
    assert "breaker.opened" not in html
    assert "breaker.opened" in staff_browser().get(SETTINGS).content.decode()
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", html)


def test_choices_are_kept(browser: Client, member: User, workspace: Workspace) -> None:
    given = {"mode|post.failed|email": "daily", "mode|post.failed|push": "off"}
    browser.post(SETTINGS, given)
    assert messages_of(browser) == ["Your choices are kept."]
    chosen = {p.channel: p.mode for p in Preference.objects.filter(user=member)}
    assert chosen == {"email": "daily", "push": "off"}
    assert {p.workspace for p in Preference.objects.all()} == {workspace}


@pytest.mark.parametrize(
    "given",
    [
        {"mode|post.failed|sms": "daily"},
        {"mode|x\x00y|email": "off"},
        {"mode|||": "off"},
        {"mode|breaker.opened|email": "off"},
    ],
)
def test_what_is_not_offered_is_refused_in_words(browser: Client, given: dict[str, str]) -> None:
    assert browser.post(SETTINGS, given).status_code == 302
    assert "choose one that is listed" in messages_of(browser)[0]
    assert not Preference.objects.exists()


def test_hours_are_kept_and_checked(browser: Client, member: User) -> None:
    given = {"time_zone": "Europe/Berlin", "quiet_from": "22:00", "quiet_until": "07:00"}
    assert browser.post("/notifications/hours/", given).status_code == 302
    reader = Reader.objects.get(user=member)
    assert f"{reader.quiet_from:%H:%M}-{reader.quiet_until:%H:%M}" == "22:00-07:00"
    page = browser.post("/notifications/hours/", {**given, "time_zone": "Mars/Olympus"})
    assert page.status_code == 422
    assert "There is no such time zone" in text_of(page)
    page = browser.post("/notifications/hours/", {**given, "quiet_until": ""})
    assert "Quiet hours need a beginning and an end" in text_of(page)


def test_a_number_is_confirmed_on_the_page(browser: Client, member: User) -> None:
    browser.post("/notifications/sms/code/", {"target": "+49 151 12345678"})
    assert "Code sent to +4915112345678" in text_of(browser.get(SETTINGS))
    told = Notification.objects.get()
    code = re.findall(r"\d{3} \d{3}", render(told.event, told.context).short)[0]
    browser.post("/notifications/sms/confirm/", {"code": "abc"})
    assert not Reader.objects.exists()
    browser.post("/notifications/sms/confirm/", {"code": code})
    assert Reader.objects.get(user=member).phone == "+4915112345678"
    browser.post("/notifications/sms/forget/")
    assert Reader.objects.get().phone == ""
    assert browser.post("/notifications/push/code/", {"target": "x"}).status_code == 404


def test_a_place_in_slack_belongs_to_the_workspace(browser: Client, workspace: Workspace) -> None:
    browser.post("/notifications/slack/", {"slack": "C024BE91L"})
    assert SlackPlace.objects.get().workspace == workspace
    browser.post("/notifications/slack/", {"slack": "my\x00place"})
    assert SlackPlace.objects.get().target == "C024BE91L"


def test_people_learn_that_nothing_reaches_them(browser: Client, member: User) -> None:
    User.objects.filter(pk=member.pk).update(email="gone@example.org")
    suppress("email", "gone@example.org", "bounced")
    assert "Nothing is sent to this e-mail target" in text_of(browser.get(SETTINGS))


def test_people_without_a_workspace_can_still_set_their_hours() -> None:
    assert browser_of(make_user()).get(SETTINGS).status_code == 200


@pytest.mark.parametrize("address", [SETTINGS, "/setup/notifications/"])
def test_strangers_log_in_first(address: str) -> None:
    assert Client().get(address)["Location"] == f"/login/?next={address}"


# --- stopping mails from the mail ---------------------------------------------------------------


def test_one_click_stops_mails_without_login_and_without_a_token_of_ours(
    member: User, workspace: Workspace
) -> None:
    User.objects.filter(pk=member.pk).update(email="ed@example.org")
    client, path = Client(enforce_csrf_checks=True), path_for(member, workspace)
    for _ in range(2):
        answer = client.post(path, {"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    tell([Telling("post.failed", member.pk, workspace.pk, {"mail": MAIL}, "k")])
    assert not Delivery.objects.exists()
    tell([Telling("post.held", member.pk, workspace.pk, {"mail": MAIL}, "k")])
    assert Delivery.objects.count() == 1


def test_opening_the_address_changes_nothing_and_asks(member: User, workspace: Workspace) -> None:
    page = Client().get(path_for(member, workspace))
    assert "Stop these mails?" in text_of(page)
    assert EVENTS["post.failed"].label in text_of(page)
    assert page["Referrer-Policy"] == "no-referrer"
    assert not Preference.objects.exists()


def test_stopping_summaries_stops_what_they_collect(member: User, workspace: Workspace) -> None:
    User.objects.filter(pk=member.pk).update(email="ed@example.org")
    Preference.objects.create(
        user=member, workspace=workspace, event="post.held", channel="email", mode=Mode.DAILY
    )
    tell([Telling("post.held", member.pk, workspace.pk, {"mail": MAIL}, "k")])
    Client().post(path_for(member, None, "digest"))
    assert Preference.objects.get().mode == Mode.OFF
    assert not DigestItem.objects.exists()


def test_an_address_that_was_tampered_with_does_nothing(member: User, workspace: Workspace) -> None:
    path = path_for(member, workspace)
    for broken in (
        path[:-3] + "x/",
        path.replace("unsubscribe/", "unsubscribe/x"),
        f"{SETTINGS}x/",
    ):
        answer = Client().post(broken)
        assert answer.status_code == 404
    assert not Preference.objects.exists()


def test_addresses_outlive_people_and_workspaces(member: User, workspace: Workspace) -> None:
    path = path_for(member, workspace)
    member.delete()
    assert Client().post(path).status_code == 200


def test_only_what_can_be_switched_off_offers_it(settings: Any) -> None:
    settings.PUBLIC_URL = "https://post.example"
    for name, event in EVENTS.items():
        assert bool(address_for(1, None, name)) == (event.is_optional or name == "digest")
    assert address_for(None, None, "post.failed") == ""
    headers = headers_for("https://post.example/u")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "List-Unsubscribe-Post" not in headers_for("http://localhost/u")


# --- previews -----------------------------------------------------------------------------------


def test_staff_see_every_message_in_every_channel() -> None:
    browser = staff_browser()
    listed = browser.get("/setup/notifications/").content.decode()
    for name, event in EVENTS.items():
        assert f'href="/setup/notifications/{name}/"' in listed
        page = browser.get(f"/setup/notifications/{name}/")
        assert page.status_code == 200
        assert event.label in text_of(page)
        assert "frame-src 'self'" in page["Content-Security-Policy"]
        assert "unsafe" not in page["Content-Security-Policy"]
        for scheme in ("light", "dark"):
            mail = browser.get(f"/setup/notifications/{name}/{scheme}/")
            assert "sandbox" in mail["Content-Security-Policy"]
            assert "script-src" not in mail["Content-Security-Policy"]
            assert mail["X-Frame-Options"] == "SAMEORIGIN"
            assert ("@media all" in mail.content.decode()) == (scheme == "dark")


def test_previews_are_for_staff_and_of_known_events(browser: Client) -> None:
    for path in ("", "post.failed/", "post.failed/dark/"):
        assert browser.get(f"/setup/notifications/{path}").status_code == 403
    for path in ("no.such/", "post.failed/purple/"):
        assert staff_browser().get(f"/setup/notifications/{path}").status_code == 404
