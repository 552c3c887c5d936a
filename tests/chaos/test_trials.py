"""About twenty trials: each family of faults and steps of every stage; `make chaos` runs many more.

They run side by side on servers of their own, in one go; then each has its verdict.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.plan import Plan, every_step, short_form
from tests.environment import ROOT

SEED = 1
PATIENCE = 4.0  # machines are shared: how quick it is is measured by `make chaos`, not here
PLANS = short_form(SEED)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    """Run all trials and give their lines by number."""
    results = tmp_path_factory.mktemp("chaos")
    subprocess.run(
        [
            sys.executable, "-m", "tests.chaos", "--short", "--seed", str(SEED), "--jobs", "3",
            "--patience", str(PATIENCE), "--results", str(results), "--quiet",
        ],
        cwd=ROOT, check=False, timeout=900, env={**os.environ, "CARILLON_ENV_FILES": ""},
    )  # fmt: skip
    return read(results)


def read(results: Path) -> dict[int, dict[str, Any]]:
    (file,) = results.glob("*.jsonl")
    found = [json.loads(text) for text in file.read_text().splitlines()]
    return {line["trial"]: line for line in found}


def name_of(plan: Plan) -> str:
    return "+".join([plan.fault, *(step for step, _, _ in plan.arm)])


@pytest.mark.parametrize("plan", PLANS, ids=name_of)
def test_nothing_is_lost_doubled_stuck_or_untold(
    lines: dict[int, dict[str, Any]], plan: Plan
) -> None:
    line = lines[plan.number]
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
