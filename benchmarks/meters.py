"""What a run costs: CPU seconds by role, memory shares, and who else used the machine.

A role is a process with all its descendants. CPU times have a resolution of 10 ms per process;
those of children that ended are in their parent's. Source of the fields: proc(5), Linux.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

TICK = os.sysconf("SC_CLK_TCK")
BUSY = (0, 1, 2, 5, 6)  # user, nice, system, irq, softirq of the first line of /proc/stat
STEAL = 7


@dataclass(frozen=True, slots=True)
class Snapshot:
    """CPU seconds used until `at` (monotonic seconds): by each role, by the machine, stolen."""

    at: float
    roles: Mapping[str, float]
    busy: float
    stolen: float


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds used between two snapshots; `foreign` is what no role of ours used."""

    seconds: float
    roles: Mapping[str, float]
    foreign: float
    stolen: float

    @property
    def foreign_share(self) -> float:
        """Return the share of all cores that others (and the hypervisor) took, 0..1."""
        cores = os.cpu_count() or 1
        return (self.foreign + self.stolen) / (self.seconds * cores) if self.seconds else 0.0


class CpuMeter:
    """Reads the CPU times of roles; `roles` maps a name to the pid at the top of its tree."""

    def __init__(self, roles: Mapping[str, int]) -> None:
        self.roles = {**roles, "benchmark": os.getpid()}

    def read(self) -> Snapshot:
        """Return the CPU times of this moment."""
        machine = [int(part) for part in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
        return Snapshot(
            time.monotonic(),
            {name: _tree_seconds(pid, self._others(name)) for name, pid in self.roles.items()},
            sum(machine[index] for index in BUSY) / TICK,
            machine[STEAL] / TICK,
        )

    def since(self, before: Snapshot) -> Usage:
        """Return what was used since a snapshot."""
        return between(before, self.read())

    def _others(self, name: str) -> set[int]:
        return {pid for other, pid in self.roles.items() if other != name}


def between(before: Snapshot, after: Snapshot) -> Usage:
    """Return what was used between two snapshots."""
    roles = {name: after.roles[name] - before.roles[name] for name in after.roles}
    busy = after.busy - before.busy
    return Usage(
        after.at - before.at,
        roles,
        max(0.0, busy - sum(roles.values())),
        after.stolen - before.stolen,
    )


def _tree_seconds(pid: int, without: set[int]) -> float:
    """Return the CPU seconds of a process and its descendants, not counting the trees `without`."""
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        children = process.children()
    except psutil.NoSuchProcess:
        return 0.0
    ended = 0.0 if pid == os.getpid() else times.children_user + times.children_system
    return (
        times.user
        + times.system
        + ended
        + sum(_tree_seconds(child.pid, without) for child in children if child.pid not in without)
    )


def pss_mb(pid: int) -> float:
    """Return a process's proportional set size in MB (10^6 bytes); 0.0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def tree_pss_mb(pid: int) -> float:
    """Return the proportional set size of a process and its descendants in MB."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(pss_mb(process.pid) for process in family)


class PeakMemory:
    """Notes the largest PSS of any of some processes while the block lasts."""

    def __init__(self, pids: Callable[[], Iterable[int]], *, every: float = 0.2) -> None:
        self.peak_mb = 0.0
        self._pids = pids
        self._every = every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            self._look()

    def _look(self) -> None:
        self.peak_mb = max([self.peak_mb, *(pss_mb(pid) for pid in self._pids())])
