"""Several accounts came with one consent: people tick those that are to be connected."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.access import Access
from accounts.models import Role, User
from platforms import consents
from platforms.connecting import Outcome, keep
from platforms.consents import Choice, ConsentRefused
from platforms.models import SocialConnection
from platforms.networks import network_of
from web.views.connecting import tell
from web.workspaces import access_to, in_workspace, show


@dataclass(frozen=True, slots=True)
class Option:
    """One account to tick; `is_connected` says that ticking it renews what is there."""

    choice: Choice
    is_connected: bool

    @property
    def key(self) -> str:
        """Return what the form sends for it."""
        return self.choice.target.account.external_id


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@in_workspace()
def choose(request: HttpRequest, pk: uuid.UUID, *, access: Access) -> HttpResponse:
    """Show the accounts of a consent; connect the ticked ones."""
    user = cast("User", request.user)
    try:
        consent, choices = consents.offered(pk, user)
    except ConsentRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("web:connections")
    there = access_to(user, consent.workspace_id)
    if there is None or not there.may(Role.EDITOR):
        raise PermissionDenied(f"You may not connect accounts in {consent.workspace.name}.")
    problem = ""
    if request.method == "POST":
        ticked = set(request.POST.getlist("account"))
        chosen = [
            choice
            for choice in choices
            if choice.target.account.external_id in ticked and not choice.target.problem
        ]
        if chosen:
            connected = keep(consent, chosen)
            wanted = consent.connection
            missed = None if wanted in connected else wanted
            return tell(request, Outcome(connected=connected, missed=missed))
        problem = "Tick at least one account."
    known = SocialConnection.objects.filter(
        workspace=consent.workspace, platform=consent.platform
    ).values_list("external_id", flat=True)
    options = [Option(c, c.target.account.external_id in set(known)) for c in choices]
    return show(
        request,
        "web/choose.html",
        there,
        network=network_of(consent.platform),
        options=options,
        can_choose=any(not option.choice.target.problem for option in options),
        problem=problem,
        status=422 if problem else 200,
    )
