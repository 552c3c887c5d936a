"""django-q2's guard process, made steady: group signals, killed parents and timeouts.

Measured against django-q2 1.11.1: a SIGTERM to the whole process group (what systemd and container
runtimes send) kills its guard and leaves the workers waiting for ever. Here all children ignore
group signals, end with their parent, and are stopped by the supervisor alone.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

from django_q.cluster import Sentinel, get_mp_context
from django_q.conf import Conf
from django_q.signals import pre_execute
from django_q.worker import worker

from engine.vitals import Vitals

_PR_SET_PDEATHSIG = 1


def tie_to_parent() -> None:
    """End this process when its parent does, and leave group signals to the supervisor."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the wish was registered
            os._exit(1)
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _child(target: Callable[..., None], vitals: Vitals, *args: Any) -> None:
    """Run one of django-q2's process functions as a steady child."""
    tie_to_parent()

    def task_started(**_: Any) -> None:
        vitals.task_started()

    pre_execute.connect(task_started, weak=False)
    target(*args)


class SteadySentinel(Sentinel):  # type: ignore[misc]  # django-q2 has no types
    """The guard loop of one cluster; runs as the supervisor's only child."""

    def __init__(self, vitals: Vitals, *args: Any) -> None:
        self.vitals = vitals
        super().__init__(*args)

    def start(self) -> None:
        """Guard until stopped (called by the constructor, as django-q2 has it)."""
        tie_to_parent()
        super().start()

    def status(self) -> str:
        """Return the state; called on every round of the guard loop, so it is our heartbeat."""
        idle = sum(1 for process in self.pool if process.timer.value == -1)
        self.vitals.guard_passed(queued=self.task_queue.qsize(), idle=idle)
        state: str = super().status()
        return state

    def spawn_process(self, target: Callable[..., None], *args: Any) -> BaseProcess:
        """Start a worker, pusher or monitor that ends with us."""
        process = get_mp_context().Process(target=_child, args=(target, self.vitals, *args))
        process.daemon = True
        if target is worker:
            process.daemon = Conf.DAEMONIZE_WORKERS
            process.timer = args[2]
            self.pool.append(process)
        process.start()
        return process  # type: ignore[no-any-return]

    def reincarnate(self, process: Any) -> None:
        """Replace a dead process, or kill and replace a worker whose task ran out of time."""
        if process in self.pool and process.timer.value == 0 and process.is_alive():
            process.kill()  # children ignore SIGTERM, which is what django-q2 would send
        super().reincarnate(process)
