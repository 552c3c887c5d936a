"""What bodies about series and queue slots may hold; rules are the services'."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from api.fields import Instant, Text, WholeNumber
from api.serializers import (
    MOST_SEGMENTS,
    ContentInput,
    OptionsField,
    ReasonInput,
    SegmentField,
    StrictBody,
)
from scheduling.queue_slots.weekly import CLOCK, DAYS, SLOTS_MOST
from scheduling.series.checking import ACCOUNTS_MOST
from scheduling.series.forecast import MOST, SHOWN
from scheduling.series.rule import RULE_CHARS

SCOPES = ("all", "following", "occurrence")
OF_THE_SERIES = ("name", "rule", "starts", "connections", "variants")


class VariantInput(StrictBody):
    """What is different on one account: its text, first comment or options, each as a whole."""

    connection = Text()
    text = Text(required=False, allow_blank=True)
    segments = serializers.ListField(
        child=SegmentField(), required=False, allow_empty=False, max_length=MOST_SEGMENTS
    )
    first_comment = Text(required=False, allow_blank=True)
    options = OptionsField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Turn `text` into the only segment."""
        if "text" in attrs and "segments" in attrs:
            raise serializers.ValidationError({"text": ["Give either text or segments."]}, "one_of")
        if "text" in attrs:
            attrs["segments"] = [{"text": attrs.pop("text")}]
        return attrs


class SeriesContent(ContentInput):
    """What creating, previewing and editing a series may say."""

    scheduled_at = None  # type: ignore[assignment] # its rule says when
    name = Text(required=False, allow_blank=True, max_length=255)
    rule = Text(required=False, max_length=RULE_CHARS)
    starts = Text(required=False, max_length=40)
    connections = serializers.ListField(child=Text(), required=False, max_length=ACCOUNTS_MOST)
    variants = serializers.ListField(child=VariantInput(), required=False, max_length=ACCOUNTS_MOST)


class SeriesInput(SeriesContent):
    """POST /series."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for a content, a recurrence and accounts."""
        attrs = super().validate(attrs)
        missing = {
            name: [f"Give {what}."]
            for name, what in {
                "rule": "a rule, such as FREQ=WEEKLY;BYDAY=MO,TH",
                "starts": "the start on the wall clock, such as 2026-12-01T09:00",
                "connections": "the accounts' ids",
            }.items()
            if name not in attrs
        }
        if "segments" not in attrs and "media" not in attrs:
            missing["text"] = ["Write a text (or segments, or give media)."]
        if missing:
            raise serializers.ValidationError(missing, "required")
        return attrs


class PreviewInput(SeriesContent):
    """POST /series/preview: a recurrence; with accounts and a content these are checked, too."""

    count = WholeNumber(required=False, default=SHOWN, min_value=1, max_value=MOST)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for a recurrence."""
        attrs = super().validate(attrs)
        missing = {name: ["Give it."] for name in ("rule", "starts") if name not in attrs}
        if missing:
            raise serializers.ValidationError(missing, "required")
        return attrs


class SeriesChanges(SeriesContent):
    """PATCH /series/{id}: what to change, and how far: all, this and following, this one."""

    scheduled_at = Instant(required=False)  # type: ignore[assignment]
    scope = serializers.ChoiceField(SCOPES, required=False, default="all")
    occurrence = Instant(required=False)
    connection = Text(required=False)
    version = WholeNumber(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for a change that the scope can have."""
        attrs = super().validate(attrs)
        scope = attrs["scope"]
        changed = attrs.keys() - {"scope", "occurrence", "connection", "version"}
        errors: dict[str, list[str]] = {}
        if not changed:
            raise serializers.ValidationError({"": ["Say what to change."]}, "required")
        if scope != "all" and "occurrence" not in attrs:
            raise serializers.ValidationError(
                {"occurrence": ["Say which: give the `at` of an occurrence."]}, "required"
            )
        if scope == "all" and "occurrence" in attrs:
            errors["occurrence"] = ["Leave it out, or choose scope following or occurrence."]
        if scope == "occurrence":
            for name in changed & set(OF_THE_SERIES):
                errors[name] = ["This belongs to the series: choose scope all or following."]
        else:
            for name in attrs.keys() & {"scheduled_at", "connection"}:
                errors[name] = ["This is for scope occurrence only."]
        if errors:
            raise serializers.ValidationError(errors, "out_of_scope")
        return attrs


class SkipInput(ReasonInput):
    """POST /series/{id}/skip: which occurrence, on one account or on all."""

    occurrence = Instant()
    connection = Text(required=False)


class ClockTime(Text):
    """A time of day on the wall."""

    default_error_messages = {"bad_time": "Give a time of day such as 09:00."}

    def to_internal_value(self, data: Any) -> str:
        """Return it as it is."""
        text = super().to_internal_value(data)
        if not CLOCK.fullmatch(text):
            self.fail("bad_time")
        return text


class SlotInput(StrictBody):
    """Slots at each of these times on each of these days."""

    days = serializers.ListField(child=serializers.ChoiceField(DAYS), max_length=len(DAYS))
    times = serializers.ListField(child=ClockTime(), max_length=SLOTS_MOST)


class QueueInput(StrictBody):
    """PUT /connections/{id}/queue: all weekly slots of the account; none: it has no queue."""

    slots = serializers.ListField(child=SlotInput(), max_length=SLOTS_MOST)
    time_zone = Text(required=False, max_length=64)
