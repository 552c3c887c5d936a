"""`python -m tests.chaos`: break a running Carillon in a thousand ways and count what it loses.

    make chaos TRIALS=1000
    python -m tests.chaos --trials 1000 --seed 7 --jobs 2
    python -m tests.chaos --seed 7 --trial 123
    python -m tests.chaos --every-step

Each trial is a JSON line in the results directory; a second run with the same seed goes on where
the first ended. Exits 1 if any promise was broken, naming how to run that very trial again.
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.chaos.plan import every_step, short_form
from tests.chaos.report import Results, table
from tests.environment import ROOT

TRIAL_SECONDS = 400.0  # a trial that takes longer hangs


def main() -> int:
    """Read the command line, run what is missing, print the table, return the exit code."""
    options = _parser().parse_args()
    kind, numbers = _wanted(options)
    results = Results(options.results, kind=kind, seed=options.seed, only=options.only)
    again = options.trial is not None
    missing = [n for n in numbers if again or n not in results.lines]
    try:
        _run(missing, kind, options, results)
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from here.")
    lines = [results.lines[n] for n in numbers if n in results.lines]
    print(table(lines))
    bad = [line for line in lines if line["violations"]]
    for line in bad:
        rerun = f"python -m tests.chaos --seed {options.seed} --trial {line['trial']}"
        more = {"steps": " --every-step", "short": " --short"}.get(kind, "")
        only = f" --only {options.only}" if options.only else ""
        print(f"\n{line['fault']}: {rerun}{more}{only}")
        for broken, post, what in line["violations"][:8]:
            print(f"  {broken:9} {post} {what}")
    return 1 if bad or len(lines) < len(numbers) else 0


def _wanted(options: argparse.Namespace) -> tuple[str, list[int]]:
    kind = "steps" if options.every_step else "short" if options.short else "drawn"
    if options.trial is not None:
        return kind, [options.trial]
    if kind == "drawn":
        return kind, list(range(options.trials))
    fixed = every_step(options.seed) if kind == "steps" else short_form(options.seed)
    return kind, list(range(len(fixed)))


def _run(missing: list[int], kind: str, options: argparse.Namespace, results: Results) -> None:
    orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    for number in missing:
        orders.put(
            {
                "kind": kind,
                "seed": options.seed,
                "number": number,
                "only": options.only,
                "keep": str(results.directory),
                "patience": options.patience,
            }
        )
    threads = [
        threading.Thread(target=_serve, args=(orders, results, options.quiet), daemon=True)
        for _ in range(min(options.jobs, len(missing)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _serve(orders: queue.SimpleQueue[dict[str, Any]], results: Results, quiet: bool) -> None:
    """Feed one worker with orders; a worker that hangs or breaks is replaced."""
    worker: Worker | None = None
    while True:
        try:
            order = orders.get_nowait()
        except queue.Empty:
            break
        worker = worker or Worker()
        line = worker.run(order)
        if line is None:
            worker.kill()
            worker = None
            line = {
                "trial": order["number"],
                "seed": order["seed"],
                "fault": "unknown",
                "violations": [["broken", "", "the trial hung or its process broke"]],
            }
        results.add(line)
        if not quiet:
            words = "; ".join(f"{kind}: {what}" for kind, _, what in line["violations"][:3])
            print(
                f"{line['trial']:5} {line['fault']:20} {line.get('seconds', 0):6.1f} s "
                f"{words or 'ok'}",
                flush=True,
            )
    if worker is not None:
        worker.end()


class Worker:
    """One process that runs trials on servers of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def run(self, order: dict[str, Any]) -> dict[str, Any] | None:
        """Return the trial's line, None if the worker broke or took too long."""
        assert self.process.stdin is not None
        timer = threading.Timer(TRIAL_SECONDS, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            return self._answer()
        except BrokenPipeError:
            return None
        finally:
            timer.cancel()

    def _answer(self) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            if text.startswith('{"trial"'):
                line: dict[str, Any] = json.loads(text)
                return line
        return None

    def end(self) -> None:
        """Let it clean up and end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)

    def kill(self) -> None:
        """End it at once; its servers and hosts are its children and end with it."""
        self.process.kill()
        self.process.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--trials", type=int, default=100, help="how many drawn trials")
    parser.add_argument("--seed", type=int, default=1, help="decides everything that is drawn")
    parser.add_argument("--trial", type=int, help="run this one again")
    parser.add_argument("--jobs", type=int, default=2, help="trials side by side")
    parser.add_argument(
        "--only", default="", help="faults that begin so, such as kill or kill.slot"
    )
    parser.add_argument(
        "--every-step", action="store_true", help="one trial per step and way to die"
    )
    parser.add_argument("--short", action="store_true", help="the twenty of the test suite")
    parser.add_argument(
        "--patience", type=float, default=1.0, help="factor on the promised seconds"
    )
    parser.add_argument("--quiet", action="store_true", help="print the table only")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "var" / "chaos", help="folder of lines and logs"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
