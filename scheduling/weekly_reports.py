"""The week in figures, on Monday morning of the workspace's own zone; nothing for an idle one."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Membership, Role, Workspace
from notifications.models import Notification
from notifications.quiet import MORNING, zone_of
from notifications.routing import Telling, tell
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from scheduling.statistics import FAILED, GroupBy, figures_of, totals_of

S = PostState
EVENT = "report.weekly"
READERS = (Role.OWNER, Role.EDITOR)
WAITS_FOR_PERSON = frozenset({S.OUTCOME_UNKNOWN, S.HELD, S.BLOCKED})
NOT_PLANNED = frozenset({S.CANCELLED, S.DRAFT})
WEEK = timedelta(days=7)


def write_due() -> int:
    """Write the reports of the workspaces where it is Monday after 08:00; returns how many."""
    now = timezone.now()
    recent = Notification.objects.filter(event=EVENT, created_at__gt=now - timedelta(days=2))
    written = set(recent.values_list("workspace_id", flat=True))
    return sum(
        _report(workspace, now)
        for workspace in Workspace.objects.exclude(pk__in=written).iterator()
        if _is_time(workspace, now)
    )


def _is_time(workspace: Workspace, now: datetime) -> bool:
    local = now.astimezone(zone_of(workspace.time_zone))
    return local.weekday() == 0 and local.time() >= MORNING


def _report(workspace: Workspace, now: datetime) -> bool:
    """Write one workspace's report for its owners and editors; says whether there was one."""
    members = Membership.objects.filter(
        workspace=workspace, role__in=READERS, user__is_active=True
    ).values_list("user_id", flat=True)
    people = list(members)
    facts = facts_of(workspace, now) if people else None
    if facts is None:
        return False
    monday = now.astimezone(zone_of(workspace.time_zone)).date()
    return bool(
        tell(
            [
                Telling(
                    event=EVENT,
                    user_id=user_id,
                    workspace_id=workspace.pk,
                    context={"mail": facts},
                    dedupe_key=f"{EVENT}:{workspace.pk}:{monday}:{user_id}",
                )
                for user_id in people
            ]
        )
    )


def facts_of(workspace: Workspace, now: datetime) -> dict[str, Any] | None:
    """Return last week's figures and what this week holds; None when both weeks are empty."""
    zone = zone_of(workspace.time_zone)
    today = now.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    begins, ends, after = (
        datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
        for day in (monday - WEEK, monday, monday + WEEK)
    )
    groups = figures_of(workspace, since=begins, until=ends, group_by=GroupBy.STATE)
    figures = totals_of(groups.values())
    planned = (
        ScheduledPost.objects.filter(
            workspace=workspace, scheduled_at__gte=ends, scheduled_at__lt=after
        )
        .exclude(state__in=NOT_PLANNED)
        .count()
    )
    if not figures.posts and not planned:
        return None
    late_ms = figures.percentile_ms(95)
    return {
        "workspace": workspace.name,
        "week": f"{monday - WEEK:%d %B} to {monday - timedelta(days=1):%d %B %Y}",
        "published": figures.states[S.PUBLISHED],
        "failed": figures.in_states(FAILED),
        "waiting": figures.in_states(WAITS_FOR_PERSON),
        "lateness": "-" if late_ms is None else _duration(late_ms),
        "planned_next": planned,
        "path": "/",
    }


def _duration(late_ms: int) -> str:
    """Return a lateness as people read it."""
    seconds = late_ms / 1000
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
