"""The query parameters of lists: declared once, they narrow rows and describe themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.forms import Field, ValidationError
from django_filters import BaseInFilter, CharFilter, ChoiceFilter, Filter, FilterSet, UUIDFilter
from rest_framework.serializers import ValidationError as InvalidField

from api.fields import Instant
from api.problems import Problem, invalid
from api.schema import Parameter
from api.shapes import among, identifier, listed, moment, text
from platforms.registry import UnknownPlatform, slug_of
from scheduling.drafts import FieldError
from scheduling.models import ScheduledPost
from scheduling.states import PostState

Row = TypeVar("Row", bound=Model)


class InstantField(Field):
    """An instant with its offset, as in bodies."""

    def to_python(self, value: Any) -> datetime | None:
        """Return it in UTC, None when nothing was given."""
        if value in self.empty_values:
            return None
        try:
            # "+" of an offset arrives as a blank when a client did not escape it.
            found: datetime = Instant().run_validation(value.replace(" ", "+"))
        except InvalidField as error:
            (told,) = error.detail
            raise ValidationError(str(told), code=getattr(told, "code", "invalid")) from None
        return found


class InstantFilter(Filter):  # type: ignore[misc] # the library has no types
    """Compares with an instant."""

    field_class = InstantField


class AnyOfFilter(BaseInFilter, ChoiceFilter):  # type: ignore[misc]
    """Compares with several choices, separated by commas."""


class Filters(FilterSet):  # type: ignore[misc]
    """`told` has the schema of each filter, with its meaning."""

    told: ClassVar[Mapping[str, Any]]

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """Return what the query may hold, for `operation`."""
        return [Parameter(name, cls.told[name]) for name in cls.base_filters]

    @classmethod
    def narrow(cls, rows: QuerySet[Row], query: Mapping[str, str]) -> QuerySet[Row]:
        """Return the rows that the query asks for; raises Problem 422 for what cannot be read."""
        asked = cls(query, queryset=rows)
        if not asked.is_valid():
            errors = [
                FieldError(name, one.code or "invalid", " ".join(one.messages))
                for name, found in asked.errors.as_data().items()
                for one in found
            ]
            raise Problem(422, "invalid", "; ".join(e.message for e in errors), errors=errors)
        narrowed: QuerySet[Row] = asked.qs
        return narrowed


class PostFilters(Filters):
    """Of the list of posts."""

    told = {
        "state": listed(
            among(PostState.values, "A state."), "In any of these states.", ["failed", "held"]
        ),
        "platform": text("Of this network, by any of its names.", "mastodon"),
        "connection": identifier("Of this connected account."),
        "external_id": text("With this id of yours.", "campaign-17"),
        "scheduled_after": moment("Planned for this instant or later."),
        "scheduled_before": moment("Planned for before this instant."),
    }
    state = AnyOfFilter(
        choices=PostState.choices,
        error_messages={"invalid_choice": f"States are {', '.join(PostState.values)}."},
    )
    platform = CharFilter(method="of_platform")
    connection = UUIDFilter(error_messages={"invalid": "Give a connection's id."})
    external_id = CharFilter(strip=False)
    scheduled_after = InstantFilter("scheduled_at", "gte")
    scheduled_before = InstantFilter("scheduled_at", "lt")

    def of_platform(
        self, posts: QuerySet[ScheduledPost], _: str, value: str
    ) -> QuerySet[ScheduledPost]:
        """Compare with the slug of a network called by any of its names."""
        return posts.filter(platform=platform_slug(value))


POST_FILTERS = PostFilters.parameters()


def filtered(posts: QuerySet[ScheduledPost], query: Mapping[str, str]) -> QuerySet[ScheduledPost]:
    """Return the posts that the query asks for; raises Problem 422."""
    return PostFilters.narrow(posts, query)


def platform_slug(name: str) -> str:
    """Return the slug of a platform by any of its names; raises Problem 422."""
    try:
        return slug_of(name)
    except UnknownPlatform as error:
        raise invalid("platform", "unknown", str(error)) from None
