"""Rows that addresses of the API can name: one line for each kind of id.

An operation whose address has a new `..._id` needs a line in ROWS; whoever forgets it is told so by
test_schemathesis.py and test_permissions.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from accounts.models import Workspace
from notifications import endpoints, jobs
from notifications.targets import register_device
from scheduling.states import PostState
from tests.factories import make_connection, make_post, make_user


def _post(workspace: Workspace) -> str:
    return str(make_post(make_connection(workspace), state=PostState.SCHEDULED).pk)


def _endpoint(workspace: Workspace) -> str:
    endpoint, _ = endpoints.create(workspace, url="https://example.com/hooks", actor="user:ada")
    return str(endpoint.pk)


def _delivery(workspace: Workspace) -> str:
    """Return a delivery of a new endpoint."""
    endpoint = uuid.UUID(_endpoint(workspace))
    return str(endpoints.send_test(endpoint, actor="user:ada").pk)


def _notification(workspace: Workspace) -> str:
    job = jobs.NotificationJob("email", "ada@example.com", "welcome", {})
    return str(jobs.send(workspace, job, actor="user:ada").pk)


def _device(workspace: Workspace) -> str:
    user = make_user(workspace)
    return str(register_device(user=user, token=str(uuid.uuid4()), platform="web").pk)


# The name of a path's parameter -> how to make such a row in a workspace and name it.
ROWS: dict[str, Callable[[Workspace], str]] = {
    "post_id": _post,
    "job_id": _post,
    "endpoint_id": _endpoint,
    "delivery_id": _delivery,
    "notification_id": _notification,
    "device_id": _device,
}


def row_of(parameter: str, workspace: Workspace) -> str:
    """Save a row and return its id as an address names it."""
    assert parameter in ROWS, f"say in tests/api/rows.py how to make a row for {{{parameter}}}"
    return ROWS[parameter](workspace)
