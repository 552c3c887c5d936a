"""How each fault is done to a running trial; every one returns when it is over."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import psutil
import psycopg
import redis

if TYPE_CHECKING:
    from tests.chaos.trial import Trial

LOOK_SECONDS = 20.0  # a step armed before the posts are there must be reached within this time
GLANCE_SECONDS = 4.0  # one armed in the middle may have been passed by all posts
FULL = """
CREATE FUNCTION chaos_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
END $$;
"""
TABLES = (
    "scheduling_scheduledpost",
    "scheduling_publishattempt",
    "scheduling_posttransition",
    "engine_workerslot",
)


def strike(trial: Trial) -> None:
    """Do the planned fault; network faults and wrong clocks are there from the start."""
    family, _, _ = trial.plan.fault.partition(".")
    if family in {"network", "copy"} or trial.plan.fault == "host.clocks":
        return
    _HOW["crash" if family == "crash" else trial.plan.fault](trial)


def arm(trial: Trial, place: int) -> None:
    """Write the file of one planned step: whole, for processes look at it all the time."""
    step, passes, whom = trial.plan.arm[place]
    draft = trial.crash_points / f".{step}"
    draft.write_text(f"{passes} {whom}")
    draft.rename(trial.crash_points / step)


def _family(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants, the eldest first."""
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    return []


def _send(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _kill_slot(trial: Trial) -> None:
    pids = trial.slot_pids()
    if pids:
        _kill(pids[trial.plan.pick % len(pids)])


def _kill_helper(trial: Trial) -> None:
    """Kill a worker without a slot, the pusher or the monitor."""
    family = _family(trial.a_host().process.pid)[2:]
    slots = set(trial.slot_pids(every_kind=True))
    helpers = [process.pid for process in family if process.pid not in slots]
    if helpers:
        _kill(helpers[trial.plan.pick % len(helpers)])


def _kill_guard(trial: Trial) -> None:
    family = _family(trial.a_host().process.pid)
    if len(family) > 1:
        _kill(family[1].pid)


def _kill_top(trial: Trial) -> None:
    _kill(trial.a_host().process.pid)


def _kill_host(trial: Trial) -> None:
    _send(_family(trial.a_host().process.pid), signal.SIGKILL)


def _kill_everything(trial: Trial) -> None:
    for host in trial.hosts:
        _send(_family(host.process.pid), signal.SIGKILL)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _stop_term(trial: Trial) -> None:
    """Restart a host as a deployment does: SIGTERM to its whole group, or to the top alone."""
    pid = trial.a_host().process.pid
    if trial.plan.pick % 2:
        os.killpg(pid, signal.SIGTERM)
    else:
        os.kill(pid, signal.SIGTERM)


def _crash(trial: Trial) -> None:
    """Arm the steps, unless they are armed, and wait until each has ended a process."""
    for place, (step, _, _) in enumerate(trial.plan.arm):
        if not trial.plan.early:
            arm(trial, place)
        file = trial.crash_points / step
        deadline = time.monotonic() + (LOOK_SECONDS if trial.plan.early else GLANCE_SECONDS)
        while file.exists() and time.monotonic() < deadline:
            trial.keep_hosts_up()
            time.sleep(0.01)
        if file.exists():
            file.unlink(missing_ok=True)
            trial.missed = True
            if trial.plan.early:
                trial.never_reached.append(step)


def _valkey_flush(trial: Trial) -> None:
    redis.Redis.from_url(trial.ground.valkey.url).flushall()


def _valkey_restart(trial: Trial) -> None:
    trial.ground.valkey.kill()
    time.sleep(trial.plan.length / 2)
    trial.ground.valkey.start()


def _valkey_pause(trial: Trial) -> None:
    process = trial.ground.valkey.process
    assert process is not None
    with _stopped([psutil.Process(process.pid)]):
        time.sleep(trial.plan.length)


def _postgresql_restart(trial: Trial) -> None:
    server = trial.ground.postgresql
    server._end(server.death_signal)
    time.sleep(trial.plan.length / 4)
    server.start()


def _postgresql_pause(trial: Trial) -> None:
    process = trial.ground.postgresql.process
    assert process is not None
    with _stopped(_family(process.pid)):
        time.sleep(trial.plan.length * 2)


def _postgresql_full(trial: Trial) -> None:
    """Refuse writes as a full disk does, on some tables, for a while."""
    first = trial.plan.pick % len(TABLES)
    tables = TABLES[first : first + 1] if trial.plan.pick % 3 else TABLES
    with psycopg.connect(trial.database_url, autocommit=True) as connection:
        connection.execute(FULL)
        for table in tables:
            connection.execute(
                f"CREATE TRIGGER chaos_full BEFORE INSERT OR UPDATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION chaos_full()"
            )
        time.sleep(trial.plan.length)
        connection.execute("DROP FUNCTION chaos_full CASCADE")


def _postgresql_cut(trial: Trial) -> None:
    """End every session of the hosts, again and again for a while."""
    deadline = time.monotonic() + trial.plan.length / 2
    with psycopg.connect(trial.ground.postgresql.url("postgres"), autocommit=True) as connection:
        while time.monotonic() < deadline:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [trial.database_name],
            )
            time.sleep(0.1)


def _host_partition(trial: Trial) -> None:
    """Freeze a host for longer than its leases last and its posts stay in doubt."""
    with _stopped(_family(trial.a_host().process.pid)):
        time.sleep(trial.lease_and_grace + trial.find_lag + trial.plan.length)


def _token_revoked(trial: Trial) -> None:
    """Revoke one account's token, wait until its owner must act, then connect it again."""
    account = trial.burst.accounts[trial.plan.pick % len(trial.burst.accounts)]
    trial.revoke(account)
    time.sleep(trial.plan.length)
    trial.reconnect(account)


@contextlib.contextmanager
def _stopped(processes: list[psutil.Process]) -> Iterator[None]:
    _send(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        _send(processes, signal.SIGCONT)


_HOW: dict[str, Callable[[Trial], None]] = {
    "kill.slot": _kill_slot,
    "kill.helper": _kill_helper,
    "kill.guard": _kill_guard,
    "kill.top": _kill_top,
    "kill.host": _kill_host,
    "kill.everything": _kill_everything,
    "stop.term": _stop_term,
    "crash": _crash,
    "valkey.flush": _valkey_flush,
    "valkey.restart": _valkey_restart,
    "valkey.pause": _valkey_pause,
    "postgresql.restart": _postgresql_restart,
    "postgresql.pause": _postgresql_pause,
    "postgresql.full": _postgresql_full,
    "postgresql.cut": _postgresql_cut,
    "host.partition": _host_partition,
    "token.revoked": _token_revoked,
}
