"""People choose over the API what they are told; the outbox and the site's page obey."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Role, Workspace
from notifications import preferences
from tests.api.client import Api, keyed
from tests.factories import make_user

pytestmark = pytest.mark.django_db
ADDRESS = "notification-preferences"


@pytest.fixture
def person(workspace: Workspace) -> Any:
    return make_user(workspace, role=Role.VIEWER)


@pytest.fixture
def mine(person: Any) -> Api:
    found = Api()
    found.django.force_login(person)
    return found


def test_choices_and_hours_are_kept_and_shown(mine: Api, person: Any, workspace: Workspace) -> None:
    answer = mine(
        "PATCH",
        ADDRESS,
        {
            "time_zone": "Europe/Brussels",
            "quiet_from": "22:00",
            "quiet_until": "07:00",
            "choices": [{"event": "post.failed", "channel": "email", "mode": "daily"}],
        },
    )
    assert answer.status == 200
    shown = mine.get(ADDRESS).body
    assert (shown["time_zone"], shown["quiet_from"], shown["quiet_until"]) == (
        "Europe/Brussels",
        "22:00",
        "07:00",
    )
    kept = {
        (row.event.name, "email"): row.modes["email"]
        for row in preferences.choices_of(person, workspace)
    }
    assert kept["post.failed", "email"] == "daily"
    told = {(c["event"], c["channel"]): c["mode"] for c in shown["choices"]}
    assert told["post.failed", "email"] == "daily"


def test_what_is_left_out_stays(mine: Api) -> None:
    mine("PATCH", ADDRESS, {"quiet_from": "22:00", "quiet_until": "07:00"})
    mine("PATCH", ADDRESS, {"wakes_for_critical": True})
    shown = mine.get(ADDRESS).body
    assert (shown["quiet_from"], shown["wakes_for_critical"]) == ("22:00", True)
    mine("PATCH", ADDRESS, {"quiet_from": None, "quiet_until": None})
    assert mine.get(ADDRESS).body["quiet_from"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"quiet_from": "22:00"}, "quiet_until"),
        ({"choices": [{"event": "post.failed", "channel": "sms", "mode": "daily"}]}, "choices"),
        ({"choices": [{"event": "no.such", "channel": "email", "mode": "off"}]}, "choices"),
    ],
)
def test_what_cannot_be_is_refused_by_name(mine: Api, body: dict[str, Any], field: str) -> None:
    mine("PATCH", ADDRESS, body).problem(422, "invalid", field)


def test_a_key_is_nobody_who_could_be_told(workspace: Workspace) -> None:
    keyed(workspace).get(ADDRESS).problem(422, "invalid", "")
