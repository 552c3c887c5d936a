"""Ids, the drain flag, vitals, the batcher and the database's clock."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
import uuid
from datetime import UTC

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from engine import wall_clock
from engine.batcher import Batcher
from engine.clock import DatabaseClock
from engine.drain import is_draining, start_draining, stop_draining
from engine.ids import uuid7
from engine.oauth1 import Signer
from engine.stop_bell import StopBell
from engine.vitals import Vitals


# --- ids ------------------------------------------------------------------------------------
def test_ids_are_uuids_of_version_7_that_carry_their_millisecond() -> None:
    before = time.time_ns() // 1_000_000
    made = [uuid7() for _ in range(200)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == 200
    for one in made:
        assert (one.version, one.variant) == (7, uuid.RFC_4122)
        assert before <= one.int >> 80 <= after


def test_ids_of_later_milliseconds_sort_later(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for millisecond in (1, 2, 1000, 1_800_000_000_000, 1_800_000_000_001):
        monkeypatch.setattr(time, "time_ns", lambda now=millisecond: now * 1_000_000)
        made.append(uuid7())
    assert sorted(made) == made
    assert sorted(map(str, made)) == [str(one) for one in made]


# --- flags shared with children ---------------------------------------------------------------
def in_child(action: object) -> int:
    """Run `action` in a forked process and return its exit code."""
    pid = os.fork()
    if not pid:
        os._exit(int(bool(action())))  # type: ignore[operator]
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_the_drain_flag_is_seen_by_children_and_can_be_lowered() -> None:
    assert not is_draining()
    try:
        start_draining()
        assert is_draining()
        assert in_child(is_draining) == 1
    finally:
        stop_draining()
    assert in_child(is_draining) == 0


def test_a_fresh_cluster_is_not_starving() -> None:
    vitals = Vitals()
    assert not vitals.is_starving(0.0)
    assert vitals.seconds_since_guard() < 5


def test_tasks_that_wait_beside_idle_workers_mean_starving() -> None:
    vitals = Vitals()
    vitals.guard_passed(queued=3, idle=2)
    assert vitals.is_starving(-1.0)
    assert not vitals.is_starving(60.0)


@pytest.mark.parametrize(("queued", "idle"), [(0, 2), (3, 0)])
def test_an_empty_queue_or_busy_workers_are_no_starving(queued: int, idle: int) -> None:
    vitals = Vitals()
    vitals.guard_passed(queued=queued, idle=idle)
    assert not vitals.is_starving(-1.0)


def test_what_children_note_in_the_vitals_their_supervisor_reads() -> None:
    vitals = Vitals()
    assert in_child(lambda: vitals.guard_passed(queued=1, idle=1)) == 0
    assert vitals.is_starving(-1.0)
    assert in_child(lambda: vitals.task_started(3)) == 0
    assert vitals.is_working()
    assert in_child(lambda: vitals.empty_seat(3)) == 0
    assert not vitals.is_working()
    assert not vitals.is_starving(5.0)
    vitals.reset()
    assert not vitals.is_starving(-1.0)


def test_a_worker_between_two_long_tasks_is_no_starving() -> None:
    vitals = Vitals()
    vitals._cells[Vitals._MOVED] -= 100.0
    vitals.guard_passed(queued=1, idle=1)
    assert vitals.is_starving(20.0)
    vitals.task_ended(0)
    assert not vitals.is_starving(20.0)


def test_an_excuse_forgets_the_silence_and_not_who_works() -> None:
    vitals = Vitals()
    vitals.guard_passed(queued=1, idle=1)
    vitals.task_started(0)
    for cell in (Vitals._BEAT, Vitals._MOVED, Vitals._PUSHED):
        vitals._cells[cell] -= 100.0
    assert vitals.seconds_since_guard() > 50
    vitals.excuse()
    assert vitals.seconds_since_guard() < 50
    assert not vitals.is_starving(50.0)
    assert not vitals.is_pusher_silent(50.0)
    assert vitals.is_working()


@pytest.mark.parametrize(("idle", "hangs"), [(1, True), (0, False)])
def test_a_silent_pusher_hangs_only_beside_idle_workers(idle: int, hangs: bool) -> None:
    vitals = Vitals()
    vitals.guard_passed(queued=0, idle=idle)
    assert vitals.is_pusher_silent(-1.0) == hangs
    assert in_child(vitals.pusher_passed) == 0
    assert not vitals.is_pusher_silent(60.0)


# --- the bell -----------------------------------------------------------------------------------
def test_a_bell_rung_in_the_middle_of_anything_is_heard_at_once() -> None:
    bell = StopBell()
    assert not bell.is_rung()

    def ring_twice(*_: object) -> None:
        bell.ring()
        bell.ring()

    before = signal.signal(signal.SIGALRM, ring_twice)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert bell.wait(30.0)
    finally:
        signal.signal(signal.SIGALRM, before)
    for _ in range(100_000):  # more than the pipe holds
        bell.ring()
    assert bell.is_rung()


# --- the batcher ------------------------------------------------------------------------------
def test_what_gathers_while_a_batch_runs_is_the_next_batch() -> None:
    batches: list[list[int]] = []

    async def main() -> list[int]:
        gate = asyncio.Event()

        async def run(items: list[int]) -> list[int]:
            batches.append(items)
            await gate.wait()
            return [item * 10 for item in items]

        batcher = Batcher(run)
        callers = [asyncio.create_task(batcher.submit(n)) for n in range(5)]
        while not batches:
            await asyncio.sleep(0)
        gate.set()
        return list(await asyncio.gather(*callers))

    assert asyncio.run(main()) == [0, 10, 20, 30, 40]
    assert batches == [[0], [1, 2, 3, 4]]


def test_an_error_reaches_every_caller_of_its_batch_and_no_other() -> None:
    async def main() -> list[object]:
        async def run(items: list[int]) -> list[int]:
            await asyncio.sleep(0)
            if 1 in items:
                raise ValueError("no")
            return items

        batcher = Batcher(run)
        callers = [asyncio.create_task(batcher.submit(n)) for n in range(3)]
        answers = list(await asyncio.gather(*callers, return_exceptions=True))
        return [*answers, await batcher.submit(7)]

    first, *refused, last = asyncio.run(main())
    assert (first, last) == (0, 7)
    assert [type(answer) for answer in refused] == [ValueError, ValueError]


def test_a_caller_that_gave_up_does_not_disturb_the_others() -> None:
    async def main() -> list[object]:
        gate = asyncio.Event()

        async def run(items: list[int]) -> list[int]:
            await gate.wait()
            return items

        batcher = Batcher(run)
        callers = [asyncio.create_task(batcher.submit(n)) for n in range(3)]
        await asyncio.sleep(0)
        callers[1].cancel()
        gate.set()
        return list(await asyncio.gather(*callers, return_exceptions=True))

    answers = asyncio.run(main())
    assert (answers[0], answers[2]) == (0, 2)
    assert isinstance(answers[1], asyncio.CancelledError)


# --- the clock --------------------------------------------------------------------------------
@pytest.mark.django_db
def test_the_clock_agrees_with_the_database() -> None:
    clock = DatabaseClock()
    clock._offset += 300  # this host's clock is five minutes off
    clock.sample()
    assert abs(clock.now() - time.time()) < 1.0
    assert clock.instant().tzinfo is UTC


@pytest.mark.django_db
@pytest.mark.parametrize("minutes_off", [-5, 5])
def test_what_a_host_with_a_wrong_clock_signs_bears_the_right_time(
    monkeypatch: pytest.MonkeyPatch, minutes_off: int
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lives on this host: there is one clock")
    true_time = time.time
    monkeypatch.setattr(wall_clock, "_ahead", 0.0)
    monkeypatch.setattr(time, "time", lambda: true_time() + 60 * minutes_off)
    DatabaseClock().sample()
    assert abs(wall_clock.now() - true_time()) < 1.0
    header = Signer("key", "secret", "token", "secret").authorization("GET", "https://api.example/")
    found = re.search(r'oauth_timestamp="(\d+)"', header)
    assert found is not None
    assert abs(int(found[1]) - true_time()) < 2.0


@pytest.mark.django_db
def test_a_slow_sample_does_not_replace_a_good_one_until_it_is_old() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lives on this host: there is one clock")
    clock = DatabaseClock()
    clock.sample()
    clock._round_trip = 0.0  # nothing is quicker than this
    kept = clock._offset
    clock.sample()
    assert clock._offset == kept
    clock._sampled_at -= clock.KEEP_SECONDS
    clock._offset += 300
    clock.sample()
    assert abs(clock.now() - time.time()) < 1.0


# --- the command ------------------------------------------------------------------------------
def test_a_misspelt_queue_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CommandError, match=r"no queue named 'publsh'; known queues: carillon"):
        call_command("qcluster", "--name", "publsh")


def test_a_misspelt_queue_name_in_the_environment_is_refused_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("Q_CLUSTER_NAME", "medai")
    with pytest.raises(CommandError, match="Check Q_CLUSTER_NAME or --name"):
        call_command("qcluster")
