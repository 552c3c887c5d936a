"""How much a slot claims: of all, of one owner, of one lane, and in which order."""

from __future__ import annotations

import heapq
import uuid
from datetime import timedelta

import pytest

from engine.jobs import Deal
from engine.runner import CLAIM_SHARE_LEAST, HELD_LEAST, HELD_MOST, Job, Runner
from scheduling.publisher import CLAIM_LEASE, PostWorkload

AT_ONCE = 4  # calls in flight that a lane is allowed
OWNER, LANE = uuid.uuid4(), uuid.uuid4()


@pytest.fixture
def runner() -> Runner[object]:
    """Give a slot of 200 calls on a network that answers within 50 ms."""
    workload = PostWorkload()
    workload.concurrency = 200
    slot: Runner[object] = Runner(workload, 1)  # type: ignore[arg-type]
    slot._call_seconds = 0.05
    return slot


def hold(
    slot: Runner[object],
    count: int,
    *,
    owner: uuid.UUID | None = None,
    lane: uuid.UUID | None = None,
    marked: bool = True,
) -> None:
    """Let the slot hold `count` claimed jobs, each of an owner and a lane of its own by default."""
    for _ in range(count):
        lanes = ((lane or uuid.uuid4(), AT_ONCE),)
        job = Job(uuid.uuid4(), 1, 0.0, owner or uuid.uuid4(), lanes, 0, marked, None)
        if marked:
            heapq.heappush(slot._heap, (job.due, next(slot._order), job))
        else:
            slot._unmarked.push(job)


def test_while_nothing_presses_the_earliest_are_claimed(runner: Runner[object]) -> None:
    hold(runner, 500)
    assert runner._deal() is None


def test_when_more_is_due_than_a_claim_takes_it_is_dealt_out(runner: Runner[object]) -> None:
    runner._saturated = True
    assert runner._deal() == Deal(CLAIM_SHARE_LEAST, frozenset())


def test_of_a_lane_that_cannot_send_more_no_more_is_claimed(runner: Runner[object]) -> None:
    hold(runner, runner._lane_most() - 1, lane=LANE)
    assert runner._deal() is None
    hold(runner, 1, lane=LANE)
    deal = runner._deal()
    assert deal is not None
    assert deal.full == {LANE}


def test_the_claim_after_a_full_lane_is_dealt_too_though_the_lane_has_room_again(
    runner: Runner[object],
) -> None:
    runner._full = frozenset([LANE])
    hold(runner, 3, lane=LANE)
    assert runner._deal() == Deal(CLAIM_SHARE_LEAST, frozenset())


def test_a_lane_is_found_full_though_as_many_of_others_left_meanwhile(
    runner: Runner[object],
) -> None:
    hold(runner, runner._lane_most())
    assert runner._full_ones() == frozenset()
    runner._heap.clear()
    hold(runner, runner._lane_most(), lane=LANE)
    assert runner._full_ones(came=True) == {LANE}


def test_one_owner_never_fills_all_that_a_slot_holds(runner: Runner[object]) -> None:
    hold(runner, runner._held_most() * 3 // 4, owner=OWNER)
    deal = runner._deal()
    assert deal is not None
    assert deal.full == {OWNER}


def test_claimed_jobs_that_wait_for_a_call_without_a_mark_are_held_like_the_others(
    runner: Runner[object],
) -> None:
    hold(runner, runner._lane_most(), lane=LANE, marked=False)
    assert runner._held() == runner._lane_most()
    deal = runner._deal()
    assert deal is not None
    assert deal.full == {LANE}


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.05, 1.0, 5.0, 20.0])
def test_what_a_slot_holds_can_be_sent_before_its_claims_run_out(
    runner: Runner[object], seconds: float
) -> None:
    runner._call_seconds = seconds
    everything = runner._held_most() / runner.workload.concurrency * seconds
    assert everything <= CLAIM_LEASE.total_seconds() / 2
    # A dealt claim may find a lane one job short of full and give it its most.
    runner._saturated = True
    deal = runner._deal()
    assert deal is not None
    one_lane = (runner._lane_most() - 1 + deal.lane_most) / AT_ONCE * seconds
    assert one_lane <= (CLAIM_LEASE - timedelta(seconds=20)).total_seconds()


@pytest.mark.parametrize(("concurrency", "most"), [(1, HELD_LEAST), (5000, HELD_MOST)])
def test_a_tiny_slot_holds_enough_to_share_and_a_huge_one_no_more_than_memory_allows(
    runner: Runner[object], concurrency: int, most: int
) -> None:
    runner.workload.concurrency = concurrency
    assert runner._held_most() == most
    assert 2 * AT_ONCE <= runner._lane_most() < most / 4
