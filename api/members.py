"""People of a workspace over the API: members and their roles, invitations."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import members
from accounts.access import Access
from accounts.models import Invitation, Membership, Role
from accounts.services import add_member, provision_user
from api import idempotency
from api.base import ApiView, as_uuid
from api.fields import instant
from api.pages import Pages
from api.problems import Problem, unknown
from api.serializers import ReasonInput
from api.workspace_serializers import AcceptanceInput, InvitationInput, MemberInput, RoleInput


class OwnersView(ApiView):
    """What owners do; a key needs the scope, and gives no role above an editor's."""

    read_scope = "workspace:read"
    write_scope = "workspace:write"
    write_role = Role.OWNER
    scope_suffices = True


class MembersView(OwnersView):
    """GET lists the members; POST adds somebody that a trusted service speaks for."""

    def get(self, request: Request) -> Response:
        """Return one page, those who came last first."""
        rows = Membership.objects.filter(workspace=self.enter().workspace).select_related("user")
        pages = Pages()
        found = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response([member_json(member) for member in found or ()])

    def post(self, request: Request) -> Response:
        """Add a person by their external id, made at first sight; a member gets the role."""
        wish = self.read(MemberInput)
        access = self.enter()
        if not self.caller.is_service:
            raise Problem(
                403,
                "service_only",
                "Only a trusted service adds people without asking them: POST an invitation.",
            )
        with transaction.atomic():
            user = provision_user(wish["external_id"])
            known = Membership.objects.filter(workspace=access.workspace, user=user).first()
            member = (
                members.change_role(
                    known, wish["role"], actor=access.actor, own_role=access.role
                )
                if known
                else add_member(access.workspace, user, role=wish["role"], actor=access.actor)
            )
            return self.answer(member_json(member), 200 if known else 201)


class MemberView(OwnersView):
    """GET shows a member; PATCH changes the role; DELETE removes them, or oneself."""

    def get(self, request: Request, member_id: str) -> Response:
        """Return the member."""
        return Response(member_json(_member_of(self.enter(), member_id)))

    def patch(self, request: Request, member_id: str) -> Response:
        """Give another role; 409 for the last owner."""
        wish = self.read(RoleInput)
        access = self.enter()
        member = _member_of(access, member_id)
        changed = members.change_role(
            member, wish["role"], actor=access.actor, own_role=access.role, reason=wish["reason"]
        )
        return self.answer(member_json(changed))

    def delete(self, request: Request, member_id: str) -> Response:
        """Remove the member; everybody may leave. 409 for the last owner."""
        self.write_role = Role.VIEWER  # of leaving; removing others is judged below
        access = self.enter()
        member = _member_of(access, member_id)
        is_self = access.user is not None and member.user_id == access.user.pk
        if not (is_self or self.caller.is_key or access.may(Role.OWNER)):
            raise Problem(
                403, "role_missing", f"Your role here is {access.role}; this takes owner."
            )
        members.remove_member(
            member, actor=access.actor, own_role=access.role, is_self=is_self
        )
        return Response({"id": str(member.public_id), "removed": True})


class InvitationsView(OwnersView):
    """GET lists the invitations that are pending; POST makes one."""

    read_role = Role.OWNER

    def get(self, request: Request) -> Response:
        """Return one page, newest first."""
        pending = members.pending_invitations(self.enter().workspace)
        pages = Pages()
        found = pages.paginate_queryset(pending, request, view=self)
        return pages.get_paginated_response([invitation_json(one) for one in found or ()])

    def post(self, request: Request) -> Response:
        """Invite somebody; the token is shown this once. Whether they are known is not told."""
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

    def post(self, request: Request, invitation_id: str) -> Response:
        """Revoke it; one that is over already is not found."""
        reason = self.read(ReasonInput)["reason"]
        access = self.enter()
        key = as_uuid(invitation_id)
        pending = members.pending_invitations(access.workspace)
        invitation = pending.select_related("workspace").filter(pk=key).first() if key else None
        if invitation is None:
            raise unknown("id", "pending invitation")
        with transaction.atomic():
            members.revoke_invitation(invitation, actor=access.actor, reason=reason)
            return self.answer({"id": str(invitation.pk), "revoked": True})


class AcceptInvitation(ApiView):
    """POST makes the caller a member of the workspace that invited them."""

    read_scope = write_scope = ""

    def post(self, request: Request) -> Response:
        """Accept; the token is good for one person, once."""
        token = self.read(AcceptanceInput)["token"]
        user = self.caller.user
        if user is None:
            raise Problem(
                403, "person_only", "Only a person accepts: log in, or use their own token."
            )
        invitation = members.invitation_of(token)
        if invitation is None:
            raise Problem(
                404, "not_found", "There is no such invitation, or it is over: ask for a new one."
            )
        self.claim = idempotency.begin(request, invitation.workspace)
        with transaction.atomic():
            member = members.accept_invitation(invitation, user, actor=self.caller.actor)
            place = {"id": str(invitation.workspace_id), "slug": invitation.workspace.slug}
            return self.answer({**member_json(member), "workspace": place})


def member_json(member: Membership) -> dict[str, Any]:
    """Return a member as others of the workspace see them."""
    user = member.user
    return {
        "id": str(member.public_id),
        "username": user.get_username(),
        "name": user.get_full_name() or None,
        "email": user.email or None,
        "external_id": user.external_id,
        "role": member.role,
        "is_active": user.is_active,
        "joined_at": instant(member.created_at),
    }


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


def _member_of(access: Access, member_id: str) -> Membership:
    key = as_uuid(member_id)
    rows = Membership.objects.select_related("user", "workspace")
    found = rows.filter(workspace=access.workspace, public_id=key).first() if key else None
    if found is None:
        raise unknown("id", "member")
    return found
