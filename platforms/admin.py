"""Connected accounts in the staff console. Credentials are never shown, edited or even loaded.

social-auth's own pages go: its tables stay empty here, and nobody should wonder at them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from social_django.models import Association, Nonce, UserSocialAuth

from engine import rights
from engine.admin_actions import ConfirmedAction, ConfirmedActionsAdmin
from engine.admin_cells import BAD, GOOD, MUTED, NOTHING, WARN, badge, time_cell
from engine.admin_lists import CappedAdmin, ShownOnly
from platforms import services
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import ADAPTERS

for _model in (Association, Nonce, UserSocialAuth):
    admin.site.unregister(_model)

TONES = {
    ConnectionState.ACTIVE: GOOD,
    ConnectionState.NEEDS_RECONNECT: BAD,
    ConnectionState.REVOKED: MUTED,
    ConnectionState.PAUSED: WARN,
}


def _runs(service: Callable[..., object]) -> Callable[[UUID, str, Mapping[str, Any]], object]:
    def run(pk: UUID, actor: str, answers: Mapping[str, Any]) -> object:
        connection = SocialConnection.objects.select_related("workspace").defer("secret").get(pk=pk)
        return service(connection, actor=actor, reason=answers["reason"])

    return run


def _refusal(connection: SocialConnection, needed: ConnectionState) -> str:
    return "" if connection.state == needed else f"it is {connection.get_state_display()}"


class PlatformFilter(admin.SimpleListFilter):
    title = "platform"
    parameter_name = "platform"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(slug, adapter.name) for slug, adapter in ADAPTERS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(platform=self.value()) if self.value() else queryset


@admin.register(SocialConnection)
class SocialConnectionAdmin(ShownOnly, CappedAdmin, ConfirmedActionsAdmin):
    list_display = (
        "account",
        "network",
        "state_badge",
        "token",
        "workspace",
        "problem",
        "posts_link",
    )
    list_display_links = ("account",)
    list_select_related: ClassVar[tuple[str, ...]] = ("workspace",)
    list_filter = ("state", PlatformFilter)
    search_fields = (
        "username",
        "display_name",
        "external_id",
        "workspace__slug",
        "workspace__name",
    )
    change_list_template = "admin/platforms/socialconnection/change_list.html"
    fields = (
        "state_badge",
        "state_reason",
        "platform",
        "username",
        "display_name",
        "external_id",
        "instance_url",
        "workspace",
        "token",
        "refresh_token",
        "scopes",
        "limits",
        "posts_link",
        "created_by",
        "created_at",
        "updated_at",
    )
    confirmed_actions = (
        ConfirmedAction(
            name="pause",
            label="Pause",
            button="Pause this account",
            done="paused",
            consequence="Their posts wait; nothing is sent to these accounts until they resume.",
            permission=rights.PAUSE_CONNECTION,
            run=_runs(services.pause),
            refusal=lambda connection: _refusal(connection, ConnectionState.ACTIVE),
        ),
        ConfirmedAction(
            name="resume",
            label="Resume",
            button="Resume this account",
            done="resumed",
            consequence="Their posts go on, as far as their late policy allows.",
            permission=rights.PAUSE_CONNECTION,
            run=_runs(services.resume),
            refusal=lambda connection: _refusal(connection, ConnectionState.PAUSED),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the connections without their credentials, not even encrypted."""
        return super().get_queryset(request).defer("secret")

    @admin.display(description="account")
    def account(self, connection: SocialConnection) -> str:
        return connection.username or connection.external_id

    @admin.display(description="platform")
    def network(self, connection: SocialConnection) -> str:
        adapter = ADAPTERS.get(connection.platform)
        return adapter.name if adapter else connection.platform

    @admin.display(description="state")
    def state_badge(self, connection: SocialConnection) -> SafeString:
        tone = TONES[ConnectionState(connection.state)]
        return badge(connection.get_state_display(), tone)

    @admin.display(description="token good until")
    def token(self, connection: SocialConnection) -> SafeString | str:
        if connection.expires_at is None:
            return "no end known"
        over = connection.expires_at <= timezone.now()
        cell = time_cell(connection.expires_at, with_distance=True)
        return format_html('<span class="{}">{}</span>', "late" if over else "punctual", cell)

    @admin.display(description="renewable until")
    def refresh_token(self, connection: SocialConnection) -> SafeString | str:
        return time_cell(connection.refresh_expires_at, with_distance=True)

    @admin.display(description="last problem")
    def problem(self, connection: SocialConnection) -> str:
        return connection.state_reason or NOTHING

    @admin.display(description="posts")
    def posts_link(self, connection: SocialConnection) -> SafeString | str:
        try:
            address = reverse("admin:scheduling_scheduledpost_changelist")
        except NoReverseMatch:
            return NOTHING
        return format_html('<a href="{}?account={}">its posts</a>', address, connection.pk)
