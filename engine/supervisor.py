"""The top process of `manage.py qcluster`: one cluster, kept alive, watched, and ended in time.

1. Start the guard (and with it workers, pusher, monitor) and the pulse, which asks for publisher
   slots at once and then each second for missing ones.
2. Every second: look at the vitals.
3. The guard died: start anew. Frozen (tasks wait beside idle workers, guard or pusher hang): drain
   until no task is in the middle, end, start anew.
4. SIGTERM or SIGINT, once or more, to us or to the whole group: set the drain flag, stop the guard,
   and before SHUTDOWN_GRACE_SECONDS are over kill what is left; workers die with their parent.
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

from django.conf import settings
from django.db import connections
from django_q.cluster import get_mp_context

from engine.drain import start_draining, stop_draining
from engine.probe import Probe
from engine.pulse import Pulse
from engine.schedules import slot_kinds
from engine.sentinel import SteadySentinel
from engine.stop_bell import StopBell
from engine.vitals import Vitals

log = logging.getLogger("carillon.supervisor")

SECOND = 1.0
KILL_SECONDS = 1.0  # the end of the grace belongs to killing and reaping
IDLE_SECONDS = 8.0  # a guard ends sooner once its workers are free, unless it hangs
PULSE_PATIENCE_SECONDS = 0.5
OVERSLEPT_SECONDS = 5.0
SILENCE_FACTOR = 2.0  # guard and pusher wait for servers too, which may restart meanwhile
HANGS_SHARE = (
    0.25  # of the watchdog's patience: what our own pulse waits for hangs, not the cluster
)
RESTART_PAUSES_SECONDS = (0.0, 1.0, 2.0, 5.0)
STEADY_SECONDS = 60.0  # a cluster that ran this long is started again without a pause


class Supervisor:
    """Runs one cluster until it is told to stop."""

    def __init__(self) -> None:
        self._vitals = Vitals()
        self._stop = StopBell()
        self._guard: BaseProcess | None = None
        self._stop_event: Any = None
        self._pulse: Pulse | None = None
        self._started_at = 0.0
        self._restarts = 0
        self._looked_at = time.monotonic()
        self._probe = Probe(
            pulse=lambda: self._pulse,
            silence=lambda: time.monotonic() - self._looked_at,
        )

    def run(self) -> bool:
        """Start, watch, and return when everything has ended; false if a task was cut off."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        for slot in slot_kinds():
            pydoc.locate(slot.function)  # loaded once here, shared by all workers
        self._probe.start()
        try:
            if not self._stop.is_rung():
                self._start()
            self._looked_at = time.monotonic()
            while not self._stop.wait(SECOND):
                # We were stopped (Ctrl-Z), or a server hangs: the others could not go on either.
                slept = time.monotonic() - self._looked_at
                if slept > OVERSLEPT_SECONDS or self._a_server_hangs():
                    self._vitals.excuse()
                self._look_after_guard()
                self._looked_at = time.monotonic()
        finally:
            orderly = self._end()
        return orderly

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        start_draining()
        self._stop.ring()

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
        self._started_at = time.monotonic()
        self._pulse = Pulse()
        self._pulse.start()
        log.info("cluster.started", extra={"pid": self._guard.pid})

    def _look_after_guard(self) -> None:
        if self._guard is None:
            return
        if not self._guard.is_alive():
            if self._stop.is_rung():
                return  # it heard the signal to the group before it could ignore it
            log.error("cluster.guard_died", extra={"exit_code": self._guard.exitcode})
            self._restart()
        elif cause := self._cause_of_freeze():
            log.error("cluster.frozen", extra={"cause": cause})
            start_draining()
            self._stop_guard(idle_seconds=0.0)
            self._restart()

    def _a_server_hangs(self) -> bool:
        patience = settings.WATCHDOG.total_seconds() * HANGS_SHARE
        return self._pulse is not None and self._pulse.seconds_in_beat() > patience

    def _cause_of_freeze(self) -> str:
        """Return why the cluster cannot work any more, or nothing while it can."""
        patience = settings.WATCHDOG.total_seconds()
        if self._vitals.is_starving(patience):
            return "tasks wait beside idle workers"
        if self._vitals.seconds_since_guard() > patience * SILENCE_FACTOR:
            return "the guard loop hangs"
        if self._vitals.is_pusher_silent(patience * SILENCE_FACTOR):
            return "the pusher hangs"
        return ""

    def _restart(self) -> None:
        self._end_pulse()
        if time.monotonic() - self._started_at > STEADY_SECONDS:
            self._restarts = 0
        pause = RESTART_PAUSES_SECONDS[min(self._restarts, len(RESTART_PAUSES_SECONDS) - 1)]
        self._restarts += 1
        if self._stop.wait(pause):
            return
        stop_draining()  # a signal that comes right here is made good in _end
        self._start()

    def _stop_guard(self, *, idle_seconds: float) -> bool:
        """Ask the guard to end; returns false if a task had to be cut off in the middle.

        It is killed, and its children die with it, when the grace is over, or when no task has run
        for `idle_seconds`: then it waits for a server that hangs, or cannot end any more.
        """
        guard = self._guard
        if guard is None or not guard.is_alive():
            return True
        # In a thread: a guard killed inside wait() may have left the event's lock taken.
        threading.Thread(target=self._stop_event.set, daemon=True).start()
        if self._pulse:
            self._pulse.end_soon()
        worked_at = now = time.monotonic()
        deadline = now + settings.SHUTDOWN_GRACE.total_seconds() - KILL_SECONDS
        while guard.is_alive() and now < deadline and now - worked_at <= idle_seconds:
            guard.join(0.1)
            now = time.monotonic()
            if self._vitals.is_working():
                worked_at = now
        is_cut_off = guard.is_alive() and self._vitals.is_working()
        if is_cut_off:
            log.error("cluster.killed", extra={"after_seconds": settings.SHUTDOWN_GRACE.seconds})
        guard.kill()
        guard.join(KILL_SECONDS)
        return not is_cut_off

    def _end_pulse(self) -> None:
        if self._pulse:
            self._pulse.end_soon()
            self._pulse.join(PULSE_PATIENCE_SECONDS)  # it may wait for a server: left behind then

    def _end(self) -> bool:
        log.info("cluster.stopping")
        start_draining()
        orderly = self._stop_guard(idle_seconds=IDLE_SECONDS)
        if orderly:
            self._end_pulse()  # else the grace is over
        # While it ends, the interpreter gives signals back to the system, whose way is to kill.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        log.info("cluster.stopped", extra={"orderly": orderly})
        return orderly
