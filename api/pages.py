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


class Pages(CursorPagination):
    """`next` and `previous` are addresses; `page_size` may be asked for, up to 200."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering = "-id"  # ids are ordered by time

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
