"""Who may do what: every operation of the OpenAPI document, by every kind of caller.

A new operation needs one line in NEEDS: the scope a key must have and the role a member must have.
If its address has a new `..._id`, or it takes a body that must name a row, rows.py needs one too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.test import Client

from accounts.keys import SCOPES
from accounts.models import Role, Workspace
from accounts.roles import includes
from api.documents import document
from tests.api.client import Answer, Api, keyed
from tests.api.rows import row_of
from tests.factories import make_user, make_workspace

V, A, E, O = Role.VIEWER, Role.APPROVER, Role.EDITOR, Role.OWNER  # noqa: E741
OPEN = None  # anybody may

# operation -> (scope, role); "" lets every key in.
NEEDS: dict[str, tuple[str, str] | None] = {
    "get_health": OPEN,
    "get_me": ("", V),
    "list_connections": ("connections:read", V),
    "get_connection": ("connections:read", V),
    "pause_connection": ("connections:write", E),
    "resume_connection": ("connections:write", E),
    "disconnect_connection": ("connections:write", E),
    "check_connection": ("connections:write", E),
    "list_rate_limits": ("limits:read", V),
    "clear_rate_limit": ("workspace:write", O),
    "get_workspace": ("workspace:read", V),
    "change_workspace": ("workspace:write", O),
    "list_workspaces": ("workspace:read", V),
    "list_members": ("workspace:read", V),
    "add_member": ("workspace:write", O),
    "get_member": ("workspace:read", V),
    "change_member": ("workspace:write", O),
    "remove_member": ("workspace:write", O),  # and oneself: test_administration.py
    "list_invitations": ("workspace:read", O),
    "invite_member": ("workspace:write", O),
    "revoke_invitation": ("workspace:write", O),
    "list_api_keys": ("workspace:read", O),
    "issue_api_key": ("workspace:write", O),
    "get_api_key": ("workspace:read", O),
    "rotate_api_key": ("workspace:write", O),
    "revoke_api_key": ("workspace:write", O),
    "list_audit_events": ("audit:read", O),
    "get_statistics": ("posts:read", V),
    "get_queue_statistics": ("posts:read", V),
    "list_callbacks": ("posts:read", V),
    "resend_callback": ("posts:write", E),
    "accept_invitation": ("", V),
    "count_text": ("posts:read", V),
    "list_posts": ("posts:read", V),
    "create_post": ("posts:write", E),
    "get_post": ("posts:read", V),
    "change_post": ("posts:write", E),
    "delete_draft": ("posts:write", E),
    "cancel_post": ("posts:write", E),
    "retry_post": ("posts:write", E),
    "reschedule_post": ("posts:write", E),
    "publish_post_now": ("posts:write", E),
    "resolve_post": ("posts:write", E),
    "duplicate_post": ("posts:write", E),
    "try_post": ("posts:read", V),
    "list_attempts": ("posts:read", V),
    "list_transitions": ("posts:read", V),
    "submit_post": ("posts:write", E),
    "approve_post": ("posts:write", A),
    "reject_post": ("posts:write", A),
    "withdraw_approval": ("posts:write", A),
    "create_posts": ("posts:write", E),
    "cancel_posts": ("posts:write", E),
    "reschedule_posts": ("posts:write", E),
    "get_calendar": ("posts:read", V),
    "export_calendar": ("posts:read", V),
    "import_calendar": ("posts:write", E),
    "list_groups": ("posts:read", V),
    "create_group": ("posts:write", E),
    "get_group": ("posts:read", V),
    "change_group": ("posts:write", E),
    "cancel_group": ("posts:write", E),
    "reschedule_group": ("posts:write", E),
    "publish_group_now": ("posts:write", E),
    "list_series": ("posts:read", V),
    "create_series": ("posts:write", E),
    "preview_series": ("posts:read", V),
    "get_series": ("posts:read", V),
    "change_series": ("posts:write", E),
    "delete_series": ("posts:write", E),
    "forecast_series": ("posts:read", V),
    "list_occurrences": ("posts:read", V),
    "skip_occurrence": ("posts:write", E),
    "pause_series": ("posts:write", E),
    "resume_series": ("posts:write", E),
    "end_series": ("posts:write", E),
    "get_queue": ("connections:read", V),
    "set_queue": ("connections:write", E),
    "schedule_job": ("posts:write", E),
    "get_job": ("posts:read", V),
    "cancel_job": ("posts:write", E),
    "list_webhook_endpoints": ("notifications:read", E),
    "create_webhook_endpoint": ("notifications:write", O),
    "get_webhook_endpoint": ("notifications:read", E),
    "change_webhook_endpoint": ("notifications:write", O),
    "delete_webhook_endpoint": ("notifications:write", O),
    "rotate_webhook_secret": ("notifications:write", O),
    "test_webhook_endpoint": ("notifications:write", O),
    "enable_webhook_endpoint": ("notifications:write", O),
    "disable_webhook_endpoint": ("notifications:write", O),
    "list_webhook_deliveries": ("notifications:read", E),
    "replay_webhook_deliveries": ("notifications:write", O),
    "list_deliveries": ("notifications:read", E),
    "get_delivery": ("notifications:read", E),
    "replay_delivery": ("notifications:write", E),
    "send_notification": ("notifications:write", O),
    "get_notification": ("notifications:read", O),
    "get_notification_preferences": ("", V),
    "change_notification_preferences": ("", V),
    "register_device": ("", V),
    "forget_device": ("", V),
}
# A key is nobody's word: this takes a person, whatever the key's scopes are.
PERSONAL = {"approve_post"}


class Known(NamedTuple):
    """One operation as the document tells it."""

    id: str
    method: str
    path: str
    told: dict[str, Any]

    @property
    def names_row(self) -> bool:
        """Say whether its address names a row of a workspace."""
        return "{" in self.path

    def call(self, api: Api, workspace: Workspace, **headers: str) -> Answer:
        """Call it about rows of `workspace`, with the example as its body."""
        parts = [
            row_of(part[1:-1], workspace) if part.startswith("{") else part
            for part in self.path.removeprefix("/api/v1/").split("/")
        ]
        content = self.told.get("requestBody", {}).get("content", {})
        body = content["application/json"]["example"] if content else None
        return api(self.method, "/".join(parts), body, **headers)


def operations() -> Iterator[Known]:
    for path, item in document()["paths"].items():
        for method, told in item.items():
            yield Known(told["operationId"], method.upper(), path, told)


OPERATIONS = list(operations())
GUARDED = [one for one in OPERATIONS if NEEDS.get(one.id)]
every_operation = pytest.mark.parametrize("one", GUARDED, ids=[one.id for one in GUARDED])


def member(workspace: Workspace, role: str) -> Api:
    """Return somebody's browser; examples call them u-1, and their workspace o-1."""
    Workspace.objects.filter(pk=workspace.pk).update(external_id="o-1")
    api = Api()
    api.django = Client(raise_request_exception=False)
    api.django.force_login(make_user(workspace, role=role, external_id="u-1"))
    return api


def test_every_operation_has_its_line_and_every_line_its_operation() -> None:
    assert {one.id for one in OPERATIONS} == NEEDS.keys()


def test_the_document_tells_what_is_needed() -> None:
    for one in OPERATIONS:
        told = (one.told["x-scope"], one.told["x-role"]) if "x-role" in one.told else OPEN
        assert told == NEEDS[one.id], one.id
        assert ("security" in one.told) is (told is not OPEN), one.id


@every_operation
def test_strangers_are_asked_who_they_are(one: Known, workspace: Workspace) -> None:
    one.call(Api(), workspace).problem(401, "not_authenticated")


@pytest.mark.parametrize("role", Role.values)
@every_operation
def test_members_may_what_their_role_says(one: Known, workspace: Workspace, role: str) -> None:
    need = NEEDS[one.id]
    assert need
    answer = one.call(member(workspace, role), workspace)
    if includes(role, need[1]):
        assert answer.status not in {401, 403}, answer.body
    else:
        answer.problem(403, "role_missing")


@every_operation
def test_keys_need_the_scope(one: Known, workspace: Workspace) -> None:
    need = NEEDS[one.id]
    assert need
    others = [scope for scope in SCOPES if scope != need[0]]
    without = one.call(keyed(workspace, *others), workspace)
    with_it = one.call(keyed(workspace, need[0] or SCOPES[0]), workspace)
    if need[0]:
        without.problem(403, "scope_missing")
    else:
        assert without.status not in {401, 403}, without.body
    if one.id in PERSONAL:
        with_it.problem(403, "person_needed")
        return
    assert with_it.status not in {401, 403}, with_it.body


@every_operation
def test_rows_of_another_workspace_are_not_there(one: Known, workspace: Workspace) -> None:
    other = make_workspace()
    owner = member(workspace, Role.OWNER)
    for api in [owner] if one.id in PERSONAL else [owner, keyed(workspace)]:
        one.call(api, workspace, X_Workspace=other.slug).problem(404, "not_found")
        if one.names_row:
            answer = one.call(api, other)
            assert (answer.status, answer.body["code"]) == (404, "not_found"), answer.body
