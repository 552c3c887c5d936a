"""The list of connected accounts, and what people do with one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import Access
from accounts.models import Role
from engine.states import IllegalTransition
from platforms import services
from platforms.health import Health, health_of
from platforms.models import ConnectionState, SocialConnection
from platforms.networks import Network, Way, all_networks, network_of
from platforms.registry import ADAPTERS
from scheduling.disconnecting import count_waiting, disconnect_account
from web.middleware import let_forms_leave
from web.views.connecting import called, own_connection
from web.workspaces import in_workspace, show

S = ConnectionState


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account as the list shows it. `way` is how to connect it again, None if there is none."""

    connection: SocialConnection
    health: Health
    way: Way | None
    by_form: bool

    @property
    def name(self) -> str:
        """Return what people call the account."""
        return self.connection.display_name or self.connection.username

    @property
    def place(self) -> str:
        """Return the server it is on, for networks of many servers."""
        return self.connection.instance_url.partition("://")[2]

    @property
    def is_revoked(self) -> bool:
        """Say whether it was disconnected."""
        return self.connection.state == S.REVOKED


@dataclass(frozen=True, slots=True)
class NetworkCard:
    """One network with its accounts."""

    network: Network
    accounts: list[AccountRow]


@never_cache
@require_GET
@in_workspace()
def list_connections(request: HttpRequest, *, access: Access) -> HttpResponse:
    """Show every network with its accounts: those that work first, what is not set up last."""
    cards = _cards(access)
    ready = [card for card in cards if card.network.is_ready or card.accounts]
    response = show(
        request,
        "web/connections.html",
        access,
        cards=sorted(ready, key=lambda card: not card.accounts),
        closed=[card.network for card in cards if card not in ready],
        has_accounts=any(card.accounts for card in cards),
    )
    return let_forms_leave(response)


@require_POST
@in_workspace(Role.EDITOR)
def pause(request: HttpRequest, pk: Any, *, access: Access) -> HttpResponse:
    """Stop sending to an account for now."""
    connection = own_connection(access, pk)
    try:
        services.pause(connection, actor=access.actor)
    except IllegalTransition as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(
            request, f"{called(connection)} is paused: its posts wait until it is resumed."
        )
    return redirect("web:connections")


@require_POST
@in_workspace(Role.EDITOR)
def resume(request: HttpRequest, pk: Any, *, access: Access) -> HttpResponse:
    """Send to a paused account again."""
    connection = own_connection(access, pk)
    try:
        services.resume(connection, actor=access.actor)
    except IllegalTransition as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{called(connection)} is resumed.")
    return redirect("web:connections")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@in_workspace(Role.EDITOR)
def disconnect(request: HttpRequest, pk: Any, *, access: Access) -> HttpResponse:
    """Ask first, for it cannot be taken back; then forget the account's credentials."""
    connection = own_connection(access, pk)
    if request.method != "POST":
        return show(
            request,
            "web/disconnect.html",
            access,
            connection=connection,
            network=ADAPTERS[connection.platform].name,
            waiting=count_waiting(connection),
        )
    try:
        said = disconnect_account(connection, actor=access.actor)
    except IllegalTransition as refusal:
        messages.error(request, str(refusal))
    else:
        done = f"{called(connection)} is disconnected and its credentials are deleted."
        messages.success(request, f"{done} {said}".strip())
    return redirect("web:connections")


def _cards(access: Access) -> list[NetworkCard]:
    rows: dict[str, list[AccountRow]] = {}
    connections = SocialConnection.objects.filter(workspace=access.workspace)
    for connection in connections.order_by("username", "pk"):
        rows.setdefault(connection.platform, []).append(_row(connection))
    networks = all_networks()
    offered = {network.slug for network in networks}
    hidden = [network_of(slug) for slug in rows if slug in ADAPTERS and slug not in offered]
    return [NetworkCard(network, rows.get(network.slug, [])) for network in networks + hidden]


def _row(connection: SocialConnection) -> AccountRow:
    network = network_of(connection.platform)
    ways = network.open_ways
    same = [way for way in ways if way.name == connection.backend]
    return AccountRow(
        connection,
        health_of(connection, now=timezone.now()),
        next(iter(same or ways), None),
        network.by_form,
    )
