"""The form in which staff write or edit a post; the services decide, their errors land by field."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime

from accounts.models import User
from engine.admin_types import AnyModelForm
from engine.states import IllegalTransition
from scheduling import services
from scheduling.models import LatePolicy, ScheduledPost
from scheduling.rules import Invalid

BETWEEN_SEGMENTS = "\n---\n"
SEGMENT = re.compile(r"segments\[(\d+)\]")
PLAIN_FIELDS = ("priority", "late_policy", "late_limit_minutes", "first_comment", "callback_url")


class WallClockField(forms.Field):
    """A date and time of day without a zone; the form's `time_zone` says where it is meant."""

    widget = forms.DateTimeInput(
        attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
    )

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            parsed = parse_datetime(str(value).strip())
        except ValueError:
            parsed = None
        if parsed is None or parsed.tzinfo is not None:
            raise ValidationError("Give a date and a time of day, such as 2026-11-23T09:00:00.")
        return parsed


def instant(wall_clock: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant of `wall_clock` in `zone`, the first of two when clocks are set back.

    Raises ValidationError for a time that clocks skip that day.
    """
    meant = wall_clock.replace(tzinfo=zone)
    if meant.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall_clock:
        raise ValidationError(f"Clocks in {zone.key} skip this time that day: choose another.")
    return meant.astimezone(UTC)


def text_of(post: ScheduledPost) -> str:
    """Return a post's segments as one text, with a line of three dashes between them."""
    return BETWEEN_SEGMENTS.join(str(segment.get("text", "")) for segment in post.segments)


class PostForm(AnyModelForm):
    """Adds or edits through `scheduling.services`; the admin sets `user` on its subclass."""

    user: User

    text = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 6, "class": "vLargeTextField"}),
        help_text="A line with only --- starts the next post of a thread.",
    )
    wall_clock = WallClockField(
        label="Moment", help_text="Date and time of day in the time zone below."
    )
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = ScheduledPost
        fields = ("connection", "time_zone", "external_id", *PLAIN_FIELDS)
        widgets = {"first_comment": forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.segments and (field := self.fields.get("late_policy")):
            field.required, field.initial = False, ""
            field.widget.choices = [("", "as the workspace has it"), *LatePolicy.choices]
            self.initial["late_policy"] = ""
        if self.instance.segments:
            self.initial.update(
                text=text_of(self.instance),
                wall_clock=self._shown_moment(self.instance),
                version=self.instance.content_version,
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        try:
            zone = ZoneInfo(cleaned.get("time_zone") or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            self.add_error("time_zone", "Give an IANA time zone, such as Europe/Berlin.")
            return cleaned
        if wall_clock := cleaned.get("wall_clock"):
            try:
                cleaned["scheduled_at"] = instant(wall_clock, zone)
            except ValidationError as error:
                self.add_error("wall_clock", error)
        return cleaned

    def _post_clean(self) -> None:
        """ModelForm's hook after clean(): here the service writes, so that it can still refuse.

        The admin runs this inside its transaction and shows the errors beside the fields.
        """
        if self.errors:
            return
        try:
            self.instance = self._edit() if self.instance.segments else self._schedule()
        except Invalid as invalid:
            for error in invalid.errors:
                self._show(error.field, error.message)
        except IllegalTransition as refused:
            self.add_error(None, str(refused))

    def save(self, commit: bool = True) -> ScheduledPost:
        """Return the post that the service has written already."""
        return self._post

    def save_m2m(self) -> None:
        """Do nothing: the post has no many-to-many fields."""

    @property
    def _post(self) -> ScheduledPost:
        return cast("ScheduledPost", self.instance)

    # --- inside -------------------------------------------------------------------------------
    def _schedule(self) -> ScheduledPost:
        data = self.cleaned_data
        connection = data["connection"]
        post, _ = services.schedule_post(
            workspace=connection.workspace,
            connection=connection,
            segments=self._segments(),
            scheduled_at=data["scheduled_at"],
            time_zone=data["time_zone"],
            actor=f"user:{self.user.get_username()}",
            created_by=self.user,
            external_id=data.get("external_id"),
            **{name: data[name] for name in PLAIN_FIELDS if data.get(name) not in ("", None)},
        )
        return post

    def _edit(self) -> ScheduledPost:
        changes = {
            name: self.cleaned_data[name] for name in PLAIN_FIELDS if name in self.changed_data
        }
        if "text" in self.changed_data:
            changes["segments"] = self._segments()
        if {"wall_clock", "time_zone"} & set(self.changed_data):
            changes["scheduled_at"] = self.cleaned_data["scheduled_at"]
            changes["time_zone"] = self.cleaned_data["time_zone"]
        if not changes:
            return self._post
        return services.edit_post(
            self.instance.pk,
            actor=f"user:{self.user.get_username()}",
            expected_version=self.cleaned_data.get("version"),
            **changes,
        )

    def _segments(self) -> list[dict[str, Any]]:
        """Return the text as segments; what a segment has beside its text is kept in its place."""
        parts = re.split(r"\r?\n---[ \t]*\r?\n", self.cleaned_data["text"])
        known = [*self.instance.segments, *({} for _ in parts)]
        return [{**known[n], "text": part.replace("\r\n", "\n")} for n, part in enumerate(parts)]

    def _show(self, field: str, message: str) -> None:
        if place := SEGMENT.match(field):
            number = int(place[1]) + 1
            several = len(self._segments()) > 1
            self.add_error(
                "text", f"Post {number} of the thread: {message}" if several else message
            )
        else:
            name = {"segments": "text", "scheduled_at": "wall_clock"}.get(field, field)
            self.add_error(name if name in self.fields else None, message)

    @staticmethod
    def _shown_moment(post: ScheduledPost) -> datetime:
        return post.scheduled_at.astimezone(ZoneInfo(post.time_zone)).replace(
            tzinfo=None, microsecond=0
        )
