"""What the figures look like: percentiles, medians over runs, a printed table, raw JSON kept."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

DIRECTORY = Path(__file__).parent / "results"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below or at which `share` (0..1) of the values lie, nan when empty."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread_of(values: Sequence[float], *, scale: float = 1.0) -> dict[str, float]:
    """Return p50, p99 and max, times `scale`."""
    return {
        "p50": round(percentile(values, 0.50) * scale, 3),
        "p99": round(percentile(values, 0.99) * scale, 3),
        "max": round(max(values, default=float("nan")) * scale, 3),
    }


def median(values: Sequence[float]) -> float:
    """Return the median, nan when there are no values."""
    return statistics.median(values) if values else float("nan")


def machine_facts(database_url: str) -> dict[str, Any]:
    """Return what the figures depend on: cores, versions, durability."""
    facts: dict[str, Any] = {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    if database_url.startswith("postgresql"):
        with psycopg.connect(database_url) as connection:
            for name in ("server_version", "fsync", "synchronous_commit", "shared_buffers"):
                row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
                facts[f"postgresql_{name}"] = row[0] if row else ""
    return facts


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def save(name: str, facts: Mapping[str, Any], figures: Mapping[str, Any], directory: Path) -> Path:
    """Write one benchmark's raw figures and return the file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{datetime.now(UTC):%Y-%m-%d}-{name}.json"
    path.write_text(json.dumps({"machine": facts, **figures}, indent=1) + "\n")
    return path


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers are shortened to what can be compared at a glance."""
    shown = [[_shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in [list(columns), *shown]) for n in range(len(columns))]
    print(f"\n{title}")
    for row in [list(columns), *shown]:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _shown(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
    return str(cell)
