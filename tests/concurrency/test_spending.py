"""Calls that are counted here are counted once, however many processes spend at the same time."""

from __future__ import annotations

from engine.gate import Counted, Gate, Passage
from tests.concurrency.threads import together

NOW = 1_000_000.0
DAILY = Counted(("connection", "1", "publish.24h"), 5, 86_400.0)
COUNTED = Passage("x", own=("connection", "1", "all"), counted=(DAILY,))


def test_processes_that_spend_at_the_same_time_never_overshoot() -> None:
    def process() -> list[bool]:
        gate = Gate()
        return [granted for _ in range(4) for granted in gate.db_spend([(COUNTED, NOW)])]

    granted = [each for answers in together([process] * 4) for each in answers]
    assert len(granted) == 16
    assert sum(granted) == 5
