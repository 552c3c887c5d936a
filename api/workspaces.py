"""Workspaces over the API: the one a request acts in, and those that are the caller's."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Caller
from accounts.models import ApprovalRule, Role, Workspace
from accounts.services import change_workspace
from api.base import ApiView
from api.conditions import tag_of
from api.fields import instant
from api.pages import PAGED, Pages
from api.problems import Problem
from api.schema import operation
from api.shapes import Shape, identifier, moment, number, one_of, or_null, page_of, text, whole
from api.workspace_serializers import WorkspaceChanges
from scheduling.models import LatePolicy

WORKSPACE = Shape(
    "Workspace",
    "The owner of connections, posts and media.",
    id=identifier("Its id."),
    slug=text("Its short name.", "acme"),
    name=text("What people call it.", "Acme"),
    external_id=or_null(text("Its id in the system that issues tokens.", "o-1")),
    time_zone=text("The zone its people live in.", "Europe/Brussels"),
    late_policy=one_of(LatePolicy, "What becomes of new posts that are found too late."),
    late_limit_minutes=or_null(whole("From when on a post is too late.", 60), None),
    default_late_limit_minutes=number("The installation's, used while that is null.", 120),
    approval_rule=one_of(ApprovalRule, "Whose posts somebody else must approve."),
    created_at=moment("When it was made."),
)


class WorkspaceView(ApiView):
    """GET shows the workspace that this request acts in; PATCH changes its settings."""

    read_scope = "workspace:read"
    write_scope = "workspace:write"
    write_role = Role.OWNER
    scope_suffices = True

    @operation(
        "get_workspace",
        "Look at the workspace",
        tag="workspace",
        answers={200: WORKSPACE},
        conditional=True,
    )
    def get(self, request: Request) -> Response:
        """Return the workspace that this request acts in."""
        workspace = self.enter().workspace
        tag = workspace_tag(workspace)
        return self.unchanged(tag) or self.answer(workspace_json(workspace), tag=tag)

    @operation(
        "change_workspace",
        "Change the workspace's settings",
        tag="workspace",
        body=WorkspaceChanges,
        example={"time_zone": "Europe/Brussels", "late_limit_minutes": 60},
        answers={200: WORKSPACE},
        conditional=True,
    )
    def patch(self, request: Request) -> Response:
        """Change name, time zone, what happens to late posts, or whose posts need approval.

        `approval_rule` holds for what is written from then on; what awaits approval still does. A
        key cannot change it, whatever its scopes are: it would approve its own posts.
        """
        changes = self.read(WorkspaceChanges)
        access = self.enter()
        if "approval_rule" in changes and not access.may(Role.OWNER):
            raise Problem(403, "role_missing", "The approval rule is changed by an owner.")
        with transaction.atomic():
            self.require_match(access.workspace, workspace_tag)
            changed = change_workspace(access.workspace, actor=access.actor, **changes)
            return self.answer(workspace_json(changed), tag=workspace_tag(changed))


class WorkspacesView(ApiView):
    """GET lists the workspaces that the caller may act in."""

    read_scope = "workspace:read"

    @operation(
        "list_workspaces",
        "List the caller's workspaces, newest first",
        tag="workspace",
        query=PAGED,
        answers={200: page_of(WORKSPACE, "workspaces")},
    )
    def get(self, request: Request) -> Response:
        """Return one page: a key's own, those a person belongs to, all for a trusted service."""
        if self.names_workspace:
            self.enter()
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
        "approval_rule": workspace.approval_rule,
        "created_at": instant(workspace.created_at),
    }


def workspace_tag(workspace: Workspace) -> str:
    """Return the ETag of a workspace's settings."""
    return tag_of(
        workspace.pk,
        workspace.name,
        workspace.time_zone,
        workspace.late_policy,
        workspace.late_limit_minutes,
        workspace.approval_rule,
    )


def _workspaces_of(caller: Caller) -> QuerySet[Workspace]:
    """Return where a caller may act: a key in one, a person in their own, a service everywhere."""
    if caller.workspace is not None:
        return Workspace.objects.filter(pk=caller.workspace.pk)
    if caller.user is not None:
        return Workspace.objects.filter(memberships__user=caller.user)
    return Workspace.objects.all() if caller.is_service else Workspace.objects.none()
