"""The lines that trials leave, and the table made of them."""

from __future__ import annotations

import json
import statistics
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

KINDS = ("lost", "doubled", "stuck", "untrue", "silent", "slow", "unreached", "broken")
HEAD = (
    f"{'fault':20} {'trials':>6} "
    + " ".join(f"{kind:>9}" for kind in KINDS)
    + f" {'unsent p50':>11} {'max':>6} {'doubt p50':>10} {'max':>6}"
)


class Results:
    """One file of JSON lines per (kind, seed, only); what it holds need not be run again."""

    def __init__(self, directory: Path, *, kind: str, seed: int, only: str) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / f"{kind}-{seed}{'-' + only if only else ''}.jsonl"
        self._lock = threading.Lock()
        self.lines: dict[int, dict[str, Any]] = {}
        if self._file.exists():
            for text in self._file.read_text().splitlines():
                line = json.loads(text)
                self.lines[line["trial"]] = line

    def add(self, line: dict[str, Any]) -> None:
        """Keep a finished trial; a trial run again replaces its older line when read."""
        with self._lock:
            self.lines[line["trial"]] = line
            with self._file.open("a") as file:
                file.write(json.dumps(line) + "\n")


def table(lines: Sequence[dict[str, Any]]) -> str:
    """Return a row per fault and one for all: trials with each violation, seconds to go on."""
    by_fault: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        by_fault[line["fault"]].append(line)
    rows = [_row(fault, each) for fault, each in sorted(by_fault.items())]
    return "\n".join(["", HEAD, *rows, _row("all", lines)])


def _row(name: str, lines: Sequence[dict[str, Any]]) -> str:
    cells = [
        f"{sum(any(v[0] == kind for v in line['violations']) for line in lines):9}"
        for kind in KINDS
    ]
    return (
        f"{name:20} {len(lines):6} {' '.join(cells)} "
        f"{_seconds(lines, 'unsent_seconds'):>18} {_seconds(lines, 'doubt_seconds'):>17}"
    )


def _seconds(lines: Sequence[dict[str, Any]], name: str) -> str:
    """Return the median and the worst of the times that posts took after the fault was over."""
    taken = [max(0.0, s) for line in lines for s in line.get(name, ())]
    if not taken:
        return f"{'-':>11} {'-':>6}"
    return f"{statistics.median(taken):11.2f} {max(taken):6.2f}"
