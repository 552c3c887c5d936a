"""Armed steps end exactly one process each, and every step that is listed stands in the code."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine import crash_points
from engine.crash_points import KINDS, STEPS, reach
from tests.environment import ROOT

PACKAGES = ("engine", "scheduling", "notifications", "platforms")
WALK = """
import sys
from engine.crash_points import reach
for number in range(int(sys.argv[1])):
    reach("mark.before", "publish")
    print(number, flush=True)
"""


def arm(directory: Path, step: str, text: str) -> Path:
    directory.mkdir(exist_ok=True)
    file = directory / step
    file.write_text(text)
    return file


def walk(directory: Path, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WALK, str(rounds)],
        env={**os.environ, "CRASH_POINTS": str(directory)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def reached_in_the_code() -> set[str]:
    names: set[str] = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text())):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "reach":
                    step = ast.literal_eval(call.args[0])
                    of_a_kind = len(call.args) > 1
                    names |= {f"{kind}.{step}" for kind in KINDS} if of_a_kind else {step}
    return names


def test_the_steps_listed_are_those_in_the_code() -> None:
    assert reached_in_the_code() == set(STEPS)


def test_a_step_that_is_not_listed_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(crash_points, "_directory", str(tmp_path))
    with pytest.raises(KeyError, match="is not listed in STEPS"):
        reach("tea.before")


def test_without_a_directory_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash_points, "_directory", "")
    reach("no step at all")


def test_a_process_dies_after_the_passes_it_was_given(tmp_path: Path) -> None:
    file = arm(tmp_path, "publish.mark.before", "3 self")
    process = walk(tmp_path, 10)
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert printed.split() == ["0", "1", "2"]
    assert not file.exists()


def test_another_step_s_file_ends_nobody(tmp_path: Path) -> None:
    file = arm(tmp_path, "publish.mark.after", "0")
    process = walk(tmp_path, 10)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert file.exists()


def test_one_file_ends_one_process(tmp_path: Path) -> None:
    arm(tmp_path, "publish.mark.before", "0")
    processes = [walk(tmp_path, 3) for _ in range(4)]
    for process in processes:
        process.communicate(timeout=30)
    assert sorted(process.returncode for process in processes) == [-signal.SIGKILL, 0, 0, 0]


def test_a_whole_group_dies_together(tmp_path: Path) -> None:
    arm(tmp_path, "publish.mark.before", "0 cluster")
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WALK!r}, '1'])"
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        env={**os.environ, "CRASH_POINTS": str(tmp_path)},
        cwd=ROOT,
        start_new_session=True,
    )
    assert process.wait(30) == -signal.SIGKILL
