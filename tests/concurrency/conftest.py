"""Real threads on a real PostgreSQL: what SQLite's single writer never shows."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def postgresql_only(transactional_db: None) -> None:
    """Commit for real."""
    from django.db import connection

    if connection.vendor != "postgresql":
        pytest.skip("rows are locked one by one on PostgreSQL only")
