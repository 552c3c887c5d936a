"""A publisher slot taken apart: each step by hand, against an adapter that follows a script."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from queue import SimpleQueue
from typing import Any, ClassVar, TypeVar

import pytest
from django.db.models.functions import Now

from engine import slots
from engine.clock import DatabaseClock
from engine.errors import ErrorCategory, ServiceError
from engine.http import Bearer, Http, Response
from engine.runner import Job
from platforms import registry
from platforms.adapters.base import (
    Adapter,
    Capability,
    Draft,
    Limits,
    Progress,
    RateHint,
    Ready,
    RetrySafety,
    Safety,
)
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.publisher import PostWorkload
from scheduling.records import PostResult
from tests.factories import make_connection

SLUG = "scripted"
T = TypeVar("T")
Step = Any  # what the adapter answers: a value to return or an exception to raise


class Scripted(Adapter):
    """Answers what the test put into `script`, in order, and notes every call in `calls`."""

    slug = SLUG
    name = "Scripted"
    limits = Limits(500, 4, 1000, 100, 10, checked="2026-11-22", source="this test")
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.FIND})
    errors: ClassVar[dict[tuple[int, str], ErrorCategory]] = {}
    retry_safety = RetrySafety(Safety.FIND, ttl=timedelta(), min_wait=timedelta(seconds=10))

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.script: dict[str, list[Step]] = {}
        self.calls: list[str] = []
        self.keys: list[str] = []
        self.taken: list[list[str]] = []  # what each `find` was told to pass over
        self.start_before: list[float] = []  # of each publish: the last moment it may leave

    def will(self, **script: Step | list[Step]) -> None:
        """Set the answers: will(publish=[error, Published(("1",))])."""
        for name, steps in script.items():
            self.script[name] = list(steps) if isinstance(steps, list) else [steps]

    def _next(self, name: str) -> Step:
        self.calls.append(name)
        step = self.script[name].pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def base_url(self, credentials: Mapping[str, Any]) -> str:
        return "http://127.0.0.1:9"

    def authorize(self, credentials: Mapping[str, Any]) -> Bearer:
        return Bearer(str(credentials["token"]))

    def rate_hints(self, response: Response) -> Sequence[RateHint]:
        return ()

    def violations(self, draft: Draft) -> list[Any]:
        return []

    async def prepare(self, http: Http, draft: Draft, progress: Progress) -> Any:
        return self._next("prepare") if "prepare" in self.script else Ready(progress)

    async def publish(self, http: Http, draft: Draft, progress: Progress, *, key: str) -> Any:
        self.keys.append(key)
        self.start_before.append(http.start_before)
        return self._next("publish")

    async def check(self, http: Http, draft: Draft, progress: Progress) -> Any:
        return self._next("check")

    async def find(
        self, http: Http, draft: Draft, progress: Progress, *, segment: int, since: datetime
    ) -> Any:
        self.taken.append(list(progress.get("taken", ())))
        return self._next("find")

    async def refresh(self, http: Http, credentials: Mapping[str, Any]) -> Any:
        return self._next("refresh")


class MainThread:
    """Stands where the runner has its database threads: the test's own, with its transaction."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()

    async def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `function` on the thread that is in `serve`."""
        answer: Future[Any] = Future()
        self._asked.put((answer, partial(function, *args, **kwargs)))
        return await asyncio.wrap_future(answer)

    def serve(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on a loop in another thread, and meanwhile what it asks for on this one."""
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(asyncio.run, work)
            ended.add_done_callback(lambda _: self._asked.put(None))
            while asked := self._asked.get():
                answer, function = asked
                try:
                    answer.set_result(function())
                except Exception as error:  # noqa: BLE001 - handed to whoever asked
                    answer.set_exception(error)
            return ended.result()


class Desk:
    """One slot's workload without its loop. Its runner is the desk itself."""

    def __init__(self, adapter: Scripted) -> None:
        self.adapter = adapter
        self.clock = DatabaseClock()
        self.clock.sample()
        self.database = self.marks = MainThread()
        self.workload = PostWorkload()
        self.workload.caller.rng = random.Random(1)
        self.workload.caller.runner = self  # type: ignore[assignment]
        self.workload.caller.clock = self.clock
        slot = slots.open_slot("publish")
        assert slot is not None
        self.slot = slot
        self.workload.db_start(slot, "worker:1")
        self.is_stopping = False
        self.lease_lasts: Callable[[], bool] = lambda: True
        self.busy: dict[Hashable, int] = {}
        self.told: list[asyncio.Future[Any]] = []

    # --- what the workload asks its runner ---------------------------------------------------
    def in_flight(self, lane: Hashable) -> int:
        return self.busy.get(lane, 0)

    @property
    def in_flight_all(self) -> int:
        return sum(self.busy.values())

    def soon(self, function: Callable[[], None]) -> None:
        """Run on the database thread, as `MainThread` has it."""
        self.told.append(asyncio.ensure_future(self.database.run(function)))

    def lease_outlasts_a_call(self, job: Job) -> bool:
        return self.lease_lasts()

    def latest_start(self, job: Job) -> float:
        return 1000.0 + len(self.adapter.start_before)

    # --- what tests do -----------------------------------------------------------------------
    def account(self, **fields: Any) -> SocialConnection:
        """Save a connection to the scripted network."""
        fields = {"credentials": {"token": "sandbox-token"}, **fields}
        return make_connection(platform=SLUG, **fields)

    def claim(self, limit: int = 10) -> list[Job]:
        """Claim as the slot does four times a second."""
        return self.workload.db_claim(limit)

    def mark(self, job: Job) -> bool:
        """Commit the send mark; says whether it was accepted."""
        return job.id in self.workload.db_mark([job])

    def call(self, job: Job) -> PostResult | None:
        """Do what the claimed post needs next."""

        async def once() -> PostResult | None:
            await self.workload.open(self)  # type: ignore[arg-type]
            try:
                result = await self.workload.call(job)
                await asyncio.gather(*self.told)
                self.told.clear()
                return result
            finally:
                await self.workload.close()

        return self.database.serve(once())

    def hold(self, job: Job) -> PostResult | None:
        """Ask the gate."""
        return self.workload.hold(job)

    def record(self, *results: PostResult | None) -> None:
        """Write results."""
        self.workload.db_record([result for result in results if result is not None])

    def work_once(self, post: ScheduledPost) -> ScheduledPost:
        """Claim the one due post, do just what it needs first, record it, return it as it is."""
        (job,) = self.claim()
        assert job.id == post.pk
        self.record(self.call(job))
        post.refresh_from_db()
        return post

    def claim_again(self) -> list[Job]:
        """Claim what was put off, as if its moment had come."""
        ScheduledPost.objects.update(due_at=Now())
        return self.claim()

    def work(self, post: ScheduledPost) -> ScheduledPost:
        """Claim the one due post, do all it needs now, record it, and return it as it is then."""
        (job,) = self.claim()
        assert job.id == post.pk
        result = None if job.marked else self.call(job)
        if result is None:
            assert self.mark(job)
            result = self.call(job)
        self.record(result)
        post.refresh_from_db()
        return post


@contextmanager
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """Register the scripted network while the block lasts."""
    monkeypatch.setitem(registry.ADAPTERS, SLUG, Scripted)
    registry.adapter_for.cache_clear()
    adapter = registry.adapter_for(SLUG)  # one for all who ask
    assert isinstance(adapter, Scripted)
    yield adapter
    registry.adapter_for.cache_clear()


def refused(category: ErrorCategory, **details: Any) -> ServiceError:
    """Return what adapters raise."""
    return ServiceError(category, "The network said no.", **details)
