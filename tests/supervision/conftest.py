"""Clusters that reach their servers through lines that can be cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.journeys.conftest import judge, stage

if TYPE_CHECKING:
    from tests.supervision.relay import Lines

__all__ = ["judge", "lines", "stage"]


@pytest.fixture
def lines(shared_env: dict[str, str], run_manage: Callable[..., object]) -> Iterator[Lines]:
    """Give relays to the test's database and broker."""
    from tests.supervision.relay import Lines

    lines = Lines(shared_env)
    yield lines
    lines.close()
