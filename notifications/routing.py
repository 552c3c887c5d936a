"""Whom an event reaches, how and when: what people chose, their quiet hours, the flood guard.

`Readers.load` asks the database once for a whole batch of happenings; `ways` then answers for each
without a query. Publishing two thousand posts at one instant is a few batches.
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from django.utils import timezone

from accounts.models import User
from notifications.catalog import EVENTS, PERSONAL, Event, Severity
from notifications.models import Channel, Device, Mode, Notification, Preference, SlackPlace
from notifications.outbox import OutboxEvent, write
from notifications.quiet import end_of_quiet, next_hour, next_morning, zone_of

FLOOD = 20  # messages of one event in FLOOD_TIME; more are told together
FLOOD_TIME = timedelta(hours=1)
WAKES_NOBODY = frozenset({Channel.EMAIL.value, Channel.SLACK.value})
LATER = frozenset({Mode.HOURLY.value, Mode.DAILY.value})


@dataclass(frozen=True, slots=True)
class Telling:
    """One person to be told of one happening; `dedupe_key` names both."""

    event: str
    user_id: int
    workspace_id: uuid.UUID | None
    context: Mapping[str, Any]
    dedupe_key: str


@dataclass(frozen=True, slots=True)
class Ways:
    """How one person hears of one happening; `later` and `digest_at` as in OutboxEvent."""

    deliveries: tuple[tuple[str, str], ...] = ()
    later: Mapping[str, datetime] = field(default_factory=dict)
    digest_at: datetime | None = None

    def __bool__(self) -> bool:
        """Say whether they hear of it at all."""
        return bool(self.deliveries) or self.digest_at is not None


NOT_AT_ALL = Ways()


def tell(tellings: Sequence[Telling]) -> int:
    """Write what each person is to be told, as they chose; returns how many happenings were new.

    Runs in the caller's transaction.
    """
    readers = Readers.load({t.user_id for t in tellings}, {t.event for t in tellings})
    events = []
    for telling in tellings:
        ways = readers.ways(
            telling.event, telling.user_id, telling.workspace_id, key=telling.dedupe_key
        )
        if ways:
            events.append(
                OutboxEvent(
                    event=telling.event,
                    workspace_id=telling.workspace_id,
                    context=telling.context,
                    dedupe_key=telling.dedupe_key,
                    deliveries=ways.deliveries,
                    user_id=telling.user_id,
                    later=ways.later,
                    digest_at=ways.digest_at,
                )
            )
    return write(events)


class Readers:
    """Some people's choices and addresses at one instant; made for one batch, then thrown away."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._people: dict[int, dict[str, Any]] = {}
        self._modes: dict[tuple[int, uuid.UUID | None, str, str], str] = {}
        self._devices: defaultdict[int, list[str]] = defaultdict(list)
        self._slack: dict[tuple[int, uuid.UUID], str] = {}
        self._told: Counter[tuple[int, str]] = Counter()
        self._answers: dict[str, Ways] = {}

    @classmethod
    def load(
        cls, user_ids: Collection[int], events: Collection[str], *, now: datetime | None = None
    ) -> Readers:
        """Read what is known of these people about these events: six statements at most."""
        readers = cls(now or timezone.now())
        if user_ids and events:
            readers._read_people(user_ids)
            readers._read_choices(user_ids, events)
            readers._read_places(events)
            readers._count_told(user_ids, events)
        return readers

    def _read_people(self, user_ids: Collection[int]) -> None:
        found = User.objects.filter(pk__in=user_ids, is_active=True).values(
            "pk",
            "email",
            *(f"reader__{name}" for name in _PROFILE),
        )
        for row in found:
            self._people[row["pk"]] = {
                "login_email": row["email"],
                **{name: row[f"reader__{name}"] for name in _PROFILE},
            }

    def _read_choices(self, user_ids: Collection[int], events: Collection[str]) -> None:
        chosen = Preference.objects.filter(user_id__in=user_ids, event__in=events)
        for user_id, workspace_id, event, channel, mode in chosen.values_list(
            "user_id", "workspace_id", "event", "channel", "mode"
        ):
            self._modes[user_id, workspace_id, event, channel] = mode

    def _read_places(self, events: Collection[str]) -> None:
        """Read devices and places in Slack, of those who may hear of something there."""
        push, slack = Channel.PUSH.value, Channel.SLACK.value
        if people := self._interested(push, events):
            rows = Device.objects.filter(user_id__in=people, disabled_at=None)
            for user_id, pk in rows.values_list("user_id", "pk"):
                self._devices[user_id].append(str(pk))
        if people := self._interested(slack, events):
            places = SlackPlace.objects.filter(user_id__in=people)
            for user_id, workspace_id, target in places.values_list(
                "user_id", "workspace_id", "target"
            ):
                self._slack[user_id, workspace_id] = target

    def _interested(self, channel: str, events: Collection[str]) -> set[int]:
        if any(_event(name).default(channel) != Mode.OFF for name in events):
            return set(self._people)
        return {
            user_id
            for (user_id, _, _, used), mode in self._modes.items()
            if used == channel and mode != Mode.OFF and user_id in self._people
        }

    def _count_told(self, user_ids: Collection[int], events: Collection[str]) -> None:
        told = (
            Notification.objects.filter(
                user_id__in=user_ids, event__in=events, created_at__gt=self._now - FLOOD_TIME
            )
            .order_by()
            .values_list("user_id", "event")
            .annotate(number=Count("*"))
        )
        for user_id, event, number in told:
            if user_id is not None:
                self._told[user_id, event] = number

    def mode(self, event: Event, user_id: int, workspace_id: uuid.UUID | None, channel: str) -> str:
        """Return how somebody wants to hear of an event through a channel."""
        if not event.is_optional:
            return event.default(channel)
        chosen = self._modes.get((user_id, workspace_id, event.name, channel))
        return chosen or event.default(channel)

    def ways(self, name: str, user_id: int, workspace_id: uuid.UUID | None, *, key: str) -> Ways:
        """Return how somebody hears of one happening; equal keys are one and the same."""
        if key not in self._answers:
            self._answers[key] = self._ways(_event(name), user_id, workspace_id)
        return self._answers[key]

    def _ways(self, event: Event, user_id: int, workspace_id: uuid.UUID | None) -> Ways:
        person = self._people.get(user_id)
        if person is None:
            return NOT_AT_ALL
        deliveries: list[tuple[str, str]] = []
        later: dict[str, datetime] = {}
        digests: list[datetime] = []
        for channel in (str(channel) for channel in PERSONAL):
            mode = self.mode(event, user_id, workspace_id, channel)
            targets = self._targets(person, user_id, workspace_id, channel)
            if mode == Mode.OFF or not targets:
                continue
            if mode in LATER:
                digests.append(self._digest(person, mode))
                continue
            deliveries += [(channel, target) for target in targets]
            if moment := self._quiet_until(event, person, channel):
                later[channel] = moment
        if deliveries and self._is_flood(event, user_id):
            can_read = bool(self._targets(person, user_id, workspace_id, Channel.EMAIL))
            if can_read:
                return Ways(digest_at=self._digest(person, Mode.HOURLY))
        return Ways(tuple(deliveries), later, min(digests, default=None))

    def _targets(
        self, person: Mapping[str, Any], user_id: int, workspace_id: uuid.UUID | None, channel: str
    ) -> Iterable[str]:
        match channel:
            case Channel.EMAIL:
                own = person["email"] if person["email_verified_at"] else ""
                address = own or person["login_email"]
                return [address] if address else []
            case Channel.SMS:
                return [person["phone"]] if person["phone_verified_at"] else []
            case Channel.PUSH:
                return self._devices.get(user_id, [])
        place = self._slack.get((user_id, workspace_id)) if workspace_id else None
        return [place] if place else []

    def _quiet_until(
        self, event: Event, person: Mapping[str, Any], channel: str
    ) -> datetime | None:
        wakes = channel in WAKES_NOBODY or person["wakes_for_critical"]
        if event.severity is Severity.CRITICAL and wakes:
            return None
        return _end_of_quiet(self._now, person)

    def _digest(self, person: Mapping[str, Any], mode: str) -> datetime:
        zone = zone_of(person["time_zone"] or "UTC")
        daily = mode == Mode.DAILY
        moment = next_morning(self._now, zone) if daily else next_hour(self._now)
        return _end_of_quiet(moment, person) or moment

    def _is_flood(self, event: Event, user_id: int) -> bool:
        self._told[user_id, event.name] += 1
        return event.is_optional and self._told[user_id, event.name] > FLOOD


_PROFILE = (
    "time_zone",
    "quiet_from",
    "quiet_until",
    "wakes_for_critical",
    "phone",
    "phone_verified_at",
    "email",
    "email_verified_at",
)


def _event(name: str) -> Event:
    return EVENTS[name]


def _end_of_quiet(moment: datetime, person: Mapping[str, Any]) -> datetime | None:
    zone = zone_of(person["time_zone"] or "UTC")
    return end_of_quiet(moment, zone, person["quiet_from"], person["quiet_until"])
