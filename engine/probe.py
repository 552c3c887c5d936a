"""The worker's own door for probes: /health, /ready and /metrics of the process `qcluster` is.

Answers come from what supervisor and pulse noted, never from a server that may hang, and from a
thread of the supervising process, never from a slot's loop. The predecessors' addresses and
shapes.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.conf import settings

from engine.drain import is_draining
from engine.process_facts import memory_bytes, uptime_seconds
from engine.pulse import Pulse

log = logging.getLogger("carillon.supervisor")

SERVICE = "carillon-worker"
SUPERVISOR_SILENT_SECONDS = 60.0  # it comes round each second, also while servers hang
PULSE_SILENT_SECONDS = 10.0
CANARY_DEAD_SECONDS = 300.0  # the watchdog has started the cluster anew long before that

Answer = tuple[int, str, bytes]  # status, content type, body


class Probe:
    """Serves what `pulse` and `silence` (seconds since the supervisor came round) tell."""

    def __init__(
        self,
        *,
        pulse: Callable[[], Pulse | None],
        silence: Callable[[], float],
    ) -> None:
        self._pulse, self._silence = pulse, silence
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen on HEALTH_CHECK_HOST:HEALTH_CHECK_PORT; if that is taken, say so and go on."""
        if not settings.HEALTH_CHECK_ENABLED:
            return
        address = (settings.HEALTH_CHECK_HOST, settings.HEALTH_CHECK_PORT)
        try:
            self._server = ThreadingHTTPServer(address, _handler(self))
        except OSError as error:
            extra = {"port": address[1], "error": error.strerror}
            log.warning("probe.unavailable", extra=extra)
            return
        self._server.daemon_threads = True
        os.register_at_fork(after_in_child=self._server.socket.close)  # children answer nobody
        threading.Thread(target=self._server.serve_forever, name="probe", daemon=True).start()
        log.info("probe.listens", extra={"port": self._server.server_port})

    def answer(self, path: str) -> Answer:
        """Return the answer to a GET of `path`."""
        match path.partition("?")[0].rstrip("/"):
            case "/health":
                return self._health()
            case "/ready":
                return self._ready()
            case "/metrics":
                return 200, "text/plain; version=0.0.4; charset=utf-8", self._metrics().encode()
        return _json(404, {"status": "not_found"})

    def _health(self) -> Answer:
        """Alive: the supervisor comes round, and tasks are run where servers answer."""
        dead = self._silence() > SUPERVISOR_SILENT_SECONDS or self._has_lost_its_queue()
        body = {
            "status": "unhealthy" if dead else "healthy",
            "service": SERVICE,
            "worker": "qcluster",
            "uptime": round(uptime_seconds(), 3),
            "timestamp": _now(),
            "memory": memory_bytes(),
        }
        return _json(503 if dead else 200, body)

    def _has_lost_its_queue(self) -> bool:
        pulse = self._pulse()
        if pulse is None or pulse.silent_seconds() > PULSE_SILENT_SECONDS:
            return False  # a server is away: starting us anew would not bring it back
        age = pulse.seen.canary_seconds
        return min(uptime_seconds(), age) > CANARY_DEAD_SECONDS

    def _ready(self) -> Answer:
        """Ready: servers answer, slots are fresh, tasks are run, and we are not about to end."""
        pulse, failed = self._pulse(), []
        seen = pulse.seen if pulse else None
        if pulse is None or seen is None or pulse.silent_seconds() > PULSE_SILENT_SECONDS:
            failed.append(pulse.trouble if pulse and pulse.trouble else "database")
        elif pulse.trouble:
            failed.append(pulse.trouble)
        else:
            if settings.PUBLISHER_SLOTS and not seen.slots.get("publish"):
                failed.append("slots")
            if seen.canary_seconds > settings.READY_CANARY.total_seconds():
                failed.append("canary")
        if is_draining():
            failed.append("draining")
        body = {
            "status": "not_ready" if failed else "ready",
            "service": SERVICE,
            "worker": {
                "running": bool(seen and seen.slots.get("publish")),
                "activeJobs": seen.active if seen else 0,
                "slots": seen.slots.get("publish", 0) if seen else 0,
            },
            "redis": {"connected": "broker" not in failed},
            "draining": is_draining(),
            "failed": failed,
            "timestamp": _now(),
        }
        return _json(503 if failed else 200, body)

    def _metrics(self) -> str:
        pulse = self._pulse()
        figures = (
            (
                "publisher_active_jobs",
                "Number of jobs currently being processed, by all workers.",
                pulse.seen.active if pulse else 0,
            ),
            (
                "publisher_uptime_seconds",
                "Uptime of this worker in seconds.",
                round(uptime_seconds(), 3),
            ),
            (
                "process_resident_memory_bytes",
                "Memory of the supervising process in bytes.",
                memory_bytes().get("rss", 0),
            ),
        )
        return "".join(
            f"# HELP {name} {words}\n# TYPE {name} gauge\n{name} {value}\n"
            for name, words, value in figures
        )


def _handler(probe: Probe) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One request; a client that says nothing is sent away."""

        timeout = 5.0
        server_version, sys_version = "Carillon", ""

        def do_GET(self) -> None:
            status, kind, body = probe.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - as above

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: probes come every few seconds."""

    return Handler


def _json(status: int, body: dict[str, Any]) -> Answer:
    return status, "application/json", json.dumps(body).encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
