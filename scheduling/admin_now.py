"""The "now" panel: what needs attention at this moment, each figure with the list behind it.

Every figure is one short index range; none counts published or future posts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from engine import slots
from engine.admin_cells import BAD, BUSY, GOOD, MUTED, WARN
from engine.models import Installation, RateLimitState
from platforms.models import ConnectionState, SocialConnection
from scheduling.admin_filters import overdue
from scheduling.models import ScheduledPost
from scheduling.questions import OPEN
from scheduling.states import PostState

S = PostState
COUNTED = 1000  # more is "1000+"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its words, its tone (see `engine.admin_cells`) and the list behind it."""

    label: str
    number: str
    tone: str
    url: str


def figures() -> list[Figure]:
    """Return the present figures (one small query each)."""
    now = timezone.now()
    posts = ScheduledPost.objects.all()
    day_ago = now - timedelta(days=1)
    post_figures: list[tuple[str, QuerySet[Any], str, str]] = [
        ("overdue", posts.filter(overdue(now)), BAD, "lateness=overdue"),
        (
            "publishing",
            posts.filter(state=S.PUBLISHING, lease_slot__isnull=False),
            BUSY,
            _state(S.PUBLISHING),
        ),
        *(
            (label, posts.filter(state=state), tone, _state(state))
            for label, state, tone in (
                ("outcome unknown", S.OUTCOME_UNKNOWN, WARN),
                ("dead letters", S.DEAD_LETTER, BAD),
                ("held", S.HELD, WARN),
                ("blocked", S.BLOCKED, WARN),
            )
        ),
        ("is it live? Only a person can tell", posts.filter(OPEN), WARN, "stuck=person"),
        (
            "failed, of the past 24 h",
            posts.filter(state=S.FAILED, scheduled_at__gte=day_ago, scheduled_at__lt=now),
            BAD,
            f"{_state(S.FAILED)}&scheduled=past_day",
        ),
    ]
    address = reverse("admin:scheduling_scheduledpost_changelist")
    return [
        *(
            _figure(label, rows, tone, f"{address}?{query}")
            for label, rows, tone, query in post_figures
        ),
        *_machine_figures(now),
    ]


def _machine_figures(now: datetime) -> list[Figure]:
    connections = reverse("admin:platforms_socialconnection_changelist")
    limits = reverse("admin:engine_ratelimitstate_changelist")
    waiting = Q(blocked_until__gt=now) | Q(open_until__gt=now)
    reconnect = SocialConnection.objects.filter(state=ConnectionState.NEEDS_RECONNECT)
    return [
        _figure(
            "accounts to reconnect",
            reconnect,
            WARN,
            f"{connections}?state__exact={ConnectionState.NEEDS_RECONNECT.value}",
        ),
        _figure(
            "limits in force", RateLimitState.objects.filter(waiting), WARN, f"{limits}?waiting=yes"
        ),
        _slots(),
        _sending(),
    ]


def _slots() -> Figure:
    alive, wanted = slots.fresh("publish").count(), slots.wanted("publish")
    return Figure(
        label="publisher slots fresh",
        number=f"{alive}/{max(alive, wanted)}",
        tone=GOOD if alive >= wanted else BAD,
        url=reverse("admin:engine_workerslot_changelist") + "?fresh=yes",
    )


def _sending() -> Figure:
    paused = Installation.objects.filter(paused=True).exists()
    address = reverse("admin:engine_installation_changelist")
    return Figure("sending", "paused" if paused else "on", BAD if paused else GOOD, address)


def _figure(label: str, rows: QuerySet[Any], tone: str, url: str) -> Figure:
    count = len(rows.order_by().values_list("pk", flat=True)[: COUNTED + 1])
    number = f"{COUNTED}+" if count > COUNTED else str(count)
    return Figure(label, number, tone if count else MUTED, url)


def _state(state: PostState) -> str:
    return f"state__exact={state.value}"
