"""The notifier itself: receivers do not wait for each other, and a killed worker loses nothing."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from engine.models import Installation, WorkerSlot
from engine.schedules import slot_kinds, sync
from notifications import deliveries, sweeper
from notifications.deliveries import DeliveryResult
from notifications.dispatcher import CLAIM_AT_ONCE, DeliveryWorkload
from notifications.models import Delivery, DeliveryState
from notifications.outbox import OutboxEvent, write
from notifications.resending import resend
from scheduling import outage
from tests.notifications.stage import (
    DATA,
    Heard,
    cleared,
    notifier,
    played,
    receiving,
    settled,
    tell,
    until,
)
from tests.processes import Processes

D = DeliveryState
NOTIFIER = """
import django
django.setup()
from notifications.tasks import run_notifier_slot
run_notifier_slot()
"""


def tell_often(target: str, count: int) -> None:
    to = (("webhook", target),)
    write(
        [
            OutboxEvent("post.published", None, {"data": DATA}, f"{number} {target}", to)
            for number in range(count)
        ]
    )


def test_a_receiver_that_hangs_with_a_thousand_callbacks_delays_nobody_else(
    committed: None,
) -> None:
    async def scene() -> tuple[float, int]:
        async with receiving(hang=True) as dead, receiving() as alive, notifier() as database:
            await database.run(tell_often, dead.url, 1000)
            await until(lambda: len(dead.heard) == 10)
            started = time.monotonic()
            await database.run(tell_often, alive.url, 20)
            await until(lambda: len(alive.heard) == 20)
            took = time.monotonic() - started
            asked = len(dead.heard)
            dead.hang, dead.status = False, 410
            dead.released.set()
        return took, asked

    took, asked = played(scene())
    assert took < 2.0
    assert asked == 10  # never more at once


def test_a_worker_killed_between_call_and_record_is_made_up_for_under_the_same_id(
    shared_env: dict[str, str], processes: Processes
) -> None:
    cleared()

    async def scene() -> tuple[list[Heard], str]:
        async with receiving(hang=True) as receiver:
            told = await asyncio.to_thread(committed_delivery, receiver.url)
            child = processes.start(sys.executable, "-c", NOTIFIER, env=shared_env)
            await until(lambda: bool(receiver.heard), seconds=30)
            child.process.kill()
            await asyncio.to_thread(child.process.wait)
            receiver.hang = False
            receiver.released.set()
            await asyncio.to_thread(time_passes)
            async with notifier() as database:
                await until(lambda: len(receiver.heard) == 2)
                await settled(database)
            return receiver.heard, told

    (first, second), told = played(scene())
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == told
    assert first.body == second.body
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == (D.SENT, 2)


def committed_delivery(url: str) -> str:
    try:
        return str(tell(url).notification_id)
    finally:
        connection.close()


def time_passes() -> None:
    """Let the dead worker's lease be over, and its silence be noticed."""
    try:
        past = timezone.now() - timedelta(seconds=1)
        assert Delivery.objects.filter(state=D.SENDING).update(lease_expires_at=past) == 1
        WorkerSlot.objects.update(heartbeat_at=past - timedelta(minutes=1))
    finally:
        connection.close()


# --- may anything leave? ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "installation",
    [
        {"paused": True},
        {"heartbeat_at": None},
        {"heartbeat_at": timezone.now() - timedelta(hours=2)},
        {"installation_id": "production"},
    ],
)
def test_a_paused_or_copied_installation_claims_nothing_until_it_is_cleared(
    db: None, settings: Any, installation: dict[str, Any]
) -> None:
    cleared()
    settings.INSTALLATION_ID = "staging" if "installation_id" in installation else ""
    Installation.objects.update(**installation)
    tell("https://customer.example/hook")
    workload = DeliveryWorkload()
    workload.db_start(77, "test")
    assert workload.db_claim(10) == []
    outage.resume(actor="user:ada")
    workload.db_tick()
    assert len(workload.db_claim(10)) == 1


def test_an_installation_nobody_has_looked_at_yet_claims_nothing(db: None) -> None:
    tell("https://customer.example/hook")
    workload = DeliveryWorkload()
    workload.db_start(77, "test")
    assert workload.db_claim(10) == []


def test_a_pause_between_claim_and_mark_wins(db: None) -> None:
    cleared()
    tell("https://customer.example/hook")
    (claimed,) = deliveries.claim(77, limit=5, lease=timedelta(minutes=1), other_than=[])
    outage.pause(actor="user:ada", reason="look first")
    assert deliveries.mark_sending([claimed]) == set()
    assert Delivery.objects.get().state == D.PENDING


@pytest.mark.django_db(transaction=True)
def test_what_was_claimed_when_the_database_was_cut_off_is_claimed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cleared()
    tell_often("https://customer.example/hook", CLAIM_AT_ONCE + 5)
    workload = DeliveryWorkload()
    workload.db_start(77, "test")
    claim, portions = deliveries.claim, iter((True, False))

    def cut_off(*args: Any, **kwargs: Any) -> list[deliveries.ClaimedDelivery]:
        claimed = claim(*args, **kwargs)
        if next(portions, True):
            return claimed
        raise OperationalError("the connection was cut off")

    with monkeypatch.context() as cut:
        cut.setattr(deliveries, "claim", cut_off)
        with pytest.raises(OperationalError):
            workload.db_claim(CLAIM_AT_ONCE + 5)
    assert Delivery.objects.filter(lease_slot=77).count() == CLAIM_AT_ONCE + 5, "nobody works on it"
    jobs = workload.db_claim(CLAIM_AT_ONCE + 5)
    assert len(jobs) == CLAIM_AT_ONCE + 5
    assert {job.token for job in jobs} == {3}  # claimed, forsaken, claimed


# --- recovery -----------------------------------------------------------------------------


def claimed_and_marked() -> deliveries.ClaimedDelivery:
    (claimed,) = deliveries.claim(77, limit=5, lease=timedelta(minutes=1), other_than=[])
    assert deliveries.mark_sending([claimed]) == {claimed.id}
    return claimed


def test_an_abandoned_delivery_waits_for_its_lease_and_is_then_made_again(db: None) -> None:
    tell("https://customer.example/hook")
    claimed_and_marked()
    sweeper.sweep()
    assert Delivery.objects.get().state == D.SENDING
    Delivery.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    sweeper.sweep()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.lease_slot, delivery.attempts) == (D.PENDING, None, 1)
    assert "may have arrived" in delivery.error_text


def test_an_abandoned_last_attempt_is_the_end(db: None) -> None:
    told = tell("https://customer.example/hook")
    Delivery.objects.update(attempts=told.max_attempts - 1)
    claimed_and_marked()
    Delivery.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert sweeper.expire_abandoned() == 1
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.due_at) == (D.FAILED, None)


def test_a_worker_that_slept_through_its_lease_changes_nothing(db: None) -> None:
    tell("https://customer.example/hook")
    claimed = claimed_and_marked()
    Delivery.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    sweeper.sweep()
    deliveries.record([DeliveryResult(claimed, D.SENT)])
    assert Delivery.objects.get().state == D.PENDING


@pytest.mark.parametrize("marked", [True, False])
def test_a_mark_that_led_to_no_call_is_taken_back(db: None, marked: bool) -> None:
    tell("https://customer.example/hook")
    (claimed,) = deliveries.claim(77, limit=5, lease=timedelta(minutes=1), other_than=[])
    if marked:
        deliveries.mark_sending([claimed])
    claimed.state = D.SENDING
    due = timezone.now()
    deliveries.record([DeliveryResult(claimed, D.PENDING, due=due.timestamp(), taken_back=True)])
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.lease_slot) == (D.PENDING, 0, None)
    assert delivery.due_at == due


def test_full_lanes_and_channels_of_a_newer_release_are_left_alone(db: None) -> None:
    tell("https://full.example/hook")
    newer = tell("https://newer.example/hook")
    tell("https://free.example/hook")
    Delivery.objects.filter(pk=newer.pk).update(channel="pigeon")
    claimed = deliveries.claim(
        77, limit=5, lease=timedelta(minutes=1), other_than=["full.example:https"]
    )
    assert [delivery.lane for delivery in claimed] == ["free.example:https"]


def test_sending_again_by_hand_begins_the_ladder_anew(db: None) -> None:
    told = tell("https://customer.example/hook")
    Delivery.objects.update(state=D.FAILED, due_at=None, attempts=10)
    resend(told.pk, actor="user:ada")
    assert claimed_and_marked().attempt_of_run == 1


def test_the_queue_keeps_a_notifier_slot_and_a_sweep_running(db: None) -> None:
    from django_q.models import Schedule

    sync()
    assert "notifications.tasks.run_notifier_slot" in {slot.function for slot in slot_kinds()}
    assert Schedule.objects.get(func="notifications.tasks.sweep_minute").minutes == 1
