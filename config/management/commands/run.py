"""`manage.py run`: site, publisher and sandbox under one supervisor; the first run adds a demo.

1. Look at the ports. 2. Migrate. 3. Start the sandbox, and on the first run connect demo accounts
to it and schedule demo posts. 4. Start the web server and the publisher. 5. Keep them all running
until Ctrl-C or SIGTERM, then end everything within 10 seconds.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from config.embedded import AlreadyRunning, hold_installation
from config.supervisor import Child, Supervisor
from scheduling.demo import make_demo, make_staff

HOST = "127.0.0.1"  # a demo is for this machine; production binds as Procfile says
GRACE_SECONDS = 9.0  # SIGTERM to SIGKILL; SHUTDOWN_GRACE_SECONDS of the publisher is less
WEB_THREADS = 4


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
        self.stdout.write("Bringing the database up to date")
        call_command("migrate", verbosity=0, interactive=False)
        supervisor = Supervisor(grace=GRACE_SECONDS, write=self._write)
        supervisor.listen_to_signals()
        try:
            self._run(supervisor, with_sandbox=with_sandbox, with_demo=not options["no_demo"])
        finally:
            self._write("Ending")
            supervisor.end()

    def _run(self, supervisor: Supervisor, *, with_sandbox: bool, with_demo: bool) -> None:
        env = dict(os.environ)
        if with_sandbox:
            port = str(settings.SANDBOX_PORT)
            command = [sys.executable, "-m", "sandbox", "--host", HOST, "--port", port]
            supervisor.start(Child("sandbox", command, env, ends=1))
            if not supervisor.run_until(lambda: _is_taken(settings.SANDBOX_PORT)):
                return
        password = make_staff()
        demo = make_demo() if with_sandbox and with_demo else 0
        connections.close_all()
        supervisor.start(Child("publish", [sys.executable, "manage.py", "qcluster"], env))
        supervisor.start(Child("web", _web_command(), env))
        if not supervisor.run_until(lambda: _is_taken(settings.PORT)):
            return
        self._write(_welcome(password, demo, with_sandbox=with_sandbox))
        supervisor.run_until(lambda: False)

    def _write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _web_command() -> list[str]:
    return [
        sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"{HOST}:{settings.PORT}",
        "--workers", "1", "--threads", str(WEB_THREADS), "--graceful-timeout", "5",
        "--log-level", "warning", "--no-control-socket",
    ]  # fmt: skip


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


def _welcome(password: str, demo_posts: int, *, with_sandbox: bool) -> str:
    """Return what to open; the password only on the run that made it."""
    site = f"http://localhost:{settings.PORT}"
    lines = ["", "Carillon is running. Ctrl-C ends it.", "", f"  Admin    {site}/admin/"]
    if password:
        lines += [
            "           user      admin",
            f"           password  {password}  (shown this once)",
        ]
    else:
        lines.append(
            "           password forgotten? .venv/bin/python manage.py changepassword admin"
        )
    lines.append(f"  API      {site}/api/v1/")
    if with_sandbox:
        lines.append(f"  Sandbox  {settings.SANDBOX_URL}/  (what the networks' readers see)")
    if demo_posts:
        lines += [
            "",
            f"{demo_posts} demo posts go out over the next two minutes: watch the sandbox.",
        ]
    return "\n".join([*lines, ""])
