"""Child processes of tests: output kept in a file, always ended, grandchildren included."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import psutil

from config.processes import dies_with_parent
from tests.environment import ROOT

MARK = "CARILLON_TEST_FAMILY"  # inherited by every descendant, so none is overlooked
T = TypeVar("T")


def wait_until(question: Callable[[], T], *, seconds: float = 30.0, what: str = "it") -> T:
    """Ask until the answer is true and return it; raises TimeoutError naming `what`."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)
    return answer


class Managed:
    """One child: its `process`, everything it printed, and how it ended."""

    def __init__(self, command: list[str], env: Mapping[str, str], log: Path, cwd: Path) -> None:
        self.command = command
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGKILL),
            )

    @property
    def output(self) -> str:
        """Return all it printed so far, both streams."""
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern: str, *, seconds: float = 30.0) -> re.Match[str]:
        """Wait until the output matches; raises AssertionError with the output if it ends first."""

        def found() -> re.Match[str] | bool:
            ended = self.process.poll() is not None  # looked at first: its last words count
            return re.search(pattern, self.output, re.MULTILINE) or ended

        try:
            match = wait_until(found, seconds=seconds, what=f"{pattern!r} in {self.command}")
        except TimeoutError as error:
            raise AssertionError(f"{error}; it printed:\n{self.output}") from None
        assert isinstance(match, re.Match), f"{self.command} ended, having printed:\n{self.output}"
        return match

    def wait(self, seconds: float = 60.0) -> int:
        """Wait for its end and return the exit code; raises subprocess.TimeoutExpired."""
        return self.process.wait(seconds)

    def end(self, number: int = signal.SIGTERM, *, seconds: float = 35.0) -> int:
        """Send a signal, wait for the end and return the exit code."""
        self.process.send_signal(number)
        return self.wait(seconds)


class Processes:
    """Starts children and knows all their descendants, even those that left their session."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.family = uuid.uuid4().hex
        self.started: list[Managed] = []

    def start(self, *command: str, env: Mapping[str, str], cwd: Path = ROOT) -> Managed:
        """Start a command under exactly `env`; relative paths are the checkout's."""
        log = self.directory / f"{len(self.started)}.log"
        child = Managed([*command], {**env, MARK: self.family}, log, cwd)
        self.started.append(child)
        return child

    def manage(self, *arguments: str, env: Mapping[str, str]) -> Managed:
        """Start `manage.py` with these arguments."""
        return self.start(sys.executable, "manage.py", *arguments, env=env)

    def alive(self) -> list[psutil.Process]:
        """Return every living descendant of any child started here."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def end_all(self) -> None:
        """Kill every descendant and reap the children."""
        while family := self.alive():
            for process in family:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            psutil.wait_procs(family, timeout=5)
        for child in self.started:
            child.process.wait(5)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            running = process.status() != psutil.STATUS_ZOMBIE
            return running and process.environ().get(MARK) == self.family
        except (psutil.Error, OSError):
            return False
