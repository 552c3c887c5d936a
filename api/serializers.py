"""What request bodies may hold; rules about content and moments are the services'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from api.fields import Flag, Identifier, Instant, Text, WebAddress, WholeNumber
from scheduling.models import LatePolicy
from scheduling.queue_slots.services import Place

MOST_SEGMENTS = 100
MOST_MEDIA = 100
TEN_YEARS_MINUTES = 10 * 366 * 24 * 60


class Body(serializers.Serializer[Any]):
    """A JSON object; null counts as absent for what may be left out, unless it has a meaning."""

    default_error_messages = {"not_an_object": "The body must be a JSON object."}

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values."""
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(
                {"": [serializers.ErrorDetail("Must be a JSON object.", "not_an_object")]}
            )
        given = {
            name: value
            for name, value in data.items()
            if value is not None or self._needs(str(name))
        }
        return super().to_internal_value(given)

    def _needs(self, name: str) -> bool:
        if name not in self.fields:
            return True
        return self.fields[name].required or self.fields[name].allow_null


class StrictBody(Body):
    """A body whose unknown keys are refused, so that a misspelt one is not overlooked."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values."""
        if isinstance(data, Mapping) and (unknown := sorted(set(data) - set(self.fields))):
            message = f"There is no such field; there are {', '.join(self.fields)}."
            raise serializers.ValidationError(
                {name: [serializers.ErrorDetail(message, "unknown_field")] for name in unknown}
            )
        return super().to_internal_value(data)


class SegmentField(serializers.Field[Any, Any, Any, Any]):
    """One post of a thread: a string, or {"text": string}."""

    default_error_messages = {"wrong_type": "Must be a string, or an object with just a text."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """Return it as stored."""
        text = data.get("text") if isinstance(data, dict) and set(data) == {"text"} else data
        if not isinstance(text, str):
            self.fail("wrong_type")
        return {"text": text}


class OptionsField(serializers.Field[Any, Any, Any, Any]):
    """The network's own options: a JSON object, judged by its adapter."""

    default_error_messages = {"not_a_dict": "Must be a JSON object."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object as it is."""
        if not isinstance(data, dict):
            self.fail("not_a_dict")
        return dict(data)


class MediaInput(StrictBody):
    """One file: a `url` to fetch ahead of the moment, or an `asset` the workspace has."""

    url = WebAddress(required=False)
    asset = Text(required=False)
    segment = WholeNumber(required=False, default=0, min_value=0, max_value=MOST_SEGMENTS - 1)
    alt_text = Text(required=False, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for exactly one source."""
        if ("url" in attrs) == ("asset" in attrs):
            raise serializers.ValidationError({"url": ["Give either url or asset."]}, "one_of")
        return attrs


class ContentInput(StrictBody):
    """What both creating and editing a post may say."""

    text = Text(required=False, allow_blank=True)
    segments = serializers.ListField(
        child=SegmentField(), required=False, allow_empty=False, max_length=MOST_SEGMENTS
    )
    first_comment = Text(required=False, allow_blank=True)
    options = OptionsField(required=False)
    media = serializers.ListField(child=MediaInput(), required=False, max_length=MOST_MEDIA)
    scheduled_at = Instant(required=False)
    time_zone = Text(required=False)
    priority = WholeNumber(required=False)
    late_policy = serializers.ChoiceField(LatePolicy.choices, required=False)
    late_limit_minutes = WholeNumber(  # null: as the workspace has it
        required=False, allow_null=True, min_value=0, max_value=TEN_YEARS_MINUTES
    )
    callback_url = WebAddress(required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Turn `text` into the only segment."""
        if "text" in attrs and "segments" in attrs:
            raise serializers.ValidationError({"text": ["Give either text or segments."]}, "one_of")
        if "text" in attrs:
            attrs["segments"] = [{"text": attrs.pop("text")}]
        return attrs


class PostInput(ContentInput):
    """POST /posts."""

    connection = Text()
    external_id = Identifier(required=False, max_length=255)
    draft = Flag(required=False, default=False)
    queue = serializers.ChoiceField([place.value for place in Place], required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for content, and for a moment or a place in the queue unless it is a draft."""
        attrs = super().validate(attrs)
        if "queue" in attrs:
            return self._queued(attrs)
        missing = {}
        if "segments" not in attrs and "media" not in attrs:
            missing["text"] = ["Write a text (or segments, or give media)."]
        if "scheduled_at" not in attrs and not attrs["draft"]:
            missing["scheduled_at"] = ["Say when, or make it a draft."]
        if missing:
            raise serializers.ValidationError(missing, "required")
        return attrs

    def _queued(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for content; the slot decides the rest."""
        decided = [name for name in ("scheduled_at", "time_zone", "draft") if attrs.get(name)]
        if decided:
            said = ["The queue's slot decides this: leave it out, or leave out queue."]
            raise serializers.ValidationError(dict.fromkeys(decided, said), "decided_by_queue")
        if "segments" not in attrs and "media" not in attrs:
            said = ["Write a text (or segments, or give media)."]
            raise serializers.ValidationError({"text": said}, "required")
        return attrs


class PostChanges(ContentInput):
    """PATCH /posts/{id}; `content_version` is the version that was edited, if that matters."""

    content_version = WholeNumber(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for at least one change."""
        attrs = super().validate(attrs)
        if not attrs.keys() - {"content_version"}:
            raise serializers.ValidationError({"": ["Say what to change."]}, "required")
        return attrs


class ReasonInput(StrictBody):
    """The body of an action: why, for the audit log."""

    reason = Text(required=False, allow_blank=True, default="", max_length=1000)


class RequeueInput(ReasonInput):
    """POST /posts/{id}/retry; `confirm_not_live` is asked for when the outcome is unknown."""

    confirm_not_live = Flag(required=False, default=False)


class ResolutionInput(ReasonInput):
    """POST /posts/{id}/resolve: what a person saw of the part in doubt."""

    live = Flag()
    permalink = WebAddress(required=False, allow_blank=True, default="", max_length=1000)
    remote_id = Identifier(required=False, allow_blank=True, default="", max_length=255)
    part = WholeNumber(required=False, min_value=1, max_value=MOST_SEGMENTS + 1)


class ScheduleInput(Body):
    """POST /schedule, as the predecessor's callers send it; other keys are ignored."""

    content_id = Identifier(max_length=255)
    platform = Text(max_length=32)
    scheduled_at = Instant()
    user_id = Identifier(max_length=255)
    org_id = Identifier(max_length=255)
    access_token = Text(required=False, allow_blank=True, max_length=10_000)
    connection_id = Text(required=False, allow_blank=True)
    text = Text(required=False, allow_blank=True)
    media_urls = serializers.ListField(child=WebAddress(), required=False, max_length=MOST_MEDIA)
    priority = WholeNumber(required=False)
    callback_url = WebAddress(required=False, allow_blank=True)
