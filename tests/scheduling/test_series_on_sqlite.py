"""On SQLite, too, callers at once never share a slot, and workers never double an occurrence."""

from __future__ import annotations

import json
import sys
from datetime import date

import pytest

from tests.processes import Processes


@pytest.mark.parametrize(("crowd", "fewest"), [("slots", 18), ("series", 59)])
def test_a_crowd_of_threads_on_one_file(
    processes: Processes, sqlite_env: dict[str, str], crowd: str, fewest: int
) -> None:
    env = {**sqlite_env, "DJANGO_SETTINGS_MODULE": "config.settings"}
    child = processes.start(sys.executable, "-m", "tests.scheduling.sqlite_crowd", crowd, env=env)
    assert child.wait() == 0, child.output
    days = [date.fromisoformat(day) for day in json.loads(child.output.splitlines()[-1])]
    assert len(days) == len(set(days)) >= fewest
    assert (max(days) - min(days)).days == len(days) - 1  # none was left out
