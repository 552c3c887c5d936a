"""Site and worker as real processes on servers of their own, which tests may stop and freeze."""

from __future__ import annotations

import json
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import psutil

from tests.processes import Managed, Processes, wait_until
from tests.services import PostgreSQL, Server, free_port

STAYS_SECONDS = 1.5


class Answered:
    """One answer: its status, its body, and how long it took in seconds."""

    def __init__(self, status: int, text: str, seconds: float) -> None:
        self.status, self.text, self.seconds = status, text, seconds

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


def get(url: str, headers: Mapping[str, str] | None = None, *, timeout: float = 15.0) -> Answered:
    """Ask; refusals are answers, too."""
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - loopback
    begun = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    return Answered(status, text, time.monotonic() - begun)


class Ground:
    """The two processes; `web` and `worker` are the addresses of their doors."""

    def __init__(self, processes: Processes, env: Mapping[str, str]) -> None:
        self.processes = processes
        web, worker = free_port(), free_port()
        self.env = {
            **env,
            "PORT": str(web),
            "HEALTH_CHECK_ENABLED": "1",
            "HEALTH_CHECK_PORT": str(worker),
            "PUBLISHER_SLOTS": "1",
            "WORKER_CONCURRENCY": "2",
        }
        self.web, self.worker = f"http://127.0.0.1:{web}", f"http://127.0.0.1:{worker}"

    def start_site(self) -> Managed:
        """Start the site as in production and wait until it answers."""
        site = self.processes.start(
            sys.executable, "-m", "gunicorn", "--config", "python:config.gunicorn",
            "--bind", self.web.removeprefix("http://"), "--no-control-socket", "config.wsgi",
            env=self.env,
        )  # fmt: skip
        wait_until(lambda: self.answers(f"{self.web}/health"), what="the site's first answer")
        return site

    def start_worker(self) -> Managed:
        """Start the worker."""
        return self.processes.manage("qcluster", env=self.env)

    def answers(self, url: str) -> bool:
        """Say whether something answers there at all."""
        try:
            return get(url).status > 0
        except OSError:
            return False

    def wait_ready(self, door: str, *, seconds: float = 60.0) -> float:
        """Wait until /ready says 200; returns how long that took."""
        return self._wait(door, lambda found: found.status == 200, seconds, "ready")

    def wait_unready(self, door: str, check: str, *, seconds: float = 45.0) -> float:
        """Wait until /ready says 503 and names `check`; returns how long that took."""

        def failed(found: Answered) -> bool:
            return found.status == 503 and check in found.body["failed"]

        return self._wait(door, failed, seconds, f"{check} in the failed checks")

    def _wait(self, door: str, is_so: Any, seconds: float, what: str) -> float:
        """Return after how long it was so and stayed so: each process of the site remembers."""
        begun = time.monotonic()
        since: float | None = None
        last = ""

        def stays() -> bool:
            nonlocal since, last
            is_now = False
            try:
                found = get(f"{door}/ready")
            except OSError as error:
                last = repr(error)
            else:
                last = found.text
                is_now = bool(is_so(found))
            since = (since or time.monotonic()) if is_now else None
            return since is not None and time.monotonic() - since > STAYS_SECONDS

        try:
            wait_until(stays, seconds=seconds, what=what)
        except TimeoutError as error:
            raise AssertionError(f"{error}; it said last: {last}") from None
        return (since or begun) - begun


def freeze(server: Server) -> None:
    """Stop all processes of a server in the middle of what they do."""
    _signal(server, signal.SIGSTOP)


def thaw(server: Server) -> None:
    """Let them go on."""
    _signal(server, signal.SIGCONT)


def _signal(server: Server, number: signal.Signals) -> None:
    assert server.process
    parent = psutil.Process(server.process.pid)
    for process in (parent, *parent.children(recursive=True)):
        process.send_signal(number)


__all__ = ["Answered", "Ground", "PostgreSQL", "freeze", "get", "thaw"]
