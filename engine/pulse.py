"""What the supervisor says to database and broker, on a thread of its own.

A server that hangs (its host froze, a firewall swallows packets) may keep this thread for minutes;
the main thread, which watches the cluster and hears signals, never waits for it.

Every second: stamp the cluster's heartbeat, ask for missing slots and for what apps want done every
so many seconds; now and then send the canary. What it sees on the way the probe tells.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Count, Sum
from django_q.tasks import async_task

from engine import slots
from engine.clock import database_now
from engine.models import Installation
from engine.schedules import beats, slot_kinds, slot_timeout

log = logging.getLogger("carillon.supervisor")

SECOND = 1.0
ASK_AGAIN_SECONDS = 2.0  # a slot asked for has started by then, or the request was lost
CANARY_SHARE = 0.75  # of the watchdog's patience: a task is always there to be seen waiting
BEAT_TIMEOUT_SECONDS = 60
AWAY = (DatabaseError, InterfaceError, redis.RedisError, OSError)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a beat saw: fresh slots of each kind, calls in flight, the age of the last canary."""

    slots: dict[str, int] = field(default_factory=dict)
    active: int = 0
    canary_seconds: float = float("inf")


class Pulse(threading.Thread):
    """The pulse of one running cluster; a cluster that is started anew gets a new one."""

    def __init__(self) -> None:
        super().__init__(name="pulse", daemon=True)
        self._over = threading.Event()
        self._slot: int | None = None
        self._asked_at: dict[str, float] = {}
        self._canary_at = 0.0
        self._beat_since = 0.0  # monotonic seconds; 0: it rests
        self._beaten_at = float("-inf")  # when a beat came to its end
        self.seen = Seen()
        self.trouble = ""  # what is away as far as the last beats tell: database or broker

    def run(self) -> None:
        """Beat until told to end, then take the cluster from the list."""
        while not self._over.is_set():
            started = self._beat_since = time.monotonic()
            try:
                self._beat(started)
                self._beaten_at = time.monotonic()
                if self.trouble == "database":  # the broker answers only when something is sent
                    self.trouble = ""
            except AWAY as error:
                connections.close_all()
                self.trouble = "broker" if isinstance(error, redis.RedisError) else "database"
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

    def silent_seconds(self) -> float:
        """Return how long ago a beat came to its end, with all servers answering."""
        return time.monotonic() - self._beaten_at

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
                self._send(kind.function, slot_timeout())
                self._asked_at[kind.kind] = now
        if now - self._canary_at > settings.WATCHDOG.total_seconds() * CANARY_SHARE:
            self._send("engine.tasks.canary", 30)
            self._canary_at = now
        for beat in beats():
            if now - self._asked_at.get(beat.function, float("-inf")) > beat.seconds:
                self._send(beat.function, BEAT_TIMEOUT_SECONDS)
                self._asked_at[beat.function] = now
        self.seen = _look()

    def _send(self, function: str, timeout: int) -> None:
        """Queue a task; one that could not be is tried again with the next beat."""
        async_task(function, timeout=timeout)
        if self.trouble == "broker":
            self.trouble = ""


def _look() -> Seen:
    kinds = slots.all_fresh().order_by().values_list("kind").annotate(Count("pk"), Sum("in_flight"))
    rows = list(kinds)
    here = Installation.objects.filter(pk=1).first()
    age = float("inf")
    if here is not None and here.canary_at is not None:
        age = (database_now() - here.canary_at).total_seconds()
    return Seen(
        slots={kind: number for kind, number, _ in rows},
        active=sum(in_flight or 0 for kind, _, in_flight in rows if kind != slots.CLUSTER),
        canary_seconds=age,
    )
