"""What every test stands on: real servers, a clean environment, no way off loopback."""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import itertools
import json
import os
import secrets
import signal
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from tests.databases import PostgreSQLDatabases, SQLiteDatabases, url_of
from tests.environment import ROOT, isolate
from tests.processes import Managed, Processes, wait_until
from tests.services import free_port, postgresql, valkey

if TYPE_CHECKING:
    from accounts.models import User, Workspace
    from platforms.models import SocialConnection

# Machines are shared: how long an example takes tells nothing.
hypothesis.settings.register_profile(
    "shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared")

OF_THE_NETWORKS = (  # settings
    "PLATFORMS",
    "MASTODON_SERVER",
    "OFFER_SANDBOX",
    "SENDGRID_API_KEY",
    "SENDGRID_API_BASE",
    "EMAIL_FROM",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_PHONE_NUMBER",
    "TWILIO_API_BASE",
    "FIREBASE_SERVICE_ACCOUNT",
    "FCM_API_BASE",
    "SLACK_BOT_TOKEN",
    "SLACK_API_BASE",
)
_accounts = itertools.count(1)
escapes: list[str] = []  # addresses off this machine that a test tried to reach


class LeftLoopback(Exception):
    """A test tried to talk to another machine."""


# --- before Django reads its settings (which is why pyproject.toml does not name them) ---------
def pytest_configure(config: pytest.Config) -> None:
    """Start the servers and point the settings at them; all end with the run, however it ends."""
    import django
    from django.conf import settings

    if settings.configured:
        raise pytest.UsageError("unset DJANGO_SETTINGS_MODULE: the tests choose their settings")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as orderly an end as Ctrl-C
    stack = contextlib.ExitStack()
    config.add_cleanup(stack.close)
    isolate(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crl-test-"))))
    only_looking = config.option.collectonly or config.option.help or config.option.version
    if not only_looking and not os.environ.get("DATABASE_URL"):
        server = stack.enter_context(postgresql(fsync=False))
        os.environ["DATABASE_URL"] = server.url("postgres")
    if not only_looking and not os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = stack.enter_context(valkey(append_only=False)).url
    sys.addaudithook(_refuse_other_machines)
    django.setup()


def _refuse_other_machines(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in {"socket.connect", "socket.sendto"} or not isinstance(arguments[1], tuple):
        return  # not a connection, or a Unix socket
    host = str(arguments[1][0])
    if host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        return
    escapes.append(host)
    raise LeftLoopback(f"this test tried to reach {host}")


@pytest.fixture(autouse=True)
def stay_on_loopback() -> Iterator[None]:
    """Fail a test that reached for another machine, even if the code swallowed the refusal."""
    escapes.clear()
    yield
    assert not escapes, f"the test tried to reach {escapes}"


@pytest.fixture(autouse=True, scope="session")
def quick_passwords() -> None:
    """Hash passwords cheaply: tests make users by the hundred."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


# --- processes -----------------------------------------------------------------------------
@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Start children with `processes.start(...)`; every descendant is killed at the end."""
    logs = tmp_path / "logs"
    logs.mkdir()
    family = Processes(logs)
    try:
        yield family
    finally:
        family.end_all()


@pytest.fixture
def run_manage(processes: Processes) -> Callable[..., Managed]:
    """Start `manage.py` commands: `run_manage("qcluster", env=live_env)`."""
    return processes.manage


@pytest.fixture(scope="session")
def sandbox_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the imitation networks for the whole session and give their address."""
    family = Processes(tmp_path_factory.mktemp("sandbox"))
    port = free_port()
    try:
        server = family.start(
            sys.executable, "-m", "sandbox", "--port", str(port), env=dict(os.environ)
        )
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(server, f"{url}/_stats"), what="the sandbox's first answer")
        yield url
    finally:
        family.end_all()


def _answers(server: Managed, url: str) -> bool:
    assert server.process.poll() is None, f"the sandbox ended:\n{server.output}"
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)
    except OSError:
        return False


# --- networks, wired by the same variables as `manage.py run` ----------------------------------
@pytest.fixture
def imitated(sandbox_url: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Point every network at the sandbox, through the environment and the real settings file."""
    from config.sandbox import IMITATIONS, imitation_of
    from platforms.registry import adapter_for

    for slug in IMITATIONS:
        for name, value in imitation_of(slug, {}, sandbox_url).items():
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("SANDBOX_URL", sandbox_url)
    monkeypatch.setenv("OFFER_SANDBOX", "1")
    spec = importlib.util.spec_from_file_location("as_run", ROOT / "config" / "settings.py")
    assert spec
    assert spec.loader
    as_run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(as_run)
    for name in OF_THE_NETWORKS:
        setattr(settings, name, getattr(as_run, name))
    settings.PUBLIC_URL = "http://testserver"
    adapter_for.cache_clear()
    yield sandbox_url
    adapter_for.cache_clear()


@pytest.fixture
def switch(imitated: str) -> Iterator[Callable[..., None]]:
    """Give the sandbox's switchboard; switches are taken back afterwards."""

    def call(method: str, body: Any = None) -> None:
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{imitated}/_control",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310

    yield lambda **rule: call("POST", rule)
    call("DELETE")


@pytest.fixture
def account() -> str:
    """Give the name of an account that no test used before."""
    return f"c{next(_accounts)}"


# --- databases that processes can share -------------------------------------------------------
@pytest.fixture(scope="session")
def _postgresql_databases() -> Iterator[PostgreSQLDatabases]:
    databases = PostgreSQLDatabases(os.environ["DATABASE_URL"], dict(os.environ))
    try:
        yield databases
    finally:
        databases.close()


@pytest.fixture(scope="session")
def _sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> SQLiteDatabases:
    env = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    return SQLiteDatabases(tmp_path_factory.mktemp("sqlite"), env)


@pytest.fixture
def live_database(_postgresql_databases: PostgreSQLDatabases) -> Iterator[str]:
    """Give the URL of a fresh, migrated PostgreSQL database; dropped afterwards."""
    url = _postgresql_databases.create()
    yield url
    _postgresql_databases.drop(url)


@pytest.fixture
def live_env(live_database: str, processes: Processes) -> Iterator[dict[str, str]]:
    """Give an environment on `live_database` and Valkey, with a queue of its own."""
    yield {**os.environ, "DATABASE_URL": live_database, "QUEUE_NAME": _queue_name()}
    processes.end_all()


@pytest.fixture
def sqlite_env(
    tmp_path: Path, _sqlite_databases: SQLiteDatabases, processes: Processes
) -> Iterator[dict[str, str]]:
    """Give an environment on a fresh, migrated SQLite file and the database broker."""
    env = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    url = _sqlite_databases.create(tmp_path / "carillon.sqlite3")
    yield {**env, "DATABASE_URL": url, "CACHE_DIR": str(tmp_path / "cache")}
    processes.end_all()


@pytest.fixture
def shared_env(transactional_db: None, processes: Processes) -> Iterator[dict[str, str]]:
    """Give an environment on the test's own database: the test sees what its processes commit."""
    from django.db import connection

    url = url_of(connection.settings_dict)
    yield {**os.environ, "DATABASE_URL": url, "QUEUE_NAME": _queue_name()}
    processes.end_all()  # before the tables are emptied, which would wait for their locks


def _queue_name() -> str:
    return f"test-{secrets.token_hex(4)}"


# --- rows ----------------------------------------------------------------------------------
@pytest.fixture
def workspace(db: None) -> Workspace:
    """Give a saved workspace."""
    from tests.factories import make_workspace

    return make_workspace()


@pytest.fixture
def user(workspace: Workspace) -> User:
    """Give an owner of `workspace`."""
    from tests.factories import make_user

    return make_user(workspace)


@pytest.fixture
def connection(workspace: Workspace) -> SocialConnection:
    """Give a sandbox connection of `workspace`."""
    from tests.factories import make_connection

    return make_connection(workspace)
