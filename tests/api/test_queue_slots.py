"""Queue slots over the API: setting them, taking the next one, seeing who has which."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Workspace
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from tests.api.client import Api, keyed
from tests.factories import make_connection, make_workspace

WEEK = {
    "time_zone": "Europe/Berlin",
    "slots": [
        {"days": ["MO", "TU", "WE", "TH", "FR"], "times": ["17:30", "09:00"]},
        {"days": ["SA"], "times": ["11:00"]},
    ],
}


@pytest.fixture
def address(api: Api, connection: SocialConnection) -> str:
    """Give the address of an account's queue with slots on weekdays and Saturday."""
    address = f"connections/{connection.pk}/queue"
    assert api("PUT", address, WEEK).status == 200
    return address


def post(connection: SocialConnection, **fields: Any) -> dict[str, Any]:
    return {"connection": str(connection.pk), "text": "hello", **fields}


def test_slots_come_back_as_they_were_set(api: Api, address: str) -> None:
    body = api.get(address).body
    assert body["time_zone"] == "Europe/Berlin"
    assert body["slots"] == [
        {"days": ["MO", "TU", "WE", "TH", "FR"], "times": ["09:00", "17:30"]},
        {"days": ["SA"], "times": ["11:00"]},
    ]
    assert len(body["next"]) == 12
    assert {slot["is_free"] for slot in body["next"]} == {True}
    assert {slot["wall_clock"][11:16] for slot in body["next"]} == {"09:00", "17:30", "11:00"}


def test_a_post_takes_the_next_slot(api: Api, connection: SocialConnection, address: str) -> None:
    slots = [slot["at"] for slot in api.get(address).body["next"]]
    answers = [api.post("posts", post(connection, queue="next")) for _ in range(3)]
    assert [answer.status for answer in answers] == [201] * 3
    assert [answer.body["scheduled_at"] for answer in answers] == slots[:3]
    assert answers[0].body["time_zone"] == "Europe/Berlin"
    first = api.get(address).body["next"][0]
    assert (first["post"], first["is_free"], first["is_queued"]) == (
        answers[0].body["id"], False, True,
    )  # fmt: skip
    api.post(f"posts/{answers[0].body['id']}/cancel")
    assert api.get(address).body["next"][0]["is_free"]
    assert api.post("posts", post(connection, queue="bottom")).body["scheduled_at"] == slots[3]
    assert api.post("posts", post(connection, queue="next")).body["scheduled_at"] == slots[0]


def test_a_repeated_request_takes_one_slot(
    api: Api, connection: SocialConnection, address: str
) -> None:
    sent = post(connection, queue="next")
    first = api.post("posts", sent, Idempotency_Key="k1").body
    assert api.post("posts", sent, Idempotency_Key="k1").body == first
    known = post(connection, queue="next", external_id="c-1")
    assert [api.post("posts", known).status for _ in range(2)] == [201, 200]
    assert ScheduledPost.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"queue": "next", "scheduled_at": "2099-01-01T00:00:00Z"}, "scheduled_at"),
        ({"queue": "next", "time_zone": "UTC"}, "time_zone"),
        ({"queue": "next", "draft": True}, "draft"),
        ({"queue": "first"}, "queue"),
        ({"queue": "next", "text": "x" * 501}, "text"),
    ],
)
def test_what_a_slot_decides_is_not_given_as_well(
    api: Api, connection: SocialConnection, address: str, fields: dict[str, Any], field: str
) -> None:
    api.post("posts", post(connection, **fields)).problem(422, "invalid", field)
    assert not ScheduledPost.objects.exists()


def test_an_account_without_slots_says_so(api: Api, connection: SocialConnection) -> None:
    body = api.get(f"connections/{connection.pk}/queue").body
    assert (body["slots"], body["next"], body["time_zone"]) == ([], [], None)
    problem = api.post("posts", post(connection, queue="next")).problem(422, "invalid", "queue")
    assert "set them first" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({}, 422, "invalid", "slots"),
        ({"slots": {}}, 400, "malformed", "slots"),
        ({"slots": ["MO 09:00"]}, 400, "malformed", "slots[0]"),
        ({"slots": [{"days": "MO", "times": ["09:00"]}]}, 400, "malformed", "slots[0].days"),
        ({"slots": [{"days": ["MO"], "times": [9]}]}, 400, "malformed", "slots[0].times[0]"),
        ({"slots": [{"days": ["XX"], "times": ["09:00"]}]}, 422, "invalid", "slots[0].days[0]"),
        ({"slots": [{"days": ["MO"], "times": ["25:00"]}]}, 422, "invalid", "slots[0].times[0]"),
        ({"slots": [], "time_zone": "Mars"}, 422, "invalid", "time_zone"),
    ],
)
def test_bad_slots_name_their_field(
    api: Api, connection: SocialConnection, body: Any, status: int, code: str, field: str
) -> None:
    api("PUT", f"connections/{connection.pk}/queue", body).problem(status, code, field)


def test_queues_are_their_workspace_s_own(
    connection: SocialConnection, workspace: Workspace
) -> None:
    path = f"connections/{connection.pk}/queue"
    keyed(make_workspace()).get(path).problem(404, "not_found", "id")
    keyed(workspace, "posts:write").get(path).problem(403, "scope_missing")
    keyed(workspace, "connections:read")("PUT", path, WEEK).problem(403, "scope_missing")
    other = make_connection()
    keyed(workspace)("PUT", f"connections/{other.pk}/queue", WEEK).problem(404, "not_found", "id")
