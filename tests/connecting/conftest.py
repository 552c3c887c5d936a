"""People who connect accounts (imports wait until Django is set up)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from accounts.models import User, Workspace
    from tests.connecting.person import Person


@pytest.fixture
def editor(workspace: Workspace) -> User:
    """Give somebody who may connect accounts in `workspace`."""
    from accounts.models import Role
    from tests.factories import make_user

    return make_user(workspace, role=Role.EDITOR)


@pytest.fixture
def person(imitated: str, editor: User) -> Person:
    """Give the editor's browser."""
    from tests.connecting.person import Person

    return Person(editor)
