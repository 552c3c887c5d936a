"""Invitations over the API: made by owners, handed over by them, accepted once."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import members
from accounts.models import Invitation, Role
from api import idempotency
from api.base import ApiView, as_uuid
from api.fields import instant
from api.members import MEMBER, OwnersView, member_json
from api.pages import PAGED, Pages
from api.problems import Problem, unknown
from api.schema import Answered, operation
from api.serializers import ReasonInput
from api.shapes import Shape, flag, identifier, moment, one_of, or_null, page_of, text, the
from api.workspace_serializers import AcceptanceInput, InvitationInput

_INVITATION = {
    "id": identifier("Its id."),
    "email": or_null(text("Whose address it names.", "ada@example.com")),
    "external_id": or_null(text("Or their id in the system that issues tokens.", "u-2"), None),
    "role": one_of(Role, "What they will be.", "editor"),
    "expires_at": moment("Until when it may be accepted.", "2026-12-03T09:00:00Z"),
    "created_at": moment("When it was made."),
}
INVITATION = Shape("Invitation", "A place that is offered to somebody.", **_INVITATION)
NEW_INVITATION = Shape(
    "NewInvitation",
    "An invitation as its maker sees it once.",
    **_INVITATION,
    token=or_null(text("What the person accepts with.", "crlinv_3yqX")),
)
REVOKED = Shape(
    "RevokedInvitation",
    "An invitation that was ended.",
    id=identifier("Its id."),
    revoked=flag("True.", example=True),
)
PLACE = Shape(
    "InvitedTo", "A workspace, shortly.", id=identifier("Its id."), slug=text("Its name.", "acme")
)
ACCEPTED = Shape(
    "AcceptedInvitation",
    "The caller as a member, and of what.",
    **MEMBER.schema["properties"],
    workspace=the(PLACE, "Where."),
)


def invitation_json(invitation: Invitation) -> dict[str, Any]:
    """Return an invitation, without its token."""
    return {
        "id": str(invitation.pk),
        "email": invitation.email or None,
        "external_id": invitation.external_id or None,
        "role": invitation.role,
        "expires_at": instant(invitation.expires_at),
        "created_at": instant(invitation.created_at),
    }


class InvitationsView(OwnersView):
    """GET lists the invitations that are pending; POST makes one."""

    read_role = Role.OWNER

    @operation(
        "list_invitations",
        "List pending invitations, newest first",
        tag="members",
        query=PAGED,
        answers={200: page_of(INVITATION, "invitations")},
    )
    def get(self, request: Request) -> Response:
        """Return one page of what nobody has accepted yet and may still."""
        pending = members.pending_invitations(self.enter().workspace)
        pages = Pages()
        found = pages.paginate_queryset(pending, request, view=self)
        return pages.get_paginated_response([invitation_json(one) for one in found or ()])

    @operation(
        "invite_member",
        "Invite somebody",
        tag="members",
        body=InvitationInput,
        example={"email": "ada@example.com", "role": "editor"},
        answers={201: Answered(NEW_INVITATION, "Hand the token to the person: it is not sent.")},
    )
    def post(self, request: Request) -> Response:
        """Offer a place for seven days; the token is shown this once (repeats show null).

        The answer does not depend on whether somebody here has that address. A newer invitation
        of the same person ends the older.
        """
        wish = self.read(InvitationInput)
        access = self.enter()
        with transaction.atomic():
            invitation, token = members.invite(
                access.workspace,
                actor=access.actor,
                own_role=access.role,
                invited_by=access.user,
                **wish,
            )
            # The answer that is kept for repeats holds no secret.
            response = self.answer({**invitation_json(invitation), "token": None}, 201)
        response.data = {**invitation_json(invitation), "token": token}
        return response


class RevokeInvitation(OwnersView):
    """POST ends an invitation that nobody accepted."""

    @operation(
        "revoke_invitation",
        "Revoke an invitation",
        tag="members",
        body=ReasonInput,
        example={"reason": "Sent to the wrong address."},
        answers={200: REVOKED},
    )
    def post(self, request: Request, invitation_id: str) -> Response:
        """End an invitation that nobody accepted; one that is over already is not found."""
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        key = as_uuid(invitation_id)
        pending = members.pending_invitations(access.workspace)
        invitation = pending.select_related("workspace").filter(pk=key).first() if key else None
        if invitation is None:
            raise unknown("invitation_id", "pending invitation")
        with transaction.atomic():
            members.revoke_invitation(invitation, actor=access.actor, reason=reason)
            return self.answer({"id": str(invitation.pk), "revoked": True})


class AcceptInvitation(ApiView):
    """POST makes the caller a member of the workspace that invited them."""

    read_scope = write_scope = ""
    write_role = Role.VIEWER  # nobody has a role before

    @operation(
        "accept_invitation",
        "Accept an invitation",
        tag="members",
        body=AcceptanceInput,
        example={"token": "crlinv_3yqX"},
        answers={200: ACCEPTED},
    )
    def post(self, request: Request) -> Response:
        """Make the caller a member; the token is good for the person it names, once."""
        token = self.read(AcceptanceInput)["token"]
        invitation = members.invitation_of(token)
        if invitation is None:
            raise Problem(
                404, "not_found", "There is no such invitation, or it is over: ask for a new one."
            )
        user = self.caller.user
        if user is None:
            raise Problem(
                403, "person_only", "Only a person accepts: log in, or use their own token."
            )
        self.claim = idempotency.begin(request, invitation.workspace)
        with transaction.atomic():
            member = members.accept_invitation(invitation, user, actor=self.caller.actor)
            place = {"id": str(invitation.workspace_id), "slug": invitation.workspace.slug}
            return self.answer({**member_json(member), "workspace": place})
