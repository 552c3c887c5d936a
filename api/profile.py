"""Who the caller is."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import WorkspaceNotNamed
from accounts.keys import SCOPES
from accounts.models import Role
from api.base import ApiView
from api.schema import operation
from api.shapes import Shape, identifier, listed, one_of, or_null, text, the

OWN_WORKSPACE = Shape(
    "CallersWorkspace",
    "The workspace the caller acts in.",
    id=identifier("Its id."),
    slug=text("Its short name.", "acme"),
    name=text("Its name.", "Acme"),
    external_id=or_null(text("Its id in the system that issues tokens.", "o-1")),
    time_zone=text("Its time zone.", "Europe/Brussels"),
)
ME = Shape(
    "Me",
    "How the caller is known here.",
    actor=text("As whom the caller's deeds are recorded.", "key:crl_0f3a91c2"),
    user_id=or_null(text("The user's id in the system that issues tokens.", "u-1"), None),
    scopes=listed(text("A scope.", "posts:read"), "What the caller's key may be used for."),
    role=or_null(one_of(Role, "The caller's role in the workspace.", "editor")),
    workspace=or_null(the(OWN_WORKSPACE, "Null while it is not said which.")),
)


class MeView(ApiView):
    """GET tells how the caller is known here, and where and as what they act."""

    read_scope = ""

    @operation("get_me", "Tell who the caller is", tag="me", answers={200: ME})
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
