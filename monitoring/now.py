"""What is the matter at this moment: each figure with the list behind it that shows the same.

All lists are counted in one statement of short index ranges; none counts published or future posts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse

from engine import slots
from engine.admin_cells import BAD, BUSY, GOOD, MUTED, WAIT, WARN
from engine.models import Installation, Pause, RateLimitState, WorkerSlot
from engine.words import duration
from monitoring.broker import queue_depth
from monitoring.counting import count_each, shown
from monitoring.due import oldest_due_age, stopped_on_purpose
from notifications.admin import backlog
from notifications.models import Delivery
from platforms.models import ConnectionState, SocialConnection
from scheduling.admin_filters import due, overdue, put_off
from scheduling.admin_operations import breaking, waiting, waiting_accounts
from scheduling.models import ScheduledPost
from scheduling.questions import OPEN
from scheduling.states import PostState

S = PostState
CANARY_PATIENCE = timedelta(seconds=60)  # one is queued every 15 s
POST, ACCOUNT, LIMIT = ScheduledPost, SocialConnection, RateLimitState


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its words and tone (see `engine.admin_cells`).

    `url` is the list behind it, "" where there is none or this person may not open it.
    """

    label: str
    number: str
    tone: str
    url: str = ""
    note: str = ""

    @property
    def slug(self) -> str:
        """Return the label as an id."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.label.lower())


@dataclass(frozen=True, slots=True)
class Group:
    """Figures that belong together; `quiet` is said when none of them needs a look."""

    title: str
    figures: tuple[Figure, ...]
    quiet: str = ""

    @property
    def is_quiet(self) -> bool:
        """Say whether nothing in it is the matter."""
        return all(figure.tone in {MUTED, GOOD} for figure in self.figures)


@dataclass(frozen=True, slots=True)
class Listed:
    """A figure to be counted: which rows, and the query string of the list that shows them."""

    label: str
    model: type[models.Model]
    rule: Q
    query: str
    tone: str


def _needing_people(now: datetime) -> Sequence[Listed]:
    day_ago = now - timedelta(days=1)
    failed = Q(state=S.FAILED, scheduled_at__gte=day_ago, scheduled_at__lt=now)
    reconnect = ConnectionState.NEEDS_RECONNECT
    return (
        Listed("overdue", POST, overdue(now), "lateness=overdue", BAD),
        Listed("is it live? only a person can tell", POST, OPEN, "stuck=person", WARN),
        Listed("dead letters", POST, Q(state=S.DEAD_LETTER), _state(S.DEAD_LETTER), BAD),
        Listed("failed, past 24 h", POST, failed, f"{_state(S.FAILED)}&scheduled=past_day", BAD),
        Listed("held", POST, Q(state=S.HELD), _state(S.HELD), WARN),
        Listed("blocked by their account", POST, Q(state=S.BLOCKED), _state(S.BLOCKED), WARN),
        Listed("accounts to reconnect", ACCOUNT, Q(state=reconnect), _state(reconnect), WARN),
    )


def _under_way(now: datetime) -> Sequence[Listed]:
    sending = Q(state=S.PUBLISHING, lease_slot__isnull=False)
    unknown = Q(state=S.OUTCOME_UNKNOWN)
    paused = ConnectionState.PAUSED
    return (
        Listed("due now", POST, due(now), "lateness=due", BUSY),
        Listed("publishing", POST, sending, _state(S.PUBLISHING), BUSY),
        Listed("waiting longer than planned", POST, put_off(now), "lateness=put_off", WAIT),
        Listed("outcome unknown", POST, unknown, _state(S.OUTCOME_UNKNOWN), WARN),
        Listed("accounts told to wait", LIMIT, waiting_accounts(now), "waiting=accounts", WARN),
        Listed("limits in force", LIMIT, waiting(now), "waiting=yes", WARN),
        Listed("breakers open", LIMIT, breaking(now), "waiting=breaker", BAD),
        Listed("platforms, workspaces, hosts stopped", Pause, Q(), "", WARN),
        Listed("accounts paused", ACCOUNT, Q(state=paused), _state(paused), WAIT),
        Listed("messages not sent yet", Delivery, backlog(now), "backlog=yes", WAIT),
    )


def groups(request: HttpRequest, now: datetime) -> list[Group]:
    """Return the figures of this moment in seven short queries, the broker's depth aside."""
    people, moving = _needing_people(now), _under_way(now)
    both = (*people, *moving)
    counts = count_each([one.model._default_manager.filter(one.rule) for one in both])  # noqa: SLF001
    figures = [_figure(one, count, request) for one, count in zip(both, counts, strict=True)]
    return [
        Group("Needs somebody", tuple(figures[: len(people)]), "Nothing needs anybody."),
        Group("Under way", tuple(figures[len(people) :])),
        Group("Machinery", tuple(_machinery(request, now))),
    ]


def _figure(listed: Listed, count: int, request: HttpRequest) -> Figure:
    url = _list_of(listed.model, listed.query, request)
    return Figure(listed.label, shown(count), listed.tone if count else MUTED, url)


# --- the machinery ------------------------------------------------------------------------------
def _machinery(request: HttpRequest, now: datetime) -> list[Figure]:
    alive_since = Now() - settings.SLOT_TIME_TO_LIVE
    fresh = list(WorkerSlot.objects.filter(stopped_at=None, heartbeat_at__gt=alive_since))
    clusters = [slot for slot in fresh if slot.kind == slots.CLUSTER]
    here = Installation.objects.filter(pk=1).first()
    depth = queue_depth()
    return [
        _oldest_due(here, request, now),
        _slots("publish", "publisher slots", settings.PUBLISHER_SLOTS, fresh, request),
        _slots("notify", "notifier slots", settings.NOTIFIER_SLOTS, fresh, request),
        Figure(
            "workers",
            str(len(clusters)),
            GOOD if clusters else BAD,
            _list_of(WorkerSlot, f"fresh=yes&kind__exact={slots.CLUSTER}", request),
            "" if clusters else "start `manage.py qcluster`",
        ),
        Figure(
            "tasks in the queue",
            "?" if depth is None else str(depth),
            BAD if depth is None else MUTED,
            note="the broker does not answer" if depth is None else "",
        ),
        _canary(here, request, now),
        _sending(here, request),
    ]


def _slots(
    kind: str, label: str, each: int, fresh: Sequence[WorkerSlot], request: HttpRequest
) -> Figure:
    clusters = sum(slot.kind == slots.CLUSTER for slot in fresh)
    ours = [slot for slot in fresh if slot.kind == kind]
    wanted = each * max(1, clusters)
    calls = sum(slot.in_flight for slot in ours)
    return Figure(
        label,
        f"{len(ours)}/{max(len(ours), wanted)}",
        GOOD if len(ours) >= wanted else BAD,
        _list_of(WorkerSlot, f"fresh=yes&kind__exact={kind}", request),
        f"{calls} in flight",
    )


def _oldest_due(here: Installation | None, request: HttpRequest, now: datetime) -> Figure:
    """Return the number that /ready judges and the metrics tell."""
    age = oldest_due_age(now)
    stopped = stopped_on_purpose(here)
    tone = MUTED if not age else BUSY
    if age > settings.READY_OVERDUE:
        tone = WAIT if stopped else BAD
    note = f"{stopped.lower()}: posts may wait" if stopped else ""
    url = _list_of(ScheduledPost, "lateness=due", request)
    return Figure("the oldest due post waits", duration(age) if age else "-", tone, url, note)


def _canary(here: Installation | None, request: HttpRequest, now: datetime) -> Figure:
    at = here.canary_at if here else None
    age = None if at is None else max(timedelta(), now - at)
    is_fresh = age is not None and age <= CANARY_PATIENCE
    return Figure(
        "last canary task",
        "never" if age is None else f"{duration(age)} ago",
        GOOD if is_fresh else BAD,
        _list_of(Installation, "", request),
        "" if is_fresh else "the queue runs no tasks",
    )


def _sending(here: Installation | None, request: HttpRequest) -> Figure:
    paused = bool(here and here.paused)
    url = _list_of(Installation, "", request)
    return Figure("sending", "paused" if paused else "on", BAD if paused else GOOD, url)


# --- addresses ------------------------------------------------------------------------------------
def _list_of(model: type[models.Model], query: str, request: HttpRequest) -> str:
    options = model._meta  # noqa: SLF001 - Django's documented API
    place = f"{options.app_label}.{{}}_{options.model_name}"
    if not any(request.user.has_perm(place.format(may)) for may in ("view", "change")):
        return ""
    address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    return f"{address}?{query}" if query else address


def _state(state: PostState | ConnectionState) -> str:
    return f"state__exact={state.value}"
