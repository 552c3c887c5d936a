"""Numbers for a page in one round trip: how many rows match, up to a most, never a full count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from engine.admin_lists import MOST


def count_each(matches: Sequence[QuerySet[Any]]) -> list[int]:
    """Return how many rows each query finds; MOST + 1 stands for "more than MOST"."""
    if not matches:
        return []
    counts: list[str] = []
    parameters: list[Any] = []
    for rows in matches:
        keys = rows.order_by().values_list("pk")[: MOST + 1]
        statement, given = keys.query.sql_with_params()
        counts.append(f"(SELECT COUNT(*) FROM ({statement}) AS found)")  # noqa: S608 - Django's own
        parameters += given
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}", parameters)
        return list(cursor.fetchone())


def shown(count: int) -> str:
    """Return a count for people: more than MOST is "1000+", as the list behind it is cut there."""
    return f"{MOST}+" if count > MOST else str(count)
