"""Rows that addresses of the API can name: one line for each kind of id.

An operation whose address has a new `..._id` needs a line in ROWS; whoever forgets it is told so by
test_schemathesis.py and test_permissions.py.
"""

from __future__ import annotations

from collections.abc import Callable

from accounts.models import Workspace
from scheduling.states import PostState
from tests.factories import make_connection, make_post


def _post(workspace: Workspace) -> str:
    return str(make_post(make_connection(workspace), state=PostState.SCHEDULED).pk)


# The name of a path's parameter -> how to make such a row in a workspace and name it.
ROWS: dict[str, Callable[[Workspace], str]] = {
    "post_id": _post,
    "job_id": _post,
}


def row_of(parameter: str, workspace: Workspace) -> str:
    """Save a row and return its id as an address names it."""
    assert parameter in ROWS, f"say in tests/api/rows.py how to make a row for {{{parameter}}}"
    return ROWS[parameter](workspace)
