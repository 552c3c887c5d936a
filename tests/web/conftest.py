"""People of the site and their browsers (imports wait until Django is set up)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import User, Workspace


@pytest.fixture
def member(workspace: Workspace) -> User:
    """Give an editor of `workspace`."""
    from accounts.models import Role
    from tests.factories import make_user

    return make_user(workspace, role=Role.EDITOR, password="a long pass phrase")


@pytest.fixture
def browser(member: User) -> Client:
    """Give the editor's browser."""
    from tests.web.browsers import browser_of

    return browser_of(member)
