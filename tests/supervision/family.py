"""The processes of a running cluster, by what they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

from engine.models import WorkerSlot
from tests.environment import ROOT
from tests.journeys.stage import Stage
from tests.processes import Managed, wait_until


def guard_of(cluster: Managed) -> psutil.Process:
    """Return the guard: the only child of the command."""
    (guard,) = psutil.Process(cluster.process.pid).children()
    return guard


def helper_of(cluster: Managed, name: str) -> psutil.Process:
    """Return the one process of the guard named so: q-pusher or q-monitor."""
    (found,) = [p for p in guard_of(cluster).children() if p.name() == name]
    return found


def workers_of(cluster: Managed) -> list[psutil.Process]:
    """Return all workers."""
    return [p for p in guard_of(cluster).children() if p.name() == "q-worker"]


def idle_workers_of(cluster: Managed) -> list[psutil.Process]:
    """Return the workers in which no slot runs."""
    in_slots = set(WorkerSlot.objects.filter(stopped_at=None).values_list("pid", flat=True))
    return [p for p in workers_of(cluster) if p.pid not in in_slots]


def wait_for_slots(*, publish: int = 1, notify: int = 1) -> None:
    """Wait until so many slots of each kind run."""
    wanted = {"publish": publish, "notify": notify}
    running = WorkerSlot.objects.filter(stopped_at=None)
    wait_until(
        lambda: all(running.filter(kind=kind).count() == n for kind, n in wanted.items()),
        what=f"{wanted} slots",
    )


def lose_the_queue_lock(cluster: Managed) -> None:
    """Kill the idle workers: exactly one of them holds the lock of the task queue.

    All wait inside `get()`; which of them has the lock cannot be seen from outside. Those that the
    guard starts instead come upon a lock whose owner is gone, which is what freezes django-q2.
    """
    send(signal.SIGKILL, idle_workers_of(cluster))


def send(number: int, processes: Iterable[psutil.Process]) -> None:
    """Send a signal to each."""
    for process in processes:
        os.kill(process.pid, number)


def are_gone(processes: Iterable[psutil.Process]) -> bool:
    """Say whether none of the processes runs any more."""
    return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def queue(stage: Stage, function: str, argument: str, *, times: int = 1, timeout: int = 60) -> None:
    """Queue a task: a dotted path and the Python text of its argument; `timeout` is in seconds."""
    script = (
        "from django_q.tasks import async_task\n"
        f"for _ in range({times}): async_task({function!r}, {argument}, timeout={timeout})"
    )
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", script],
        env=stage.env, cwd=ROOT, check=True,
    )  # fmt: skip


def long_task(directory: Path, *, hangs: bool = False) -> tuple[Path, Path]:
    """Return a script that takes a minute and the file in which it notes its process first.

    One that `hangs` stops itself (SIGSTOP): it cannot even hear its own alarm.
    """
    script, note = directory / "task.py", directory / "note"
    script.write_text(
        "import os, signal, time\n"
        f"with open({str(note)!r}, 'w') as note: note.write(str(os.getpid()))\n"
        f"{'os.kill(os.getpid(), signal.SIGSTOP)' if hangs else ''}\n"
        "time.sleep(60)\n"
    )
    return script, note


def noted(note: Path) -> psutil.Process:
    """Wait for a process that notes its id in a file."""
    return psutil.Process(
        int(wait_until(lambda: note.exists() and note.read_text(), what="a note"))
    )
