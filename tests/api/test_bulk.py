"""Many posts in one request, each with its own result; and drafts judged without being kept."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from accounts.models import ApprovalRule, AuditEvent, Workspace
from platforms.models import SocialConnection
from scheduling.models import PostMedia, PostTransition, ScheduledPost, Tally
from scheduling.states import PostState
from tests.api.client import Api, keyed, soon
from tests.factories import make_connection, make_post

pytestmark = pytest.mark.django_db

S = PostState


def row(connection: SocialConnection, number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "connection": str(connection.pk),
        "text": f"post {number}",
        "scheduled_at": soon(),
        **more,
    }


def test_rows_are_judged_one_by_one_and_the_good_ones_written(
    api: Api, connection: SocialConnection
) -> None:
    make_post(connection, external_id="old", text="post 3")
    rows = [
        row(connection, 1, external_id="a", media=[{"url": "https://cdn.example/a.png"}]),
        {**row(connection, 2), "connection": str(uuid.uuid4())},
        row(connection, 3, external_id="old"),
        row(connection, 4, scheduled_at="tomorrow"),
        row(connection, 5, external_id="a"),
        row(connection, 1, external_id="a"),
        row(connection, 7, draft=True, priority=3),
        "nonsense",
        row(connection, 9, text="x" * 100_000),
    ]
    answer = api.post("posts/bulk", {"posts": rows})
    assert answer.status == 200, answer.body
    results = answer.body["results"]
    assert [one["index"] for one in results] == list(range(9))
    assert [one["status"] for one in results] == [
        "created", "invalid", "existing", "invalid", "invalid", "existing", "created", "invalid",
        "invalid",
    ]  # fmt: skip
    assert {one["errors"][0]["field"] for one in results if one["errors"]} == {
        "connection", "scheduled_at", "external_id", "", "text",
    }  # fmt: skip
    assert results[5]["id"] == results[0]["id"]
    assert (answer.body["created"], answer.body["existing"], answer.body["invalid"]) == (2, 2, 5)
    assert ScheduledPost.objects.count() == 3
    assert PostMedia.objects.get().post_id == uuid.UUID(results[0]["id"])
    draft = ScheduledPost.objects.get(pk=results[6]["id"])
    assert (draft.state, draft.priority) == (S.DRAFT, 3)
    assert len(AuditEvent.objects.get(action="posts.created").detail["posts"]) == 2


def test_the_same_call_again_writes_nothing(api: Api, connection: SocialConnection) -> None:
    rows = [row(connection, number, external_id=f"e{number}") for number in range(20)]
    first = api.post("posts/bulk", {"posts": rows}).body
    again = api.post("posts/bulk", {"posts": rows}).body
    assert (first["created"], again["created"], again["existing"]) == (20, 0, 20)
    assert [r["id"] for r in first["results"]] == [r["id"] for r in again["results"]]


def test_all_or_nothing(api: Api, connection: SocialConnection) -> None:
    rows = [row(connection, 1), row(connection, 2, text="")]
    answer = api.post("posts/bulk", {"posts": rows, "all_or_nothing": True}).body
    assert [one["status"] for one in answer["results"]] == ["not_written", "invalid"]
    assert answer["results"][0]["id"] is None
    assert not ScheduledPost.objects.exists()


def test_five_hundred_rows_are_quick(
    api: Api, connection: SocialConnection, django_assert_max_num_queries: Any
) -> None:
    rows = [row(connection, number, external_id=f"e{number}") for number in range(500)]
    with django_assert_max_num_queries(30):
        began = time.perf_counter()
        answer = api.post("posts/bulk", {"posts": rows}).body
        took = time.perf_counter() - began
    assert answer["created"] == 500
    assert took < 5  # far above what it takes alone, see docs/api.md: others use this machine too
    api.post("posts/bulk", {"posts": [*rows, row(connection)]}).problem(422, "invalid", "posts")


def test_rows_await_approval_where_the_workspace_asks_for_it(
    api: Api, connection: SocialConnection
) -> None:
    Workspace.objects.update(approval_rule=ApprovalRule.EDITORS)
    answer = api.post("posts/bulk", {"posts": [row(connection)]}).body
    assert answer["results"][0]["state"] == "awaiting_approval"


def test_many_are_cancelled_at_once(api: Api, connection: SocialConnection) -> None:
    posts = [make_post(connection) for _ in range(3)]
    live = make_post(connection, state=S.PUBLISHED)
    other = make_post(make_connection())
    ids = [str(post.pk) for post in (*posts, live, other)] + ["none", str(posts[0].pk)]
    answer = api.post("posts/bulk-cancel", {"ids": ids, "reason": "over"}).body
    assert [one["status"] for one in answer["results"]] == [
        "done", "done", "done", "refused", "unknown", "unknown", "done",
    ]  # fmt: skip
    assert ScheduledPost.objects.filter(state=S.CANCELLED, fencing_token=1).count() == 3
    assert set(PostTransition.objects.values_list("reason", flat=True)) == {"over"}
    assert AuditEvent.objects.filter(action="post.cancelled").count() == 3
    assert Tally.objects.get(label=S.CANCELLED).number == 3
    other.refresh_from_db()
    assert other.state == S.SCHEDULED


def test_many_are_moved_by_the_same_minutes_or_to_one_moment(
    api: Api, connection: SocialConnection
) -> None:
    posts = [make_post(connection, state=S.QUEUED, progress={"media": 1}) for _ in range(2)]
    before = {post.pk: post.scheduled_at for post in posts}
    ids = [str(post.pk) for post in posts]
    answer = api.post("posts/bulk-reschedule", {"ids": ids, "shift_minutes": 90}).body
    assert answer["done"] == 2
    for post in ScheduledPost.objects.all():
        assert (post.scheduled_at - before[post.pk]).total_seconds() == 90 * 60
        assert (post.state, post.due_at) == (S.SCHEDULED, post.scheduled_at)
        assert (post.progress, post.content_version) == ({"media": 1}, 1)
    to = soon(hours=4)
    api.post("posts/bulk-reschedule", {"ids": ids, "scheduled_at": to})
    assert {api.get(f"posts/{pk}").body["scheduled_at"] for pk in ids} == {to}
    late = api.post("posts/bulk-reschedule", {"ids": ids, "shift_minutes": -60 * 24 * 30}).body
    assert [one["errors"][0]["code"] for one in late["results"]] == ["too_late"] * 2
    ScheduledPost.objects.update(scheduled_at="9999-12-30T00:00:00Z")
    far = api.post("posts/bulk-reschedule", {"ids": ids, "shift_minutes": 99999}).body
    assert [one["errors"][0]["code"] for one in far["results"]] == ["out_of_range"] * 2
    both = {"ids": ids, "shift_minutes": 1, "scheduled_at": to}
    api.post("posts/bulk-reschedule", both).problem(422, "invalid", "scheduled_at")


def test_a_draft_is_judged_for_several_accounts_and_not_kept(
    api: Api, workspace: Workspace, connection: SocialConnection
) -> None:
    x = make_connection(workspace, platform="x", username="ada")
    wish = {
        "text": "https://example.org " + "x" * 300,
        "platforms": {"sandbox": {"text": "short"}},
        "connections": [str(x.pk), str(connection.pk)],
        "media": [{"url": "https://cdn.example/a.png"}],
    }
    first, second = api.post("posts/violations", wish).body["results"]
    assert (first["would_do"], second["would_do"]) == (False, True)
    assert {one["field"] for one in first["violations"]} == {"text"}
    assert first["cost_usd"] is not None
    late = api.post("posts/violations", {**wish, "scheduled_at": soon(hours=-30)}).body
    assert {v["field"] for v in late["results"][1]["violations"]} == {"scheduled_at"}
    assert not ScheduledPost.objects.exists()
    assert keyed(workspace, "posts:read").post("posts/violations", wish).status == 200
    wish["connections"].append("none")
    api.post("posts/violations", wish).problem(422, "invalid", "connections[2]")


def test_a_post_is_copied_as_a_draft_or_for_a_moment(
    api: Api, workspace: Workspace, connection: SocialConnection
) -> None:
    made = api.post(
        "posts",
        row(connection, external_id="e", media=[{"url": "https://cdn.example/a.png"}], priority=4),
    ).body
    copy = api.post(f"posts/{made['id']}/duplicate")
    assert copy.status == 201
    same = ("segments", "media", "priority", "options", "connection")
    assert [copy.body[name] for name in same] == [made[name] for name in same]
    assert (copy.body["state"], copy.body["external_id"]) == ("draft", None)
    other = make_connection(workspace)
    moment = soon(hours=9)
    there = {"connection": str(other.pk), "scheduled_at": moment, "external_id": "e"}
    moved = api.post(f"posts/{made['id']}/duplicate", there)
    assert (moved.body["scheduled_at"], moved.body["state"]) == (moment, "scheduled")
    assert api.post(f"posts/{made['id']}/duplicate", there).status == 200


def test_only_drafts_without_a_history_are_deleted(api: Api, connection: SocialConnection) -> None:
    draft = api.post("posts", row(connection, draft=True)).body
    gone = api("DELETE", f"posts/{draft['id']}")
    assert gone.body == {"id": draft["id"], "deleted": True}
    assert not ScheduledPost.objects.exists()
    assert AuditEvent.objects.filter(action="post.deleted").exists()
    waiting = make_post(connection)
    api("DELETE", f"posts/{waiting.pk}").problem(409, "illegal_transition")
    rejected = make_post(connection, state=S.AWAITING_APPROVAL)
    from scheduling.approvals import reject_post

    reject_post(rejected.pk, actor="user:bob", reason="no")
    assert "history" in api("DELETE", f"posts/{rejected.pk}").body["detail"]


def test_a_post_is_rescheduled(api: Api, connection: SocialConnection) -> None:
    post = make_post(connection, state=S.HELD)
    to = soon(hours=2)
    moved = api.post(f"posts/{post.pk}/reschedule", {"scheduled_at": to}).body
    assert (moved["state"], moved["scheduled_at"], moved["content_version"]) == ("scheduled", to, 1)
    late = {"scheduled_at": soon(hours=-30)}
    api.post(f"posts/{post.pk}/reschedule", late).problem(422, "invalid", "scheduled_at")
