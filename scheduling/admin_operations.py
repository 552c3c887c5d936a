"""The machinery around posts in the staff console: the limits in force, and the main switch."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from engine import rights
from engine.admin_actions import ConfirmedAction, ConfirmedActionsAdmin, ReasonForm
from engine.admin_cells import BAD, GOOD, NOTHING, WARN, badge, time_cell
from engine.admin_lists import CappedAdmin, ShownOnly
from engine.models import Installation, RateLimitState
from platforms.models import SocialConnection
from scheduling import outage
from scheduling.operations import clear_limit


def _in_force(state: RateLimitState) -> bool:
    now = timezone.now()
    return any(at is not None and at > now for at in (state.blocked_until, state.open_until))


def _has_something(state: RateLimitState) -> bool:
    return _in_force(state) or state.remaining is not None or state.breaker != "closed"


def _account_names(states: Iterable[RateLimitState]) -> dict[str, str]:
    """Return the names of the connections that `states` are about, by key."""
    keys = [state.key for state in states if state.scope == RateLimitState.Scope.CONNECTION]
    ids = [key for key in keys if _is_uuid(key)]
    found = SocialConnection.objects.filter(pk__in=ids).defer("secret")
    return {str(connection.pk): str(connection) for connection in found}


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _clear(pk: Any, actor: str, answers: Mapping[str, Any]) -> None:
    clear_limit(pk, actor=actor, reason=answers["reason"])


def waiting(now: datetime) -> Q:
    """Limits that let nobody call at present."""
    return Q(blocked_until__gt=now) | Q(open_until__gt=now)


def waiting_accounts(now: datetime) -> Q:
    """Those of them that concern one account each."""
    return waiting(now) & Q(scope=RateLimitState.Scope.CONNECTION)


def breaking(now: datetime) -> Q:
    """Breakers that are open, or let one call try."""
    return ~Q(breaker=RateLimitState.Breaker.CLOSED)


class WaitingFilter(admin.SimpleListFilter):
    title = "in force"
    parameter_name = "waiting"

    rules: ClassVar[dict[str, tuple[str, Callable[[datetime], Q]]]] = {
        "yes": ("blocked or breaker open", waiting),
        "accounts": ("accounts that must wait", waiting_accounts),
        "breaker": ("breaker open or trying", breaking),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, (label, _) in self.rules.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        rule = self.rules.get(self.value() or "")
        return queryset.filter(rule[1](timezone.now())) if rule else queryset


@admin.register(RateLimitState)
class RateLimitStateAdmin(ShownOnly, CappedAdmin, ConfirmedActionsAdmin):
    list_display = (
        "whose",
        "bucket",
        "platform",
        "allowance",
        "resets",
        "blocked",
        "breaker_badge",
        "opens",
        "spacing",
        "reason",
        "consecutive_429",
    )
    list_filter = (WaitingFilter, "scope", "breaker")
    search_fields = ("key", "reason")
    confirmed_actions = (
        ConfirmedAction(
            name="clear",
            label="Reset block and breaker",
            button="Reset block and breaker",
            done="reset",
            consequence=(
                "Block, breaker, spacing and allowance are forgotten: calls start again within a "
                "second. If the network still refuses, the first answer puts the block back."
            ),
            permission=rights.CLEAR_LIMIT,
            warning="A network that asked us to wait may punish an account that does not.",
            run=_clear,
            refusal=lambda state: "" if _has_something(state) else "nothing to clear",
        ),
    )

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the list with the accounts' names, read by one query for the page."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        names = _account_names(rows)
        for row in rows:
            row.account_name = names.get(row.key, row.key)
        changelist.result_list = rows
        return changelist

    @admin.display(description="whose allowance")
    def whose(self, state: RateLimitState) -> str:
        name = getattr(state, "account_name", "") or _account_names([state]).get(state.key)
        return f"{state.get_scope_display()} {name or state.key}"

    @admin.display(description="remaining / limit")
    def allowance(self, state: RateLimitState) -> str:
        if state.limit is None and state.remaining is None:
            return NOTHING
        known = (
            NOTHING if number is None else str(number) for number in (state.remaining, state.limit)
        )
        return " / ".join(known)

    @admin.display(description="resets")
    def resets(self, state: RateLimitState) -> SafeString | str:
        return time_cell(state.resets_at, with_distance=True)

    @admin.display(description="blocked until")
    def blocked(self, state: RateLimitState) -> SafeString | str:
        return time_cell(state.blocked_until, with_distance=True)

    @admin.display(description="breaker")
    def breaker_badge(self, state: RateLimitState) -> SafeString:
        tones = {"closed": GOOD, "open": BAD, "half_open": WARN}
        return badge(state.get_breaker_display(), tones[state.breaker])

    @admin.display(description="one call may try")
    def opens(self, state: RateLimitState) -> SafeString | str:
        if state.breaker == RateLimitState.Breaker.CLOSED:
            return NOTHING
        return time_cell(state.open_until, with_distance=True)

    @admin.display(description="calls kept apart")
    def spacing(self, state: RateLimitState) -> str:
        return f"{state.spacing_ms / 1000:g} s" if state.spacing_ms else NOTHING


class PauseForm(ReasonForm):
    reason = forms.CharField(
        max_length=255,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Shown to all staff on every page, and kept in the audit log.",
    )


def _pause(pk: Any, actor: str, answers: Mapping[str, Any]) -> None:
    outage.pause(actor=actor, reason=answers["reason"])


def _resume(pk: Any, actor: str, answers: Mapping[str, Any]) -> None:
    outage.resume(actor=actor, reason=answers["reason"])


@admin.register(Installation)
class InstallationAdmin(ShownOnly, ConfirmedActionsAdmin):
    list_display = ("sending", "pause_reason", "installation_id", "heartbeat", "canary")
    fields = ("sending", "pause_reason", "installation_id", "heartbeat", "canary")
    confirmed_actions = (
        ConfirmedAction(
            name="pause",
            label="Pause sending",
            button="Pause all sending",
            done="paused",
            consequence=(
                "Nothing is sent any more, for any workspace, until somebody resumes. Calls that "
                "are under way run to their end."
            ),
            permission=rights.PAUSE_EVERYTHING,
            run=_pause,
            refusal=lambda here: "paused already" if here.paused else "",
            form_class=PauseForm,
        ),
        ConfirmedAction(
            name="resume",
            label="Resume sending",
            button="Resume sending",
            done="sending again",
            consequence=(
                "Posts go out again, what is overdue at once, as far as its late policy allows."
            ),
            warning=(
                "If this database is a copy of another installation's, its posts will be published "
                "by both."
            ),
            permission=rights.PAUSE_EVERYTHING,
            run=_resume,
            refusal=lambda here: "" if here.paused else "not paused",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the one row; a database that never sent anything has none yet, so it is made."""
        Installation.objects.get_or_create(pk=1)
        return super().get_queryset(request)

    @admin.display(description="sending")
    def sending(self, here: Installation) -> SafeString:
        return badge("paused", BAD) if here.paused else badge("on", GOOD)

    @admin.display(description="last heartbeat")
    def heartbeat(self, here: Installation) -> SafeString | str:
        return time_cell(here.heartbeat_at, with_distance=True)

    @admin.display(description="last canary task")
    def canary(self, here: Installation) -> SafeString | str:
        return time_cell(here.canary_at, with_distance=True)
