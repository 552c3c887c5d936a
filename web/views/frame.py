"""The front door, logging in and out, and switching between workspaces."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from accounts.models import User
from web.workspaces import CHOSEN, access_to


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Lead people to what they can do here."""
    return redirect("web:connections")


@require_POST
@login_required
def switch_workspace(request: HttpRequest) -> HttpResponse:
    """Work in another workspace from now on."""
    access = access_to(cast("User", request.user), request.POST.get("workspace", ""))
    if access is None:
        messages.error(request, "You are not a member of that workspace.")
    else:
        request.session[CHOSEN] = str(access.workspace.pk)
    return redirect("web:home")


def refused_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say why a form without a valid token was not taken (settings.CSRF_FAILURE_VIEW)."""
    return render(request, "web/refused_form.html", status=403)
