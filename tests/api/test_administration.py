"""Workspace, members, invitations, keys and the audit log: who may do what, and what is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.audit import record
from accounts.models import ApiKey, AuditEvent, IdempotencyKey, Membership, Role, Workspace
from tests.api.client import Answer, Api, keyed
from tests.factories import make_user, make_workspace

AsUser = Callable[..., Api]
OWNERS_ONLY = [
    ("PATCH", "workspace", {"name": "x"}),
    ("POST", "members", {"external_id": "u-9", "role": "viewer"}),
    ("GET", "invitations", None),
    ("POST", "invitations", {"email": "b@example.org", "role": "viewer"}),
    ("GET", "api-keys", None),
    ("POST", "api-keys", {"name": "x"}),
    ("GET", "audit-events", None),
]


@pytest.fixture
def person(workspace: Workspace, as_user: AsUser) -> Callable[[str], Api]:
    """Give clients of members by role."""

    def make(role: str) -> Api:
        make_user(workspace, role=role, external_id=f"u-{role}", username=role)
        return as_user(f"u-{role}")

    return make


def member_of(workspace: Workspace, username: str) -> Membership:
    return Membership.objects.get(workspace=workspace, user__username=username)


# --- who may ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path", "body"), OWNERS_ONLY)
def test_only_owners_administer(
    person: Callable[[str], Api], method: str, path: str, body: Any
) -> None:
    for role in (Role.VIEWER, Role.APPROVER, Role.EDITOR):
        person(role)(method, path, body).problem(403, "role_missing")
    code = person(Role.OWNER)(method, path, body)
    assert code.status < 300 or "trusted service" in code.body["detail"]


@pytest.mark.parametrize(("method", "path", "body"), OWNERS_ONLY)
def test_a_key_needs_the_scope_and_no_role(
    workspace: Workspace, method: str, path: str, body: Any
) -> None:
    keyed(workspace, "posts:write", "connections:write")(method, path, body).problem(
        403, "scope_missing"
    )
    scopes = ["workspace:read", "workspace:write", "audit:read"]
    answer = keyed(workspace, *scopes)(method, path, body)
    assert answer.status < 300 or "trusted service" in answer.body["detail"]


@pytest.mark.parametrize(
    "path", ["members/{m}", "invitations/{i}/revoke", "api-keys/{k}", "api-keys/{k}/rotate"]
)
def test_another_workspace_s_rows_are_not_there(api: Api, path: str) -> None:
    other = make_workspace()
    theirs = keyed(other)
    invitation = theirs.post("invitations", {"email": "a@example.org", "role": "viewer"}).body
    member = Membership.objects.create(workspace=other, user=make_user())
    key = ApiKey.objects.get(workspace=other)
    address = path.format(m=member.public_id, i=invitation["id"], k=key.pk)
    method = "POST" if address.count("/") == 2 else "GET"
    api(method, address, {}).problem(404, "not_found", *_id_of(address))
    assert theirs.get("api-keys").body["results"][0]["condition"] == "valid"


def _id_of(address: str) -> list[str]:
    return [
        {"members": "member_id", "invitations": "invitation_id"}.get(
            address.split("/")[0], "key_id"
        )
    ]


# --- workspace --------------------------------------------------------------------------------


def test_a_workspace_is_shown_and_changed(api: Api, workspace: Workspace) -> None:
    before = api.get("workspace").body
    assert before["late_limit_minutes"] is None
    changes = {"name": "Acme", "time_zone": "Europe/Brussels", "late_limit_minutes": 0}
    after = api("PATCH", "workspace", changes).body
    assert after == {**before, **changes}
    assert (
        api("PATCH", "workspace", {"late_limit_minutes": None}).body["late_limit_minutes"] is None
    )
    event = AuditEvent.objects.filter(action="workspace.changed").earliest("id")
    assert event.detail["time_zone"] == ["UTC", "Europe/Brussels"]
    api("PATCH", "workspace", {"name": "Acme"})
    assert AuditEvent.objects.filter(action="workspace.changed").count() == 2


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe", "../etc/passwd", "", "x" * 65])
def test_a_time_zone_that_is_none_is_refused(api: Api, zone: str) -> None:
    api("PATCH", "workspace", {"time_zone": zone}).problem(422, "invalid", "time_zone")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, ""),
        ({"slug": "x"}, "slug"),
        ({"late_policy": "later"}, "late_policy"),
        ({"late_limit_minutes": -1}, "late_limit_minutes"),
        ({"late_limit_minutes": 10**30}, "late_limit_minutes"),
    ],
)
def test_other_changes_are_refused(api: Api, changes: dict[str, Any], field: str) -> None:
    api("PATCH", "workspace", changes).problem(422, "invalid", field)


def test_an_owner_says_whose_posts_need_approval(
    api: Api, person: Callable[[str], Api], workspace: Workspace
) -> None:
    owner = person(Role.OWNER)
    assert owner.get("workspace").body["approval_rule"] == "nobody"
    changed = owner("PATCH", "workspace", {"approval_rule": "editors"})
    assert (changed.status, changed.body["approval_rule"]) == (200, "editors")
    event = AuditEvent.objects.get(action="workspace.changed")
    assert event.detail == {"approval_rule": ["nobody", "editors"]}
    nobody = {"approval_rule": "nobody"}
    for other in (api, person(Role.EDITOR)):  # the key may change all the rest
        other("PATCH", "workspace", nobody).problem(403, "role_missing")
    owner("PATCH", "workspace", {"approval_rule": "x"}).problem(422, "invalid", "approval_rule")
    workspace.refresh_from_db()
    assert workspace.approval_rule == "editors"


def test_the_list_of_workspaces_is_the_caller_s(
    workspace: Workspace, api: Api, person: Callable[[str], Api], as_user: AsUser
) -> None:
    other = make_workspace()

    def slugs(caller: Api) -> list[str]:
        return [one["slug"] for one in caller.get("workspaces").body["results"]]

    assert slugs(api) == slugs(person(Role.VIEWER)) == [workspace.slug]
    assert slugs(as_user("u-new")) == []
    assert slugs(as_user(None, service=True)) == [other.slug, workspace.slug]


# --- members ----------------------------------------------------------------------------------


def test_members_are_listed_changed_and_removed(
    workspace: Workspace, person: Callable[[str], Api]
) -> None:
    owner = person(Role.OWNER)
    person(Role.EDITOR)
    editor, _ = owner.get("members").body["results"]
    assert (editor["username"], editor["role"], editor["external_id"]) == (
        "editor",
        "editor",
        "u-editor",
    )
    path = f"members/{editor['id']}"
    assert owner("PATCH", path, {"role": "viewer"}).body == {**editor, "role": "viewer"}
    assert owner.get(path).body["role"] == "viewer"
    assert owner("DELETE", path).body == {"id": editor["id"], "removed": True}
    owner.get(path).problem(404, "not_found", "member_id")


def test_the_last_owner_cannot_go(workspace: Workspace, person: Callable[[str], Api]) -> None:
    owner = person(Role.OWNER)
    path = f"members/{member_of(workspace, 'owner').public_id}"
    owner("DELETE", path).problem(409, "last_owner")
    owner("PATCH", path, {"role": "editor"}).problem(409, "last_owner")
    assert member_of(workspace, "owner").role == Role.OWNER


def test_everybody_may_leave_and_only_owners_remove(
    workspace: Workspace, person: Callable[[str], Api]
) -> None:
    viewer, editor = person(Role.VIEWER), person(Role.EDITOR)
    path = f"members/{member_of(workspace, 'viewer').public_id}"
    editor("DELETE", path).problem(403, "role_missing")
    assert viewer("DELETE", path).status == 200
    viewer.get("members").problem(400, "workspace_not_named")


def test_a_key_touches_no_owner(workspace: Workspace, person: Callable[[str], Api]) -> None:
    person(Role.OWNER)
    make_user(workspace, role=Role.OWNER)
    key = keyed(workspace, "workspace:write")
    path = f"members/{member_of(workspace, 'owner').public_id}"
    key("DELETE", path).problem(403, "beyond_own_rights", "role")
    key("PATCH", path, {"role": "viewer"}).problem(403, "beyond_own_rights", "role")
    key.post("invitations", {"email": "a@example.org", "role": "owner"}).problem(
        403, "beyond_own_rights", "role"
    )


def test_a_trusted_service_makes_members_and_owners(as_user: AsUser) -> None:
    service = as_user(None, service=True, org_id="o-1")
    added = service.post("members", {"external_id": "u-1", "role": "owner"})
    assert (added.status, added.body["role"], added.body["external_id"]) == (201, "owner", "u-1")
    assert as_user("u-1", org_id="o-1").get("me").body["role"] == "owner"
    again = service.post("members", {"external_id": "u-1", "role": "owner"})
    assert (again.status, again.body["id"]) == (200, added.body["id"])
    service.post("members", {"external_id": "u-1", "role": "viewer"}).problem(409, "last_owner")
    as_user("u-1", org_id="o-1").post("members", {"external_id": "u-2", "role": "viewer"}).problem(
        422, "invalid", "external_id"
    )


# --- invitations ------------------------------------------------------------------------------


def test_an_invitation_is_made_handed_over_and_accepted_once(
    workspace: Workspace, person: Callable[[str], Api], as_user: AsUser
) -> None:
    owner = person(Role.OWNER)
    made = owner.post("invitations", {"external_id": "u-2", "role": "approver"})
    assert (made.status, made.body["external_id"], made.body["email"]) == (201, "u-2", None)
    token = made.body["token"]
    assert token not in str(owner.get("invitations").body)
    newcomer = as_user("u-2")
    as_user("u-3").post("invitations/accept", {"token": token}).problem(403, "beyond_own_rights")
    accepted = newcomer.post("invitations/accept", {"token": token})
    assert (accepted.body["role"], accepted.body["workspace"]["slug"]) == (
        "approver",
        workspace.slug,
    )
    assert newcomer.get("me").body["role"] == "approver"
    newcomer.post("invitations/accept", {"token": token}).problem(404, "not_found")
    assert owner.get("invitations").body["results"] == []


def test_the_answer_is_the_same_whoever_is_known(api: Api) -> None:
    make_user(email="known@example.org")
    answers = [
        api.post("invitations", {"email": f"{name}@example.org", "role": "viewer"})
        for name in ("known", "strange")
    ]
    assert {answer.status for answer in answers} == {201}
    known, strange = answers
    assert known.body.keys() == strange.body.keys()
    assert known.body["role"] == strange.body["role"]


def test_a_key_cannot_accept_and_a_revoked_one_is_gone(api: Api, as_user: AsUser) -> None:
    made = api.post("invitations", {"email": "a@example.org", "role": "viewer"}).body
    api.post("invitations/accept", {"token": made["token"]}).problem(403, "person_only")
    assert api.post(f"invitations/{made['id']}/revoke").body["revoked"]
    as_user("u-1").post("invitations/accept", {"token": made["token"]}).problem(404, "not_found")
    api.post(f"invitations/{made['id']}/revoke").problem(404, "not_found", "invitation_id")


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"role": "viewer"}, "email"),
        ({"role": "viewer", "email": "a@example.org", "external_id": "u"}, "email"),
        ({"role": "viewer", "email": "no address"}, "email"),
        ({"role": "king", "email": "a@example.org"}, "role"),
    ],
)
def test_an_invitation_says_whom_and_as_what(api: Api, wish: dict[str, Any], field: str) -> None:
    api.post("invitations", wish).problem(422, "invalid", field)


# --- secrets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "wish", "name"),
    [
        ("invitations", {"email": "a@example.org", "role": "viewer"}, "token"),
        ("api-keys", {"name": "cms"}, "key"),
    ],
)
def test_a_repeat_of_the_request_does_not_show_the_secret_again(
    api: Api, path: str, wish: dict[str, Any], name: str
) -> None:
    first = api.post(path, wish, Idempotency_Key="k-1")
    again = api.post(path, wish, Idempotency_Key="k-1")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.body["id"], again.body[name]) == (first.body["id"], None)
    assert first.body[name] not in str(list(IdempotencyKey.objects.values()))
    assert first.body[name] not in str(list(AuditEvent.objects.values()))


def test_keys_are_issued_used_rotated_and_revoked(api: Api) -> None:
    wish = {"name": "cms", "scopes": ["posts:read"], "valid_days": 30}
    issued = api.post("api-keys", wish)
    assert (issued.status, issued.body["scopes"]) == (201, ["posts:read"])
    old = Api(X_API_Key=issued.body["key"])
    assert old.get("posts").status == 200
    rotated = api.post(f"api-keys/{issued.body['id']}/rotate", {"overlap_hours": 1}).body
    new = Api(X_API_Key=rotated["key"])
    assert {old.get("posts").status, new.get("posts").status} == {200}
    shown = api.get(f"api-keys/{issued.body['id']}").body
    assert shown["previous_valid_until"] == rotated["previous_valid_until"] is not None
    assert "key" not in shown
    assert api.post(f"api-keys/{issued.body['id']}/revoke").body["condition"] == "revoked"
    new.get("posts").problem(401, "key_revoked")
    old.get("posts").problem(401, "key_revoked")
    api.post(f"api-keys/{issued.body['id']}/rotate").problem(422, "invalid")


def test_a_key_cannot_make_itself_mightier(workspace: Workspace, api: Api) -> None:
    mighty = api.post("api-keys", {"name": "all"}).body
    small = keyed(workspace, "workspace:read", "workspace:write")
    small.post("api-keys", {"name": "x", "scopes": ["posts:write"]}).problem(
        403, "beyond_own_rights", "scopes"
    )
    for action in ("rotate", "revoke"):
        small.post(f"api-keys/{mighty['id']}/{action}").problem(403, "beyond_own_rights", "scopes")
    heir = small.post("api-keys", {"name": "x"}).body
    assert heir["scopes"] == ["workspace:read", "workspace:write"]
    Api(X_API_Key=heir["key"]).get("posts").problem(403, "scope_missing")


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "name"),
        ({"name": "x", "scopes": ["everything"]}, "scopes"),
        ({"name": "x", "valid_days": 0}, "valid_days"),
        ({"name": "x", "valid_days": 10**12}, "valid_days"),
    ],
)
def test_a_wish_for_a_key_is_judged(api: Api, wish: dict[str, Any], field: str) -> None:
    api.post("api-keys", wish).problem(422, "invalid", field)


# --- the audit log ----------------------------------------------------------------------------


def events(answer: Answer) -> list[str]:
    return [event["action"] for event in answer.body["results"]]


def test_the_audit_log_is_filtered_paged_and_of_one_workspace(
    workspace: Workspace, api: Api
) -> None:
    before = AuditEvent.objects.latest("id").at
    for number in range(3):
        record(
            workspace=workspace, actor="user:ada", action="post.cancelled", target=f"post:{number}"
        )
    record(workspace=workspace, actor="user:bob", action="post.edited", target="post:1")
    record(workspace=make_workspace(), actor="user:ada", action="post.edited", target="post:9")
    record(actor="system", action="installation.paused", target="installation:1")
    assert events(api.get("audit-events?actor=user:ada")) == ["post.cancelled"] * 3
    assert set(events(api.get("audit-events?target=post:1"))) == {"post.edited", "post.cancelled"}
    assert events(api.get("audit-events?action=post.edited")) == ["post.edited"]
    assert len(events(api.get("audit-events?action=post."))) == 4
    moment = before.isoformat()
    assert events(api.get(f"audit-events?to={moment}")) == []
    assert "post.edited" in events(api.get(f"audit-events?from={moment}"))
    first = api.get("audit-events?page_size=2&action=post.")
    second = api.get(first.body["next"].partition("/api/v1/")[2])
    assert sorted(events(first) + events(second)) == [*["post.cancelled"] * 3, "post.edited"]


@pytest.mark.parametrize("query", ["from=yesterday", "to=2026-01-01T00:00:00", "actor=%00"])
def test_a_strange_filter_is_refused(api: Api, query: str) -> None:
    api.get(f"audit-events?{query}").problem(422, "invalid", query.partition("=")[0])
