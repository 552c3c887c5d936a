"""Workspaces over the API: the one a request acts in, and those that are the caller's."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Caller
from accounts.models import Role, Workspace
from accounts.services import change_workspace
from api.base import ApiView
from api.fields import instant
from api.pages import Pages
from api.workspace_serializers import WorkspaceChanges


class WorkspaceView(ApiView):
    """GET shows the workspace that this request acts in; PATCH changes its settings."""

    read_scope = "workspace:read"
    write_scope = "workspace:write"
    write_role = Role.OWNER
    scope_suffices = True

    def get(self, request: Request) -> Response:
        """Return the workspace."""
        return Response(workspace_json(self.enter().workspace))

    def patch(self, request: Request) -> Response:
        """Change name, time zone or what happens to late posts."""
        changes = self.read(WorkspaceChanges)
        access = self.enter()
        with transaction.atomic():
            changed = change_workspace(access.workspace, actor=access.actor, **changes)
            return self.answer(workspace_json(changed))


class WorkspacesView(ApiView):
    """GET lists the workspaces that the caller may act in."""

    read_scope = "workspace:read"

    def get(self, request: Request) -> Response:
        """Return one page, newest first."""
        pages = Pages()
        found = pages.paginate_queryset(_workspaces_of(self.caller), request, view=self)
        return pages.get_paginated_response([workspace_json(w) for w in found or ()])


def workspace_json(workspace: Workspace) -> dict[str, Any]:
    """Return a workspace; `late_limit_minutes` null means the installation's."""
    default = settings.LATE_LIMIT.total_seconds() / 60
    return {
        "id": str(workspace.pk),
        "slug": workspace.slug,
        "name": workspace.name,
        "external_id": workspace.external_id,
        "time_zone": workspace.time_zone,
        "late_policy": workspace.late_policy,
        "late_limit_minutes": workspace.late_limit_minutes,
        "default_late_limit_minutes": default,
        "created_at": instant(workspace.created_at),
    }


def _workspaces_of(caller: Caller) -> QuerySet[Workspace]:
    """Return where a caller may act: a key in one, a person in their own, a service everywhere."""
    if caller.workspace is not None:
        return Workspace.objects.filter(pk=caller.workspace.pk)
    if caller.user is not None:
        return Workspace.objects.filter(memberships__user=caller.user)
    return Workspace.objects.all() if caller.is_service else Workspace.objects.none()
