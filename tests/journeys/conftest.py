"""The stage of every journey: clusters on real servers, the sandbox as the judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.processes import Managed

if TYPE_CHECKING:
    from tests.journeys.stage import Judge, Stage


@pytest.fixture
def judge(sandbox_url: str) -> Iterator[Judge]:
    """Give the judge with all switches back to kind."""
    from tests.journeys.stage import Judge

    judge = Judge(sandbox_url)
    judge.ask("/_control", method="DELETE")
    yield judge
    judge.ask("/_control", method="DELETE")


@pytest.fixture
def stage(shared_env: dict[str, str], judge: Judge, run_manage: Callable[..., Managed]) -> Stage:
    """Give a stage on PostgreSQL and Valkey; the test sees what its cluster commits."""
    from tests.journeys.stage import Stage, quick_env

    return Stage.new({**shared_env, **quick_env(judge.url)}, judge, run_manage)
