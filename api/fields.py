"""Fields of request bodies: strict about JSON types, and about instants having an offset."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models import TextChoices
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

EXAMPLE = "for example 2026-11-23T09:00:00+01:00"
NAIVE = f"Give the moment with its offset, {EXAMPLE}."


class Text(serializers.CharField):
    """A JSON string, kept as it is (no trimming, no numbers turned into text)."""

    default_error_messages = {"wrong_type": "Must be a JSON string."}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the text; anything else is malformed."""
        if not isinstance(data, str):
            self.fail("wrong_type")
        return super().to_internal_value(data)


@extend_schema_field({"type": ["string", "integer"]})
class Identifier(Text):
    """An id another system gave: text, or a whole number as some write it; kept as text."""

    def to_internal_value(self, data: Any) -> str:
        """Return the id as text."""
        is_number = isinstance(data, int) and not isinstance(data, bool)
        return super().to_internal_value(str(data) if is_number else data)


class WholeNumber(serializers.IntegerField):
    """A JSON number without a fraction."""

    default_error_messages = {"wrong_type": "Must be a whole JSON number."}

    def to_internal_value(self, data: Any) -> int:
        """Return the number; text and true/false are malformed."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("wrong_type")
        return data


class Flag(serializers.BooleanField):
    """JSON true or false."""

    default_error_messages = {"wrong_type": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        """Return the flag; 0, 1 and texts are malformed."""
        if not isinstance(data, bool):
            self.fail("wrong_type")
        return bool(data)


class Choice(Text):
    """One of an enumeration's values, as a JSON string."""

    default_error_messages = {"invalid_choice": "Use one of {choices}."}

    def __init__(self, choices: type[TextChoices], **kwargs: Any) -> None:
        self.choices = choices
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the value."""
        text = super().to_internal_value(data)
        if text not in self.choices.values:
            self.fail("invalid_choice", choices=", ".join(self.choices.values))
        return text


@extend_schema_field(  # not "uri": letters beyond ASCII are accepted, as browsers show them
    {"type": "string", "pattern": r"^\s*([hH][tT][tT][pP][sS]?://.+)?$", "maxLength": 2000}
)
class WebAddress(Text):
    """An http(s) address."""

    default_error_messages = {"not_a_url": "Give an http(s) address."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 2000, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        """Return the address, trimmed."""
        text = super().to_internal_value(data).strip()
        try:
            serializers.URLField().run_validation(text)
        except serializers.ValidationError:
            self.fail("not_a_url")
        if not text.lower().startswith(("http://", "https://")):
            self.fail("not_a_url")
        return text


@extend_schema_field({"type": "string", "format": "date-time"})
class Instant(serializers.Field[datetime, str, str, Any]):
    """An ISO 8601 instant with its offset, in UTC inside."""

    default_error_messages = {
        "wrong_type": f"Must be a JSON string with an ISO 8601 instant, {EXAMPLE}.",
        "not_an_instant": f"This is not an ISO 8601 date and time, {EXAMPLE}.",
        "naive_datetime": NAIVE,
    }

    def to_internal_value(self, data: Any) -> datetime:
        """Return the instant in UTC."""
        if not isinstance(data, str):
            self.fail("wrong_type")
        try:
            moment = datetime.fromisoformat(data.strip())
            if moment.tzinfo is None:
                self.fail("naive_datetime")
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("not_an_instant")

    def to_representation(self, value: datetime) -> str:
        """Return it as text with a Z."""
        return instant(value) or ""


def instant_of(name: str, text: str) -> datetime:
    """Return the query parameter `name` as an instant; raises ValidationError."""
    try:
        # "+" of an offset arrives as a blank when a client did not escape it.
        moment: datetime = Instant().run_validation(text.replace(" ", "+"))
    except serializers.ValidationError as error:
        raise serializers.ValidationError({name: error.detail}) from None
    return moment


def instant(value: datetime | None) -> str | None:
    """Return an instant as the API writes it: ISO 8601 in UTC with a Z, or None."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None
