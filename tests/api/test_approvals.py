"""Approval over the API: who may decide, and what a key may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import ApprovalRule, Membership, Role, User, Workspace
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.api.client import Api, keyed, soon
from tests.factories import make_connection, make_post

pytestmark = pytest.mark.django_db

S = PostState


@pytest.fixture
def strict(workspace: Workspace) -> Workspace:
    Workspace.objects.filter(pk=workspace.pk).update(
        approval_rule=ApprovalRule.EDITORS, external_id="org"
    )
    return workspace


@pytest.fixture
def member(strict: Workspace, as_user: Callable[..., Api]) -> Callable[[str, str], Api]:
    def make(name: str, role: str) -> Api:
        user = User.objects.create(username=f"u-{name}", external_id=name)
        Membership.objects.create(workspace=strict, user=user, role=role)
        return as_user(name, org_id="org")

    return make


def wish(connection: SocialConnection, **more: Any) -> dict[str, Any]:
    return {"connection": str(connection.pk), "text": "hi", "scheduled_at": soon(), **more}


def test_an_editors_post_goes_out_when_an_approver_says_so(
    member: Callable[[str, str], Api], connection: SocialConnection
) -> None:
    ada, bob = member("ada", Role.EDITOR), member("bob", Role.APPROVER)
    post = ada.post("posts", wish(connection)).body
    at = f"posts/{post['id']}"
    assert (post["state"], post["due_at"]) == ("awaiting_approval", None)
    ada.post(f"{at}/approve").problem(409, "own_post")
    bob.post(f"{at}/cancel").problem(403, "role_missing")
    old = {"content_version": 0}
    bob.post(f"{at}/approve", old).problem(409, "illegal_transition")
    done = bob.post(f"{at}/approve", {"content_version": 1}).body
    assert (done["state"], done["approved_by"]) == ("scheduled", "user:u-bob")
    edited = ada("PATCH", at, {"text": "changed"}).body
    assert (edited["state"], edited["approved_by"]) == ("awaiting_approval", None)
    bob.post(f"{at}/reject").problem(422, "invalid", "reason")
    back = bob.post(f"{at}/reject", {"reason": "No."}).body
    assert back["state"] == "draft"
    ada.post(f"{at}/publish-now").problem(409, "approval_needed")
    again = ada.post(f"{at}/submit", {"scheduled_at": soon(hours=3)}).body
    assert again["state"] == "awaiting_approval"
    bob.post(f"{at}/approve")
    stopped = bob.post(f"{at}/withdraw-approval", {"reason": "wait"}).body
    assert stopped["state"] == "awaiting_approval"
    moves = ada.get(f"{at}/transitions").body["results"]
    assert [move["target"] for move in moves] == [
        "scheduled", "awaiting_approval", "draft", "awaiting_approval", "scheduled",
        "awaiting_approval",
    ]  # fmt: skip


def test_a_moment_may_change_without_a_new_approval(
    member: Callable[[str, str], Api], connection: SocialConnection
) -> None:
    ada, bob = member("ada", Role.EDITOR), member("bob", Role.OWNER)
    post = ada.post("posts", wish(connection)).body
    bob.post(f"posts/{post['id']}/approve")
    moved = ada.post(f"posts/{post['id']}/reschedule", {"scheduled_at": soon(hours=5)}).body
    assert (moved["state"], moved["approved_by"]) == ("scheduled", "user:u-bob")


def test_a_key_is_nobodys_word(strict: Workspace, connection: SocialConnection) -> None:
    api = keyed(strict)
    post = api.post("posts", wish(connection)).body
    assert post["state"] == "awaiting_approval"
    api.post(f"posts/{post['id']}/approve").problem(403, "person_needed")
    assert ScheduledPost.objects.get().state == S.AWAITING_APPROVAL


@pytest.mark.parametrize("act", ["submit", "approve", "reject", "withdraw-approval"])
def test_viewers_and_strangers_decide_nothing(
    member: Callable[[str, str], Api], connection: SocialConnection, act: str
) -> None:
    viewer, owner = member("eve", Role.VIEWER), member("bob", Role.OWNER)
    post = make_post(connection, state=S.AWAITING_APPROVAL)
    body = {"reason": "no"}
    viewer.post(f"posts/{post.pk}/{act}", body).problem(403, "role_missing")
    other = make_post(make_connection(), state=S.AWAITING_APPROVAL)
    owner.post(f"posts/{other.pk}/{act}", body).problem(404, "not_found", "id")


def test_an_owner_needs_nobody(
    member: Callable[[str, str], Api], connection: SocialConnection
) -> None:
    owner = member("bob", Role.OWNER)
    post = owner.post("posts", wish(connection)).body
    assert (post["state"], post["approved_by"]) == ("scheduled", "user:u-bob")
