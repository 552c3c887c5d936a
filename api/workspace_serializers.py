"""What bodies of requests about a workspace may hold: its settings, its people, its keys."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.keys import SCOPES
from accounts.models import ApprovalRule, Role
from api.fields import Choice, Identifier, Text, WholeNumber
from api.serializers import TEN_YEARS_MINUTES, ReasonInput, StrictBody
from scheduling.models import LatePolicy

KEY_DAYS_MOST = 3650
OVERLAP_HOURS_MOST = 7 * 24
DEFAULT_OVERLAP_HOURS = 24


class WorkspaceChanges(StrictBody):
    """PATCH /workspace."""

    name = Text(required=False, max_length=255, help_text="What people call it.")
    time_zone = Text(required=False, max_length=64, help_text="An IANA name: Europe/Brussels.")
    late_policy = Choice(
        LatePolicy, required=False, help_text="What becomes of new posts that are found too late."
    )
    late_limit_minutes = WholeNumber(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=TEN_YEARS_MINUTES,
        help_text="From when on a post is too late; null: as the installation has it.",
    )
    approval_rule = Choice(
        ApprovalRule,
        required=False,
        help_text="Whose posts somebody else must approve; takes an owner, not just a key.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for at least one change."""
        if not attrs:
            raise serializers.ValidationError({"": ["Say what to change."]}, "required")
        return attrs


class MemberInput(StrictBody):
    """POST /members: somebody of the other system that a trusted service speaks for."""

    external_id = Identifier(max_length=255, help_text="The person's id in the other system.")
    role = Choice(Role, help_text="As what.")


class RoleInput(ReasonInput):
    """PATCH /members/{id}."""

    role = Choice(Role, help_text="The new role.")


@extend_schema_field({"type": "string", "format": "email", "maxLength": 254})
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

    email = EmailAddress(required=False, help_text="The person's address.")
    external_id = Identifier(
        required=False, max_length=255, help_text="Or their id in the system that issues tokens."
    )
    role = Choice(Role, help_text="As what.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for exactly one way to say who is meant."""
        if ("email" in attrs) == ("external_id" in attrs):
            message = "Give either email or external_id."
            raise serializers.ValidationError({"email": [message]}, "one_of")
        return attrs


class AcceptanceInput(StrictBody):
    """POST /invitations/accept."""

    token = Text(max_length=200, help_text="What the invitation's maker was shown.")


class KeyInput(StrictBody):
    """POST /api-keys; no scopes: as much as the caller may hand on."""

    name = Text(max_length=255, help_text="What it is for.")
    scopes = serializers.ListField(
        child=Text(),
        required=False,
        default=list,
        max_length=50,
        help_text=f"What it may be used for: any of {', '.join(SCOPES)}. None: all of them.",
    )
    valid_days = WholeNumber(
        required=False,
        min_value=1,
        max_value=KEY_DAYS_MOST,
        help_text="After how many days it ends; never without.",
    )


class RotationInput(ReasonInput):
    """POST /api-keys/{id}/rotate; how long the secret before stays good as well."""

    overlap_hours = WholeNumber(
        required=False,
        default=DEFAULT_OVERLAP_HOURS,
        min_value=0,
        max_value=OVERLAP_HOURS_MOST,
        help_text="For how long the secret before is good as well.",
    )
