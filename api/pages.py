"""Cursor pages: newest first, stable while new rows arrive, cheap at any depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from api.problems import invalid
from api.schema import Parameter
from api.shapes import text, whole

PAGE_SIZE, MOST_PER_PAGE = 50, 200
PAGED = (  # what the query of a list may hold
    Parameter(
        "cursor",
        text(
            "Where the page begins: `next` or `previous` of an answer, unchanged.", "cD0wMTk5Yg=="
        ),
    ),
    Parameter(
        "page_size",
        whole(
            "How many to return.", PAGE_SIZE, minimum=1, maximum=MOST_PER_PAGE, default=PAGE_SIZE
        ),
    ),
)


class Pages(CursorPagination):
    """`next` and `previous` are addresses; `page_size` may be asked for, up to 200."""

    page_size = PAGE_SIZE
    page_size_query_param = "page_size"
    ordering = "-id"  # ids are ordered by time

    def get_page_size(self, request: Request) -> int:
        """Return how many were asked for; raises Problem 422."""
        given = request.query_params.get("page_size", str(PAGE_SIZE))
        if not (given.isdecimal() and len(given) < 4 and 1 <= int(given) <= MOST_PER_PAGE):
            raise invalid("page_size", "bad_page_size", f"Ask for 1 to {MOST_PER_PAGE} at once.")
        return int(given)

    def paginate_queryset(
        self, queryset: QuerySet[Any, Any] | Sequence[Any], request: Request, view: Any = None
    ) -> list[Any] | None:
        """Return one page; raises Problem 422 for a cursor that we did not give out."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValidationError, ValueError, OverflowError):
            raise invalid(
                "cursor", "bad_cursor", "Use `next` or `previous` of an answer, unchanged."
            ) from None
