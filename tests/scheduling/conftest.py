"""The desk at which publishing is done by hand (imports wait until Django is set up)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scheduling.desk import Desk, Scripted


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """Give a network whose answers the test writes."""
    from tests.scheduling.desk import scripted

    with scripted(monkeypatch) as adapter:
        yield adapter


@pytest.fixture
def desk(db: None, network: Scripted) -> Desk:
    """Give a publisher slot to be worked by hand."""
    from tests.scheduling.desk import Desk

    return Desk(network)
