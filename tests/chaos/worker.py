"""Runs trials one after the other on servers of its own: a JSON line in, a JSON line out.

{"kind": "drawn", "seed": 1, "number": 7, "only": "", "keep": "/tmp/x", "patience": 1.0}
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from tests.chaos.ground import open_ground
from tests.chaos.plan import Plan, draw, every_step, short_form


def main() -> None:
    """Serve until the input ends, or nobody reads the answers any more."""
    with contextlib.suppress(BrokenPipeError), open_ground() as ground:
        from tests.chaos.trial import run_trial

        print(json.dumps({"ready": True}), flush=True)
        for order in map(json.loads, sys.stdin):
            line = run_trial(
                ground, _plan(order), keep=Path(order["keep"]), patience=order["patience"]
            )
            print(json.dumps(line), flush=True)


def _plan(order: dict[str, object]) -> Plan:
    seed, number = int(str(order["seed"])), int(str(order["number"]))
    if order["kind"] == "steps":
        return every_step(seed)[number]
    if order["kind"] == "short":
        return short_form(seed)[number]
    return draw(seed, number, str(order["only"]))


if __name__ == "__main__":
    main()
