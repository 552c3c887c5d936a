"""A slot that drains leaves nothing behind: not even what was on its way when the drain began."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator, Sequence

import pytest

from engine.drain import start_draining, stop_draining
from engine.jobs import Deal
from engine.runner import Job, Runner
from tests.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


class Paper:
    """A workload of one job that is on paper only; one of its two database steps takes long."""

    kind = "publish"
    concurrency = 4

    def __init__(self, slow_step: str) -> None:
        lane = (("paper", 1),)
        self.job = Job(uuid.uuid4(), 1, time.time(), "owner", lane, 0, marked=True, payload=None)
        self.slow_step = slow_step
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.claims = 0
        self.released: list[Job] = []
        self.called: list[Job] = []
        self.recorded: list[str] = []

    def _step(self, name: str) -> None:
        if name == self.slow_step:
            self.reached.set()
            assert self.go_on.wait(30)

    def db_start(self, slot_id: int, worker: str) -> None: ...
    def db_tick(self) -> None: ...
    def db_glance(self) -> None: ...
    def db_take_back(self, jobs: Sequence[Job]) -> None: ...
    async def open(self, runner: Runner[str]) -> None: ...
    async def close(self) -> None: ...

    def db_claim(self, limit: int, *, ahead: int = 0, deal: Deal | None = None) -> list[Job]:
        self.claims += 1
        if self.claims > 1:
            return []
        self._step("claim")
        return [self.job]

    def db_mark(self, jobs: Sequence[Job]) -> set[uuid.UUID]:
        self._step("mark")
        return {job.id for job in jobs}

    def db_release(self, jobs: Sequence[Job]) -> None:
        self.released += jobs

    def db_record(self, results: Sequence[str]) -> None:
        self.recorded += results

    def hold(self, job: Job) -> str | None:
        return None

    def hold_back(self, job: Job) -> str | None:
        return None

    def unsent(self, job: Job, reason: str) -> str:
        return reason

    async def call(self, job: Job) -> str | None:
        self.called.append(job)
        return "done"


@pytest.fixture(autouse=True)
def drained_no_more() -> Iterator[None]:
    yield
    stop_draining()


def drain_in_the_middle_of(step: str) -> Paper:
    """Run a slot, drain it while `step` is under way, and return its paper after the end."""
    paper = Paper(step)

    async def play() -> None:
        runner = Runner(paper, slot_id=0)
        slot = asyncio.create_task(runner.run())
        await asyncio.to_thread(paper.reached.wait, 30)
        start_draining()
        await asyncio.to_thread(wait_until, lambda: runner.is_stopping, what="the drain")
        paper.go_on.set()
        await slot

    asyncio.run(play())
    return paper


def test_what_a_claim_under_way_brings_is_given_back() -> None:
    paper = drain_in_the_middle_of("claim")
    assert paper.released == [paper.job]
    assert paper.called == []


def test_what_a_mark_under_way_has_marked_is_sent_and_recorded() -> None:
    paper = drain_in_the_middle_of("mark")
    assert paper.called == [paper.job]
    assert paper.recorded == ["done"]
    assert paper.released == []
