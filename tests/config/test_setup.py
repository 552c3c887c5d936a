"""The virtual environment is made with a Python that will do, or one line says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment import ROOT

SYSTEM = "/usr/bin:/bin"


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """A directory of interpreters that shadows every other one."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for version in ("", "3", "3.11", "3.12", "3.13", "3.14"):
        write(directory / f"python{version}", "exit 127")  # as pyenv's shims of absent versions
    return directory


def write(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def make_venv(names: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script in an empty directory with only these interpreters in reach."""
    return subprocess.run(
        [ROOT / ".ci" / "make-venv", "venv", *arguments],
        env={"PATH": f"{names}:{SYSTEM}"},
        cwd=names.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_first_python_that_works_is_taken(names: Path) -> None:
    write(names / "python3.12", f'exec "{sys.executable}" "$@"')
    made = make_venv(names)
    assert (made.returncode, made.stderr) == (0, "")
    assert (names.parent / "venv" / "bin" / "python").exists()


def test_a_working_environment_is_left_alone(names: Path) -> None:
    (names.parent / "venv" / "bin").mkdir(parents=True)
    write(names.parent / "venv" / "bin" / "python", "exit 0")
    assert make_venv(names).returncode == 0
    assert os.listdir(names.parent / "venv" / "bin") == ["python"]


@pytest.mark.parametrize(
    ("arguments", "name"), [([], "python3"), (["/opt/python3.9"], "/opt/python3.9")]
)
def test_no_python_new_enough_is_one_line(names: Path, arguments: list[str], name: str) -> None:
    made = make_venv(names, *arguments)
    assert made.returncode == 1
    assert made.stderr.count("\n") == 1
    assert f"Carillon needs Python 3.11 or newer, and {name} is not" in made.stderr


def test_a_missing_venv_module_is_one_line(names: Path) -> None:
    write(names / "python3", 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac')
    made = make_venv(names)
    assert made.returncode == 1
    assert made.stderr.count("\n") == 1
    assert "apt install python3-venv" in made.stderr
