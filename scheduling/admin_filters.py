"""What the post list can be narrowed by; every choice is known without asking the table."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Workspace
from engine.admin_filters import MomentFilter, TypedFilter
from engine.admin_lists import MOST
from engine.errors import ErrorCategory
from engine.ids import first_key_of
from platforms.models import SocialConnection
from platforms.registry import ADAPTERS
from scheduling.models import PublishAttempt
from scheduling.pauses import going_on
from scheduling.questions import OPEN
from scheduling.states import WAITING, PostState

Posts = QuerySet[Any]
Rule = Callable[[datetime], Q]
MOST_OWNERS = 500  # accounts or workspaces that one filter text may mean
OVERDUE_AFTER = timedelta(seconds=5)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)


def due(now: datetime) -> Q:
    """Posts whose moment has come and that are not sent (both halves have an index)."""
    waiting = Q(state__in=sorted(WAITING), due_at__lt=now)
    return (waiting & Q(lease_slot__isnull=True)) | (waiting & Q(lease_slot__isnull=False))


def overdue(now: datetime) -> Q:
    """Posts that are due for longer than a burst of thousands takes to leave.

    Those of a paused platform or workspace are not late: they wait because staff said so.
    """
    return due(now - OVERDUE_AFTER) & going_on()


def put_off(now: datetime) -> Q:
    """Posts that wait past their own moment: for a limit, a retry, a token (index `post_put_off`).

    One that simply goes out never enters that index.
    """
    return Q(state__in=sorted(WAITING), due_at__gt=F("scheduled_at"), scheduled_at__lt=now)


def published_between(start: datetime, end: datetime) -> Q:
    """Posts that went live in a time; the accounts' index serves this (see _scheduled_between)."""
    everyone = SocialConnection.objects.values("pk")
    return Q(connection__in=everyone, published_at__gte=start, published_at__lt=end)


def first_sent_between(start: datetime, end: datetime) -> Q:
    """Posts first sent in a time: found by their attempts, whose keys are in order of time.

    As many as a list shows; without that bound the planner would rather read all posts.
    """
    tries = PublishAttempt.objects.filter(
        pk__gte=first_key_of(start - MINUTE),
        pk__lt=first_key_of(end + MINUTE),
        sent_at__gte=start,
        post__first_sent_at__gte=start,
        post__first_sent_at__lt=end,
    )
    return Q(pk__in=tries.order_by().values("post").distinct()[: MOST + 1])


def hour_before(now: datetime) -> tuple[datetime, datetime]:
    """Return the sixty minutes that end with the present one: as the roll-ups count them."""
    end = now.replace(second=0, microsecond=0) + MINUTE
    return end - HOUR, end


def day_before(now: datetime) -> tuple[datetime, datetime]:
    """Return the 24 hours that end with the present minute."""
    _, end = hour_before(now)
    return end - DAY, end


def stuck(now: datetime) -> Q:
    """Posts that have been publishing for too long, or whose outcome nobody knows."""
    return Q(state=PostState.OUTCOME_UNKNOWN) | Q(
        state=PostState.PUBLISHING,
        lease_slot__isnull=False,
        sent_at__lt=now - settings.STUCK_THRESHOLD,
    )


def _sent_late(now: datetime, at_least: timedelta, less_than: timedelta | None) -> Q:
    """Posts of the past week that left so late: which ones ever did would take a full scan."""
    rule = _scheduled_between(now - WEEK, now) & Q(first_sent_at__gte=F("scheduled_at") + at_least)
    if less_than is not None:
        rule &= Q(first_sent_at__lt=F("scheduled_at") + less_than)
    return rule


def _scheduled_between(start: datetime, end: datetime) -> Q:
    """The workspaces' calendar index serves this; no index has scheduled_at alone."""
    everyone = Workspace.objects.values("pk")
    return Q(workspace__in=everyone, scheduled_at__gte=start, scheduled_at__lt=end)


def _one_of(spec: admin.SimpleListFilter, choices: Collection[str]) -> str:
    """Return what was chosen; raises IncorrectLookupParameters: never all rows."""
    value = str(spec.value())
    if value not in choices:
        raise IncorrectLookupParameters(f"{value!r} is no choice of {spec.title}")
    return value


class RuleFilter(admin.SimpleListFilter):
    """A filter whose choices are (value, label, rule of the present moment)."""

    rules: tuple[tuple[str, str, Rule], ...]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, label, _ in self.rules]

    def queryset(self, request: HttpRequest, queryset: Posts) -> Posts:
        for value, _, rule in self.rules:
            if value == self.value():
                return queryset.filter(rule(timezone.now()))
        if self.value():
            _one_of(self, [value for value, _, _ in self.rules])
        return queryset


class LatenessFilter(RuleFilter):
    title = "lateness"
    parameter_name = "lateness"
    rules = (
        ("due", "due now", due),
        ("overdue", "overdue (5 s and more)", overdue),
        ("put_off", "waiting longer than planned", put_off),
        (
            "on_time",
            "on time (under 1 s)",
            lambda now: Q(first_sent_at__lt=F("scheduled_at") + SECOND),
        ),
        ("seconds", "1 s to 1 min, past week", lambda now: _sent_late(now, SECOND, MINUTE)),
        ("minutes", "over 1 min, past week", lambda now: _sent_late(now, MINUTE, None)),
    )


class StuckFilter(RuleFilter):
    title = "stuck"
    parameter_name = "stuck"
    rules = (
        ("yes", "stuck or outcome unknown", stuck),
        ("person", "a person must say whether it is live", lambda now: OPEN),
    )


def warned(now: datetime) -> Q:
    """Posts whose preflight found something (the index `post_warned` holds just these)."""
    return Q(state__in=sorted(WAITING), warnings__isnull=False)


class WarningsFilter(RuleFilter):
    title = "preflight"
    parameter_name = "warnings"
    rules = (("yes", "has warnings", warned),)


class ScheduledFilter(RuleFilter):
    title = "scheduled for"
    parameter_name = "scheduled"
    rules = (
        ("past_hour", "the past hour", lambda now: _scheduled_between(now - HOUR, now)),
        ("past_day", "the past 24 hours", lambda now: _scheduled_between(now - DAY, now)),
        ("next_hour", "the next hour", lambda now: _scheduled_between(now, now + HOUR)),
        ("next_day", "the next 24 hours", lambda now: _scheduled_between(now, now + DAY)),
    )


class SinceFilter(MomentFilter):
    title = "scheduled since (UTC)"
    parameter_name = "since"

    def rule_of(self, at: datetime) -> Q:
        return Q(workspace__in=Workspace.objects.values("pk"), scheduled_at__gte=at)


class UntilFilter(MomentFilter):
    title = "scheduled until (UTC)"
    parameter_name = "until"

    def rule_of(self, at: datetime) -> Q:
        return Q(workspace__in=Workspace.objects.values("pk"), scheduled_at__lt=at)


class DoneFilter(RuleFilter):
    title = "done"
    parameter_name = "done"
    rules = (
        (
            "published_hour",
            "published in the past hour",
            lambda now: published_between(*hour_before(now)),
        ),
        (
            "published_day",
            "published in the past 24 hours",
            lambda now: published_between(*day_before(now)),
        ),
        (
            "sent_hour",
            "first sent in the past hour",
            lambda now: first_sent_between(*hour_before(now)),
        ),
    )


class PlatformFilter(admin.SimpleListFilter):
    title = "platform"
    parameter_name = "platform"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(slug, adapter.name) for slug, adapter in ADAPTERS.items()]

    def queryset(self, request: HttpRequest, queryset: Posts) -> Posts:
        if not self.value():
            return queryset
        known = _one_of(self, ADAPTERS)
        accounts = SocialConnection.objects.filter(platform=known)
        keys = list(accounts.values_list("pk", flat=True)[: MOST_OWNERS + 1])
        if len(keys) > MOST_OWNERS:
            return queryset.filter(platform=known)
        return queryset.filter(connection__in=keys)  # their index finds the posts of a rare one


class CategoryFilter(admin.SimpleListFilter):
    title = "last category"
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(category), str(category).replace("_", " ")) for category in ErrorCategory]

    def queryset(self, request: HttpRequest, queryset: Posts) -> Posts:
        if not self.value():
            return queryset
        known = _one_of(self, list(ErrorCategory))
        everyone = SocialConnection.objects.values("pk")  # for the index of posts with a category
        category = ~Q(last_category="") & Q(last_category=known)
        return queryset.filter(category, connection__in=everyone)


class OwnerFilter(TypedFilter):
    """A filter for owners too many to list; a UUID means exactly that one."""

    placeholder = "part of its name"
    model: type[SocialConnection | Workspace]
    column: str
    fields: tuple[str, ...]

    def rule(self, text: str) -> Q:
        try:
            return Q(**{f"{self.column}_id": uuid.UUID(text)})
        except ValueError:
            rule = Q()
            for field in self.fields:
                rule |= Q(**{f"{field}__icontains": text.lstrip("@")})
            found = self.model.objects.filter(rule).values_list("pk", flat=True)
            return Q(**{f"{self.column}_id__in": list(found[:MOST_OWNERS])})


class AccountFilter(OwnerFilter):
    title = "account"
    parameter_name = "account"
    model, column, fields = SocialConnection, "connection", ("username", "display_name")


class WorkspaceFilter(OwnerFilter):
    title = "workspace"
    parameter_name = "workspace_is"
    model, column, fields = Workspace, "workspace", ("slug", "name")
