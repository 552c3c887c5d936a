"""The supervisor: what children print, when they are started again, and that all of them end."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from config.supervisor import Child, Supervisor
from tests.processes import Processes, wait_until

ENV = {"PATH": os.environ["PATH"], "PYTHONPATH": os.getcwd()}
STUBBORN = (
    "import os, signal, subprocess, sys, time;"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "os.fork(); os.write(1, b'%d\\n' % os.getpid()); time.sleep(600)"
)


class Family:
    """A supervisor whose output is kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.supervisor = Supervisor(grace=5.0, write=self.lines.append)

    def start(self, name: str, script: str, *, ends: int = 0, pause: float = 0.01) -> Child:
        command = [sys.executable, "-u", "-c", script]
        child = Child(name, command, ENV, ends=ends, pause=pause)
        self.supervisor.start(child)
        return child

    def run_until_said(self, text: str, times: int = 1) -> None:
        deadline = time.monotonic() + 20

        def said() -> bool:
            assert time.monotonic() < deadline, self.lines
            return sum(text in line for line in self.lines) >= times

        assert self.supervisor.run_until(said)


@pytest.fixture
def family() -> Iterator[Family]:
    family = Family()
    yield family
    family.supervisor.end()


def test_lines_carry_the_child_s_name_and_the_last_needs_no_newline(family: Family) -> None:
    family.start("web", "import sys; print('one'); sys.stdout.write('tw\\u00f6')")
    family.run_until_said("ended")
    family.supervisor.end()
    assert family.lines[:2] == ["     web | one", "     web | twö"]


def test_a_child_that_ends_is_started_again_after_a_growing_pause(family: Family) -> None:
    child = family.start("web", "import sys; print('up'); sys.exit(3)", pause=0.01)
    family.run_until_said("ended with code 3", times=3)
    family.supervisor.end()
    assert sum("up" in line for line in family.lines) >= 3
    assert child.pause == pytest.approx(0.08)


def test_the_end_reaches_what_ignores_sigterm_and_its_children(family: Family) -> None:
    family.supervisor.grace = 0.3
    family.start("deaf", STUBBORN)
    family.run_until_said(" | ", times=2)
    pids = [int(line.split("|")[1]) for line in family.lines]
    began = time.monotonic()
    family.supervisor.end()
    assert time.monotonic() - began < 3
    assert family.lines[-1] == "    deaf | did not end in time: killed"
    for pid in pids:
        wait_until(lambda pid=pid: not _lives(pid), seconds=5, what=f"the end of {pid}")


def test_children_end_in_the_order_asked_for(family: Family) -> None:
    report = (
        "import signal, sys, time;"
        "signal.signal(signal.SIGTERM, lambda *_: (print('ends'), sys.exit(0)));"
        "print('up'); time.sleep(600)"
    )
    family.start("last", report, ends=1)
    family.start("first", report)
    family.run_until_said("up", times=2)
    family.supervisor.end()
    assert [line.split()[0] for line in family.lines if "ends" in line] == ["first", "last"]


def test_what_a_crashed_child_leaves_in_its_group_ends_before_the_next_start(
    family: Family,
) -> None:
    family.start(
        "web",
        "import os, time\n"
        "if os.fork(): time.sleep(0.2); os._exit(1)\n"
        "print(os.getpid(), flush=True); time.sleep(600)",
    )
    family.run_until_said("ended with code 1")
    left = int(family.lines[0].split("|")[1])
    family.supervisor.end()
    wait_until(lambda: not _lives(left), seconds=5, what="the end of what was left behind")


def test_nothing_outlives_a_supervisor_that_is_killed(processes: Processes) -> None:
    script = (
        "import os, sys\n"
        "from config.supervisor import Child, Supervisor\n"
        "family = Supervisor(grace=5, write=lambda line: print(line, flush=True))\n"
        "family.start(Child('nap', [sys.executable, '-uc',"
        " 'print(1); import time; time.sleep(600)'], dict(os.environ)))\n"
        "family.run_until(lambda: False)\n"
    )
    running = processes.start(sys.executable, "-c", script, env=ENV)
    running.wait_for(r"nap \| 1")
    assert len(processes.alive()) == 2
    running.end(signal.SIGKILL)
    wait_until(lambda: not processes.alive(), seconds=10, what="the end of the children")


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as handle:
            return handle.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
