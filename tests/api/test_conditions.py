"""What was read is what is changed, and what is known is not sent again."""

from __future__ import annotations

import threading

import pytest
from django.db import connections

from accounts.models import Membership, Role, Workspace
from api.conditions import is_known, matches, tag_of
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.api.client import Answer, Api, keyed, soon
from tests.api.rows import row_of
from tests.factories import make_post, make_user


def test_a_post_that_is_known_is_not_sent_again(api: Api, connection: SocialConnection) -> None:
    post = make_post(connection)
    first = api.get(f"posts/{post.pk}")
    tag = first.headers["ETag"]
    assert tag.startswith('"')
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = api.get(f"posts/{post.pk}", If_None_Match=known)
        assert (again.status, again.body, again.headers["ETag"]) == (304, None, tag)
    assert api.get(f"posts/{post.pk}", If_None_Match='"x"').body == first.body


def test_a_change_gives_another_tag(api: Api, connection: SocialConnection) -> None:
    post = make_post(connection)
    tags = [api.get(f"posts/{post.pk}").headers["ETag"]]
    for method, path, body in (
        ("PATCH", "", {"text": "another"}),
        ("PATCH", "", {"scheduled_at": soon(hours=2)}),
        ("PATCH", "", {"priority": 3}),
        ("POST", "/publish-now", {}),
        ("POST", "/cancel", {}),
        ("POST", "/retry", {}),
    ):
        answer = api(method, f"posts/{post.pk}{path}", body, If_Match=tags[-1])
        assert answer.status == 200, answer.body
        tags.append(answer.headers["ETag"])
        assert api.get(f"posts/{post.pk}").headers["ETag"] == tags[-1]
    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"text": "mine"}),
        ("POST", "/cancel", {}),
        ("POST", "/publish-now", {}),
        ("POST", "/retry", {}),
        ("POST", "/resolve", {"live": True}),
    ],
)
def test_what_changed_meanwhile_is_left_alone(
    api: Api, connection: SocialConnection, method: str, path: str, body: dict[str, object]
) -> None:
    post = make_post(connection)
    read = api.get(f"posts/{post.pk}").headers["ETag"]
    api("PATCH", f"posts/{post.pk}", {"text": "theirs"})
    for stale in (read, f"W/{read}", '"x"', "nonsense", ""):
        answer = api(method, f"posts/{post.pk}{path}", body, If_Match=stale)
        answer.problem(412, "precondition_failed")
        assert answer.headers["ETag"] == api.get(f"posts/{post.pk}").headers["ETag"]
    kept = ScheduledPost.objects.get(pk=post.pk)
    assert (kept.state, kept.segments) == (PostState.SCHEDULED, [{"text": "theirs"}])


def test_any_state_will_do_when_the_caller_says_so(api: Api, connection: SocialConnection) -> None:
    post = make_post(connection)
    assert api("PATCH", f"posts/{post.pk}", {"text": "mine"}, If_Match="*").status == 200


def test_a_condition_belongs_to_the_request_under_a_key(
    api: Api, connection: SocialConnection
) -> None:
    post = make_post(connection)
    path = f"posts/{post.pk}/cancel"
    api.post(path, {}, If_Match='"x"', Idempotency_Key="k").problem(412, "precondition_failed")
    api.post(path, {}, If_Match="*", Idempotency_Key="k").problem(
        422, "idempotency_key_reused", "Idempotency-Key"
    )
    assert api.post(path, {}, If_Match="*", Idempotency_Key="k2").status == 200


@pytest.mark.django_db(transaction=True)
def test_of_many_changes_of_one_reading_one_is_made(connection: SocialConnection) -> None:
    post = make_post(connection)
    api = keyed(connection.workspace)
    read = api.get(f"posts/{post.pk}").headers["ETag"]
    answers: list[Answer] = []
    barrier = threading.Barrier(6)

    def change(number: int) -> None:
        try:
            barrier.wait(10)
            mine = Api(**api.headers)
            body = {"text": f"text {number}"}
            answers.append(mine("PATCH", f"posts/{post.pk}", body, If_Match=read))
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=change, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answer.status for answer in answers) == [200, 412, 412, 412, 412, 412]
    assert ScheduledPost.objects.get(pk=post.pk).content_version == post.content_version + 1


def test_tags_are_compared_as_the_rfc_says() -> None:
    tag = tag_of("row", 1)
    assert tag != tag_of("row", 2)
    assert tag_of("a", "b") != tag_of("ab", "")
    assert matches(tag, tag)
    assert matches(f'"x", {tag}', tag)
    assert not matches(f"W/{tag}", tag)
    assert is_known(f"W/{tag}", tag)
    assert not is_known("", tag)


@pytest.mark.parametrize(
    ("kind", "path", "changes"),
    [
        ("group_id", "groups", {"text": "mine"}),
        ("series_id", "series", {"text": "mine"}),
    ],
)
def test_groups_and_series_are_changed_as_they_were_read(
    api: Api, workspace: Workspace, kind: str, path: str, changes: dict[str, str]
) -> None:
    path = f"{path}/{row_of(kind, workspace)}"
    first = api.get(path).headers["ETag"]
    assert api.get(path, If_None_Match=first).status == 304
    second = api("PATCH", path, changes, If_Match=first).headers["ETag"]
    assert second == api.get(path).headers["ETag"] != first
    for method, action, body in (("PATCH", "", changes), ("POST", "/cancel", {})):
        if (kind, action) != ("series_id", "/cancel"):
            answer = api(method, f"{path}{action}", body, If_Match=first)
            answer.problem(412, "precondition_failed")


def test_a_groups_tag_follows_each_of_its_posts(api: Api, workspace: Workspace) -> None:
    path = f"groups/{row_of('group_id', workspace)}"
    read = api.get(path)
    post = read.body["posts"][0]["id"]
    assert api("PATCH", f"posts/{post}", {"priority": 5}).status == 200
    api.post(f"{path}/cancel", {}, If_Match=read.headers["ETag"]).problem(
        412, "precondition_failed"
    )


@pytest.mark.parametrize("action", ["pause", "end", "skip"])
def test_a_series_that_changed_meanwhile_is_left_alone(
    api: Api, workspace: Workspace, action: str
) -> None:
    path = f"series/{row_of('series_id', workspace)}"
    read = api.get(path)
    assert api("PATCH", path, {"text": "theirs"}).status == 200
    body = {"occurrence": read.body["next_occurrence_at"]} if action == "skip" else {}
    answer = api.post(f"{path}/{action}", body, If_Match=read.headers["ETag"])
    answer.problem(412, "precondition_failed")
    assert api.get(path).body["state"] == "active"


def test_a_new_post_is_shown_as_it_is_read_later(api: Api, connection: SocialConnection) -> None:
    there = "2099-01-01T05:00:00+05:00"
    wish = {"connection": str(connection.pk), "text": "hello", "scheduled_at": there}
    made = api.post("posts", wish)
    read = api.get(f"posts/{made.body['id']}")
    assert (made.status, made.body) == (201, read.body)
    assert made.headers["ETag"] == read.headers["ETag"]


@pytest.mark.parametrize(
    ("path", "changes"), [("workspace", {"name": "Other"}), ("members/{m}", {"role": "approver"})]
)
def test_settings_and_roles_are_changed_as_they_were_read(
    api: Api, workspace: Workspace, path: str, changes: dict[str, str]
) -> None:
    user = make_user(workspace, role=Role.VIEWER)
    member = Membership.objects.get(user=user)
    path = path.format(m=member.public_id)
    first = api.get(path).headers["ETag"]
    assert api.get(path, If_None_Match=first).status == 304
    second = api("PATCH", path, changes, If_Match=first).headers["ETag"]
    assert second == api.get(path).headers["ETag"] != first
    assert api("PATCH", path, changes, If_Match=first).status == 412
