"""The loop inside every slot: claim ahead, wait for the moment, mark, call, record.

One asyncio loop, two database threads (marks on one; claims, records and sweeps on the other), so
that a slow claim never delays a send. What a job is and how it is called comes from a `Workload`;
posts and notification deliveries run on the same loop.

1. Claim free rows due within a few seconds; keep them on a heap by due moment. Earliest first
   while that is in time; when more is due, dealt out over owners and lanes, so that what is held
   never consists of one owner's or one lane's backlog.
2. Shortly before its moment a job becomes ready; ready jobs leave in fair order, as far as the
   gate and the in-flight caps admit them.
3. A batch is marked as sent in one statement. Only rows the database returns are called, not before
   their moment, and only while the lease still outlasts the call deadline.
4. Results are recorded in batches; if the database is away they wait in memory and are retried.
5. Every second: heartbeat, take over rows of silent slots, sweep, refresh what others wrote.
6. On drain: stop claiming, give unsent claims back, finish what is in flight, record, end. Drained
   by staff it does the same but for the end, and claims again when they say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import logging
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections

from engine import slots
from engine.clock import DatabaseClock
from engine.crash_points import reach
from engine.drain import is_draining
from engine.fair_queue import FairQueue
from engine.jobs import Deal
from engine.pauses import is_draining as is_host_draining

log = logging.getLogger("carillon.runner")

P = ParamSpec("P")
R = TypeVar("R")

MARK_AHEAD_SECONDS = 0.025  # the mark is committed while the moment is still coming ...
MARK_AHEAD_PER_JOB_SECONDS = 0.0002  # ... earlier when many wait, for their marks take longer ...
MARK_AHEAD_MOST_SECONDS = 0.125  # ... but a cancel still wins until an eighth of a second before
CLAIM_INTERVAL_SECONDS = 0.25
CLAIM_SHARES = 8  # one claim fills so much of the buffer: the other slots get theirs ...
CLAIM_SHARES_DRY = 2  # ... but where more is due than a claim takes, each costs more than it saves
CLAIM_SHARE_LEAST = 32  # ... but a claim is worth its while
HELD_LEAST, HELD_MOST = 4 * CLAIM_SHARE_LEAST, 4000  # the most: for the memory it takes
HELD_PER_CALL = 10  # claimed jobs worth holding per call that may be in flight ...
HELD_SECONDS = 30.0  # ... but no more than can be sent in this time, well within a claim's lease
OWNER_SHARE = 0.75  # of what is held: one owner's backlog leaves room for the others' jobs
LANE_AT_ONCE = 4  # calls in flight that networks usually allow a lane: it is worth holding ...
LANE_SECONDS = 5.0  # ... what it can send in this time ...
LANE_SHARE = 1 / 16  # ... and never more than this of what is held
TICK_SECONDS = 1.0
SUCCESSOR_PATIENCE_SECONDS = 30.0
DRAIN_SHARE = 0.8  # of the shutdown grace; what is left is for ending the processes
TAKE_BACK_AGAIN_SECONDS = 0.5
RECORD_AGAIN_SECONDS = 0.2
GLANCE_SECONDS = 0.1  # while there is work: what other processes were refused holds for us too
UNMARKED_AT_ONCE = 32  # preparations, polls and reconciliations side by side
MARK_BATCH = 256
MARK_GATHER = 32  # while calls are in flight, a mark waits for this many jobs ...
MARK_GATHER_SECONDS = 0.005  # ... or this long: one commit then serves them all
QUICK_CALL_SECONDS = 1.0  # below this average, as many again are marked while calls run


@dataclass(slots=True)
class Job:
    """One claimed row. `due` is epoch seconds on the database's clock.

    `lanes` are (key, cap) pairs: no more than `cap` marked jobs of a lane are in flight at once;
    jobs of the same first lane leave in order.

    `marked` jobs need the send mark before their call; the others (prepare, poll, reconcile)
    change nothing that anybody can see and run without one. `payload` is the workload's own.
    """

    id: uuid.UUID
    token: int
    due: float
    owner: Hashable
    lanes: tuple[tuple[Hashable, int], ...]
    priority: int
    marked: bool
    payload: Any
    marked_at: float = 0.0  # monotonic seconds, read before the mark was issued

    @property
    def lane(self) -> Hashable:
        """Return the key of the first lane."""
        return self.lanes[0][0]


ResultT = TypeVar("ResultT")


class Workload(Protocol[ResultT]):
    """What a slot works on. `db_*` methods run on a database thread, the others on the loop."""

    kind: str
    concurrency: int

    def db_start(self, slot_id: int, worker: str) -> None: ...
    def db_claim(self, limit: int, *, ahead: int, deal: Deal | None) -> list[Job]: ...
    def db_mark(self, jobs: Sequence[Job]) -> set[uuid.UUID]: ...
    def db_release(self, jobs: Sequence[Job]) -> None: ...
    def db_take_back(self, jobs: Sequence[Job]) -> None: ...
    def db_record(self, results: Sequence[ResultT]) -> None: ...
    def db_glance(self) -> None: ...
    def db_tick(self) -> None: ...

    async def open(self, runner: Runner[ResultT]) -> None: ...
    async def close(self) -> None: ...
    def hold(self, job: Job) -> ResultT | None:
        """Return the result "wait until ..." when the gate says no, else None."""

    def hold_back(self, job: Job) -> ResultT | None:
        """Return the same for a marked job whose call is about to start, else None."""

    def unsent(self, job: Job, reason: str) -> ResultT:
        """Return the result that takes a mark back: nothing was sent."""

    async def call(self, job: Job) -> ResultT | None:
        """Do the work of one job; never raises. None from an unmarked job: mark and send it."""


class DatabaseThread:
    """One thread with its own database connection, which is closed after an error."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `function` on the thread and return what it returns."""

        def guarded() -> R:
            try:
                return function(*args, **kwargs)
            except (DatabaseError, InterfaceError):
                connections.close_all()
                raise

        return await asyncio.get_running_loop().run_in_executor(self._pool, guarded)

    async def close(self) -> None:
        """Close the connection and end the thread."""
        await self.run(connections.close_all)
        self._pool.shutdown(wait=True)


class Runner(Generic[ResultT]):
    """Runs one slot until it is drained or its time is up."""

    def __init__(self, workload: Workload[ResultT], slot_id: int) -> None:
        self.workload = workload
        self.slot_id = slot_id
        self.clock = DatabaseClock()
        self.marks = DatabaseThread("marks")
        self.database = DatabaseThread("database")
        self._heap: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._ready: FairQueue[Job] = FairQueue()
        self._lanes: Counter[Hashable] = Counter()
        self._marked = 0  # marked jobs whose call has not ended
        self._sending = asyncio.Semaphore(workload.concurrency)
        self._unmarked: FairQueue[Job] = FairQueue()  # claimed, to be called without a mark
        self._unmarked_calls = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: list[ResultT] = []
        self._recording = 0
        self._wake = asyncio.Event()
        self._claim_now = asyncio.Event()
        self._flush_now = asyncio.Event()
        self._saturated = False  # more is due than one claim takes
        self._full: frozenset[Hashable] = frozenset()  # after the last claim
        self._none_full_of = 0  # so many jobs were held when none was full; -1: some was
        self._stopping = False
        self._retiring = False
        self._resting = False  # staff let this host drain: nothing is claimed until they end it
        self._call_seconds = 0.0  # moving average
        self._stop_at = time.monotonic() + settings.SLOT_RUN.total_seconds() * random.uniform(  # noqa: S311 - spreads hand-overs
            0.7, 1.3
        )

    # --- life of the slot -----------------------------------------------------------------

    async def run(self) -> None:
        """Work until drained; returns when nothing is held any more."""
        await self.database.run(self.workload.db_start, self.slot_id, slots.worker_name())
        await self.database.run(self.clock.sample)
        await self.workload.open(self)
        log.info("slot.started", extra={"slot": self.slot_id, "kind": self.workload.kind})
        loops = [
            asyncio.create_task(loop, name=name)
            for name, loop in (
                ("claim", self._claim_loop()),
                ("dispatch", self._dispatch_loop()),
                ("record", self._record_loop()),
                ("glance", self._glance_loop()),
            )
        ]
        try:
            await self._tick_loop(loops)
            await self._drain(loops[:2])
        finally:
            self._stopping = True
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            with contextlib.suppress(DatabaseError, InterfaceError):
                await self.database.run(slots.close_slot, self.slot_id)
            await self.workload.close()
            await self.marks.close()
            await self.database.close()
            log.info("slot.ended", extra={"slot": self.slot_id, "kind": self.workload.kind})

    async def _tick_loop(self, loops: Sequence[asyncio.Task[None]]) -> None:
        """Do the once-a-second work; returns when it is time to drain."""
        retiring_since = 0.0
        while not is_draining():
            started = time.monotonic()
            for loop in loops:
                if loop.done():
                    loop.result()  # a loop never ends by itself: raise its error, end the slot
            if started > self._stop_at and not self._retiring:
                self._retiring, retiring_since = True, started
                log.info("slot.retiring", extra={"slot": self.slot_id})
            try:
                successor = await self.database.run(self._db_tick)
            except (DatabaseError, InterfaceError) as error:
                log.warning("slot.tick_failed", extra={"error": type(error).__name__})
                successor = False
            if self._retiring and (
                successor or started - retiring_since > SUCCESSOR_PATIENCE_SECONDS
            ):
                return
            while time.monotonic() - started < TICK_SECONDS and not is_draining():
                await asyncio.sleep(0.1)

    def _db_tick(self) -> bool:
        slots.beat(
            self.slot_id,
            in_flight=self._marked + self._unmarked_calls,
            claimed=self._held(),
            retiring=self._retiring,
        )
        self.clock.sample()
        self._heed_drain(asked=is_host_draining())
        self.workload.db_tick()
        return self._retiring and slots.has_successor(self.workload.kind, self.slot_id)

    async def _drain(self, claim_and_dispatch: Sequence[asyncio.Task[None]]) -> None:
        """Give unsent claims back, finish what is in flight, record everything."""
        self._stopping = True
        deadline = time.monotonic() + settings.SHUTDOWN_GRACE.total_seconds() * DRAIN_SHARE
        # A claim or a mark under way would be committed after we looked, and stay behind.
        self._claim_now.set()
        self._wake.set()
        await asyncio.wait(claim_and_dispatch, timeout=max(0.0, deadline - time.monotonic()))
        await self._give_up_unsent()
        beat_at = 0.0
        while self._tasks or self._results or self._recording:
            if time.monotonic() > deadline:
                log.error("slot.drain_timed_out", extra={"in_flight": len(self._tasks)})
                return
            if time.monotonic() > beat_at:
                beat_at = time.monotonic() + TICK_SECONDS
                with contextlib.suppress(DatabaseError, InterfaceError):
                    await self.database.run(
                        slots.beat, self.slot_id, in_flight=len(self._tasks), retiring=True
                    )
            self._flush_now.set()
            await asyncio.sleep(0.02)

    def _held(self) -> int:
        return len(self._heap) + len(self._ready) + len(self._unmarked)

    def _held_jobs(self) -> Iterator[Job]:
        """Return everything claimed whose work has not begun."""
        return itertools.chain((job for _, _, job in self._heap), self._ready, self._unmarked)

    # --- claim ----------------------------------------------------------------------------

    async def _claim_loop(self) -> None:
        """Claim a share four times a second, so that slots divide what is due; more when dry."""
        while not self._stopping:
            most = self._held_most()
            shares = CLAIM_SHARES_DRY if self._saturated else CLAIM_SHARES
            share = min(most - self._held(), max(CLAIM_SHARE_LEAST, most // shares))
            if self._resting:
                await self._give_up_unsent()
                share = 0
            got = await self._claim(share) if share > 0 else 0
            more, is_pressing = got >= share > 0, self._is_pressing()
            self._saturated = more and is_pressing
            self._full = self._full_ones(came=got > 0)
            self._claim_now.clear()
            if self._saturated and self._held() < self.workload.concurrency:
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._claim_now.wait(), CLAIM_INTERVAL_SECONDS)

    def _heed_drain(self, *, asked: bool) -> None:
        if asked != self._resting:
            self._resting = asked
            log.info("slot.draining" if asked else "slot.resumed", extra={"slot": self.slot_id})

    async def _give_up_unsent(self) -> None:
        """Give back everything whose work has not begun: other hosts take it at once."""
        unsent = list(self._held_jobs())
        self._heap.clear()
        self._ready.drain()
        self._unmarked.drain()
        if unsent:
            with contextlib.suppress(DatabaseError, InterfaceError):
                await self.database.run(self.workload.db_release, unsent)

    def _held_most(self) -> int:
        """Return how many jobs to hold: no more than leave long before their claims run out."""
        calls = HELD_SECONDS / max(self._call_seconds, HELD_SECONDS / HELD_PER_CALL)
        worth = round(self.workload.concurrency * max(1.0, calls))
        return min(max(HELD_LEAST, worth), HELD_MOST)

    def _lane_most(self) -> int:
        """Return how many jobs of a lane to hold; the rest of its backlog stays in the table."""
        rounds = max(2.0, LANE_SECONDS / max(self._call_seconds, 0.001))
        return round(min(LANE_SHARE * self._held_most(), LANE_AT_ONCE * rounds))

    def _full_ones(self, *, came: bool = False) -> frozenset[Hashable]:
        """Return the owners and lanes of which enough is held: the room left is for others.

        While no more is held than when none was full, and no others `came`, there is no need to
        count: a slot looks eight times a second at all that it holds.
        """
        if not came and self._held() <= self._none_full_of:
            return frozenset()
        owners: Counter[Hashable] = Counter()
        lanes: Counter[Hashable] = Counter()
        for job in self._held_jobs():
            owners[job.owner] += 1
            lanes[job.lane] += 1
        owner_most, lane_most = OWNER_SHARE * self._held_most(), self._lane_most()
        full = frozenset(
            [owner for owner, held in owners.items() if held >= owner_most]
            + [lane for lane, held in lanes.items() if held >= lane_most]
        )
        self._none_full_of = -1 if full else self._held()
        return full

    def _deal(self) -> Deal | None:
        """Return how to deal the next claim out; None: earliest first, since nothing presses.

        What was full after the last claim counts too, though it has room again: its backlog would
        take an earliest-first claim for itself.
        """
        full = self._full_ones()
        if not (full or self._full or self._saturated):
            return None
        return Deal(min(self._lane_most(), CLAIM_SHARE_LEAST), full)

    def _is_pressing(self) -> bool:
        """Say whether what we hold is due before the next claim would come."""
        if self._ready or not self._heap:
            return True
        return self._heap[0][0] - self.clock.now() < 2 * CLAIM_INTERVAL_SECONDS

    async def _claim(self, limit: int) -> int:
        reach("claim.before", self.workload.kind)
        try:
            jobs = await self.database.run(
                self.workload.db_claim,
                limit,
                ahead=UNMARKED_AT_ONCE - len(self._unmarked),
                deal=self._deal(),
            )
        except (DatabaseError, InterfaceError) as error:
            log.warning("claim.failed", extra={"error": type(error).__name__})
            await asyncio.sleep(CLAIM_INTERVAL_SECONDS)
            return 0
        if jobs:
            reach("claim.after", self.workload.kind)
        if self._stopping and jobs:
            with contextlib.suppress(DatabaseError, InterfaceError):
                await self.database.run(self.workload.db_release, jobs)
            return 0
        for job in jobs:
            if job.marked:
                heapq.heappush(self._heap, (job.due, next(self._order), job))
            else:
                self._unmarked.push(job)
        self._start_unmarked()
        if jobs:
            self._wake.set()
        return len(jobs)

    def _start_unmarked(self) -> None:
        """Begin the next calls without a mark, owners and lanes in turn."""
        while self._unmarked_calls < UNMARKED_AT_ONCE:
            job = self._unmarked.pop(lambda _: True)
            if job is None:
                return
            self._unmarked_calls += 1
            self._spawn(self._run_unmarked(job))

    async def _run_unmarked(self, job: Job) -> None:
        try:
            result = await self.workload.call(job)
        finally:
            self._unmarked_calls -= 1
            self._start_unmarked()
        if result is not None:
            self.add_result(result)
        elif self._stopping:
            await self.database.run(self.workload.db_release, [job])
        else:
            job.marked = True
            heapq.heappush(self._heap, (job.due, next(self._order), job))
            self._wake.set()

    # --- dispatch -------------------------------------------------------------------------

    async def _dispatch_loop(self) -> None:
        while not self._stopping:
            self._wake.clear()
            self._make_ready()
            if self._ready and self._marked:
                await self._gather()
            batch = self._next_batch()
            if batch:
                await self._mark_and_send(batch)
                continue
            timeout = None
            if self._heap:
                timeout = max(0.0, self._heap[0][0] - self._mark_ahead() - self.clock.now())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), timeout)

    def _mark_ahead(self) -> float:
        """Return how many seconds before their moment jobs are marked."""
        grown = MARK_AHEAD_SECONDS + len(self._heap) * MARK_AHEAD_PER_JOB_SECONDS
        return min(grown, MARK_AHEAD_MOST_SECONDS)

    def _make_ready(self) -> None:
        horizon = self.clock.now() + self._mark_ahead()
        while self._heap and self._heap[0][0] <= horizon:
            self._ready.push(heapq.heappop(self._heap)[2])
        if self._saturated and self._held() < self.workload.concurrency:
            self._claim_now.set()

    def _room(self) -> int:
        """Return how many more jobs may be marked: those in flight and some waiting behind them.

        Quick networks get a full set waiting, so that no call waits for a commit; behind slow ones
        a marked job could outwait its lease.
        """
        quick = self._call_seconds < QUICK_CALL_SECONDS
        concurrency = self.workload.concurrency
        return concurrency + (concurrency if quick else concurrency // 4) - self._marked

    async def _gather(self) -> None:
        """Wait a moment for more jobs to mark, unless a good batch can be marked already."""
        if min(len(self._ready), self._room()) >= MARK_GATHER:
            return
        await asyncio.sleep(MARK_GATHER_SECONDS)
        self._make_ready()

    def _next_batch(self) -> list[Job]:
        """Take ready jobs, fair, within all caps."""
        batch: list[Job] = []
        room = self._room()
        while len(batch) < min(MARK_BATCH, room):
            job = self._ready.pop(self._admits)
            if job is None:
                break
            held = self.workload.hold(job)
            if held is not None:
                self.add_result(held)
                continue
            for lane, _ in job.lanes:
                self._lanes[lane] += 1
            self._marked += 1
            batch.append(job)
        return batch

    def _admits(self, job: Job) -> bool:
        return all(self._lanes[lane] < cap for lane, cap in job.lanes)

    @property
    def is_stopping(self) -> bool:
        """Say whether the slot is draining: long work should pause at its next step."""
        return self._stopping

    def in_flight(self, lane: Hashable) -> int:
        """Return how many marked jobs of a lane have not ended."""
        return self._lanes[lane]

    @property
    def in_flight_all(self) -> int:
        """Return how many marked jobs have not ended."""
        return self._marked

    def soon(self, function: Callable[[], None]) -> None:
        """Run `function` on a database thread at once; if it fails, the next tick's has to do."""

        async def quietly() -> None:
            with contextlib.suppress(DatabaseError, InterfaceError):
                await self.marks.run(function)

        self._spawn(quietly())

    async def _glance_loop(self) -> None:
        while True:
            await asyncio.sleep(GLANCE_SECONDS)
            calls_soon = self._heap and self._heap[0][0] - self.clock.now() < TICK_SECONDS
            if calls_soon or self._ready or self._marked or self._unmarked_calls:
                with contextlib.suppress(DatabaseError, InterfaceError):
                    await self.marks.run(self.workload.db_glance)

    async def _mark_and_send(self, batch: list[Job]) -> None:
        issued = time.monotonic()
        # A row claimed again after an edit is here twice: only its newest claim can be ours, and
        # the database's answer names rows, not claims.
        newest: dict[uuid.UUID, int] = {}
        for job in batch:
            newest[job.id] = max(job.token, newest.get(job.id, 0))
        stale = [job for job in batch if job.token != newest[job.id]]
        for job in stale:
            self._leave(job)
        batch = [job for job in batch if job.token == newest[job.id]]
        reach("mark.before", self.workload.kind)
        try:
            ours = await self.marks.run(self.workload.db_mark, batch)
        except (DatabaseError, InterfaceError) as error:
            log.warning("mark.failed", extra={"error": type(error).__name__})
            for job in batch:
                self._leave(job)
            self._spawn(self._take_back(batch))
            return
        reach("mark.after", self.workload.kind)
        refused = []
        for job in batch:
            if job.id in ours:
                job.marked_at = issued
                self._spawn(self._send(job))
            else:
                self._leave(job)
                refused.append(job)
        if refused:
            self._spawn(self._give_back(refused))

    async def _take_back(self, jobs: Sequence[Job]) -> None:
        """Undo marks that may or may not be committed, when the database is back.

        Nothing was sent. Given up at shutdown: a committed mark then becomes an unknown outcome.
        """
        while True:
            try:
                await self.database.run(self.workload.db_take_back, jobs)
            except (DatabaseError, InterfaceError):
                if self._stopping:
                    return
                await asyncio.sleep(TAKE_BACK_AGAIN_SECONDS)
            else:
                return

    async def _give_back(self, jobs: Sequence[Job]) -> None:
        """Release claims whose mark was refused (paused, inactive); lost ones are lost already."""
        log.info("mark.refused", extra={"jobs": [str(job.id) for job in jobs]})
        with contextlib.suppress(DatabaseError, InterfaceError):
            await self.database.run(self.workload.db_release, jobs)

    async def _send(self, job: Job) -> None:
        try:
            async with self._sending:
                early = job.due - self.clock.now()
                if early > 0:
                    await asyncio.sleep(early)
                result = self.workload.hold_back(job)
                if result is None and not self.lease_outlasts_a_call(job):
                    result = self.workload.unsent(job, "the lease would not outlast the call")
                if result is None:
                    started = time.monotonic()
                    reach("call.before", self.workload.kind)
                    result = await self.workload.call(job)
                    reach("call.after", self.workload.kind)
                    self._call_seconds += 0.05 * (time.monotonic() - started - self._call_seconds)
        finally:
            self._leave(job)
        if result is not None:
            self.add_result(result)

    def lease_outlasts_a_call(self, job: Job) -> bool:
        """Say whether a call started now ends, at its deadline, before the job's lease does."""
        return time.monotonic() < self.latest_start(job)

    def latest_start(self, job: Job) -> float:
        """Return the monotonic second until which a call may start to end within the lease."""
        longest: timedelta = settings.PUBLISH_LEASE - settings.CALL_DEADLINE
        return job.marked_at + longest.total_seconds()

    def _leave(self, job: Job) -> None:
        self._marked -= 1
        for lane, _ in job.lanes:
            self._lanes[lane] -= 1
            if not self._lanes[lane]:
                del self._lanes[lane]
        self._wake.set()

    # --- record ---------------------------------------------------------------------------

    def add_result(self, result: ResultT) -> None:
        """Queue a result for the next record."""
        self._results.append(result)
        self._flush_now.set()

    async def _record_loop(self) -> None:
        interval = settings.FLUSH_INTERVAL.total_seconds()
        while True:
            await self._flush_now.wait()
            await asyncio.sleep(interval)  # what comes in meanwhile shares the commit
            self._flush_now.clear()
            if not self._results:
                continue
            batch, self._results = self._results, []
            self._recording = len(batch)
            reach("record.before", self.workload.kind)
            try:
                await self.database.run(self.workload.db_record, batch)
                reach("record.after", self.workload.kind)
            except (DatabaseError, InterfaceError) as error:
                log.warning("record.failed", extra={"error": type(error).__name__})
                self._results[:0] = batch
                self._flush_now.set()
                await asyncio.sleep(RECORD_AGAIN_SECONDS)
            finally:
                self._recording = 0

    def _spawn(self, coroutine: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("job.crashed", exc_info=error)


def run_slot(workload: Workload[Any]) -> None:
    """Open a slot for `workload` if one is wanted and run it to its end (a long queue task)."""
    slot_id = slots.open_slot(workload.kind)
    if slot_id is None:
        return
    connections.close_all()

    async def main() -> None:
        await Runner(workload, slot_id).run()

    asyncio.run(main())
