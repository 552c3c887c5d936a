"""The ground tests stand on: servers, databases, processes, the guard."""

from __future__ import annotations

import socket
import sqlite3
import sys
from collections.abc import Callable

import psycopg
import pytest
from django.db import connection as database

from accounts.models import Workspace
from tests.conftest import LeftLoopback, escapes
from tests.factories import make_post, make_workspace
from tests.processes import Managed, Processes


def test_the_database_is_a_real_postgresql(db: None) -> None:
    with database.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        assert int(cursor.fetchone()[0]) >= 150000


def test_a_fresh_database_is_migrated_and_empty(live_database: str) -> None:
    with psycopg.connect(live_database) as session:
        assert session.execute("SELECT count(*) FROM scheduling_scheduledpost").fetchone() == (0,)


def test_a_fresh_sqlite_file_is_migrated_and_empty(sqlite_env: dict[str, str]) -> None:
    session = sqlite3.connect(sqlite_env["DATABASE_URL"].removeprefix("sqlite:///"))
    assert session.execute("SELECT count(*) FROM scheduling_scheduledpost").fetchone() == (0,)
    session.close()


def test_a_process_sees_what_the_test_commits(
    shared_env: dict[str, str], run_manage: Callable[..., Managed]
) -> None:
    make_workspace(slug="seen")
    question = "from accounts.models import *; print(*Workspace.objects.values_list('slug'))"
    child = run_manage("shell", "--verbosity", "0", "-c", question, env=shared_env)
    child.wait_for(r"^\('seen',\)$")
    assert child.wait() == 0


def test_a_post_and_its_owners_are_saved(db: None) -> None:
    post = make_post()
    assert Workspace.objects.get() == post.workspace == post.connection.workspace


def test_grandchildren_in_other_sessions_are_ended(
    processes: Processes, sqlite_env: dict[str, str]
) -> None:
    script = (
        "import subprocess, sys, time;"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " start_new_session=True); print('ready', flush=True); time.sleep(600)"
    )
    parent = processes.start(sys.executable, "-c", script, env=sqlite_env)
    parent.wait_for("ready")
    assert len(processes.alive()) == 2
    processes.end_all()
    assert processes.alive() == []


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("2001:db8::1", 80)])
def test_another_machine_cannot_be_reached(address: tuple[str, int]) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as door, pytest.raises(LeftLoopback):
        door.connect(address)
    assert escapes == [address[0]]
    escapes.clear()
