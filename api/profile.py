"""Who the caller is, and which accounts are connected."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import WorkspaceNotNamed
from accounts.keys import SCOPES
from api.base import ApiView
from api.pages import Pages
from api.representations import connection_json
from platforms.models import SocialConnection


class MeView(ApiView):
    """GET tells how the caller is known here, and where and as what they act."""

    read_scope = ""

    def get(self, request: Request) -> Response:
        """Return caller, scopes, role and workspace (null while it is not said which)."""
        caller = self.caller
        try:
            access = self.enter()
        except WorkspaceNotNamed:
            access = None
        workspace = access and {
            "id": str(access.workspace.pk),
            "slug": access.workspace.slug,
            "name": access.workspace.name,
            "external_id": access.workspace.external_id,
            "time_zone": access.workspace.time_zone,
        }
        return Response(
            {
                "actor": caller.actor,
                "user_id": caller.user.external_id if caller.user else None,
                "scopes": sorted(caller.scopes or SCOPES),
                "role": access and access.role,
                "workspace": workspace,
            }
        )


class ConnectionsView(ApiView):
    """GET lists the workspace's connected accounts."""

    read_scope = "connections:read"

    def get(self, request: Request) -> Response:
        """Return one page, newest first."""
        access = self.enter()
        connections = SocialConnection.objects.filter(workspace=access.workspace).defer("secret")
        pages = Pages()
        found = pages.paginate_queryset(connections, request, view=self)
        return pages.get_paginated_response([connection_json(c) for c in found or ()])
