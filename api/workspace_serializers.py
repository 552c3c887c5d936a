"""What bodies of requests about a workspace may hold: its settings, its people, its keys."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.keys import SCOPES
from accounts.models import Role
from api.fields import Identifier, Text, WholeNumber
from api.serializers import TEN_YEARS_MINUTES, ReasonInput, StrictBody
from scheduling.models import LatePolicy

KEY_DAYS_MOST = 3650
OVERLAP_HOURS_MOST = 7 * 24
DEFAULT_OVERLAP_HOURS = 24


class WorkspaceChanges(StrictBody):
    """PATCH /workspace."""

    name = Text(required=False, max_length=255)
    time_zone = Text(required=False, max_length=64)
    late_policy = serializers.ChoiceField(LatePolicy.choices, required=False)
    late_limit_minutes = WholeNumber(  # null: as the installation has it
        required=False, allow_null=True, min_value=0, max_value=TEN_YEARS_MINUTES
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for at least one change."""
        if not attrs:
            raise serializers.ValidationError({"": ["Say what to change."]}, "required")
        return attrs


class MemberInput(StrictBody):
    """POST /members: somebody of the other system that a trusted service speaks for."""

    external_id = Identifier(max_length=255)
    role = serializers.ChoiceField(Role.choices)


class RoleInput(ReasonInput):
    """PATCH /members/{id}."""

    role = serializers.ChoiceField(Role.choices)


class EmailAddress(Text):
    """An e-mail address."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 254, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        """Return the address, trimmed."""
        text = super().to_internal_value(data).strip()
        serializers.EmailField().run_validation(text)
        return text


class InvitationInput(StrictBody):
    """POST /invitations: whom, by one of the two, and as what."""

    email = EmailAddress(required=False)
    external_id = Identifier(required=False, max_length=255)
    role = serializers.ChoiceField(Role.choices)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for exactly one way to say who is meant."""
        if ("email" in attrs) == ("external_id" in attrs):
            message = "Give either email or external_id."
            raise serializers.ValidationError({"email": [message]}, "one_of")
        return attrs


class AcceptanceInput(StrictBody):
    """POST /invitations/accept."""

    token = Text(max_length=200)


class KeyInput(StrictBody):
    """POST /api-keys; no scopes: as much as the caller may hand on."""

    name = Text(max_length=255)
    scopes = serializers.ListField(
        child=serializers.ChoiceField([(scope, scope) for scope in SCOPES]),
        required=False,
        default=list,
        max_length=50,
    )
    valid_days = WholeNumber(required=False, min_value=1, max_value=KEY_DAYS_MOST)


class RotationInput(ReasonInput):
    """POST /api-keys/{id}/rotate; how long the secret before stays good as well."""

    overlap_hours = WholeNumber(
        required=False, default=DEFAULT_OVERLAP_HOURS, min_value=0, max_value=OVERLAP_HOURS_MOST
    )
