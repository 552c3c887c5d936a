"""The same promises on SQLite, whose statements read differently: these tests run again there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests.environment import ROOT

FILES = [
    "tests/engine/test_jobs.py",
    "tests/engine/test_breaker.py",
    "tests/engine/test_gate.py",
    "tests/engine/test_slots.py",
    "tests/engine/test_schedules.py",
    "tests/monitoring/test_rollups.py",
    "tests/platforms/test_tokens.py",
    "tests/scheduling/test_doubt.py",
    "tests/scheduling/test_gate_in_use.py",
    "tests/scheduling/test_outage.py",
    "tests/scheduling/test_preflight.py",
    "tests/scheduling/test_preparing.py",
    "tests/scheduling/test_publisher.py",
    "tests/scheduling/test_records.py",
    "tests/scheduling/test_recovery.py",
    "tests/scheduling/test_refused_tokens.py",
    "tests/scheduling/test_services.py",
]


def test_everything_that_touches_rows_holds_on_sqlite(tmp_path: Path) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("this whole run is on SQLite")
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES],
        env={**env, "DATABASE_URL": f"sqlite:///{tmp_path / 'tests.sqlite3'}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
