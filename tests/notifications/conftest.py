"""Deliveries run in threads of their own, so their tests commit; the installation is cleared."""

from __future__ import annotations

import pytest


@pytest.fixture
def committed(transactional_db: None) -> None:
    """Let what the test writes be seen by other threads, and let notifications leave."""
    from tests.notifications.stage import cleared

    cleared()
