"""A host that staff let drain gives back what is unsent, finishes the rest, and can go on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from engine import slots
from engine.drain import start_draining, stop_draining
from engine.models import Pause, WorkerSlot
from engine.pauses import are_all_hosts_draining, is_draining
from engine.runner import Runner
from platforms.models import SocialConnection
from scheduling import pauses
from scheduling.models import ScheduledPost
from scheduling.publisher import PostWorkload
from scheduling.states import PostState
from tests.concurrency.threads import own_session
from tests.factories import make_post
from tests.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("key", [socket.gethostname(), Pause.ALL_HOSTS])
def test_a_drained_host_claims_nothing_until_it_is_started_again(
    connection: SocialConnection, key: str
) -> None:
    post = make_post(connection, due_at=timezone.now() + timedelta(seconds=4))
    after_that = make_post(connection, due_at=timezone.now() + timedelta(hours=1))

    def row() -> ScheduledPost:
        return ScheduledPost.objects.get(pk=post.pk)

    def story() -> None:
        try:
            wait_until(lambda: row().lease_slot is not None, what="the claim")
            pauses.pause(Pause.Scope.HOST, key, actor="user:ada", reason="upgrade")
            wait_until(lambda: row().lease_slot is None, what="the claim's return")
            assert is_draining()
            wait_until(_slot_is_idle, what="a slot with empty hands that still beats")
            wait_until(lambda: row().scheduled_at < timezone.now(), what="the moment")
            assert row().state == PostState.SCHEDULED
            pauses.resume(Pause.Scope.HOST, key, actor="user:ada")
            wait_until(lambda: row().state != PostState.SCHEDULED, what="the send mark")
        finally:
            start_draining()

    _while_a_slot_runs(story)
    assert ScheduledPost.objects.get(pk=after_that.pk).lease_slot is None


def test_another_host_is_not_meant(connection: SocialConnection) -> None:
    pauses.pause(Pause.Scope.HOST, "elsewhere", actor="user:ada", reason="upgrade")
    assert not is_draining()
    assert is_draining("elsewhere")


def test_all_hosts_drain_when_each_that_publishes_does() -> None:
    assert not are_all_hosts_draining()
    slots.open_slot("publish")
    pauses.pause(Pause.Scope.HOST, "elsewhere", actor="user:ada", reason="upgrade")
    assert not are_all_hosts_draining()
    pauses.pause(Pause.Scope.HOST, socket.gethostname(), actor="user:ada", reason="upgrade")
    assert are_all_hosts_draining()


def _slot_is_idle() -> bool:
    slot = WorkerSlot.objects.get(kind="publish")
    return (slot.in_flight, slot.claimed, slot.stopped_at) == (0, 0, None)


def _while_a_slot_runs(story: Callable[[], None]) -> None:
    slot = slots.open_slot("publish")
    assert slot is not None

    async def main() -> None:
        telling = asyncio.get_running_loop().run_in_executor(None, own_session(story))
        await Runner(PostWorkload(), slot).run()
        await telling

    stop_draining()
    try:
        asyncio.run(main())
    finally:
        stop_draining()
        connections.close_all()
