"""The audit log can be asked: who, what, on what, in which workspace, since when."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from accounts.audit import record
from accounts.models import AuditEvent
from platforms.models import SocialConnection
from scheduling import services
from tests.admin.console import POSTS
from tests.factories import make_post, make_workspace

LOG = "/admin/accounts/auditevent/"


def listed(client: Client, **narrowed: str) -> set[str]:
    """Return the actions that the log shows."""
    page: Any = client.get(f"{LOG}?{urlencode(narrowed)}", follow=True)
    return {event.action for event in page.context["cl"].result_list}


@pytest.fixture
def events(connection: SocialConnection) -> None:
    """Write three events that differ in everything."""
    record(actor="user:ada", action="post.cancelled", target="post:1", reason="spam")
    record(
        actor="key:crl_1",
        action="api_key.revoked",
        target="api_key:1",
        workspace=make_workspace(slug="acme"),
    )
    record(actor="system", action="post.requeued", target="post:1")


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        ({}, {"post.cancelled", "api_key.revoked", "post.requeued"}),
        ({"did": "post."}, {"post.cancelled", "post.requeued"}),
        ({"did": "post.cancelled"}, {"post.cancelled"}),
        ({"who": "ada"}, {"post.cancelled"}),
        ({"who": "key:crl_1"}, {"api_key.revoked"}),
        ({"on": "post:1", "who": "system"}, {"post.requeued"}),
        ({"workspace_is": "acm"}, {"api_key.revoked"}),
        ({"workspace_is": "nobody"}, set()),
        ({"since": "2999-01-01T00:00"}, set()),
        ({"until": "2999-01-01T00:00", "did": "api"}, {"api_key.revoked"}),
    ],
)
def test_the_log_is_narrowed(
    staff: Client, events: None, narrowed: dict[str, str], found: set[str]
) -> None:
    assert listed(staff, **narrowed) == found


def test_since_counts_from_that_minute(staff: Client, events: None) -> None:
    ago = timezone.now() - timedelta(minutes=2)
    assert len(listed(staff, since=f"{ago:%Y-%m-%dT%H:%M}")) == AuditEvent.objects.count()


def test_a_post_links_its_own_trail(staff: Client, connection: SocialConnection) -> None:
    post, other = make_post(connection), make_post(connection)
    services.cancel_post(post.pk, actor="user:ada", reason="wrong picture")
    services.cancel_post(other.pk, actor="user:ada")
    page = staff.get(f"{POSTS}{post.pk}/change/").content.decode()
    link = re.search(rf'href="({LOG}\?on=[^"]+)"', page)
    assert link is not None
    trail = staff.get(link[1]).content.decode()
    assert "wrong picture" in trail
    assert "1 audit event" in trail
