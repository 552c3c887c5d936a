"""`manage.py run`: site, publisher and sandbox under one supervisor; the first run adds a demo.

1. Look at the ports. 2. Migrate, make the staff login. 3. Start sandbox, publisher and web server.
4. Once all of them work: connect demo accounts to the sandbox and schedule demo posts (first run),
say what to open. 5. Keep everything running until Ctrl-C or SIGTERM, then end all of it within
10 seconds.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.embedded import AlreadyRunning, hold_installation
from config.supervisor import Child, Supervisor
from engine import slots
from engine.errors import ServiceError
from scheduling.demo import SLUG, make_demo, make_staff

HOST = "127.0.0.1"  # a demo is for this machine; production binds as Procfile says
GRACE_SECONDS = 9.0  # SIGTERM to SIGKILL; SHUTDOWN_GRACE_SECONDS of the publisher is less
WEB_THREADS = 4
PUBLISHER_PATIENCE_SECONDS = 30.0


class Command(BaseCommand):
    help = "Run everything on this machine, with a demo on imitation networks."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-demo", action="store_true", help="no demo accounts and posts")
        parser.add_argument(
            "--no-sandbox", action="store_true", help="no imitation networks (and so no demo)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal comes."""
        with_sandbox = not options["no_sandbox"]
        _require_free_port("PORT", settings.PORT)
        if with_sandbox:
            _require_free_port("SANDBOX_PORT", settings.SANDBOX_PORT)
        try:
            hold_installation()
        except AlreadyRunning as error:
            raise CommandError(str(error)) from None
        supervisor = Supervisor(grace=GRACE_SECONDS, write=self._write)
        supervisor.listen_to_signals()
        self._write("Bringing the database up to date")
        call_command("migrate", verbosity=0, interactive=False)
        user, password = make_staff()
        try:
            for child in _children(with_sandbox=with_sandbox):
                supervisor.start(child)
            if supervisor.run_until(_WorkingParts(with_sandbox=with_sandbox)):
                demo = make_demo() if with_sandbox and not options["no_demo"] else 0
                self._write(_welcome(user, password, demo, with_sandbox=with_sandbox))
                password = ""
                supervisor.run_until(lambda: False)
        except ServiceError as error:
            raise CommandError(f"The sandbox refuses the demo accounts: {error}") from None
        finally:
            if password:  # it exists now, so it must be told
                self._write(f"Staff login: {user}, password {password} (shown this once)")
            self._write("Ending")
            supervisor.end()

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads us any more; the children go on
            self.stdout.write(line)
            self.stdout.flush()


class _WorkingParts:
    """Asks, when called, whether everything answers; a publisher that is slow is not waited for."""

    def __init__(self, *, with_sandbox: bool) -> None:
        self._ports = [settings.PORT, *([settings.SANDBOX_PORT] if with_sandbox else [])]
        self._patience_ends = time.monotonic() + PUBLISHER_PATIENCE_SECONDS

    def __call__(self) -> bool:
        if not all(_is_taken(port) for port in self._ports):
            return False
        return not slots.missing("publish") or time.monotonic() > self._patience_ends


def _children(*, with_sandbox: bool) -> Iterator[Child]:
    """Yield what to run; the sandbox ends last, so that calls in flight get their answers."""
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    if with_sandbox:
        port = str(settings.SANDBOX_PORT)
        sandbox = [sys.executable, "-m", "sandbox", "--host", HOST, "--port", port]
        yield Child("sandbox", sandbox, env, ends=1)
    yield Child("publish", [sys.executable, "manage.py", "qcluster"], env)
    web = [
        sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"{HOST}:{settings.PORT}",
        "--workers", "1", "--threads", str(WEB_THREADS), "--graceful-timeout", "5",
        "--log-level", "warning", "--no-control-socket",
    ]  # fmt: skip
    yield Child("web", web, env)


def _require_free_port(name: str, port: int) -> None:
    """Raise CommandError with the remedy when somebody listens on the port already."""
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((HOST, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be used ({error.strerror}): stop what uses it, "
                f"or choose another one, for example {name}={port + 1000} make run"
            ) from None


def _is_taken(port: int) -> bool:
    with socket.socket() as door:
        door.settimeout(1)
        return door.connect_ex((HOST, port)) == 0


def _welcome(user: str, password: str, demo_posts: int, *, with_sandbox: bool) -> str:
    """Return what to open; the password only on the run that made it."""
    site = f"http://localhost:{settings.PORT}"
    manage = f"{os.path.relpath(sys.executable)} manage.py"
    reset = f"lost? {manage} changepassword {user}"
    lines = [
        "",
        "Carillon is running; Ctrl-C ends it.",
        "",
        f"  Site      {site}/   (connect accounts, on imitation networks)"
        if with_sandbox
        else f"  Site      {site}/   (connect accounts)",
        f"  Admin     {site}/admin/",
        f"  user      {user}",
        f"  password  {f'{password}   (shown this once)' if password else reset}",
        f"  API       {site}/api/v1/",
        f"  API key   {manage} create_api_key --workspace {SLUG} --name me",
    ]
    if with_sandbox:
        lines.append(f"  Sandbox   {settings.SANDBOX_URL}/   (what readers of the networks see)")
        lines.append(f"  Inbox     {settings.SANDBOX_URL}/inbox   (what people are told)")
    if demo_posts:
        lines += ["", f"{demo_posts} demo posts go out in the next two minutes: watch the sandbox."]
    return "\n".join([*lines, ""])
