"""The drain flag: set once by the `qcluster` command, inherited by every process it forks.

One byte of shared memory and no lock: a process killed while it looks cannot hang the others.
"""

from __future__ import annotations

import mmap

_FLAG = mmap.mmap(-1, 1)


def start_draining() -> None:
    """Tell all loops of this cluster to finish what is in flight and end."""
    _FLAG[0] = 1


def stop_draining() -> None:
    """Let loops run again (before a cluster is started anew)."""
    _FLAG[0] = 0


def is_draining() -> bool:
    """Say whether loops should end."""
    return _FLAG[0] == 1
