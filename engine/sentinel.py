"""django-q2's guard process, made steady: group signals, killed parents, lost servers, timeouts.

Measured against django-q2 1.11.1: a SIGTERM to the whole process group (what systemd and container
runtimes send) kills its guard and leaves the workers waiting for ever. Here all children ignore
group signals, end with their parent, and are stopped by the supervisor alone.
"""

from __future__ import annotations

import ctypes
import itertools
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

from django.db import connections
from django_q.brokers import get_broker
from django_q.cluster import Sentinel, get_mp_context
from django_q.conf import Conf
from django_q.pusher import pusher
from django_q.signals import post_execute_in_worker, pre_execute
from django_q.worker import worker

from engine.pulse import AWAY
from engine.vitals import Vitals

log = logging.getLogger("carillon.supervisor")

BROKER_AGAIN_SECONDS = 1.0
KILL_SECONDS = 1.0
HELPER_PATIENCE_SECONDS = 3.0  # for pusher and monitor, which have nothing long to do
_PR_SET_PDEATHSIG = 1  # Source: prctl(2)
_PR_SET_NAME = 15


def tie_to_parent(name: str) -> None:
    """End this process when its parent does, and leave group signals to the supervisor.

    `name` (up to 15 characters) is what `ps -o comm` and `top` show, on Linux.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    origin = multiprocessing.parent_process()  # as it was before the fork, whatever happened since
    parent = origin.pid if origin and origin.pid else os.getppid()
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_NAME, name.encode())
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the wish was registered
            os._exit(1)
    else:
        threading.Thread(target=watch_parent, args=(parent,), daemon=True).start()


def watch_parent(parent: int) -> None:
    """End this process within half a second after its parent: for systems without death signal."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _work(vitals: Vitals, seat: int, *args: Any) -> None:
    """Run django-q2's worker and note in the vitals when it is in the middle of a task."""
    tie_to_parent("q-worker")

    def started(**_: Any) -> None:
        vitals.task_started(seat)

    def ended(**_: Any) -> None:
        vitals.task_ended(seat)

    pre_execute.connect(started, weak=False)
    post_execute_in_worker.connect(ended, weak=False)
    worker(*args)


def _push(vitals: Vitals, queue: Any, event: Any, broker: Any = None) -> None:
    """Run django-q2's pusher; while the broker is away it waits a second and asks again.

    By itself it would sleep 10 s and die, which makes an end slow and a return slower.
    """
    tie_to_parent("q-pusher")
    broker = broker or get_broker()
    dequeue = broker.dequeue

    def dequeue_or_wait() -> Any:
        vitals.pusher_passed()
        try:
            return dequeue()
        except AWAY as error:
            connections.close_all()
            log.warning("pusher.waits", extra={"error": type(error).__name__})
            time.sleep(BROKER_AGAIN_SECONDS)
            return None

    broker.dequeue = dequeue_or_wait
    pusher(queue, event, broker)


def _help(target: Callable[..., None], *args: Any) -> None:
    """Run another of django-q2's process functions (the monitor)."""
    tie_to_parent(f"q-{target.__name__}")
    target(*args)


class SteadySentinel(Sentinel):  # type: ignore[misc]  # django-q2 has no types
    """The guard loop of one cluster; runs as the supervisor's only child."""

    def __init__(self, vitals: Vitals, *args: Any) -> None:
        tie_to_parent("q-guard")
        self.vitals = vitals
        super().__init__(*args)

    def start(self) -> None:
        """Guard until stopped (called by the constructor, as django-q2 has it)."""
        tie_to_parent("q-guard")  # once more: the constructor takes SIGTERM back
        super().start()

    def status(self) -> str:
        """Return the state; called on every round of the guard loop, so it is our heartbeat."""
        idle = sum(1 for process in self.pool if process.timer.value == -1)
        self.vitals.guard_passed(queued=self.task_queue.qsize(), idle=idle)
        state: str = super().status()
        return state

    def spawn_process(self, target: Callable[..., None], *args: Any) -> BaseProcess:
        """Start a worker, pusher or monitor that ends with us."""
        context = get_mp_context()
        if target is worker:
            taken = {process.seat for process in self.pool}
            seat = next(number for number in itertools.count() if number not in taken)
            self.vitals.empty_seat(seat)
            process = context.Process(target=_work, args=(self.vitals, seat, *args))
            process.daemon = Conf.DAEMONIZE_WORKERS
            process.timer, process.seat = args[2], seat
            self.pool.append(process)
        elif target is pusher:
            process = context.Process(target=_push, args=(self.vitals, *args), daemon=True)
        else:
            process = context.Process(target=_help, args=(target, *args), daemon=True)
        process.start()
        return process  # type: ignore[no-any-return]

    def reincarnate(self, process: Any) -> None:
        """Replace a dead process, or kill and replace a worker whose task ran out of time."""
        if process in self.pool and process.timer.value == 0 and process.is_alive():
            process.kill()  # children ignore SIGTERM, which is what django-q2 would send
            process.join(KILL_SECONDS)
        super().reincarnate(process)

    def stop(self) -> None:
        """End pusher, workers and monitor, in this order.

        django-q2 tells the broker its status again and again meanwhile and waits for a pusher
        without limit: with the broker away its end would take minutes.
        """
        self.event_out.set()
        _end_helper(self.pusher)
        for _ in self.pool:
            self.task_queue.put("STOP")
        self.task_queue.close()
        self.task_queue.join_thread()
        for process in self.pool:
            process.join()
        self.result_queue.put("STOP")
        self.result_queue.close()
        self.result_queue.join_thread()
        _end_helper(self.monitor)


def _end_helper(process: BaseProcess) -> None:
    """Wait a moment for a process that was told to end, then kill it."""
    process.join(HELPER_PATIENCE_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
