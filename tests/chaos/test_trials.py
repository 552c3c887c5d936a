"""About twenty trials: each family of faults and steps of every stage; `make chaos` runs many more.

They run side by side on servers of their own; each test waits for the verdict on its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.plan import Plan, every_step, short_form
from tests.environment import ROOT
from tests.processes import wait_until

SEED = 1
PATIENCE = 4.0  # machines are shared: how quick it is is measured by `make chaos`, not here
TRIAL_SECONDS = 300.0
PLANS = short_form(SEED)

pytestmark = pytest.mark.timeout(TRIAL_SECONDS + 60)


class Running:
    """The trials under way; `line` waits for one of them."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "tests.chaos", "--short", "--seed", str(SEED), "--jobs", "3",
                "--patience", str(PATIENCE), "--results", str(results), "--quiet",
            ],
            cwd=ROOT, env={**os.environ, "CARILLON_ENV_FILES": ""},
        )  # fmt: skip

    def line(self, number: int) -> dict[str, Any]:
        """Return what a trial left, once it has ended."""

        def left() -> dict[str, Any] | None:
            ended = self.process.poll() is not None  # looked at first: its last line counts
            files = list(self.results.glob("*.jsonl"))
            lines = [json.loads(text) for file in files for text in whole_lines(file)]
            found = next((line for line in lines if line["trial"] == number), None)
            assert found or not ended, "the trials ended without this one"
            return found

        line = wait_until(left, seconds=TRIAL_SECONDS, what=f"trial {number}")
        assert line is not None
        return line


def whole_lines(file: Path) -> list[str]:
    """Return the lines that are written to their end."""
    return file.read_text().split("\n")[:-1]


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Start all trials, some side by side."""
    running = Running(tmp_path_factory.mktemp("chaos"))
    yield running
    running.process.terminate()
    running.process.wait(10)


def name_of(plan: Plan) -> str:
    return "+".join([plan.fault, *(step for step, _, _ in plan.arm)])


@pytest.mark.parametrize("plan", PLANS, ids=name_of)
def test_nothing_is_lost_doubled_stuck_or_untold(trials: Running, plan: Plan) -> None:
    line = trials.line(plan.number)
    assert line["violations"] == []
    assert line["posts"] == plan.posts


def test_the_short_form_has_every_family_of_faults() -> None:
    families = {"kill", "crash", "valkey", "postgresql", "host", "copy", "network", "token"}
    assert {plan.fault.partition(".")[0] for plan in PLANS} == families


def test_a_trial_is_decided_by_its_seed_and_number() -> None:
    assert short_form(7) == short_form(7)
    assert short_form(7) != short_form(8)


def test_every_step_dies_alone_and_with_its_cluster() -> None:
    plans = every_step(SEED)
    assert [plan.number for plan in plans] == list(range(len(plans)))
    assert {plan.arm[-1][2] for plan in plans} == {"self", "cluster"}
    assert all(plan.early for plan in plans)
