"""Who the caller is."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import WorkspaceNotNamed
from accounts.keys import SCOPES
from api.base import ApiView


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
