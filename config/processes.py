"""Child processes that never outlive their parent: own session, death signal, group-wide end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # Source: prctl(2)


def dies_with_parent(death_signal: int = signal.SIGTERM) -> Callable[[], None]:
    """Return a `preexec_fn`: the kernel sends the child `death_signal` when its parent is gone.

    Linux only; elsewhere the child relies on its parent ending it. The C library is opened here,
    before the fork, because a child between fork and exec must not load anything.
    """
    parent = os.getpid()
    if not sys.platform.startswith("linux"):
        return _nothing
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arm() -> None:
        prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # it died before the line above
            os.kill(os.getpid(), death_signal)

    return arm


def _nothing() -> None:
    """Do nothing: the system has no death signal."""


def signal_group(child: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a child that leads its own session and to everything in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
