"""Who may call the API, and where they may act."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, Membership, Role, User, Workspace
from accounts.services import issue_api_key, revoke_api_key
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.api.client import Api, keyed, soon
from tests.factories import make_connection, make_post, make_user, make_workspace


def refused(api: Api, code: str, path: str = "posts") -> Any:
    answer = api.get(path)
    problem = answer.problem(401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    return problem


def wish(connection: SocialConnection | None = None, **fields: Any) -> dict[str, Any]:
    target = {"connection_id": str(connection.pk)} if connection else {}
    return {
        "content_id": "c-1",
        "platform": "sandbox",
        "scheduled_at": soon(),
        "user_id": "u1",
        "org_id": "o1",
        "text": "hello",
        **target,
        **fields,
    }


# --- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["posts", "me", "connections", "schedule/1", "posts/1"])
def test_nobody_is_told_how_to_prove_who_they_are(db: None, path: str) -> None:
    problem = refused(Api(), "not_authenticated", path)
    assert "Authorization: Bearer" in problem["detail"]


def test_a_key_works_in_either_header(workspace: Workspace) -> None:
    _, token = issue_api_key(workspace=workspace, name="x", actor="system")
    assert Api(Authorization=f"Bearer {token}").get("me").status == 200
    assert Api(Authorization=f"bearer  {token} ").get("me").status == 200
    assert Api(X_API_Key=token).get("me").status == 200


def test_an_expired_key_says_so(workspace: Workspace) -> None:
    key, token = issue_api_key(workspace=workspace, name="x", actor="system")
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    problem = refused(Api(X_API_Key=token), "key_expired")
    assert "expired on" in problem["detail"]
    assert token not in str(problem)


def test_a_revoked_key_says_so(workspace: Workspace) -> None:
    key, token = issue_api_key(workspace=workspace, name="x", actor="system")
    revoke_api_key(key, actor="system")
    refused(Api(X_API_Key=token), "key_revoked")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X_API_Key": "crl_00000000_guess"}, "key_unknown"),
        ({"X_API_Key": "something else"}, "key_unknown"),
        ({"Authorization": "Bearer crl_00000000_guess"}, "key_unknown"),
        ({"Authorization": "Bearer "}, "token_invalid"),
        ({"Authorization": "Basic dTpw"}, "token_invalid"),
    ],
)
def test_wrong_credentials_are_refused(db: None, headers: dict[str, str], code: str) -> None:
    refused(Api(**headers), code)


def test_scopes_narrow_a_key(workspace: Workspace, connection: SocialConnection) -> None:
    post = make_post(connection)
    reader = keyed(workspace, "posts:read")
    assert reader.get("posts").status == 200
    assert reader.get(f"schedule/{post.pk}").status == 200
    assert reader.get("me").body["scopes"] == ["posts:read"]
    reader.post(f"posts/{post.pk}/cancel").problem(403, "scope_missing")
    reader.post("schedule", wish(connection)).problem(403, "scope_missing")
    reader("DELETE", f"schedule/{post.pk}").problem(403, "scope_missing")
    reader.get("connections").problem(403, "scope_missing")
    assert keyed(workspace, "connections:read").get("connections").status == 200
    keyed(workspace, "posts:write").get("posts").problem(403, "scope_missing")


def test_a_key_acts_in_its_own_workspace_only(workspace: Workspace, api: Api) -> None:
    other = make_workspace()
    api.get("posts", X_Workspace=other.slug).problem(404, "not_found")
    assert api.get("posts", X_Workspace=workspace.slug).status == 200
    assert api.get("posts", X_Workspace=str(workspace.pk)).status == 200


def test_a_key_of_a_linked_workspace_refuses_another_org_id(
    workspace: Workspace, connection: SocialConnection, api: Api
) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(external_id="o1")
    assert api.post("schedule", wish(connection)).status == 201
    api.post("schedule", wish(connection, org_id="o2")).problem(403, "other_workspace", "org_id")


def test_a_key_acts_for_a_member_it_names_but_makes_nobody_a_member(
    workspace: Workspace, connection: SocialConnection, api: Api
) -> None:
    member = make_user(workspace, external_id="u1")
    stranger = make_user(external_id="u2")
    for number, user_id in enumerate(("u1", "u2", "u3")):
        api.post("schedule", wish(connection, user_id=user_id, content_id=f"c-{number}"))
    authors = dict(ScheduledPost.objects.values_list("external_id", "created_by"))
    assert authors == {"c-0": member.pk, "c-1": None, "c-2": None}
    assert not stranger.memberships.exists()
    assert not User.objects.filter(external_id="u3").exists()


# --- tokens -----------------------------------------------------------------------------------


def test_a_token_with_an_org_acts_there_and_is_provisioned_once(
    as_user: Callable[..., Api],
) -> None:
    caller = as_user("u1", org_id="o1")
    me = [caller.get("me").body for _ in range(2)][1]
    workspace = Workspace.objects.get(external_id="o1")
    assert me["workspace"]["id"] == str(workspace.pk)
    assert (me["user_id"], me["role"]) == ("u1", "editor")
    assert Membership.objects.filter(workspace=workspace, user__external_id="u1").count() == 1
    assert not User.objects.get(external_id="u1").has_usable_password()


def test_a_token_never_takes_over_a_local_user_of_that_name(
    as_user: Callable[..., Api],
) -> None:
    admin = make_user(username="admin", is_superuser=True, is_staff=True)
    as_user("admin", org_id="o1").get("me")
    assert User.objects.get(external_id="admin").pk != admin.pk


def test_a_given_role_is_kept(as_user: Callable[..., Api], workspace: Workspace) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(external_id="o1")
    make_user(workspace, role=Role.VIEWER, external_id="u1")
    post = make_post(make_connection(workspace))
    caller = as_user("u1", org_id="o1")
    assert caller.get("posts").status == 200
    caller.post(f"posts/{post.pk}/cancel").problem(403, "role_missing")
    caller("DELETE", f"schedule/{post.pk}").problem(403, "role_missing")
    caller.post("schedule", wish()).problem(403, "role_missing")


def test_a_token_without_an_org_acts_where_its_user_belongs(
    as_user: Callable[..., Api], workspace: Workspace
) -> None:
    user = make_user(workspace, external_id="u1")
    caller = as_user("u1")
    assert caller.get("me").body["workspace"]["slug"] == workspace.slug
    second = make_workspace(external_id="o2")
    Membership.objects.create(workspace=second, user=user)
    caller.get("posts").problem(400, "workspace_not_named")
    assert caller.get("me").body["workspace"] is None
    assert caller.get("posts", X_Workspace=second.slug).status == 200
    foreign = make_workspace(external_id="o3")
    caller.get("posts", X_Workspace=foreign.slug).problem(404, "not_found")
    caller.post("schedule", wish(org_id="o3")).problem(404, "not_found")
    caller.post("schedule", wish(org_id="never seen")).problem(404, "not_found")
    assert not Workspace.objects.filter(external_id="never seen").exists()


def test_a_job_is_found_without_naming_its_workspace(as_user: Callable[..., Api]) -> None:
    user = make_user(external_id="u1")
    posts = []
    for _ in range(2):
        workspace = make_workspace()
        Membership.objects.create(workspace=workspace, user=user)
        posts.append(make_post(make_connection(workspace)))
    caller = as_user("u1")
    assert [caller.get(f"schedule/{post.pk}").status for post in posts] == [200, 200]
    assert caller("DELETE", f"schedule/{posts[0].pk}").status == 200
    caller.get(f"schedule/{make_post().pk}").problem(404, "not_found", "id")


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [({"user_id": "u2"}, "other_user", "user_id"), ({"org_id": "o2"}, "other_workspace", "org_id")],
)
def test_a_token_acts_for_nobody_else(
    as_user: Callable[..., Api], fields: dict[str, str], code: str, field: str
) -> None:
    caller = as_user("u1", org_id="o1")
    caller.post("schedule", wish(**fields)).problem(403, code, field)
    assert not User.objects.filter(external_id="u2").exists()


def test_a_token_gives_no_staff_rights(as_user: Callable[..., Api]) -> None:
    make_user(external_id="u1", is_superuser=True, is_staff=True)
    workspace = make_workspace()
    as_user("u1").get("posts", X_Workspace=workspace.slug).problem(404, "not_found")


def test_a_token_must_name_somebody(as_user: Callable[..., Api]) -> None:
    refused(as_user(None, org_id="o1"), "token_invalid")


def test_a_deactivated_user_is_refused(as_user: Callable[..., Api]) -> None:
    make_user(external_id="u1", is_active=False)
    refused(as_user("u1"), "user_inactive")


def test_an_expired_token_says_so(as_user: Callable[..., Api]) -> None:
    refused(as_user("u1", exp=1_000_000_000), "token_expired")


# --- service to service -----------------------------------------------------------------------


def test_a_service_acts_for_whom_it_names(
    as_user: Callable[..., Api], networks: Callable[..., None], token: str
) -> None:
    service = as_user(None, service=True)
    answer = service.post("schedule", wish(user_id="u7", org_id="o7", access_token=token))
    assert answer.status == 201
    post = ScheduledPost.objects.get(pk=answer.body["job_id"])
    assert post.workspace.external_id == "o7"
    assert post.created_by is not None
    assert post.created_by.external_id == "u7"
    job = service.get(f"schedule/{post.pk}")
    assert (job.body["data"]["user_id"], job.body["data"]["org_id"]) == ("u7", "o7")
    assert service("DELETE", f"schedule/{post.pk}").status == 200
    assert ScheduledPost.objects.get(pk=post.pk).state == PostState.CANCELLED


def test_a_service_may_act_beyond_the_org_of_its_token(as_user: Callable[..., Api]) -> None:
    workspace = make_workspace(external_id="o2")
    connection = make_connection(workspace)
    service = as_user("u1", service=True, org_id="o1")
    assert service.post("schedule", wish(connection, user_id="u2", org_id="o2")).status == 201


def test_a_service_cannot_act_for_a_deactivated_user(as_user: Callable[..., Api]) -> None:
    make_user(external_id="u2", is_active=False)
    service = as_user("u1", service=True)
    service.post("schedule", wish(user_id="u2")).problem(403, "user_inactive", "user_id")


def test_a_wrong_service_token_is_refused_whatever_else_is_right(
    as_user: Callable[..., Api], workspace: Workspace
) -> None:
    _, key = issue_api_key(workspace=workspace, name="x", actor="system")
    for caller in (as_user("u1", org_id="o1"), Api(X_API_Key=key), Api()):
        caller.headers["X-Service-Token"] = "wrong"
        refused(caller, "service_token_invalid")


def test_a_service_token_alone_is_not_enough(as_user: Callable[..., Api]) -> None:
    service = as_user("u1", service=True)
    del service.headers["Authorization"]
    refused(service, "token_missing")


def test_no_service_token_is_right_while_none_is_set(
    as_user: Callable[..., Api], settings: Any
) -> None:
    service = as_user("u1", service=True)
    settings.SERVICE_TOKEN = ""
    refused(service, "service_token_invalid")
    service.headers["X-Service-Token"] = ""
    refused(service, "service_token_invalid")


# --- browsers ---------------------------------------------------------------------------------


def browser(user: User, *, enforce_csrf: bool = False) -> Api:
    api = Api()
    api.django = Client(raise_request_exception=False, enforce_csrf_checks=enforce_csrf)
    api.django.force_login(user)
    return api


def test_staff_look_at_every_workspace_and_superusers_act_in_it(workspace: Workspace) -> None:
    post = make_post(make_connection(workspace))
    staff = browser(make_user(is_staff=True))
    assert staff.get("posts", X_Workspace=workspace.slug).status == 200
    staff.post(f"posts/{post.pk}/cancel", X_Workspace=workspace.slug).problem(403, "role_missing")
    superuser = browser(make_user(is_staff=True, is_superuser=True))
    answer = superuser.post(f"posts/{post.pk}/cancel", X_Workspace=workspace.slug)
    assert answer.status == 200


def test_members_browse_their_own_workspace(workspace: Workspace) -> None:
    member = browser(make_user(workspace, role=Role.VIEWER))
    assert member.get("posts").status == 200
    member.get("posts", X_Workspace=make_workspace().slug).problem(404, "not_found")


def test_a_session_needs_the_csrf_token_to_change_anything(workspace: Workspace) -> None:
    post = make_post(make_connection(workspace))
    owner = browser(make_user(workspace), enforce_csrf=True)
    owner.post(f"posts/{post.pk}/cancel").problem(403, "permission_denied")
