"""What people choose to hear of: written here, read by `notifications.routing`."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time

from django.db import transaction
from django.db.models import Q

from accounts.models import User, Workspace
from notifications.catalog import EVENTS, PERSONAL, Audience, Event, choosable
from notifications.digests import forget
from notifications.models import Channel, DigestItem, Mode, Preference, Reader, SlackPlace
from notifications.quiet import zone_of

SLACK_TARGET = re.compile(r"[CDGU][A-Z0-9]{6,20}|#[a-z0-9_-]{1,80}")
MODES: Mapping[str, tuple[Mode, ...]] = {
    Channel.EMAIL: (Mode.OFF, Mode.IMMEDIATE, Mode.HOURLY, Mode.DAILY),
    **dict.fromkeys((Channel.SMS, Channel.PUSH, Channel.SLACK), (Mode.OFF, Mode.IMMEDIATE)),
}
Choice = tuple[str, str]  # event and channel


class PreferenceError(Exception):
    """A choice that cannot be kept; the message says why and what can."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Row:
    """One event with the mode of each personal channel, as somebody's settings show it."""

    event: Event
    modes: Mapping[str, str]


def reader_of(user: User) -> Reader:
    """Return when and where a person can be reached; not saved yet if they never said."""
    return Reader.objects.filter(user=user).first() or Reader(user=user)


def choices_of(user: User, workspace: Workspace | None) -> list[Row]:
    """Return what somebody hears of in a workspace, and of the installation if they are staff."""
    asked = Preference.objects.filter(Q(workspace=workspace) | Q(workspace=None), user=user)
    chosen = {(p.workspace_id, p.event, p.channel): p.mode for p in asked}
    rows = []
    for event in choosable(is_staff=user.is_staff):
        place = place_of(event, workspace)
        place_id = place.pk if place else None
        if place is None and event.audience is not Audience.STAFF:
            continue
        modes = {
            str(channel): chosen.get((place_id, event.name, channel)) or event.default(channel)
            for channel in PERSONAL
        }
        rows.append(Row(event, modes))
    return rows


def place_of(event: Event, workspace: Workspace | None) -> Workspace | None:
    """Return the workspace a choice about `event` belongs to, None for the installation."""
    return None if event.audience is Audience.STAFF else workspace


def choose(user: User, workspace: Workspace | None, wanted: Mapping[Choice, str]) -> int:
    """Keep what somebody wants; returns how many choices changed. Raises PreferenceError."""
    known = {row.event.name: row for row in choices_of(user, workspace)}
    changed = 0
    with transaction.atomic():
        for (name, channel), mode in wanted.items():
            row = known.get(name)
            if row is None or mode not in MODES.get(channel, ()):
                raise PreferenceError(
                    f"{name} cannot be told by {channel} in that way: choose one that is listed.",
                    field=f"{name}|{channel}",
                )
            if row.modes[channel] != mode:
                _keep(user.pk, place_of(row.event, workspace), name, channel, mode)
                changed += 1
    return changed


def _keep(user_id: int, workspace: Workspace | None, name: str, channel: str, mode: str) -> None:
    Preference.objects.update_or_create(
        user_id=user_id,
        workspace=workspace,
        event=name,
        channel=channel,
        defaults={"mode": mode},
    )
    if channel == Channel.EMAIL and mode == Mode.OFF:
        forget(user_id, workspace.pk if workspace else None, name)


def stop_mails(user_id: int, workspace_id: uuid.UUID | None, name: str) -> None:
    """Switch the mails of one event off for somebody; of a summary, all that is collected.

    Repeating it is harmless, and so is a workspace that is gone.
    """
    if not User.objects.filter(pk=user_id).exists():
        return
    workspace = Workspace.objects.filter(pk=workspace_id).first() if workspace_id else None
    if workspace_id and workspace is None:
        return
    with transaction.atomic():
        if name == "digest":
            collected = Preference.objects.filter(
                user_id=user_id, channel=Channel.EMAIL, mode__in=[Mode.HOURLY, Mode.DAILY]
            )
            collected.update(mode=Mode.OFF)
            DigestItem.objects.filter(user_id=user_id).delete()
        elif name in EVENTS and EVENTS[name].is_optional:
            _keep(user_id, workspace, name, Channel.EMAIL, Mode.OFF)


def set_hours(
    user: User,
    *,
    time_zone: str,
    quiet_from: time | None,
    quiet_until: time | None,
    wakes_for_critical: bool,
) -> Reader:
    """Keep somebody's zone and quiet hours; raises PreferenceError."""
    if str(zone_of(time_zone)) != time_zone:
        raise PreferenceError(
            "There is no such time zone: write one like Europe/Berlin.", field="time_zone"
        )
    if (quiet_from is None) != (quiet_until is None):
        raise PreferenceError(
            "Quiet hours need a beginning and an end: give both, or neither.", field="quiet_until"
        )
    reader, _ = Reader.objects.update_or_create(
        user=user,
        defaults={
            "time_zone": time_zone,
            "quiet_from": quiet_from,
            "quiet_until": quiet_until,
            "wakes_for_critical": wakes_for_critical,
        },
    )
    return reader


def set_slack_place(user: User, workspace: Workspace, target: str) -> None:
    """Keep where in Slack somebody hears of a workspace, "" for nowhere; raises PreferenceError."""
    target = target.strip()
    if not target:
        SlackPlace.objects.filter(user=user, workspace=workspace).delete()
        return
    if not SLACK_TARGET.fullmatch(target):
        raise PreferenceError(
            "That is neither a channel's or member's id (C024BE91L, U024BE7LH) nor a name like "
            "#posts.",
            field="slack",
        )
    SlackPlace.objects.update_or_create(user=user, workspace=workspace, defaults={"target": target})
