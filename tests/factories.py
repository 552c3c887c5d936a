"""Small makers of rows: everything has a sensible default, name only what the test is about."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from accounts.models import Membership, Role, User, Workspace
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.states import MACHINE, PostState

_numbers = itertools.count(1)

# What the sandbox accepts from every account it has not been told about.
CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "sandbox": {"access_token": "demo-ada"},
    "x": {"oauth_token": "ada-token", "oauth_token_secret": "ada-secret"},
    "mastodon": {"access_token": "demo-ada"},
}


def make_workspace(**fields: Any) -> Workspace:
    """Save a workspace with a unique slug."""
    number = next(_numbers)
    return Workspace.objects.create(
        **{"slug": f"workspace-{number}", "name": f"Workspace {number}", **fields}
    )


def make_user(
    workspace: Workspace | None = None, *, role: str = Role.OWNER, password: str = "", **fields: Any
) -> User:
    """Save a user, a member of `workspace` if given; without `password` none will log in."""
    user = User(**{"username": f"user-{next(_numbers)}", **fields})
    if password:
        user.set_password(password)
    else:
        user.set_unusable_password()
    user.save()
    if workspace is not None:
        Membership.objects.create(workspace=workspace, user=user, role=role)
    return user


def make_connection(
    workspace: Workspace | None = None,
    *,
    platform: str = "sandbox",
    credentials: Mapping[str, Any] | None = None,
    **fields: Any,
) -> SocialConnection:
    """Save an active connection with encrypted credentials."""
    number = next(_numbers)
    connection = SocialConnection(
        **{
            "workspace": workspace or make_workspace(),
            "platform": platform,
            "external_id": str(number),
            "username": f"account-{number}",
            **fields,
        }
    )
    connection.set_credentials(dict(CREDENTIALS[platform] if credentials is None else credentials))
    connection.save()
    return connection


def make_post(
    connection: SocialConnection | None = None,
    *,
    state: str = PostState.SCHEDULED,
    due_at: datetime | None = None,
    text: str = "hello",
    **fields: Any,
) -> ScheduledPost:
    """Save a post in any state as if it had got there; states of the machine are due at once.

    A publishing post also needs `lease_slot` and `lease_expires_at`: the database insists.
    """
    connection = connection or make_connection()
    moment = due_at or timezone.now()
    return ScheduledPost.objects.create(
        **{
            "workspace": connection.workspace,
            "connection": connection,
            "platform": connection.platform,
            "state": state,
            "due_at": moment if state in MACHINE else None,
            "scheduled_at": moment,
            "segments": [{"text": text}],
            **fields,
        }
    )
