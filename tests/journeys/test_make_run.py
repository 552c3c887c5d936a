"""A newcomer's first minutes: one command, posts appear, a second run goes on, nothing is left."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.processes import signal_group
from tests.environment import ROOT, declared_variables
from tests.processes import Managed, Processes, wait_until
from tests.services import free_port

READY = r"Carillon is running"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is set but where to put the data and which ports to use."""
    bare = {name: value for name, value in os.environ.items() if name not in declared_variables()}
    for name in ("DJANGO_SETTINGS_MODULE", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ARGS"):
        bare.pop(name, None)  # of this test run, which `make test` may have started
    var = tmp_path / "var"
    return {
        **bare,
        "VAR_DIR": str(var),
        "CARILLON_ENV_FILES": str(var / "embedded.env"),
        "PORT": str(free_port()),
        "SANDBOX_PORT": str(free_port()),
        "HOME": str(tmp_path),
    }


@pytest.fixture
def make(tmp_path: Path) -> list[str]:
    """The start of a `make` command line that uses the interpreter of this test run."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    for stamp in (".runtime-installed", ".dev-installed"):
        (venv / stamp).touch()
    return ["make", "--no-print-directory", f"VENV={venv}"]


def stats(env: dict[str, str]) -> dict[str, Any]:
    """Return what the sandbox has received, per network."""
    address = f"http://127.0.0.1:{env['SANDBOX_PORT']}/_stats"
    with urllib.request.urlopen(address, timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def published(env: dict[str, str]) -> int:
    """Return how many posts readers of the sandbox see."""
    return sum(network["count"] for network in stats(env).values())


def log_in(env: dict[str, str], user: str, password: str) -> str:
    """Log in to the admin, by the one login there is, and return the page that follows."""
    site = f"http://127.0.0.1:{env['PORT']}"
    cookies = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    form = browser.open(f"{site}/admin/login/?next=/admin/", timeout=10).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token
    fields = {
        "username": user, "password": password, "next": "/admin/",
        "csrfmiddlewaretoken": token[1],
    }  # fmt: skip
    answer = browser.open(f"{site}/login/", urllib.parse.urlencode(fields).encode(), timeout=10)
    text: str = answer.read().decode()
    return text


def end(run: Managed, processes: Processes, *, by_ctrl_c: bool = False) -> None:
    """End the run and insist on ten seconds and on nothing being left."""
    began = time.monotonic()
    if by_ctrl_c:
        signal_group(run.process, signal.SIGINT)  # what a terminal does
    else:
        run.process.terminate()
    run.wait(15)
    wait_until(lambda: not processes.alive(), seconds=2, what="the end of every process")
    assert time.monotonic() - began < 10, run.output
    assert "killed" not in run.output  # everybody had the time to end in order


def test_one_command_publishes_a_demo_and_the_next_run_goes_on_with_its_data(
    env: dict[str, str], make: list[str], processes: Processes
) -> None:
    run = processes.start(*make, "run", env=env)
    run.wait_for(READY, seconds=60)
    password = run.wait_for(r"password +(\S+) +\(shown this once\)")[1]
    page = log_in(env, "admin", password)
    assert "Log out" in page
    stylesheet = re.search(r'href="(/static/admin/css/base[^"]*\.css)"', page)
    assert stylesheet
    address = f"http://127.0.0.1:{env['PORT']}{stylesheet[1]}"
    assert urllib.request.urlopen(address, timeout=5).status == 200
    wait_until(lambda: published(env) >= 3, seconds=30, what="three demo posts on three networks")
    assert [network["duplicates"] for network in stats(env).values()] == [0] * len(stats(env))
    key = beside(env, "create_api_key", "--workspace", "demo", "--name", "me")
    assert key.startswith("crl_")
    end(run, processes)
    before = count_posts(env)
    assert before == 19
    assert password not in "".join(path.read_text() for path in Path(env["VAR_DIR"]).glob("*.env"))

    again = processes.start(*make, "run", env=env)
    again.wait_for(READY, seconds=60)
    assert "shown this once" not in again.output
    assert "changepassword admin" in again.output
    assert count_posts(env) == before
    assert "Log out" in log_in(env, "admin", password)
    end(again, processes, by_ctrl_c=True)


def test_a_command_beside_a_run_talks_to_its_sandbox(
    env: dict[str, str], processes: Processes
) -> None:
    run = processes.manage("run", "--no-demo", env=env)
    run.wait_for(READY, seconds=60)
    assert count_posts(env) == 0
    question = "from django.conf import settings; print(settings.PLATFORMS['x']['api_base'])"
    told = beside(env, "shell", "--verbosity", "0", "-c", question)
    assert told == f"http://127.0.0.1:{env['SANDBOX_PORT']}/x"
    elsewhere = {"PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}
    second = processes.manage("run", env={**env, **elsewhere})
    assert second.wait() == 1
    assert "Carillon is running already" in second.output
    end(run, processes)


def test_a_crashed_part_comes_back_and_nothing_outlives_a_killed_run(
    env: dict[str, str], processes: Processes
) -> None:
    run = processes.manage("run", "--no-sandbox", env=env)
    run.wait_for(READY, seconds=60)
    assert "sandbox |" not in run.output
    (web,) = (
        process
        for process in processes.alive()
        if "gunicorn" in process.cmdline() and process.ppid() == run.process.pid
    )
    web.kill()
    run.wait_for(r"web \| ended with code -9; starting it again in 1 s")
    wait_until(lambda: answers(env), what="the web server's return")
    run.end(signal.SIGKILL)
    wait_until(lambda: not processes.alive(), seconds=12, what="the end of every process")


@pytest.fixture
def listener() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("name", ["PORT", "SANDBOX_PORT"])
def test_a_taken_port_is_one_line_that_names_the_remedy(
    env: dict[str, str], processes: Processes, listener: int, name: str
) -> None:
    run = processes.manage("run", env={**env, name: str(listener)})
    assert run.wait() == 1
    (line,) = run.output.strip().splitlines()
    assert f"Port {listener} cannot be used" in line
    assert f"{name}={listener + 1000} make run" in line


def answers(env: dict[str, str]) -> bool:
    """Say whether the web server answers."""
    try:
        address = f"http://127.0.0.1:{env['PORT']}/admin/login/"
        return bool(urllib.request.urlopen(address, timeout=5).status == 200)
    except OSError:
        return False


def beside(env: dict[str, str], *arguments: str) -> str:
    """Return what a command prints that somebody types while `run` is going on."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=env, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def count_posts(env: dict[str, str]) -> int:
    """Return how many posts the installation has."""
    question = "from scheduling.models import ScheduledPost; print(ScheduledPost.objects.count())"
    return int(beside(env, "shell", "--verbosity", "0", "-c", question))
