"""Request bodies about several posts: variants of a text, many rows, many ids."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.fields import Flag, Identifier, Instant, Text, WholeNumber
from api.serializers import (
    TEN_YEARS_MINUTES,
    ContentInput,
    PostInput,
    ReasonInput,
    StrictBody,
    WordsInput,
)
from scheduling.bulk_create import MOST_ROWS
from scheduling.groups import MOST_TARGETS

ZONE_CHARS = 64


class VariantInput(WordsInput):
    """What is different on one network or account; each field given replaces the common one."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Note whether the text came as `text`: errors then do not speak of segments."""
        says_text = "text" in attrs
        return {**super().validate(attrs), **({"says_text": True} if says_text else {})}


class TargetInput(VariantInput):
    """One account of a group, and what is different there."""

    connection = Text(help_text="The connected account's id.")
    external_id = Identifier(
        required=False, max_length=255, help_text="Your id of this post, unique per account."
    )
    scheduled_at = Instant(required=False, help_text="When to send it here, with its offset.")
    time_zone = Text(
        required=False, max_length=ZONE_CHARS, help_text="The zone it is planned in here."
    )


class VariantsInput(ContentInput):
    """A text with variants for networks: {"x": {"text": "..."}}."""

    platforms = serializers.DictField(
        child=VariantInput(),
        required=False,
        help_text="What is different on a network, by its name.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Note whether the text came as `text`."""
        says_text = "text" in attrs
        return {**super().validate(attrs), **({"says_text": True} if says_text else {})}


class GroupInput(VariantsInput):
    """One text for many accounts; `platforms` and then `targets` replace parts of it."""

    targets = serializers.ListField(
        child=TargetInput(),
        allow_empty=False,
        max_length=MOST_TARGETS,
        help_text="The accounts, one post each.",
    )
    draft = Flag(required=False, default=False, help_text="Keep drafts instead of scheduling.")


class GroupChanges(VariantsInput):
    """What to change of a group's posts; what is not named stays."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for at least one change."""
        attrs = super().validate(attrs)
        if not attrs:
            raise serializers.ValidationError({"": ["Say what to change."]}, "required")
        return attrs


class TrialInput(VariantsInput):
    """A text, and the accounts it is meant for."""

    connections = serializers.ListField(
        child=Text(),
        allow_empty=False,
        max_length=MOST_TARGETS,
        help_text="The connected accounts' ids.",
    )


@extend_schema_field(PostInput(many=True))
class RowsField(serializers.ListField):
    """Bodies of POST /posts, each judged by itself."""


class BulkInput(StrictBody):
    """Many posts, each as in POST /posts."""

    posts = RowsField(allow_empty=False, max_length=MOST_ROWS, help_text="The posts.")
    all_or_nothing = Flag(
        required=False, default=False, help_text="Write none if one of them is wrong."
    )


class IdsInput(ReasonInput):
    """Posts by their ids."""

    ids = serializers.ListField(
        child=Text(), allow_empty=False, max_length=MOST_ROWS, help_text="The posts' ids."
    )


class MomentInput(ReasonInput):
    """Another moment."""

    scheduled_at = Instant(help_text="When to send it, with its offset.")
    time_zone = Text(
        required=False,
        max_length=ZONE_CHARS,
        default="",
        allow_blank=True,
        help_text="The zone it is planned in from now on; empty: as before.",
    )


class BulkMomentInput(IdsInput):
    """One moment for all, or so many minutes for each."""

    scheduled_at = Instant(required=False, help_text="When to send them, with its offset.")
    shift_minutes = WholeNumber(
        required=False,
        min_value=-TEN_YEARS_MINUTES,
        max_value=TEN_YEARS_MINUTES,
        help_text="How much later than planned each is sent; earlier if negative.",
    )
    time_zone = Text(
        required=False,
        max_length=ZONE_CHARS,
        default="",
        allow_blank=True,
        help_text="The zone they are planned in from now on; empty: as before.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for exactly one of both."""
        if ("scheduled_at" in attrs) == ("shift_minutes" in attrs):
            raise serializers.ValidationError(
                {"scheduled_at": ["Give either scheduled_at or shift_minutes."]}, "one_of"
            )
        return attrs
