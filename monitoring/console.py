"""The staff console's front page, and the part of it that is fetched anew every few seconds."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from monitoring.operations import operations


@require_safe
def front_page(request: HttpRequest) -> HttpResponse:
    """Show the admin's index with the operations page on top."""
    return admin.site.index(request, {"operations": _operations(request)})


@require_safe
def figures(request: HttpRequest) -> HttpResponse:
    """Return the figures alone, as they are now."""
    return render(request, "admin/operations/figures.html", {"operations": _operations(request)})


def _operations(request: HttpRequest) -> dict[str, object] | None:
    """Return the figures, or None for people who may not see posts."""
    return operations(request) if request.user.has_perm("scheduling.view_scheduledpost") else None


urlpatterns = [
    path("", admin.site.admin_view(front_page)),  # /admin/ itself; its name stays admin:index
    path("operations/", admin.site.admin_view(figures), name="operations"),
]
