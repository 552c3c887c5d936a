"""What every benchmark stands on: durable servers of its own, a fresh installation, a stub of X."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis

from benchmarks.stub_x import CONSUMER_KEY, CONSUMER_SECRET
from tests.environment import isolate
from tests.processes import Managed, Processes, wait_until
from tests.services import free_port, postgresql, valkey

LATENCY_MS = 50.0
IN_FLIGHT = 200


class Stub:
    """The running imitation of X."""

    def __init__(self, processes: Processes, latency_ms: float = LATENCY_MS) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._process = processes.start(
            sys.executable, "-m", "benchmarks.stub_x",
            "--port", str(port), "--latency-ms", str(latency_ms), env=dict(os.environ),
        )  # fmt: skip
        self._process.wait_for("ready")

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.process.pid

    def count(self) -> int:
        """Return how many posts it received."""
        return int(self._ask("/_count")["count"])

    def report(self) -> dict[str, Any]:
        """Return everything it received (see `stub_x.Memory.report`)."""
        return self._ask("/_report")

    def reset(self) -> None:
        """Forget what was received."""
        self._ask("/_reset", method="POST")

    def _ask(self, path: str, *, method: str = "GET") -> dict[str, Any]:
        request = urllib.request.Request(self.url + path, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            found: dict[str, Any] = json.load(answer)
            return found


@dataclass(slots=True)
class Ground:
    """Servers, environment and stub of one benchmark process; Django is set up on them.

    `server_pids` maps "postgresql" and "valkey" to the top process of each (none on SQLite).
    """

    processes: Processes
    stub: Stub
    server_pids: Mapping[str, int]
    database_url: str

    @contextlib.contextmanager
    def cluster(self, *, slots: int, concurrency: int, **env: str) -> Iterator[Managed]:
        """Run `manage.py qcluster` with its publisher slots up; SIGTERM ends it."""
        cluster = self.processes.manage(
            "qcluster",
            env={
                **os.environ,
                "PUBLISHER_SLOTS": str(slots),
                "PUBLISHER_CONCURRENCY": str(concurrency),
                **env,
            },
        )
        try:
            wait_until(
                lambda: len(publisher_pids()) >= slots or _ended(cluster),
                what="the publisher's start",
            )
            yield cluster
        finally:
            cluster.end()


def _ended(cluster: Managed) -> bool:
    if cluster.process.poll() is not None:
        raise RuntimeError(f"qcluster ended:\n{cluster.output}")
    return False


def publisher_pids() -> list[int]:
    """Return the processes in which a publisher slot runs now."""
    from engine.slots import fresh

    return list(fresh("publish").values_list("pid", flat=True))


@contextlib.contextmanager
def open_ground(
    kind: str = "postgresql", *, database: str = "", broker: str = ""
) -> Iterator[Ground]:
    """Start what a benchmark needs, migrate, set Django up (once per process), and end it all.

    `kind` is postgresql (fsync on, default durability, Valkey with its append-only file) or sqlite
    (the embedded installation: ORM broker). `database` and `broker` are URLs of servers to use
    instead of our own: their data is changed, so they are for servers that are thrown away.
    """
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crl-bench-")))
        for name in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(name, None)
        isolate(scratch)
        os.environ.update(VAR_DIR=str(scratch), ALLOWED_HOSTS="127.0.0.1")
        pids: dict[str, int] = {}
        if kind == "sqlite":
            os.environ["DATABASE_URL"] = f"sqlite:///{scratch / 'bench.sqlite3'}"
        else:
            url = database or stack.enter_context(postgresql()).url("postgres")
            os.environ["DATABASE_URL"] = url
            os.environ["REDIS_URL"] = broker or stack.enter_context(valkey()).url
            pids = {"postgresql": _postmaster(url), "valkey": _broker(os.environ["REDIS_URL"])}
        processes = Processes(scratch)
        stack.callback(processes.end_all)
        stub = Stub(processes)
        os.environ.update(
            X_API_BASE=stub.url,
            TWITTER_API_KEY=CONSUMER_KEY,
            TWITTER_API_SECRET=CONSUMER_SECRET,
            QUEUE_NAME=f"bench-{os.getpid()}",
        )
        _set_up_django()
        yield Ground(processes, stub, pids, os.environ["DATABASE_URL"])


def _set_up_django() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _postmaster(url: str) -> int:
    import psutil

    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        return int(psutil.Process(row[0]).ppid())


def _broker(url: str) -> int:
    client = redis.Redis.from_url(url)
    try:
        return int(client.info("server")["process_id"])
    finally:
        client.close()
