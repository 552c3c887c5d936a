"""A relay between a cluster and one of its servers, whose line can be cut or frozen."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from psycopg.conninfo import conninfo_to_dict

POSTGRESQL_PORT = "5432"


class Relay:
    """Listens on a loopback port and passes everything on to `target` (host and port, or path)."""

    def __init__(self, target: tuple[str, int] | str) -> None:
        self._target = target
        self._flows = threading.Event()
        self._flows.set()
        self._lines: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_cut = False
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break all connections and refuse new ones, as a server that crashed."""
        with self._lock:
            self._is_cut = True
            lines, self._lines = self._lines, []
        for line in lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def freeze(self) -> None:
        """Pass nothing on any more and answer nothing, as a host that hangs."""
        self._flows.clear()

    def mend(self) -> None:
        """Work again; what was under way on a frozen line arrives now."""
        with self._lock:
            self._is_cut = False
        self._flows.set()

    def close(self) -> None:
        """End for good."""
        self.mend()
        self._door.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                near, _ = self._door.accept()
                with self._lock:
                    is_cut = self._is_cut
                if is_cut:
                    near.close()
                    continue
                try:
                    far = self._connect()
                except OSError:
                    near.close()
                    continue
                with self._lock:
                    self._lines += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _connect(self) -> socket.socket:
        if isinstance(self._target, tuple):
            return socket.create_connection(self._target)
        line = socket.socket(socket.AF_UNIX)
        line.connect(self._target)
        return line

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(65_536):
                self._flows.wait()
                sink.sendall(block)
        for line in (source, sink):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


class Lines:
    """The two relays of one cluster, and the variables that lead it through them."""

    def __init__(self, env: Mapping[str, str]) -> None:
        given = {name: str(value) for name, value in conninfo_to_dict(env["DATABASE_URL"]).items()}
        host, port = given.get("host", "localhost"), given.get("port", POSTGRESQL_PORT)
        self.database = Relay(
            f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, int(port))
        )
        broker = urlsplit(env["REDIS_URL"])
        self.broker = Relay((broker.hostname or "localhost", broker.port or 6379))
        secret = {n: given[n] for n in ("user", "password") if n in given}
        address = urlencode({**secret, "host": "127.0.0.1", "port": self.database.port})
        login, at, _ = broker.netloc.rpartition("@")
        through = broker._replace(netloc=f"{login}{at}127.0.0.1:{self.broker.port}")
        self.env = {
            "DATABASE_URL": f"postgresql:///{given['dbname']}?{address}",
            "REDIS_URL": through.geturl(),
        }

    def close(self) -> None:
        """End both relays."""
        self.database.close()
        self.broker.close()
