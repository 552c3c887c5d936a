"""However and whenever it is told to end, a cluster ends in time and leaves nothing behind."""

from __future__ import annotations

import itertools
import signal
from typing import TYPE_CHECKING

import pytest

from tests.processes import Processes

if TYPE_CHECKING:
    from tests.journeys.stage import Stage
    from tests.supervision.relay import Lines

SEED = 7


@pytest.mark.parametrize("number", range(5), ids=["start", "load", "drain", "database", "broker"])
def test_a_signal_ends_the_cluster_cleanly(
    number: int, stage: Stage, lines: Lines, processes: Processes
) -> None:
    from tests.supervision.exits import cases, clean_exit

    case = next(itertools.islice(cases(SEED), number, None))
    result = clean_exit(case, stage, lines, processes)
    assert not result.complaints, f"{case}: {result.complaints}"


def test_a_signal_that_comes_after_the_end_does_not_spoil_the_exit_code(stage: Stage) -> None:
    cluster = stage.cluster()
    cluster.wait_for(r"cluster\.started")
    cluster.process.send_signal(signal.SIGTERM)
    cluster.wait_for(r"cluster\.stopped")
    cluster.process.send_signal(signal.SIGINT)
    assert cluster.wait() == 0
