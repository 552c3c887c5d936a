"""Forms of the notifications page: hours, a number, an address, a code, a place in Slack."""

from __future__ import annotations

from datetime import time
from typing import Any
from zoneinfo import available_timezones

from django import forms

from notifications.models import Reader

ZONES = sorted(available_timezones())


def _clock() -> forms.TimeInput:
    return forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


class HoursForm(forms.Form):
    """When somebody wants to be left alone."""

    time_zone = forms.CharField(
        max_length=64,
        label="Time zone",
        help_text="Summaries come at 08:00 there.",
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}),
    )
    quiet_from = forms.TimeField(label="Quiet from", required=False, widget=_clock())
    quiet_until = forms.TimeField(
        label="Quiet until",
        required=False,
        help_text="What comes in between waits. Urgent messages still come by e-mail and Slack.",
        widget=_clock(),
    )
    wakes_for_critical = forms.BooleanField(
        label="Let urgent messages ring my phone in quiet hours", required=False
    )

    @classmethod
    def of(cls, reader: Reader, zone: str) -> HoursForm:
        """Return the form as it stands; `zone` is for people who never chose one."""
        return cls(
            initial={
                "time_zone": zone if reader._state.adding else reader.time_zone,  # noqa: SLF001
                "quiet_from": reader.quiet_from,
                "quiet_until": reader.quiet_until,
                "wakes_for_critical": reader.wakes_for_critical,
            }
        )

    def hours(self) -> dict[str, Any]:
        """Return what was filled in, as `preferences.set_hours` takes it."""
        clean = self.cleaned_data
        quiet: dict[str, time | None] = {
            name: clean[name] for name in ("quiet_from", "quiet_until")
        }
        return {
            **quiet,
            "time_zone": clean["time_zone"],
            "wakes_for_critical": clean["wakes_for_critical"],
        }
