"""What this process can say about itself without asking anybody: its age and its memory."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

_born = time.monotonic()  # of the process that loaded the code; its forks count from there, too

# Linux' names for what Node.js calls so: the predecessors' monitors read these four.
_MEMORY = {"rss": "VmRSS", "heapTotal": "VmData", "heapUsed": "RssAnon", "external": "RssFile"}


def uptime_seconds() -> float:
    """Return how long ago the code was loaded."""
    return time.monotonic() - _born


def memory_bytes() -> dict[str, int]:
    """Return rss, heapTotal, heapUsed and external; only the highest rss where there is no /proc.

    heapTotal is all private data of the process, heapUsed what of it is in memory, external what
    is mapped from files.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return {"rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    return {
        name: int(found[theirs].split()[0]) * 1024
        for name, theirs in _MEMORY.items()
        if theirs in found
    }
