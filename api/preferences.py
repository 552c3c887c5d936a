"""What the caller wants to hear of, and when they may be disturbed, over the API."""

from __future__ import annotations

from datetime import time
from typing import Any

from django.db import transaction
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access
from accounts.models import Role, User
from api.base import ApiView
from api.fields import Choice, Flag, Text
from api.problems import invalid
from api.schema import operation
from api.serializers import StrictBody
from api.shapes import Shape, flag, listed, one_of, or_null, text
from notifications import preferences
from notifications.models import Channel, Mode
from notifications.preferences import PreferenceError

CLOCK = r"^([01]\d|2[0-3]):[0-5]\d$"
CHOICES_MOST = 200

CHOICE = Shape(
    "NotificationChoice",
    "How somebody hears of one event through one channel.",
    event=text("The event.", "post.failed"),
    label=text("The event, for people.", "A post was not published"),
    channel=one_of(Channel, "The channel.", Channel.EMAIL),
    mode=one_of(Mode, "At once, collected, or not at all.", Mode.IMMEDIATE),
)
PREFERENCES = Shape(
    "NotificationPreferences",
    "What somebody hears of in this workspace, and when they may be disturbed.",
    time_zone=text("Of the quiet hours and the summaries.", "Europe/Brussels"),
    quiet_from=or_null(
        text("When quiet hours begin, on that clock; null: there are none.", "22:00")
    ),
    quiet_until=or_null(text("When they end; may be the next day.", "07:00")),
    wakes_for_critical=flag("What is critical comes by SMS and push in quiet hours, too."),
    choices=listed(CHOICE, "Every event and personal channel."),
)


class ChoiceInput(StrictBody):
    """One choice to change."""

    event = Text(max_length=64, help_text="The event.")
    channel = Choice(Channel, help_text="The channel: email, sms, push or slack.")
    mode = Choice(Mode, help_text="How. Only e-mail is collected into summaries.")


class PreferencesInput(StrictBody):
    """PATCH /notification-preferences: what is left out stays as it is."""

    time_zone = Text(required=False, max_length=64, help_text="Such as Europe/Brussels.")
    quiet_from = serializers.RegexField(
        CLOCK, required=False, allow_null=True, help_text="Such as 22:00; null with `quiet_until`."
    )
    quiet_until = serializers.RegexField(
        CLOCK, required=False, allow_null=True, help_text="Such as 07:00."
    )
    wakes_for_critical = Flag(required=False, help_text="Critical events disturb at any hour.")
    choices = serializers.ListField(
        child=ChoiceInput(), required=False, max_length=CHOICES_MOST, help_text="What to change."
    )


class PreferencesView(ApiView):
    """Everybody's preferences are their own."""

    read_scope = write_scope = ""
    write_role = Role.VIEWER

    @operation(
        "get_notification_preferences",
        "See what you are told, and when",
        tag="notifications",
        answers={200: PREFERENCES},
    )
    def get(self, request: Request) -> Response:
        """Return the caller's choices in this workspace; keys without a person have none."""
        access = self.enter()
        return Response(_preferences_json(_person(access), access))

    @operation(
        "change_notification_preferences",
        "Choose what you are told, and when",
        tag="notifications",
        body=PreferencesInput,
        example={
            "quiet_from": "22:00",
            "quiet_until": "07:00",
            "choices": [{"event": "post.published", "channel": "email", "mode": "daily"}],
        },
        answers={200: PREFERENCES},
    )
    def patch(self, request: Request) -> Response:
        """Change some of the caller's choices; numbers and addresses are confirmed on the site."""
        wish = self.read(PreferencesInput)
        access = self.enter()
        person = _person(access)
        wanted = {(one["event"], one["channel"]): one["mode"] for one in wish.pop("choices", [])}
        try:
            with transaction.atomic():
                if wish:
                    preferences.set_hours(person, **_hours(person, wish))
                preferences.choose(person, access.workspace, wanted)
        except PreferenceError as error:
            field = "choices" if "|" in error.field else error.field
            raise invalid(field, "invalid", str(error)) from None
        return self.answer(_preferences_json(person, access))


def _person(access: Access) -> User:
    if access.user is None:
        raise invalid("", "no_person", "Preferences belong to people: call with a person's token.")
    return access.user


def _hours(person: User, wish: dict[str, Any]) -> dict[str, Any]:
    """Return all that `set_hours` takes: what was given, the rest as it is."""
    reader = preferences.reader_of(person)
    names = ("time_zone", "quiet_from", "quiet_until", "wakes_for_critical")
    kept = {name: getattr(reader, name) for name in names}
    given = {
        name: time.fromisoformat(value) if value and name.startswith("quiet_") else value
        for name, value in wish.items()
    }
    return {**kept, **given}


def _preferences_json(person: User, access: Access) -> dict[str, Any]:
    reader = preferences.reader_of(person)
    return {
        "time_zone": reader.time_zone,
        "quiet_from": _clock(reader.quiet_from),
        "quiet_until": _clock(reader.quiet_until),
        "wakes_for_critical": reader.wakes_for_critical,
        "choices": [
            {"event": row.event.name, "label": row.event.label, "channel": channel, "mode": mode}
            for row in preferences.choices_of(person, access.workspace)
            for channel, mode in row.modes.items()
        ],
    }


def _clock(value: time | None) -> str | None:
    return value.strftime("%H:%M") if value else None
