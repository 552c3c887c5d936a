"""The top process of `manage.py qcluster`: one cluster, kept alive, watched, and ended in time.

1. Start the guard (and with it workers, pusher, monitor); ask for publisher slots at once.
2. Every second: stamp our heartbeat, ask for missing slots, look at the vitals.
3. The guard died: start anew. Frozen (tasks wait beside idle workers, or the guard hangs): drain,
   end, start anew.
4. SIGTERM or SIGINT, once or more, to us or to the whole group: set the drain flag, stop the guard,
   and after SHUTDOWN_GRACE_SECONDS kill what is left; workers die with their parent.
"""

from __future__ import annotations

import gc
import logging
import pydoc
import signal
import threading
import time
import uuid
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django_q.cluster import get_mp_context
from django_q.tasks import async_task

from engine import slots
from engine.drain import start_draining, stop_draining
from engine.schedules import slot_kinds, slot_timeout
from engine.sentinel import SteadySentinel
from engine.vitals import Vitals

log = logging.getLogger("carillon.supervisor")

SECOND = 1.0
ASK_AGAIN_SECONDS = 2.0  # a slot asked for has started by then, or the request was lost
CANARY_SECONDS = 15.0
STARVING_SECONDS = 20.0
HUNG_SECONDS = 120.0  # the guard waits for the database too, which may restart meanwhile
RESTART_PAUSES_SECONDS = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
AWAY = (DatabaseError, InterfaceError, redis.RedisError, OSError)


class Supervisor:
    """Runs one cluster until it is told to stop."""

    def __init__(self) -> None:
        self._vitals = Vitals()
        self._guard: BaseProcess | None = None
        self._stop_event: Any = None
        self._stopping = threading.Event()
        self._slot: int | None = None
        self._asked_at: dict[str, float] = {}
        self._canary_at = 0.0
        self._restarts = 0

    def run(self) -> None:
        """Start, watch, and return when everything has ended."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        for slot in slot_kinds():
            pydoc.locate(slot.function)  # loaded once here, shared by all workers
        self._start()
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                self._second()
            except AWAY as error:
                connections.close_all()
                log.warning("supervisor.waits", extra={"error": type(error).__name__})
            self._look_after_guard()
            self._stopping.wait(max(0.0, SECOND - (time.monotonic() - started)))
        self._end()

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        start_draining()
        self._stopping.set()

    def _start(self) -> None:
        """Fork a guard; nothing that may not be shared is open at that moment."""
        connections.close_all()
        gc.collect()
        gc.freeze()  # what is loaded stays shared between the processes
        self._vitals.reset()
        context = get_mp_context()
        self._stop_event = context.Event()
        self._guard = context.Process(
            target=SteadySentinel,
            args=(self._vitals, self._stop_event, context.Event(), uuid.uuid4()),
        )
        self._guard.start()
        log.info("cluster.started", extra={"pid": self._guard.pid})

    def _second(self) -> None:
        if self._slot is None:
            self._slot = slots.open_slot(slots.CLUSTER)
        if self._slot is not None:
            slots.beat(self._slot)
        now = time.monotonic()
        for kind in slot_kinds():
            if now - self._asked_at.get(kind.kind, -ASK_AGAIN_SECONDS) < ASK_AGAIN_SECONDS:
                continue
            for _ in range(slots.missing(kind.kind)):
                async_task(kind.function, timeout=slot_timeout())
                self._asked_at[kind.kind] = now
        if now - self._canary_at > CANARY_SECONDS:
            self._canary_at = now
            async_task("engine.tasks.canary", timeout=30)

    def _look_after_guard(self) -> None:
        if self._stopping.is_set() or self._guard is None:
            return
        if not self._guard.is_alive():
            log.error("cluster.guard_died", extra={"exit_code": self._guard.exitcode})
            self._restart()
        elif self._vitals.is_starving(STARVING_SECONDS):
            log.error("cluster.frozen", extra={"cause": "tasks wait beside idle workers"})
            self._drain_and_restart()
        elif self._vitals.seconds_since_guard() > HUNG_SECONDS:
            log.error("cluster.frozen", extra={"cause": "the guard loop hangs"})
            self._drain_and_restart()

    def _drain_and_restart(self) -> None:
        start_draining()
        self._stop_guard()
        self._restart()

    def _restart(self) -> None:
        pause = RESTART_PAUSES_SECONDS[min(self._restarts, len(RESTART_PAUSES_SECONDS) - 1)]
        self._restarts += 1
        if self._stopping.wait(pause):
            return
        stop_draining()
        self._asked_at.clear()
        self._start()

    def _stop_guard(self) -> None:
        """Ask the guard to end; kill it when the grace is over (its children die with it)."""
        guard = self._guard
        if guard is None or not guard.is_alive():
            return
        # In a thread: a guard killed inside wait() may have left the event's lock taken.
        threading.Thread(target=self._stop_event.set, daemon=True).start()
        deadline = time.monotonic() + settings.SHUTDOWN_GRACE.total_seconds() - 1.0
        while guard.is_alive() and time.monotonic() < deadline:
            guard.join(0.1)
        if guard.is_alive():
            log.error("cluster.killed", extra={"after_seconds": settings.SHUTDOWN_GRACE.seconds})
            guard.kill()
            guard.join(5)

    def _end(self) -> None:
        log.info("cluster.stopping")
        self._stop_guard()
        if self._slot is not None:
            try:
                slots.close_slot(self._slot)
            except AWAY:
                connections.close_all()
        log.info("cluster.stopped")
