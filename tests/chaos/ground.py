"""What one process's trials stand on: PostgreSQL, Valkey, a sandbox, a receiver of callbacks."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.databases import PostgreSQLDatabases
from tests.environment import isolate
from tests.processes import Managed, Processes, wait_until
from tests.services import PostgreSQL, Valkey, free_port, postgresql, valkey


class Receiver:
    """An address for callbacks that says 204 and counts every message by its id."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        messages = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                messages[self.headers.get("webhook-id", "")] += 1
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256  # a resumed installation has much to tell at once

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/callback"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@dataclass(slots=True)
class Ground:
    """The servers of one process, shared by its trials one after the other; faults may end them."""

    scratch: Path
    postgresql: PostgreSQL
    valkey: Valkey
    databases: PostgreSQLDatabases
    sandbox_url: str
    receiver: Receiver
    base_env: dict[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Give the URL of a fresh, migrated database, which Django then uses in this process."""
        url = self.databases.create()
        use_database(url)
        try:
            yield url
        finally:
            use_database(self.postgresql.url("postgres"))
            self.databases.drop(url)


def use_database(url: str) -> None:
    """Point this process's Django at another database of the same server."""
    from urllib.parse import urlsplit

    from django.db import connections

    connections.close_all()
    connections["default"].settings_dict["NAME"] = urlsplit(url).path[1:]


@contextlib.contextmanager
def open_ground() -> Iterator[Ground]:
    """Start everything, set Django up (once per process), and end it all."""
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crl-chaos-")))
        for name in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(name, None)
        isolate(scratch)
        database = stack.enter_context(postgresql(fsync=False, options={"max_connections": "300"}))
        broker = stack.enter_context(valkey())
        os.environ.update(
            VAR_DIR=str(scratch),
            DATABASE_URL=database.url("postgres"),
            REDIS_URL=broker.url,
            DATABASE_CONN_MAX_AGE_SECONDS="0",  # of this process: servers come and go
        )
        receiver = Receiver()
        stack.callback(receiver.close)
        processes = Processes(scratch)
        stack.callback(processes.end_all)
        url = _start_sandbox(processes)
        databases = PostgreSQLDatabases(database.url("postgres"), dict(os.environ))
        import django

        django.setup()
        yield Ground(scratch, database, broker, databases, url, receiver, {**os.environ})


def _start_sandbox(processes: Processes) -> str:
    port = free_port()
    command = (sys.executable, "-m", "sandbox", "--port", str(port))
    server = processes.start(*command, env=dict(os.environ))
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: _answers(server, f"{url}/_stats"), what="the sandbox's first answer")
    return url


def _answers(server: Managed, url: str) -> bool:
    if server.process.poll() is not None:
        raise RuntimeError(f"the sandbox ended:\n{server.output}")
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
        return bool(answer.status == 200)
    return False
