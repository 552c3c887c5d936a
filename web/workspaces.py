"""In which workspace a person works in the browser, and as what."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.access import Access, Caller, UnknownWorkspace, resolve
from accounts.models import Role, User, Workspace

CHOSEN = "workspace"  # the session's key
LISTED = 100  # workspaces that staff can switch between; the admin lists them all
View = Callable[..., HttpResponse]


def workspaces_of(user: User) -> QuerySet[Workspace]:
    """Return the workspaces a person may look at: their own, for staff all."""
    if user.is_staff or user.is_superuser:
        return Workspace.objects.order_by("name", "pk")
    return Workspace.objects.filter(memberships__user=user).order_by("name", "pk")


def access_to(user: User, workspace_id: object) -> Access | None:
    """Return what a person may do in a workspace, None when it is not theirs to see."""
    caller = Caller(actor=f"user:{user.get_username()}", user=user, is_browser=True)
    try:
        return resolve(caller, named=str(workspace_id))
    except UnknownWorkspace:
        return None


def current_access(request: HttpRequest) -> Access | None:
    """Return the chosen workspace's access, else that of the first one the person is a member of.

    Staff who are members of none see the first of all.
    """
    user = cast("User", request.user)
    if chosen := request.session.get(CHOSEN):
        if access := access_to(user, chosen):
            return access
        del request.session[CHOSEN]
    own = Workspace.objects.filter(memberships__user=user).order_by("memberships__created_at")
    first = own.first() or workspaces_of(user).first()
    return access_to(user, first.pk) if first else None


def in_workspace(needed: str = Role.VIEWER) -> Callable[[View], View]:
    """Let a view be called by people who have the role; it gets their access as `access`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                # Nobody can come back to a form that was sent: then it is the list.
                is_form = request.method not in {"GET", "HEAD"}
                back = reverse("web:connections") if is_form else request.get_full_path()
                return redirect_to_login(back)
            access = current_access(request)
            if access is None:
                return render(request, "web/no_workspace.html", status=403)
            if not access.may(needed):
                raise PermissionDenied(
                    f"In {access.workspace.name} you may look at this, not change it. "
                    "Ask an owner of the workspace for the role of an editor."
                )
            return view(request, *args, access=access, **kwargs)

        return cast("View", guarded)

    return decorate


def show(
    request: HttpRequest, template: str, access: Access | None, **context: Any
) -> HttpResponse:
    """Render a page of the site, with what its frame needs."""
    user = cast("User", request.user)
    others = workspaces_of(user)[:LISTED]
    frame = {
        "workspace": access.workspace if access else None,
        "workspaces": list(others),
        "may_edit": access is not None and access.may(Role.EDITOR),
    }
    status = context.pop("status", 200)
    return render(request, template, {**frame, **context}, status=status)
