"""Looking up one row by what is unique about it."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def at_most_one(rows: QuerySet[Row]) -> Row | None:
    """Return the row, or None where there is none.

    Unlike `first()` it asks for no order: making that part of the statement takes longer than all
    the rest of it, in requests that look up five rows.
    """
    return next(iter(rows.order_by()[:1]), None)
