"""What staff set up before people can connect: applications at the networks, and their ends."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from platforms.networks import WARN_BEFORE, Network, all_networks
from web.forms import asked_for
from web.workspaces import current_access, show

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@never_cache
@require_GET
@login_required
def setup(request: HttpRequest) -> HttpResponse:
    """Show, per network, what is configured, what is missing and what to enter over there."""
    if not request.user.is_staff:
        raise PermissionDenied("This page is for the staff of this installation.")
    networks = [_described(network) for network in all_networks()]
    address = urlsplit(settings.PUBLIC_URL)
    return show(
        request,
        "web/setup.html",
        current_access(request),
        networks=networks,
        public_url=settings.PUBLIC_URL,
        is_plain=address.scheme == "http" and address.hostname not in LOCAL,
        is_local=address.hostname in LOCAL,
    )


def _described(network: Network) -> dict[str, Any]:
    today = timezone.now().date()
    return {
        "network": network,
        "asked": [label for _, label, _ in asked_for(network.adapter)] if network.by_form else [],
        "ways": [
            {
                "way": way,
                "redirect_uri": way.backend.redirect_address(),
                "variables": way.backend.variables(),
                "scopes": way.backend.scopes(),
                "scopes_variable": way.backend.scopes_variable(),
            }
            for way in network.ways
        ],
        "versions": [
            {
                "version": version,
                "is_over": version.ends is not None and version.ends < today,
                "is_near": version.ends is not None and version.ends - today <= WARN_BEFORE,
            }
            for version in network.adapter.api_versions()
        ],
    }
