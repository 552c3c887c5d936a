"""Disconnecting: nothing of the credentials is left here, and the network is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from engine.errors import ErrorCategory, ServiceError
from engine.states import IllegalTransition
from platforms.backends import BACKENDS
from platforms.disconnecting import disconnect
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import adapter_for
from platforms.tokens import Turn, begin_refresh, store_refreshed
from platforms.verification import OpenDoor, converse, verify_credentials
from scheduling.disconnecting import count_waiting, disconnect_account
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from scheduling.sweeper import unblock
from tests.connecting.cases import CASES
from tests.connecting.dump import dump
from tests.connecting.person import Person, decide
from tests.factories import make_connection, make_post

pytestmark = pytest.mark.django_db
OVER = {ErrorCategory.AUTH_ERROR, ErrorCategory.TOKEN_EXPIRED}


@pytest.fixture
def connect(person: Person, account: str, imitated: str) -> Callable[[str], SocialConnection]:
    """Connect an account by consent and give it."""

    def run(backend: str) -> SocialConnection:
        posted = {name: v.format(site=imitated) for name, v in CASES[backend].posted.items()}
        person.come_back(decide(person.press_connect(backend, **posted), account), account)
        return SocialConnection.objects.get()

    return run


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_credentials_are_gone_here_and_end_at_the_network(
    connect: Callable[[str], SocialConnection], backend: str
) -> None:
    connection = connect(backend)
    kept = connection.get_credentials()
    cipher = bytes(connection.secret).decode()
    assert cipher in dump()
    said = disconnect(connection, actor="user:ada")
    assert (connection.state, bytes(connection.secret)) == (ConnectionState.REVOKED, b"")
    assert (connection.expires_at, connection.scopes) == (None, [])
    assert cipher not in dump()
    event = AuditEvent.objects.get(action="connection.disconnected")
    assert event.actor == "user:ada"
    if CASES[backend].ends_there:
        assert said == ""
        assert refusal(connection.platform, kept) in OVER
    else:
        assert "remove" in said
    with pytest.raises(IllegalTransition):
        disconnect(connection, actor="user:ada")


def refusal(platform: str, credentials: Mapping[str, Any]) -> ErrorCategory:
    with pytest.raises(ServiceError) as caught:
        verify_credentials(platform, credentials)
    return caught.value.category


def test_the_refresh_token_ends_too(connect: Callable[[str], SocialConnection]) -> None:
    connection = connect("x")
    kept = connection.get_credentials()
    adapter = adapter_for("x")
    disconnect(connection, actor="user:ada")

    async def renew(open_door: OpenDoor) -> Any:
        return await adapter.refresh(open_door(base_url=adapter.base_url({})), kept)

    with pytest.raises(ServiceError) as caught:
        converse("X", renew)
    assert caught.value.provider_code == "invalid_grant"


@pytest.mark.parametrize(
    ("external_id", "token"), [("another", "the same token"), ("the same", "another token")]
)
def test_what_others_use_is_not_ended(workspace: Any, external_id: str, token: str) -> None:
    first = make_connection(
        workspace,
        platform="x",
        external_id="the same",
        credentials={"access_token": "the same token", "refresh_token": ""},
    )
    other = make_connection(
        platform="x", username="zoe", external_id=external_id, credentials={"access_token": token}
    )
    said = disconnect(first, actor="user:ada")
    assert said == "Its access at X is left in place, for zoe uses it."
    assert bytes(first.secret) == b""
    SocialConnection.objects.filter(pk=other.pk).update(state=ConnectionState.REVOKED)


def test_a_network_that_does_not_answer_changes_nothing_about_it(
    connect: Callable[[str], SocialConnection], switch: Callable[..., None], caplog: Any
) -> None:
    connection = connect("x")
    token = connection.get_credentials()["access_token"]
    switch(network="x", on="token", fail={"status": 500})
    said = disconnect(connection, actor="user:ada")
    assert "X may still list its access" in said
    assert connection.state == ConnectionState.REVOKED
    assert token not in caplog.text
    assert "connection.revoke_failed" in caplog.text


def test_credentials_that_no_key_opens_are_wiped_all_the_same(
    connection: SocialConnection,
) -> None:
    SocialConnection.objects.update(secret=b"of a lost key")
    connection.refresh_from_db()
    assert "remove this application" in disconnect(connection, actor="system")
    assert bytes(connection.secret) == b""


def test_a_refresh_under_way_brings_nothing_back(connection: SocialConnection) -> None:
    turn = begin_refresh(connection.pk, connection.version)
    assert isinstance(turn, Turn)
    disconnect(connection, actor="system")
    assert not store_refreshed(turn, {"access_token": "new"})
    connection.refresh_from_db()
    assert bytes(connection.secret) == b""


def test_posts_that_are_near_learn_why_they_wait_and_go_on_after_reconnecting(
    person: Person, workspace: Any, account: str
) -> None:
    connection = make_connection(workspace, platform="x", backend="x")
    near = make_post(connection, due_at=timezone.now() + timedelta(seconds=30))
    later = make_post(connection, due_at=timezone.now() + timedelta(days=30))
    assert count_waiting(connection) == 2
    disconnect_account(connection, actor="user:ada")
    near.refresh_from_db()
    later.refresh_from_db()
    assert (near.state, later.state) == (PostState.BLOCKED, PostState.SCHEDULED)
    assert "was disconnected" in near.last_error
    assert count_waiting(connection) == 2
    assert unblock() == 0
    begun = person.press_connect("x", connection=str(connection.pk))
    person.come_back(decide(begun, account))
    other = SocialConnection.objects.exclude(pk=connection.pk).get()  # another external id
    SocialConnection.objects.filter(pk=other.pk).delete()
    SocialConnection.objects.filter(pk=connection.pk).update(external_id=other.external_id)
    person.come_back(decide(person.press_connect("x", connection=str(connection.pk)), account))
    connection.refresh_from_db()
    assert connection.state == ConnectionState.ACTIVE
    assert unblock() == 1
    assert ScheduledPost.objects.get(pk=near.pk).state == PostState.SCHEDULED
