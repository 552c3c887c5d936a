"""Groups over the API: one text for many accounts, together or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEvent, Workspace
from media.models import Asset
from platforms.models import SocialConnection
from scheduling.models import PostGroup, ScheduledPost
from scheduling.states import PostState
from tests.api.client import Api, keyed, soon
from tests.factories import make_connection, make_post, make_workspace

pytestmark = pytest.mark.django_db

S = PostState
URL = "https://cdn.example/a.png"


@pytest.fixture
def accounts(workspace: Workspace) -> list[SocialConnection]:
    platforms = ["mastodon", "x", "sandbox"]
    return [make_connection(workspace, platform=slug, username=slug) for slug in platforms]


def body(accounts: list[SocialConnection], **more: Any) -> dict[str, Any]:
    targets = [{"connection": str(account.pk)} for account in accounts]
    return {"text": "hello", "scheduled_at": soon(), "targets": targets, **more}


def test_one_text_becomes_one_post_for_each_account_in_order(
    api: Api, accounts: list[SocialConnection]
) -> None:
    wish = body(accounts, media=[{"url": URL}], platforms={"twitter": {"text": "for x"}})
    wish["targets"][2] |= {
        "segments": ["a", "b"],
        "media": [],
        "external_id": "e1",
        "scheduled_at": soon(hours=3),
    }
    made = api.post("groups", wish)
    assert made.status == 201, made.body
    posts = made.body["posts"]
    assert [post["platform"] for post in posts] == ["mastodon", "x", "sandbox"]
    assert [[s["text"] for s in post["segments"]] for post in posts] == [
        ["hello"],
        ["for x"],
        ["a", "b"],
    ]
    assert [len(post["media"]) for post in posts] == [1, 1, 0]
    assert posts[2]["external_id"] == "e1"
    assert posts[2]["scheduled_at"] > posts[1]["scheduled_at"]
    assert {post["group"] for post in posts} == {made.body["id"]}
    assert made.body["states"] == {"scheduled": 3}
    assert Asset.objects.count() == 1
    assert AuditEvent.objects.get(action="group.created").detail["group"] == made.body["id"]
    assert api.get(f"groups/{made.body['id']}").body == made.body
    (short,) = api.get("groups").body["results"]
    assert [post["id"] for post in short["posts"]] == [post["id"] for post in posts]


def test_every_error_is_named_at_once_and_nothing_is_written(
    api: Api, accounts: list[SocialConnection]
) -> None:
    wish = body(accounts, text="x" * 300)  # too long for X alone
    wish["targets"].append({"connection": "nobody"})
    wish["targets"][0] = {"connection": str(accounts[0].pk), "segments": ["y" * 600]}
    wish["targets"][2]["options"] = {"nonsense": 1}
    problem = api.post("groups", wish).problem(
        422,
        "invalid",
        "targets[0].segments[0].text",
        "targets[1].text",
        "targets[2].options.nonsense",
        "targets[3].connection",
    )
    assert "targets[1].text" in problem["detail"]
    assert not ScheduledPost.objects.exists()
    assert not PostGroup.objects.exists()


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"targets": []}, ["targets"]),
        ({"platforms": {"nowhere": {}}}, ["platforms.nowhere"]),
        ({"platforms": {"bluesky": {"text": "z"}}}, ["platforms.bluesky"]),
        ({"platforms": {"x": {"txt": "z"}}}, ["platforms.x.txt"]),
        ({"media": [{"asset": "none"}]}, ["media[0].asset"]),
        ({"scheduled_at": None}, [f"targets[{n}].scheduled_at" for n in range(3)]),
        ({"text": None}, [f"targets[{n}].text" for n in range(3)]),
        ({"time_zone": "Mars"}, [f"targets[{n}].time_zone" for n in range(3)]),
    ],
)
def test_what_is_wrong_is_called_by_its_place(
    api: Api, accounts: list[SocialConnection], change: dict[str, Any], fields: list[str]
) -> None:
    api.post("groups", body(accounts, **change)).problem(422, "invalid", *fields)
    assert not ScheduledPost.objects.exists()


def test_an_external_id_that_is_taken_stops_all(api: Api, accounts: list[SocialConnection]) -> None:
    make_post(accounts[1], external_id="e1", text="hello")
    wish = body(accounts)
    wish["targets"][1]["external_id"] = "e1"
    api.post("groups", wish).problem(422, "invalid", "targets[1].external_id")
    assert ScheduledPost.objects.count() == 1


def test_the_same_account_twice_with_one_external_id_is_one_too_many(
    api: Api, accounts: list[SocialConnection]
) -> None:
    wish = body([accounts[0], accounts[0]])
    for target in wish["targets"]:
        target["external_id"] = "same"
    api.post("groups", wish).problem(422, "invalid", "targets[1].external_id")


def test_drafts_need_no_moment(api: Api, accounts: list[SocialConnection]) -> None:
    made = api.post("groups", body(accounts, scheduled_at=None, draft=True))
    assert made.body["states"] == {"draft": 3}


def test_a_repeat_under_one_key_is_one_group(api: Api, accounts: list[SocialConnection]) -> None:
    wish = body(accounts)
    first = api.post("groups", wish, Idempotency_Key="g1")
    again = api.post("groups", wish, Idempotency_Key="g1")
    assert first.body == again.body
    assert PostGroup.objects.count() == 1


def test_a_change_reaches_all_that_can_still_be_changed(
    api: Api, accounts: list[SocialConnection]
) -> None:
    group = api.post("groups", body(accounts)).body
    live = group["posts"][0]["id"]
    ScheduledPost.objects.filter(pk=live).update(state=S.PUBLISHED, due_at=None)
    moment = soon(hours=5)
    changed = api(
        "PATCH",
        f"groups/{group['id']}",
        {"text": "new", "platforms": {"x": {"text": "new on x"}}, "scheduled_at": moment},
    )
    assert changed.body["done"] == 2, changed.body
    assert [row["status"] for row in changed.body["results"]] == ["refused", "done", "done"]
    now = api.get(f"groups/{group['id']}").body["posts"]
    assert [post["segments"][0]["text"] for post in now] == ["hello", "new on x", "new"]
    assert now[1]["scheduled_at"] == moment


def test_a_change_that_breaks_one_rule_changes_nothing(
    api: Api, accounts: list[SocialConnection]
) -> None:
    group = api.post("groups", body(accounts)).body
    answer = api("PATCH", f"groups/{group['id']}", {"text": "y" * 400})
    answer.problem(422, "invalid", "posts[1].text")
    assert {p.segments[0]["text"] for p in ScheduledPost.objects.all()} == {"hello"}


def test_a_change_that_reaches_nobody_is_refused(
    api: Api, accounts: list[SocialConnection]
) -> None:
    group = api.post("groups", body(accounts)).body
    ScheduledPost.objects.update(state=S.PUBLISHED, due_at=None)
    api("PATCH", f"groups/{group['id']}", {"text": "n"}).problem(409, "illegal_transition")


def test_a_group_is_rescheduled_published_and_cancelled_as_one(
    api: Api, accounts: list[SocialConnection]
) -> None:
    group = api.post("groups", body(accounts)).body
    at = f"groups/{group['id']}"
    moment = soon(hours=7)
    moved = api.post(f"{at}/reschedule", {"scheduled_at": moment, "time_zone": "Asia/Tokyo"})
    assert moved.body["done"] == 3
    assert {post["scheduled_at"] for post in api.get(at).body["posts"]} == {moment}
    ScheduledPost.objects.filter(platform="x").update(state=S.PUBLISHED, due_at=None)
    now = api.post(f"{at}/publish-now")
    assert [row["status"] for row in now.body["results"]] == ["done", "refused", "done"]
    gone = api.post(f"{at}/cancel", {"reason": "no"})
    assert [row["state"] for row in gone.body["results"]] == ["cancelled", "published", "cancelled"]
    assert "live" in gone.body["results"][1]["errors"][0]["message"]
    late = api.post(f"{at}/reschedule", {"scheduled_at": soon(hours=-30)})
    assert late.body["done"] == 0


def test_other_workspaces_groups_and_weak_keys_are_refused(
    api: Api, accounts: list[SocialConnection], workspace: Workspace
) -> None:
    other = make_workspace()
    theirs = PostGroup.objects.create(workspace=other)
    for method, path in [
        ("GET", ""),
        ("PATCH", ""),
        ("POST", "/cancel"),
        ("POST", "/reschedule"),
        ("POST", "/publish-now"),
    ]:
        sent = {"scheduled_at": soon()} if path == "/reschedule" else {}
        sent = {"text": "x"} if method == "PATCH" else sent
        answer = api(method, f"groups/{theirs.pk}{path}", None if method == "GET" else sent)
        answer.problem(404, "not_found", "id")
    foreign = make_connection(other)
    wish = body([foreign])
    api.post("groups", wish).problem(422, "invalid", "targets[0].connection")
    weak = keyed(workspace, "posts:read")
    weak.post("groups", body(accounts)).problem(403, "scope_missing")
