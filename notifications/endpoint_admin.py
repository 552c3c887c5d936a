"""Webhook endpoints in the staff console: how each is, and what staff may do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from engine.admin_actions import ConfirmedAction, ConfirmedActionsAdmin
from engine.admin_cells import BAD, GOOD, MUTED, NOTHING, WARN, badge, time_cell
from engine.admin_lists import CappedAdmin, ShownOnly
from notifications import endpoints
from notifications.models import Channel, WebhookEndpoint

State = WebhookEndpoint.State
MAY = "notifications.change_webhookendpoint"


def _enable(pk: UUID, actor: str, answers: Mapping[str, Any]) -> None:
    endpoints.enable(pk, actor=actor, reason=answers["reason"])


def _disable(pk: UUID, actor: str, answers: Mapping[str, Any]) -> None:
    endpoints.disable(pk, actor=actor, reason=answers["reason"])


def _test(pk: UUID, actor: str, answers: Mapping[str, Any]) -> None:
    endpoints.send_test(pk, actor=actor, reason=answers["reason"])


def _if_disabled(endpoint: WebhookEndpoint) -> str:
    return "it is disabled" if endpoint.state == State.DISABLED else ""


def _if_enabled(endpoint: WebhookEndpoint) -> str:
    return "it is enabled" if endpoint.state == State.ENABLED else ""


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ShownOnly, CappedAdmin, ConfirmedActionsAdmin):
    list_display = (
        "condition",
        "endpoint",
        "workspace",
        "subscribes",
        "succeeded",
        "failed",
        "failing",
    )
    list_display_links = ("endpoint",)
    list_select_related: ClassVar[tuple[str, ...]] = ("workspace",)
    list_filter = ("state",)
    search_fields = ("url", "description", "workspace__slug")
    fields = (
        "condition",
        "workspace",
        "url",
        "description",
        "subscribes",
        "deliveries",
        "disabled_at",
        "disabled_reason",
        "failing_since",
        "last_success_at",
        "last_failure_at",
        "last_failure",
        "previous_until",
        "created_by",
        "created_at",
    )
    confirmed_actions = (
        ConfirmedAction(
            name="test",
            label="Send a test",
            button="Send a test",
            done="sent a test",
            consequence="They get a webhook.test at once; their deliveries show what they answer.",
            permission=MAY,
            run=_test,
            refusal=_if_disabled,
        ),
        ConfirmedAction(
            name="disable",
            label="Disable",
            button="Disable",
            done="disabled",
            consequence=(
                "They are told nothing until somebody enables them; what waits for them is skipped "
                "and can be replayed."
            ),
            permission=MAY,
            run=_disable,
            refusal=_if_disabled,
        ),
        ConfirmedAction(
            name="enable",
            label="Enable",
            button="Enable",
            done="enabled",
            consequence="They are told of what happens from now on; what they missed stays missed "
            "until it is replayed.",
            permission=MAY,
            run=_enable,
            refusal=_if_enabled,
        ),
    )

    @admin.display(description="state")
    def condition(self, endpoint: WebhookEndpoint) -> SafeString:
        if endpoint.state == State.DISABLED:
            return badge("disabled", MUTED)
        if endpoint.failing_since is None:
            return badge("enabled", GOOD)
        never_worked = endpoint.last_success_at is None
        return badge("failing", BAD if never_worked else WARN)

    @admin.display(description="endpoint")
    def endpoint(self, endpoint: WebhookEndpoint) -> str:
        return str(endpoint)

    @admin.display(description="told of")
    def subscribes(self, endpoint: WebhookEndpoint) -> str:
        return ", ".join(endpoint.events) or "everything"

    @admin.display(description="last success")
    def succeeded(self, endpoint: WebhookEndpoint) -> SafeString | str:
        return time_cell(endpoint.last_success_at)

    @admin.display(description="last failure")
    def failed(self, endpoint: WebhookEndpoint) -> SafeString | str:
        return time_cell(endpoint.last_failure_at)

    @admin.display(description="failing since")
    def failing(self, endpoint: WebhookEndpoint) -> SafeString | str:
        if endpoint.failing_since is None:
            return NOTHING
        return time_cell(endpoint.failing_since, with_distance=True)

    @admin.display(description="deliveries")
    def deliveries(self, endpoint: WebhookEndpoint) -> SafeString:
        address = reverse("admin:notifications_delivery_changelist")
        of_it = f"?channel__exact={Channel.ENDPOINT.value}&target__exact={endpoint.pk}"
        return format_html('<a href="{}{}">Its deliveries</a>', address, of_it)
