"""`python -m benchmarks all|<name>`: measure, print, keep the raw figures.

    make bench ARGS="burst --runs 5"

Everything runs on servers of its own, with durability as in production; a few minutes on a quiet
machine. `all` runs one benchmark after the other, each in a process of its own.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

from benchmarks.ground import open_ground
from benchmarks.results import DIRECTORY, machine_facts, save

NAMES = (
    "burst",
    "spread",
    "backlog",
    "memory",
    "fairness",
    "soak",
    "refusal",
    "uploads",
    "console",
    "metrics",
    "api",
    "webhooks",
)
ALL = (  # not soak, refusal and uploads, which take longer than all of these
    ["burst"],
    ["spread"],
    ["spread", "--kind", "sqlite"],
    ["backlog"],
    ["memory"],
    ["api"],
    ["fairness"],
    ["metrics"],
    ["webhooks"],
)


def main() -> int:
    """Read the command line, measure, and return the exit code."""
    options = _parser().parse_args()
    if options.name == "all":
        shared = ["--runs", str(options.runs), *(["--quick"] if options.quick else [])]
        codes = [
            subprocess.run([sys.executable, "-m", "benchmarks", *one, *shared], check=False)
            for one in ALL
        ]
        return max(code.returncode for code in codes)
    if options.quick:
        options.runs = 1
    with open_ground(options.kind, database=options.database, broker=options.broker) as ground:
        facts = machine_facts(ground.database_url)
        print(", ".join(f"{name} {value}" for name, value in facts.items()))
        figures = importlib.import_module(f"benchmarks.{options.name}").run(ground, options)
    name = options.name if options.kind == "postgresql" else f"{options.name}-{options.kind}"
    print(f"\nKept in {save(name, facts, figures, options.results)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", default="all", choices=["all", *NAMES])
    parser.add_argument("--runs", type=int, default=3, help="how often each thing is measured")
    parser.add_argument("--quick", action="store_true", help="one run, a smaller backlog")
    parser.add_argument("--posts", type=int, default=2000, help="posts of a burst")
    parser.add_argument("--slots", type=int, default=2, help="publisher slots, sharing 200 calls")
    parser.add_argument("--kind", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--results", type=Path, default=DIRECTORY, help="folder for the raw JSON")
    parser.add_argument("--database", default="", help="throw-away PostgreSQL to use (a URL)")
    parser.add_argument("--broker", default="", help="throw-away Valkey or Redis to use (a URL)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
