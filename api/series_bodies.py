"""What bodies about series and queue slots may hold; rules are the services'."""

from __future__ import annotations

from typing import Any

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.fields import Choice, Instant, Text, WholeNumber
from api.serializers import (
    MOST_SEGMENTS,
    ContentInput,
    OptionsField,
    ReasonInput,
    SegmentField,
    StrictBody,
)
from scheduling.queue_slots.weekly import CLOCK, SLOTS_MOST, Day
from scheduling.series.checking import ACCOUNTS_MOST
from scheduling.series.forecast import MOST, SHOWN
from scheduling.series.rule import RULE_CHARS

OF_THE_SERIES = ("name", "rule", "starts", "connections", "variants")


class Reach(models.TextChoices):
    """How far an edit of a series goes."""

    ALL = "all", "all that is to come"
    FOLLOWING = "following", "one occurrence and all that follow"
    OCCURRENCE = "occurrence", "one occurrence"


class SeriesVariantInput(StrictBody):
    """What is different on one account: its text, first comment or options, each as a whole."""

    connection = Text(help_text="One of the series' connections.")
    text = Text(required=False, allow_blank=True, help_text="The text there.")
    segments = serializers.ListField(
        child=SegmentField(),
        required=False,
        allow_empty=False,
        max_length=MOST_SEGMENTS,
        help_text="The texts of the thread there.",
    )
    first_comment = Text(required=False, allow_blank=True, help_text="The first comment there.")
    options = OptionsField(required=False, help_text="The network's options there, all of them.")

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
    name = Text(required=False, allow_blank=True, max_length=255, help_text="What people call it.")
    rule = Text(
        required=False,
        max_length=RULE_CHARS,
        help_text="When it recurs: RFC 5545, with FREQ (DAILY to YEARLY), INTERVAL, BYDAY, "
        "BYMONTHDAY, BYMONTH, BYHOUR, BYMINUTE, WKST, and COUNT or UNTIL or neither.",
    )
    starts = Text(
        required=False,
        max_length=40,
        help_text="From when on, on the wall in time_zone, without offset. Gives day and time "
        "where the rule does not.",
    )
    connections = serializers.ListField(
        child=Text(),
        required=False,
        max_length=ACCOUNTS_MOST,
        help_text="The ids of the accounts it goes to.",
    )
    variants = serializers.ListField(
        child=SeriesVariantInput(),
        required=False,
        max_length=ACCOUNTS_MOST,
        help_text="What is different on some of the accounts.",
    )


class SeriesInput(SeriesContent):
    """A content, when it recurs, and for which accounts."""

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
    """A recurrence to try; with accounts and a content these are checked, too."""

    count = WholeNumber(
        required=False,
        default=SHOWN,
        min_value=1,
        max_value=MOST,
        help_text="How many occurrences to show.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for a recurrence."""
        attrs = super().validate(attrs)
        missing = {name: ["Give it."] for name in ("rule", "starts") if name not in attrs}
        if missing:
            raise serializers.ValidationError(missing, "required")
        return attrs


class SeriesChanges(SeriesContent):
    """What to change of a series, and how far: all, one and what follows, one."""

    scheduled_at = Instant(  # type: ignore[assignment]
        required=False, help_text="Move this one occurrence there."
    )
    scope = Choice(
        Reach,
        required=False,
        default=Reach.ALL,
        help_text="What it applies to: all that is to come, one occurrence and all that follow "
        "(the series is split), or one occurrence (the series lets go of it).",
    )
    occurrence = Instant(required=False, help_text="Which one: the `at` of an occurrence.")
    connection = Text(required=False, help_text="Change one occurrence on this account only.")
    version = WholeNumber(
        required=False, help_text="The version that was edited: another one is not changed."
    )

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
    """Which occurrence to leave out, on one account or on all."""

    occurrence = Instant(help_text="Which one: its `at`.")
    connection = Text(required=False, help_text="On this account only.")


@extend_schema_field({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"})
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

    days = serializers.ListField(
        child=Choice(Day), max_length=len(Day), help_text="Days of the week."
    )
    times = serializers.ListField(
        child=ClockTime(), max_length=SLOTS_MOST, help_text="Times of day, such as 09:00."
    )


class QueueInput(StrictBody):
    """All weekly slots of an account; none: it has no queue."""

    slots = serializers.ListField(
        child=SlotInput(), max_length=SLOTS_MOST, help_text="The slots of a week."
    )
    time_zone = Text(
        required=False,
        max_length=64,
        help_text="The IANA zone they are meant in; left out: as before, at first the workspace's.",
    )
