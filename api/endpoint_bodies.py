"""What bodies of requests about webhook endpoints may hold."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from api.fields import Instant, Text, WebAddress
from api.serializers import ReasonInput, StrictBody
from notifications.endpoint_events import TYPES

NO_MORE = len(TYPES)
WHAT = f"What it is told: any of {', '.join(TYPES)}. None: all of them."


class EndpointInput(ReasonInput):
    """POST /webhook-endpoints."""

    url = WebAddress(help_text="Where events are sent: https, at a public host.")
    description = Text(
        required=False, allow_blank=True, default="", max_length=255, help_text="What it is for."
    )
    events = serializers.ListField(
        child=Text(), required=False, default=list, max_length=NO_MORE, help_text=WHAT
    )


class EndpointChanges(StrictBody):
    """PATCH /webhook-endpoints/{id}."""

    url = WebAddress(required=False, help_text="Where events are sent.")
    description = Text(
        required=False, allow_blank=True, max_length=255, help_text="What it is for."
    )
    events = serializers.ListField(child=Text(), required=False, max_length=NO_MORE, help_text=WHAT)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for at least one change."""
        if not attrs:
            raise serializers.ValidationError({"": ["Say what to change."]}, "required")
        return attrs


class ReplayInput(ReasonInput):
    """POST /webhook-endpoints/{id}/replay."""

    since = Instant(help_text="What was written at this instant or later.")
