"""The embedded installation: `manage.py run` needs no file edited and no service installed.

Three places can set a variable; the first that does wins:
1. the process's environment, 2. `.env`, 3. what this module provides:
   - secrets, made at random once and kept in `var/embedded.env` (mode 0600);
   - addresses that depend on this run's ports, in `var/running.env`. That file is locked while
     `run` lasts and read only then, by commands typed beside it (`add_connection`, `shell`), so a
     later production start can never send to the sandbox by accident.
"""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
from collections.abc import Mapping
from typing import TextIO

import environ
from cryptography.fernet import Fernet

from config.paths import EMBEDDED_ENV, RUNNING_ENV, VAR_DIR, environment_files
from config.sandbox import IMITATIONS, imitation_of

SHUTDOWN_GRACE_SECONDS = 8  # everything ends within 10 s of Ctrl-C

_provided: dict[str, str] = {}  # what prepare_environment filled in, secrets excepted
_lock: TextIO | None = None  # held open, hence locked, until the process ends


class AlreadyRunning(Exception):
    """Another `run` uses this installation."""


def prepare_environment(*, sandbox: bool) -> None:
    """Fill what the user left open, before Django reads its settings; for `manage.py run`."""
    VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not EMBEDDED_ENV.exists():
        _write_secrets()
    for path in environment_files():
        environ.Env.read_env(path)
    _require_ports("PORT", "SANDBOX_PORT")
    for name, value in provisions(os.environ, sandbox=sandbox).items():
        if not os.environ.get(name):
            os.environ[name] = _provided[name] = value
    os.makedirs(os.environ["STATIC_ROOT"], exist_ok=True)


def provisions(given: Mapping[str, str], *, sandbox: bool) -> dict[str, str]:
    """Return what a run provides where `given` leaves it open; see `config.sandbox`."""
    port = given.get("PORT") or "8000"
    chosen = {
        "PORT": port,
        "PUBLIC_URL": f"http://localhost:{port}",
        "HEALTH_CHECK_ENABLED": "0",  # the site's own /ready tells the same
        "SECURE_COOKIES": "0",  # there is no HTTPS on this machine
        "SHUTDOWN_GRACE_SECONDS": str(SHUTDOWN_GRACE_SECONDS),
        "STATIC_ROOT": str(VAR_DIR / "static"),
    }
    if not sandbox:
        return chosen
    sandbox_port = given.get("SANDBOX_PORT") or "8010"
    address = given.get("SANDBOX_URL") or f"http://127.0.0.1:{sandbox_port}"
    chosen |= {
        "SANDBOX_PORT": sandbox_port,
        "SANDBOX_URL": address,
        "PRIVATE_HOSTS_ALLOWED": "127.0.0.0/8",
        "TELL_DUE_AT": "1",  # the sandbox shows how late each post arrived
        "OFFER_SANDBOX": "1",
    }
    for slug in IMITATIONS:
        chosen |= imitation_of(slug, given, address)
    return chosen


def hold_installation() -> None:
    """Write `running.env` and keep it locked until this process ends; raises AlreadyRunning."""
    global _lock
    handle = RUNNING_ENV.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise AlreadyRunning(f"Carillon is running already on the data in {VAR_DIR}.") from None
    handle.truncate(0)
    handle.writelines(f"{name}={value}\n" for name, value in _provided.items())
    handle.flush()
    _lock = handle


def join_running_installation() -> None:
    """Take over the addresses of a `run` that is going on beside this command, if there is one."""
    if not RUNNING_ENV.is_file() or not _is_locked():
        return
    for path in environment_files():
        if path != EMBEDDED_ENV:  # the user's own files win over the run's addresses
            environ.Env.read_env(path)
    environ.Env.read_env(RUNNING_ENV)


def _require_ports(*names: str) -> None:
    for name in names:
        value = os.environ.get(name) or "1"
        if not value.isdecimal() or not 1 <= int(value) <= 65_535:
            raise SystemExit(f"{name} must be a port number from 1 to 65535, not {value!r}.")


def _write_secrets() -> None:
    """Make this installation's secrets; an interrupted write leaves no half of a file."""
    lines = [
        "# Made once by `manage.py run`. Keep it with the database: without CREDENTIAL_KEYS the",
        "# stored credentials cannot be read.",
        f"SECRET_KEY={secrets.token_urlsafe(48)}",
        f"CREDENTIAL_KEYS={Fernet.generate_key().decode()}",
        f"CALLBACK_SECRET=whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
    ]
    draft = EMBEDDED_ENV.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write("\n".join(lines) + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    draft.rename(EMBEDDED_ENV)


def _is_locked() -> bool:
    with RUNNING_ENV.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
