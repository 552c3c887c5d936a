"""The commands that people read about exist: README, docs, Procfile, Makefile."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.environment import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / ".env.example", *(ROOT / "docs").rglob("*.md")])
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_only_commands_that_exist(page: Path) -> None:
    text = page.read_text()
    assert set(re.findall(r"\bmake ([a-z]+)\b(?=[`\s]*(?:$|[`#|]))", text, re.MULTILINE)) <= TARGETS
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= set(get_commands())


def test_the_readme_starts_with_one_command() -> None:
    text = (ROOT / "README.md").read_text()
    assert "make run" in text
    assert "make test" in text


def test_help_lists_every_target() -> None:
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"make ([a-z]+) ", shown)) == TARGETS
    assert {"help", "run", "test", "check", "fix", "bench", "docs"} <= TARGETS


def test_the_procfile_runs_site_and_publisher_and_migrates_on_release() -> None:
    lines = (ROOT / "Procfile").read_text().splitlines()
    processes = dict(line.split(": ", 1) for line in lines)
    assert processes["worker"] == "python manage.py qcluster"
    assert processes["release"] == "python manage.py migrate --no-input"
    assert processes["web"].startswith("gunicorn --config python:config.gunicorn ")


def test_the_procfile_s_web_server_accepts_its_options() -> None:
    web = re.search(r"^web: (.*)$", (ROOT / "Procfile").read_text(), re.MULTILINE)
    assert web
    command = f'"{sys.executable}" -m {web[1]} --check-config'
    checked = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr.decode()
