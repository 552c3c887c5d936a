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
    "tests/admin/test_operations.py",
    "tests/admin/test_post_page.py",
    "tests/admin/test_support_bundle.py",
    "tests/engine/test_breaker.py",
    "tests/engine/test_gate.py",
    "tests/engine/test_jobs.py",
    "tests/engine/test_schedules.py",
    "tests/engine/test_slots.py",
    "tests/monitoring/test_rollups.py",
    "tests/api/test_bulk.py",
    "tests/api/test_groups.py",
    "tests/platforms/test_tokens.py",
    "tests/scheduling/test_approvals.py",
    "tests/scheduling/test_bulk_jobs.py",
    "tests/scheduling/test_doubt.py",
    "tests/scheduling/test_four_eyes.py",
    "tests/scheduling/test_gate_in_use.py",
    "tests/scheduling/test_moments.py",
    "tests/scheduling/test_outage.py",
    "tests/scheduling/test_pauses.py",
    "tests/scheduling/test_preflight.py",
    "tests/scheduling/test_preparing.py",
    "tests/scheduling/test_publisher.py",
    "tests/scheduling/test_records.py",
    "tests/scheduling/test_recovery.py",
    "tests/scheduling/test_refused_tokens.py",
    "tests/scheduling/test_services.py",
]
SERIES_AND_QUEUES = ["tests/scheduling/test_queue_slots.py", "tests/scheduling/test_series.py"]


@pytest.mark.parametrize("files", [FILES, SERIES_AND_QUEUES], ids=["posts", "series"])
def test_everything_that_touches_rows_holds_on_sqlite(tmp_path: Path, files: list[str]) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("this whole run is on SQLite")
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        env={**env, "DATABASE_URL": f"sqlite:///{tmp_path / 'tests.sqlite3'}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
