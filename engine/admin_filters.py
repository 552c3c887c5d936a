"""Filters one types into, for lists whose values are too many to offer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest


class TypedFilter(admin.SimpleListFilter):
    """A filter with one text field; `rule` says what the text means."""

    template = "admin/console/typed_filter.html"
    placeholder = ""
    input_type = "search"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("", "")]  # always shown, although it has no list of choices

    def choices(self, changelist: ChangeList) -> Any:
        """Yield what the form must carry along: the list's other parameters."""
        yield {
            "others": [
                (name, value)
                for name, values in changelist.filter_params.items()
                if name != self.parameter_name
                for value in values
            ],
            "value": self.value() or "",
            "clear": changelist.get_query_string(remove=[str(self.parameter_name)]),
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = (self.value() or "").strip()
        if "\x00" in text:  # no row holds it, and PostgreSQL would not be asked
            return queryset.none()
        return queryset.filter(self.rule(text)) if text else queryset

    def rule(self, text: str) -> Q:
        """Return which rows the typed text (not empty) means."""
        raise NotImplementedError


class MomentFilter(TypedFilter):
    """A filter that takes a moment, in UTC; one that cannot be read shows nothing, never all."""

    input_type = "datetime-local"

    def rule(self, text: str) -> Q:
        try:
            given = datetime.fromisoformat(text)
        except ValueError:
            raise IncorrectLookupParameters(f"{text!r} is no moment") from None
        return self.rule_of(given if given.tzinfo else given.replace(tzinfo=UTC))

    def rule_of(self, at: datetime) -> Q:
        """Return which rows that moment means."""
        raise NotImplementedError
