"""What the supervisor says to database and broker, on a thread of its own.

A server that hangs (its host froze, a firewall swallows packets) may keep this thread for minutes;
the main thread, which watches the cluster and hears signals, never waits for it.

Every second: stamp the cluster's heartbeat, ask for missing slots; now and then send the canary.
"""

from __future__ import annotations

import logging
import threading
import time

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django_q.tasks import async_task

from engine import slots
from engine.schedules import slot_kinds, slot_timeout

log = logging.getLogger("carillon.supervisor")

SECOND = 1.0
ASK_AGAIN_SECONDS = 2.0  # a slot asked for has started by then, or the request was lost
CANARY_SHARE = 0.75  # of the watchdog's patience: a task is always there to be seen waiting
AWAY = (DatabaseError, InterfaceError, redis.RedisError, OSError)


class Pulse(threading.Thread):
    """The pulse of one running cluster; a cluster that is started anew gets a new one."""

    def __init__(self) -> None:
        super().__init__(name="pulse", daemon=True)
        self._over = threading.Event()
        self._slot: int | None = None
        self._asked_at: dict[str, float] = {}
        self._canary_at = 0.0
        self._beat_since = 0.0  # monotonic seconds; 0: it rests

    def run(self) -> None:
        """Beat until told to end, then take the cluster from the list."""
        while not self._over.is_set():
            started = self._beat_since = time.monotonic()
            try:
                self._beat(started)
            except AWAY as error:
                connections.close_all()
                log.warning("supervisor.waits", extra={"error": type(error).__name__})
            self._beat_since = 0.0
            self._over.wait(max(0.0, SECOND - (time.monotonic() - started)))
        try:
            if self._slot is not None:
                slots.close_slot(self._slot)
        except AWAY as error:
            log.warning("supervisor.unlisted", extra={"error": type(error).__name__})
        connections.close_all()

    def seconds_in_beat(self) -> float:
        """Return how long it has been talking: many seconds mean that a server hangs."""
        since = self._beat_since
        return time.monotonic() - since if since else 0.0

    def end_soon(self) -> None:
        """Tell it to end; `join(timeout)` waits for that."""
        self._over.set()

    def _beat(self, now: float) -> None:
        if self._slot is None:
            self._slot = slots.open_slot(slots.CLUSTER)
        if self._slot is not None:
            slots.beat(self._slot)
        for kind in slot_kinds():
            if now - self._asked_at.get(kind.kind, -ASK_AGAIN_SECONDS) < ASK_AGAIN_SECONDS:
                continue
            for _ in range(slots.missing(kind.kind)):
                async_task(kind.function, timeout=slot_timeout())
                self._asked_at[kind.kind] = now
        if now - self._canary_at > settings.WATCHDOG.total_seconds() * CANARY_SHARE:
            self._canary_at = now
            async_task("engine.tasks.canary", timeout=30)
