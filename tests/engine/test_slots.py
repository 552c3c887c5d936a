"""Worker slots: how many are wanted, when one is missing, who succeeds whom."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from engine import slots
from engine.models import WorkerSlot

pytestmark = pytest.mark.django_db

KIND = "publish"


@pytest.fixture(autouse=True)
def two_wanted(settings: object) -> None:
    settings.PUBLISHER_SLOTS = 2  # type: ignore[attr-defined]


def opened(kind: str = KIND) -> int:
    slot = slots.open_slot(kind)
    assert slot is not None
    return slot


def silence(slot: int) -> None:
    WorkerSlot.objects.filter(pk=slot).update(heartbeat_at=Now() - timedelta(seconds=10))


def test_no_more_slots_open_than_are_wanted() -> None:
    opened()
    opened()
    assert slots.open_slot(KIND) is None
    assert WorkerSlot.objects.filter(kind=KIND).count() == 2
    assert slots.missing(KIND) == 0


def test_a_new_slot_says_who_it_is_and_is_fresh_at_once() -> None:
    slot = WorkerSlot.objects.get(pk=opened())
    assert f"{slot.host}:{slot.pid}" == slots.worker_name()
    assert abs(slot.heartbeat_at - timezone.now()) < timedelta(seconds=2)
    assert list(slots.fresh(KIND)) == [slot]


def test_a_silent_slot_is_missing_until_it_beats_again() -> None:
    slot = opened()
    opened()
    silence(slot)
    assert slots.missing(KIND) == 1
    slots.beat(slot, in_flight=3, claimed=4)
    assert slots.missing(KIND) == 0
    row = WorkerSlot.objects.get(pk=slot)
    assert (row.in_flight, row.claimed, row.retiring) == (3, 4, False)


def test_an_ended_slot_makes_room() -> None:
    slot = opened()
    opened()
    slots.close_slot(slot)
    assert slots.missing(KIND) == 1
    assert slots.open_slot(KIND) is not None


def test_a_retiring_slot_wants_a_successor_and_ends_only_after_it_started() -> None:
    old = opened()
    other = opened()
    slots.beat(old, retiring=True)
    assert slots.missing(KIND) == 1
    assert not slots.has_successor(KIND, other)
    assert not slots.has_successor(KIND, max(old, other))
    new = opened()
    assert new > old
    assert slots.has_successor(KIND, old)
    silence(new)
    silence(other)
    assert not slots.has_successor(KIND, old)


def test_every_running_cluster_wants_its_own_slots() -> None:
    assert slots.wanted(KIND) == 2  # one that has just asked, and is not listed yet
    first = opened(slots.CLUSTER)
    assert slots.wanted(KIND) == 2
    opened(slots.CLUSTER)
    opened(slots.CLUSTER)
    assert slots.wanted(KIND) == 6
    silence(first)
    assert slots.wanted(KIND) == 4


def test_kinds_do_not_count_for_each_other() -> None:
    opened("notify")
    assert slots.missing(KIND) == 2
    assert slots.missing("notify") == 0
