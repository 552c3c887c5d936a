"""The page with every switch: what is stopped, by whom, and how it goes on."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import AuditEvent
from engine import slots
from engine.models import Pause
from platforms.models import SocialConnection

BOARD = "/admin/engine/pause/"
STOP, GO = f"{BOARD}switch/stop/", f"{BOARD}switch/go/"


def said_by(answer: object) -> str:
    return " ".join(str(message) for message in answer.context["messages"])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("scope", "done", "again"),
    [
        ("platform", "Sandbox is paused.", "Sandbox goes on."),
        ("workspace", "Workspace acme is paused.", "Workspace acme goes on."),
        ("host", "Host h is drained.", "Host h goes on."),
    ],
)
def test_a_switch_is_turned_and_turned_back(
    staff: Client, connection: SocialConnection, scope: str, done: str, again: str
) -> None:
    workspace = connection.workspace
    workspace.slug = "acme"
    workspace.save()
    key = {"platform": "sandbox", "workspace": "acme", "host": "h"}[scope]
    asked = staff.get(STOP, {"scope": scope, "key": key}).content.decode()
    assert "in flight" in asked or "under way" in asked or "has begun" in asked
    form = {"scope": scope, "key": key, "reason": "maintenance"}
    assert said_by(staff.post(STOP, form, follow=True)) == done
    assert ": maintenance." in staff.get(BOARD).content.decode()
    made = Pause.objects.get()
    assert (made.by, made.reason) == ("user:boss", "maintenance")
    assert "stopped already" in said_by(staff.post(STOP, form, follow=True))
    back = {"scope": scope, "key": made.key, "reason": ""}
    assert said_by(staff.post(GO, back, follow=True)) == again
    assert not Pause.objects.exists()
    assert AuditEvent.objects.filter(actor="user:boss").count() == 2


def test_stopping_wants_a_reason(staff: Client, connection: SocialConnection) -> None:
    page = staff.post(STOP, {"scope": "platform", "key": "sandbox", "reason": " "})
    assert "This field is required" in page.content.decode()
    assert not Pause.objects.exists()


@pytest.mark.parametrize(
    ("scope", "key"),
    [("platform", "myspace"), ("workspace", "nobody"), ("workspace", "\x00"), ("host", "")],
)
def test_a_name_that_means_nothing_leads_back_with_a_word(
    staff: Client, scope: str, key: str
) -> None:
    for answer in (
        staff.get(STOP, {"scope": scope, "key": key}, follow=True),
        staff.post(STOP, {"scope": scope, "key": key, "reason": "x"}, follow=True),
    ):
        assert answer.redirect_chain[-1][0] == BOARD
        assert said_by(answer)
    assert not Pause.objects.exists()


@pytest.mark.parametrize("query", ["", "?scope=planet&key=x"])
def test_a_scope_that_does_not_exist_is_not_found(staff: Client, query: str) -> None:
    assert staff.get(f"{STOP}{query}").status_code == 404
    assert staff.get(f"{BOARD}switch/sideways/?scope=platform&key=x").status_code == 404


def test_a_drained_host_says_so_on_its_slots(staff: Client) -> None:
    slot = slots.open_slot("publish")
    assert slot is not None
    Pause.objects.create(scope="host", key=Pause.ALL_HOSTS, by="user:ada", reason="upgrade")
    listed = staff.get("/admin/engine/workerslot/").content.decode()
    assert ">drained<" in listed
    slots.beat(slot, in_flight=3)
    assert ">draining<" in staff.get("/admin/engine/workerslot/").content.decode()
    board = staff.get(BOARD).content.decode()
    assert "Every host is drained by ada since" in board
    assert "1 slot, 3 in flight, 0 claimed" in board


def test_every_page_says_what_is_stopped(staff: Client, connection: SocialConnection) -> None:
    assert "Stopped for now" not in staff.get("/admin/").content.decode()
    for key in ("x", "sandbox", "mastodon", "tiktok", "bluesky", "threads"):
        Pause.objects.create(scope="platform", key=key, by="user:ada")
    for address in ("/admin/", BOARD, "/admin/accounts/auditevent/"):
        page = staff.get(address).content.decode()
        assert "Stopped for now: X, Sandbox, Mastodon, TikTok, Bluesky and 1 more." in page
