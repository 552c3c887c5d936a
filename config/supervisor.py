"""Keeps a handful of child processes running under one terminal, and ends them all together.

The loop, ten times a second:
1. pass on what the children printed, each line with its child's name in front;
2. start a child that ended again, after a pause that doubles up to 30 s;
3. after a signal: SIGTERM to each child in turn, and SIGKILL to the whole group of any that is
   still there when `grace` is over (a second signal means at once).

Every child leads its own session, so Ctrl-C in the terminal reaches the supervisor alone: a
SIGTERM to a whole group of django-q2 processes would hang them. The kernel ends the children if
the supervisor itself is killed.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from config.processes import dies_with_parent, signal_group

TICK_SECONDS = 0.1
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 30.0  # a child that ran this long starts over with the first pause
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Child:
    """One program to keep running. Children with the lowest `ends` are asked to end first."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(repr=False)  # holds secrets
    ends: int = 0
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause: float = FIRST_PAUSE_SECONDS
    start_at: float = 0.0
    asked_to_end: bool = False
    unfinished_line: bytes = b""


class Supervisor:
    """Runs children until a signal comes; `grace` seconds later none of them is left."""

    def __init__(self, *, grace: float, write: Callable[[str], None]) -> None:
        self.grace = grace
        self.children: list[Child] = []
        self._write = write
        self._selector = selectors.DefaultSelector()
        self._signals = 0
        self._deadline: float | None = None

    def start(self, child: Child) -> None:
        """Start a child and keep it running from now on."""
        self.children.append(child)
        self._launch(child)

    def run_until(self, done: Callable[[], bool]) -> bool:
        """Look after the children until `done` is true (returned) or a signal came (false)."""
        while not self._signals:
            if done():
                return True
            self._tick()
        return False

    def end(self) -> None:
        """End every child, in order where they let us; returns when nothing of them is left."""
        self._deadline = time.monotonic() + self.grace
        while alive := [child for child in self.children if child.process]:
            if time.monotonic() > self._deadline or self._signals > 1:
                for child in alive:
                    self._kill(child)
            first = min(child.ends for child in alive)
            for child in alive:
                if child.ends == first and not child.asked_to_end and child.process:
                    child.asked_to_end = True
                    child.process.terminate()
            self._tick()

    def listen_to_signals(self) -> None:
        """Turn Ctrl-C, SIGTERM and a closed terminal into an orderly end."""
        for number in ENDING:
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    def _tick(self) -> None:
        for key, _ in self._selector.select(TICK_SECONDS):
            self._pass_on(key.data)
        for child in self.children:
            if child.process and child.process.poll() is not None:
                self._bury(child)
            elif not child.process and self._deadline is None and time.monotonic() > child.start_at:
                self._launch(child)

    def _launch(self, child: Child) -> None:
        child.process = subprocess.Popen(  # noqa: S603 - our own command lines
            child.command,
            env=dict(child.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=dies_with_parent(),
        )
        child.started_at = time.monotonic()
        if child.process.stdout:
            os.set_blocking(child.process.stdout.fileno(), False)
            self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _pass_on(self, child: Child) -> bool:
        """Print the whole lines that a child has written; says whether there may be more."""
        if not child.process or not child.process.stdout:
            return False
        try:
            block = os.read(child.process.stdout.fileno(), 65_536)
        except BlockingIOError:
            return False
        if not block:
            self._close_output(child)
            return False
        *lines, child.unfinished_line = (child.unfinished_line + block).split(b"\n")
        for line in lines:
            self._say(child, line.decode(errors="replace"))
        return True

    def _close_output(self, child: Child) -> None:
        if child.process and child.process.stdout:
            self._selector.unregister(child.process.stdout)
            child.process.stdout.close()
            child.process.stdout = None
        if child.unfinished_line:
            self._say(child, child.unfinished_line.decode(errors="replace"))
            child.unfinished_line = b""

    def _bury(self, child: Child) -> None:
        """Take note of a child's end; whatever it left behind in its group ends with it."""
        if not child.process:
            return
        code = child.process.returncode
        signal_group(child.process, signal.SIGKILL)
        while self._pass_on(child):
            continue
        self._close_output(child)
        child.process = None
        if self._deadline is not None:
            return
        if time.monotonic() - child.started_at > STEADY_SECONDS:
            child.pause = FIRST_PAUSE_SECONDS
        child.start_at = time.monotonic() + child.pause
        self._say(child, f"ended with code {code}; starting it again in {child.pause:g} s")
        child.pause = min(child.pause * 2, LONGEST_PAUSE_SECONDS)

    def _kill(self, child: Child) -> None:
        if child.process:
            self._say(child, "did not end in time: killed")
            signal_group(child.process, signal.SIGKILL)
            child.process.wait()

    def _say(self, child: Child, line: str) -> None:
        self._write(f"{child.name:>8} | {line}")
