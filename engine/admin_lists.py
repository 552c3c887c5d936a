"""Admin lists that stay quick over millions of rows, and pages that only show."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Page
from django.db import connection, models
from django.http import HttpRequest

from engine import sql
from engine.admin_types import AnyModelAdmin, AnyPaginator

MOST = 1000  # rows a list pages through, and rows one action takes (about 10 s of work)


class CappedPaginator(AnyPaginator):
    """Finds the first MOST matches with one query for their keys; nothing is ever counted in full.

    A filter that matches little costs one scan, not one for the count and one for the page.
    """

    @cached_property
    def keys(self) -> list[Any]:
        """Return the keys of the first MOST + 1 matches, in list order."""
        return list(self._matches.values_list("pk", flat=True)[: MOST + 1])

    @cached_property
    def count(self) -> int:
        return min(len(self.keys), MOST)

    @property
    def is_capped(self) -> bool:
        """Say whether there are more matches than the list pages through."""
        return len(self.keys) > MOST

    def page(self, number: int | str) -> Page[Any]:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        keys = self.keys[: self.count][first : first + self.per_page]
        return Page(self._matches.filter(pk__in=keys), number, self)

    @property
    def _matches(self) -> models.QuerySet[Any]:
        return cast("models.QuerySet[Any]", self.object_list)


class CappedChangeList(ChangeList):
    """A change list whose rows come from CappedPaginator, also when they fit on one page."""

    is_capped = False
    estimate: int | None = None  # of all rows, when nothing narrows the list and it is capped

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        paginator = self.paginator
        if not isinstance(paginator, CappedPaginator):
            return
        if not (self.show_all and self.can_show_all):
            self.result_list = paginator.page(self.page_num if self.multi_page else 1).object_list
        self.is_capped = paginator.is_capped
        if self.is_capped and not self.query and not self.has_active_filters:
            self.estimate = estimated_rows(self.model)


def estimated_rows(model: type[models.Model]) -> int | None:
    """Return PostgreSQL's own estimate of a table's rows, or None where there is none."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)",
            [sql.table_of(model)],
        )
        found = cursor.fetchone()
    return int(found[0]) if found and found[0] > 0 else None


class CappedAdmin(AnyModelAdmin):
    """Newest first, 50 a page, never a count over everything."""

    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each would count the whole table
    paginator = CappedPaginator
    ordering: ClassVar[tuple[str, ...]] = ("-pk",)
    sortable_by: ClassVar[tuple[str, ...]] = ()  # no index could serve any other order

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CappedChangeList


class ShownOnly:
    """Mix into an admin whose rows people may look at, but never add, change or delete here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
