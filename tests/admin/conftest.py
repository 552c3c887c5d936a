"""People of the staff console and their browsers (imports wait until Django is set up)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import User


@pytest.fixture
def boss(db: None) -> User:
    """Give a superuser."""
    from tests.factories import make_user

    return make_user(username="boss", is_staff=True, is_superuser=True)


@pytest.fixture
def staff(boss: User) -> Client:
    """Give the superuser's browser."""
    from tests.admin.console import client_of

    return client_of(boss)


@pytest.fixture
def viewer(db: None) -> Client:
    """Give the browser of somebody who may see everything and change nothing."""
    from django.contrib.auth.models import Permission

    from tests.admin.console import client_of
    from tests.factories import make_user

    user = make_user(username="viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return client_of(user)
