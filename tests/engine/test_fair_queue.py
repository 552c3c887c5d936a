"""The order in which ready jobs leave: priority, then owners in turn, then lanes in turn."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.fair_queue import FairQueue


@dataclass(frozen=True)
class Ready:
    name: str
    owner: str = "ada"
    lane: str = "x"
    priority: int = 0


def everything(_: Ready) -> bool:
    return True


def order(queue: FairQueue[Ready]) -> list[str]:
    names = []
    while job := queue.pop(everything):
        names.append(job.name)
    return names


def queue_of(*jobs: Ready) -> FairQueue[Ready]:
    queue: FairQueue[Ready] = FairQueue()
    for job in jobs:
        queue.push(job)
    return queue


def test_higher_priority_leaves_first() -> None:
    queue = queue_of(Ready("low"), Ready("high", priority=9), Ready("middle", priority=5))
    assert order(queue) == ["high", "middle", "low"]


def test_one_lane_keeps_its_order() -> None:
    assert order(queue_of(*(Ready(str(n)) for n in range(5)))) == list("01234")


def test_owners_take_turns_however_much_one_has() -> None:
    queue = queue_of(*(Ready(f"a{n}") for n in range(4)), Ready("b", owner="bob"))
    assert order(queue) == ["a0", "b", "a1", "a2", "a3"]


def test_lanes_of_an_owner_take_turns() -> None:
    queue = queue_of(*(Ready(f"x{n}") for n in range(3)), Ready("y", lane="y"))
    assert order(queue) == ["x0", "y", "x1", "x2"]


def test_a_full_lane_lets_the_others_pass_and_keeps_its_place() -> None:
    queue = queue_of(Ready("x0"), Ready("x1"), Ready("y", lane="y"))
    assert queue.pop(lambda job: job.lane != "x") == Ready("y", lane="y")
    assert queue.pop(lambda job: job.lane != "x") is None
    assert len(queue) == 2
    assert order(queue) == ["x0", "x1"]


def test_a_full_lane_of_high_priority_does_not_stop_lower_ones() -> None:
    queue = queue_of(Ready("high", lane="full", priority=9), Ready("low"))
    job = queue.pop(lambda job: job.lane != "full")
    assert job is not None
    assert job.name == "low"


def test_a_drained_queue_is_empty_and_gives_everything_back() -> None:
    queue = queue_of(Ready("a"), Ready("b", owner="bob"), Ready("c", priority=3))
    assert {job.name for job in queue.drain()} == {"a", "b", "c"}
    assert len(queue) == 0
    assert queue.pop(everything) is None


jobs = st.lists(
    st.builds(
        Ready,
        name=st.just(""),
        owner=st.sampled_from("abc"),
        lane=st.sampled_from("xyz"),
        priority=st.integers(0, 2),
    ),
    max_size=60,
)


@given(jobs)
def test_nothing_is_lost_doubled_or_overtaken_by_lower_priority(given_jobs: list[Ready]) -> None:
    named = [Ready(str(n), job.owner, job.lane, job.priority) for n, job in enumerate(given_jobs)]
    queue = queue_of(*named)
    left = [job for _ in named if (job := queue.pop(everything))]
    assert sorted(left, key=lambda job: int(job.name)) == named
    assert [job.priority for job in left] == sorted((job.priority for job in named), reverse=True)
    assert len(queue) == 0


@given(jobs)
def test_no_owner_waits_for_more_than_one_round(given_jobs: list[Ready]) -> None:
    level = [Ready(str(n), job.owner, job.lane) for n, job in enumerate(given_jobs)]
    queue = queue_of(*level)
    left = [job.owner for _ in level if (job := queue.pop(everything))]
    for owner in set(left):
        places = [place for place, each in enumerate(left) if each == owner]
        others = len(set(left)) - 1
        gaps = [later - earlier - 1 for earlier, later in pairwise(places)]
        assert all(gap <= others for gap in gaps)
        assert places[0] <= others
