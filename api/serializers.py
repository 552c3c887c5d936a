"""What request bodies may hold; rules about content and moments are the services'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.fields import Choice, Flag, Identifier, Instant, Text, WebAddress, WholeNumber
from scheduling.models import LatePolicy
from scheduling.queue_slots.services import Place

MOST_SEGMENTS = 100
MOST_MEDIA = 100
TEN_YEARS_MINUTES = 10 * 366 * 24 * 60


class Body(serializers.Serializer[Any]):
    """A JSON object; null counts as absent for what may be left out, unless it has a meaning."""

    refuses_unknown = False  # names that are no field of the body
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

    refuses_unknown = True

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values."""
        if isinstance(data, Mapping) and (unknown := sorted(set(data) - set(self.fields))):
            message = f"There is no such field; there are {', '.join(self.fields)}."
            raise serializers.ValidationError(
                {name: [serializers.ErrorDetail(message, "unknown_field")] for name in unknown}
            )
        return super().to_internal_value(data)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"text": {"type": "string"}},
                "required": ["text"],
                "additionalProperties": False,
            },
        ]
    }
)
class SegmentField(serializers.Field[Any, Any, Any, Any]):
    """One post of a thread: a string, or {"text": string}."""

    default_error_messages = {"wrong_type": "Must be a string, or an object with just a text."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """Return it as stored."""
        text = data.get("text") if isinstance(data, dict) and set(data) == {"text"} else data
        if not isinstance(text, str):
            self.fail("wrong_type")
        return {"text": text}


@extend_schema_field({"type": "object", "additionalProperties": True})
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

    url = WebAddress(required=False, help_text="Where to fetch it, ahead of the moment.")
    asset = Text(required=False, help_text="The id of a file the workspace has.")
    segment = WholeNumber(
        required=False,
        default=0,
        min_value=0,
        max_value=MOST_SEGMENTS - 1,
        help_text="Which post of the thread it belongs to, from 0.",
    )
    alt_text = Text(
        required=False,
        allow_blank=True,
        default="",
        help_text="What it shows, for those who cannot see it.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for exactly one source."""
        if ("url" in attrs) == ("asset" in attrs):
            raise serializers.ValidationError({"url": ["Give either url or asset."]}, "one_of")
        return attrs


class WordsInput(StrictBody):
    """What a post says, without when and how."""

    text = Text(required=False, allow_blank=True, help_text="The text of a post that is no thread.")
    segments = serializers.ListField(
        child=SegmentField(),
        required=False,
        allow_empty=False,
        max_length=MOST_SEGMENTS,
        help_text="The texts of a thread, instead of `text`.",
    )
    first_comment = Text(
        required=False, allow_blank=True, help_text="A comment to add once it is out."
    )
    options = OptionsField(required=False, help_text="The network's own options.")
    media = serializers.ListField(
        child=MediaInput(), required=False, max_length=MOST_MEDIA, help_text="Its files."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Turn `text` into the only segment."""
        if "text" in attrs and "segments" in attrs:
            raise serializers.ValidationError({"text": ["Give either text or segments."]}, "one_of")
        if "text" in attrs:
            attrs["segments"] = [{"text": attrs.pop("text")}]
        return attrs


class ContentInput(WordsInput):
    """What both creating and editing a post may say."""

    scheduled_at = Instant(required=False, help_text="When to send it, with its offset.")
    time_zone = Text(required=False, help_text="The zone it is planned in, for display.")
    priority = WholeNumber(
        required=False, help_text="Higher ones go first among those due together."
    )
    late_policy = Choice(
        LatePolicy, required=False, help_text="What to do when it could not be sent in time."
    )
    late_limit_minutes = WholeNumber(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=TEN_YEARS_MINUTES,
        help_text="From when on it is too late; null: as the workspace has it.",
    )
    callback_url = WebAddress(
        required=False, allow_blank=True, help_text="Where to tell its outcome."
    )


class PostInput(ContentInput):
    """A post to schedule, or a draft to keep: a text, segments or media, and when."""

    connection = Text(help_text="The connected account's id.")
    external_id = Identifier(
        required=False,
        max_length=255,
        help_text="Your id of it: a second post with it on this account is not made.",
    )
    draft = Flag(required=False, default=False, help_text="Keep it, and wait to be scheduled.")
    queue = Choice(
        Place,
        required=False,
        help_text="Take a slot of the account's queue instead of a moment: the next free one, one "
        "behind all that are queued, or the first, while queued posts move down.",
    )

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
    """What to change of a post; what is not named stays."""

    content_version = WholeNumber(
        required=False, help_text="The version that was edited: another one is not changed."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for at least one change."""
        attrs = super().validate(attrs)
        if not attrs.keys() - {"content_version"}:
            raise serializers.ValidationError({"": ["Say what to change."]}, "required")
        return attrs


class ReasonInput(StrictBody):
    """Why, for the audit log."""

    reason = Text(
        required=False,
        allow_blank=True,
        default="",
        max_length=1000,
        help_text="Why, for the audit log.",
    )


class RequeueInput(ReasonInput):
    """Why, and what a person saw."""

    confirm_not_live = Flag(
        required=False,
        default=False,
        help_text="Somebody looked: it is not out. Asked for when the outcome is unknown.",
    )


class ResolutionInput(ReasonInput):
    """What a person saw of the part in doubt."""

    live = Flag(help_text="It is out.")
    permalink = WebAddress(
        required=False,
        allow_blank=True,
        default="",
        max_length=1000,
        help_text="Where it can be seen.",
    )
    remote_id = Identifier(
        required=False,
        allow_blank=True,
        default="",
        max_length=255,
        help_text="The network's id of it.",
    )
    part = WholeNumber(
        required=False,
        min_value=1,
        max_value=MOST_SEGMENTS + 1,
        help_text="Which part was looked at; refused if it is not the one in doubt.",
    )


class ScheduleInput(Body):
    """A job, as the predecessor's callers send it; other keys are ignored."""

    content_id = Identifier(
        max_length=255, help_text="Your id of it; without a text, that of a stored draft."
    )
    platform = Text(max_length=32, help_text="The network, by any of its names.")
    scheduled_at = Instant(help_text="When to send it, with its offset.")
    user_id = Identifier(max_length=255, help_text="For whom, as the issuer of tokens calls them.")
    org_id = Identifier(max_length=255, help_text="Where, as the issuer of tokens calls it.")
    access_token = Text(
        required=False,
        allow_blank=True,
        max_length=10_000,
        help_text="A bare token of the account: verified, and kept encrypted.",
    )
    connection_id = Text(required=False, allow_blank=True, help_text="The connected account's id.")
    text = Text(required=False, allow_blank=True, help_text="What to say.")
    media_urls = serializers.ListField(
        child=WebAddress(),
        required=False,
        max_length=MOST_MEDIA,
        help_text="Files to fetch ahead of the moment.",
    )
    priority = WholeNumber(
        required=False, help_text="Higher ones go first among those due together."
    )
    callback_url = WebAddress(
        required=False, allow_blank=True, help_text="Where to tell its outcome."
    )
