"""The outbox in the staff console: what was told to whom, and telling it again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from engine import rights
from engine.admin_actions import ConfirmedAction, ConfirmedActionsAdmin
from engine.admin_cells import BAD, BUSY, GOOD, MUTED, NOTHING, WAIT, badge, time_cell
from engine.admin_lists import CappedAdmin, ShownOnly
from engine.admin_types import AnyTabularInline
from notifications.endpoint_admin import WebhookEndpointAdmin
from notifications.models import (
    ChannelFault,
    Delivery,
    DeliveryState,
    Device,
    Notification,
    Report,
    Suppression,
)
from notifications.resending import resend, why_not
from notifications.targets import allow_again

__all__ = ["WebhookEndpointAdmin"]  # registered with its import

TONES = {
    DeliveryState.PENDING: WAIT,
    DeliveryState.SENDING: BUSY,
    DeliveryState.SENT: GOOD,
    DeliveryState.FAILED: BAD,
    DeliveryState.SKIPPED: MUTED,
}
REPORT_TONES = {Report.DELIVERED: GOOD, Report.UNDELIVERED: BAD}


def _resend(pk: UUID, actor: str, answers: Mapping[str, Any]) -> None:
    resend(pk, actor=actor, reason=answers["reason"])


def _allow_again(pk: int, actor: str, answers: Mapping[str, Any]) -> None:
    allow_again(pk, actor=actor, reason=answers["reason"])


def backlog(now: datetime) -> Q:
    """Deliveries whose moment has come and that no slot has taken yet."""
    return Q(state=DeliveryState.PENDING, due_at__lte=now, lease_slot__isnull=True)


class BacklogFilter(admin.SimpleListFilter):
    title = "backlog"
    parameter_name = "backlog"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "due and not taken yet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(backlog(timezone.now())) if self.value() == "yes" else queryset


@admin.register(Delivery)
class DeliveryAdmin(ShownOnly, CappedAdmin, ConfirmedActionsAdmin):
    list_display = (
        "state_badge",
        "event",
        "channel",
        "target",
        "tries",
        "problem",
        "reported",
        "due",
        "created",
    )
    list_display_links = ("event",)
    list_select_related: ClassVar[tuple[str, ...]] = ("notification",)
    list_filter = ("state", BacklogFilter, "channel", "report", "created_at")
    search_fields = ("target", "notification__event")
    fields = (
        "state_badge",
        "notification",
        "channel",
        "target",
        "tries",
        "problem",
        "error_text",
        "due_at",
        "sent_at",
        "delivered_at",
        "provider_id",
        "reported",
        "report_code",
        "reported_at",
        "created_at",
    )
    confirmed_actions = (
        ConfirmedAction(
            name="resend",
            label="Send again",
            button="Send again",
            done="to be sent again",
            consequence=(
                "They become due at once, with a full set of attempts. Where it is unknown whether "
                "a text message was sent, its recipient may get it twice."
            ),
            permission=rights.RESEND,
            run=_resend,
            refusal=why_not,
        ),
    )

    @admin.display(description="state")
    def state_badge(self, delivery: Delivery) -> SafeString:
        return badge(delivery.get_state_display(), TONES[DeliveryState(delivery.state)])

    @admin.display(description="event")
    def event(self, delivery: Delivery) -> str:
        return delivery.notification.event

    @admin.display(description="attempts")
    def tries(self, delivery: Delivery) -> str:
        return f"{delivery.attempts}/{delivery.max_attempts}"

    @admin.display(description="problem")
    def problem(self, delivery: Delivery) -> str:
        return delivery.error_category.replace("_", " ") or NOTHING

    @admin.display(description="reported")
    def reported(self, delivery: Delivery) -> SafeString | str:
        if not delivery.report:
            return NOTHING
        return badge(delivery.get_report_display(), REPORT_TONES.get(Report(delivery.report), BUSY))

    @admin.display(description="due")
    def due(self, delivery: Delivery) -> SafeString | str:
        return time_cell(delivery.due_at)

    @admin.display(description="written")
    def created(self, delivery: Delivery) -> SafeString | str:
        return time_cell(delivery.created_at)


class DeliveryInline(ShownOnly, AnyTabularInline):
    model = Delivery
    fields = ("channel", "target", "state", "attempts", "error_category", "delivered_at")
    readonly_fields = fields
    show_change_link = True
    extra = 0


@admin.register(Notification)
class NotificationAdmin(ShownOnly, CappedAdmin):
    list_display = ("event", "workspace", "user", "created")
    list_select_related: ClassVar[tuple[str, ...]] = ("workspace", "user")
    search_fields = ("event", "=dedupe_key")
    fields = ("event", "workspace", "user", "context", "dedupe_key", "created_at")
    inlines = (DeliveryInline,)

    @admin.display(description="written")
    def created(self, notification: Notification) -> SafeString | str:
        return time_cell(notification.created_at)


@admin.register(Device)
class DeviceAdmin(ShownOnly, CappedAdmin):
    list_display = ("device", "platform", "user", "condition", "seen")
    list_display_links = ("device",)
    list_select_related: ClassVar[tuple[str, ...]] = ("user",)
    list_filter = ("platform",)
    search_fields = ("name", "user__username")
    fields = (
        "name",
        "platform",
        "user",
        "last_seen_at",
        "disabled_at",
        "disabled_reason",
        "created_at",
    )

    @admin.display(description="device")
    def device(self, device: Device) -> str:
        return str(device)

    @admin.display(description="condition")
    def condition(self, device: Device) -> SafeString:
        return badge("takes pushes", GOOD) if not device.disabled_at else badge("disabled", MUTED)

    @admin.display(description="last seen")
    def seen(self, device: Device) -> SafeString | str:
        return time_cell(device.last_seen_at)


@admin.register(Suppression)
class SuppressionAdmin(ShownOnly, CappedAdmin, ConfirmedActionsAdmin):
    list_display = ("hint", "channel", "reason", "created")
    list_filter = ("channel", "reason")
    search_fields = ("hint",)
    fields = ("hint", "channel", "reason", "created_at")
    confirmed_actions = (
        ConfirmedAction(
            name="allow_again",
            label="Send there again",
            button="Send there again",
            done="allowed again",
            consequence=(
                "Messages go there from now on. Do this only when the recipient wants it: "
                "providers block senders who write to those who said stop."
            ),
            permission=rights.RESEND,
            run=_allow_again,
            refusal=lambda _: "",
        ),
    )

    @admin.display(description="since")
    def created(self, suppression: Suppression) -> SafeString | str:
        return time_cell(suppression.created_at)


@admin.register(ChannelFault)
class ChannelFaultAdmin(ShownOnly, CappedAdmin):
    list_display = ("channel", "reason", "began", "refused")
    fields = ("channel", "reason", "since", "last_refused_at")

    @admin.display(description="since")
    def began(self, fault: ChannelFault) -> SafeString | str:
        return time_cell(fault.since, with_distance=True)

    @admin.display(description="last refused")
    def refused(self, fault: ChannelFault) -> SafeString | str:
        return time_cell(fault.last_refused_at)
