"""Rows that addresses of the API can name: one line for each kind of id.

An operation whose address has a new `..._id` needs a line in ROWS; whoever forgets it is told so by
test_schemathesis.py and test_permissions.py.
"""

from __future__ import annotations

from collections.abc import Callable

from accounts.members import invite
from accounts.models import Membership, Role, Workspace
from accounts.services import issue_api_key
from engine.models import RateLimitState
from scheduling.announcements import PostChange, announce
from scheduling.callback_log import callbacks_of
from scheduling.models import PostGroup
from scheduling.states import PostState
from tests.factories import make_connection, make_post, make_user
from tests.scheduling.series_stage import start


def _post(workspace: Workspace) -> str:
    return str(make_post(make_connection(workspace), state=PostState.SCHEDULED).pk)


def _group(workspace: Workspace) -> str:
    group = PostGroup.objects.create(workspace=workspace)
    make_post(make_connection(workspace), group=group)
    return str(group.pk)


def _series(workspace: Workspace) -> str:
    return str(start(make_connection(workspace)).pk)


def _connection(workspace: Workspace) -> str:
    return str(make_connection(workspace).pk)


def _limit(workspace: Workspace) -> str:
    connection = make_connection(workspace)
    return str(RateLimitState.objects.create(scope="connection", key=str(connection.pk)).pk)


def _member(workspace: Workspace) -> str:
    user = make_user(workspace, role=Role.VIEWER)
    return str(Membership.objects.get(workspace=workspace, user=user).public_id)


def _invitation(workspace: Workspace) -> str:
    made, _ = invite(
        workspace, role=Role.VIEWER, actor="test", own_role=Role.OWNER, email="a@example.org"
    )
    return str(made.pk)


def _key(workspace: Workspace) -> str:
    key, _ = issue_api_key(workspace=workspace, name="x", actor="test", scopes=["workspace:write"])
    return str(key.pk)


def _delivery(workspace: Workspace) -> str:
    post = make_post(make_connection(workspace), callback_url="https://customer.example/hook")
    announce([PostChange.of(post, event="post.published")])
    return str(callbacks_of(post).get().pk)


# The name of a path's parameter -> how to make such a row in a workspace and name it.
ROWS: dict[str, Callable[[Workspace], str]] = {
    "post_id": _post,
    "job_id": _post,
    "group_id": _group,
    "series_id": _series,
    "connection_id": _connection,
    "limit_id": _limit,
    "member_id": _member,
    "invitation_id": _invitation,
    "key_id": _key,
    "delivery_id": _delivery,
}


def row_of(parameter: str, workspace: Workspace) -> str:
    """Save a row and return its id as an address names it."""
    assert parameter in ROWS, f"say in tests/api/rows.py how to make a row for {{{parameter}}}"
    return ROWS[parameter](workspace)
