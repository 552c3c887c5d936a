"""The people of a workspace over the API, and their roles."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import members
from accounts.access import Access
from accounts.models import Membership, Role
from accounts.services import add_member, provision_user
from api.base import ApiView, as_uuid
from api.conditions import tag_of
from api.fields import instant
from api.pages import PAGED, Pages
from api.problems import Problem, invalid, unknown
from api.schema import Answered, operation
from api.shapes import Shape, flag, identifier, moment, one_of, or_null, page_of, text
from api.workspace_serializers import MemberInput, RoleInput

MEMBER = Shape(
    "Member",
    "A person in the workspace.",
    id=identifier("The membership's id."),
    username=text("The person's name here.", "ada"),
    name=or_null(text("Their full name.", "Ada Lovelace")),
    email=or_null(text("Their address.", "ada@example.com")),
    external_id=or_null(text("Their id in the system that issues tokens.", "u-1"), None),
    role=one_of(Role, "What they may do.", "editor"),
    is_active=flag("Whether they may log in.", example=True),
    joined_at=moment("Since when."),
)
REMOVED = Shape(
    "RemovedMember",
    "Somebody who is a member no more.",
    id=identifier("The membership's id."),
    removed=flag("True.", example=True),
)


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


class OwnersView(ApiView):
    """What owners do; a key needs the scope, and gives no role above an editor's."""

    read_scope = "workspace:read"
    write_scope = "workspace:write"
    write_role = Role.OWNER
    scope_suffices = True


class MembersView(OwnersView):
    """GET lists the members; POST adds somebody that a trusted service speaks for."""

    @operation(
        "list_members",
        "List the members, who came last first",
        tag="members",
        query=PAGED,
        answers={200: page_of(MEMBER, "members")},
    )
    def get(self, request: Request) -> Response:
        """Return one page of the people who belong to the workspace."""
        rows = Membership.objects.filter(workspace=self.enter().workspace).select_related("user")
        pages = Pages()
        found = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response([member_json(member) for member in found or ()])

    @operation(
        "add_member",
        "Add a person of another system",
        tag="members",
        body=MemberInput,
        example={"external_id": "u-2", "role": "editor"},
        answers={
            201: Answered(MEMBER, "They are a member now."),
            200: Answered(MEMBER, "They were a member already, and have this role now."),
        },
        problems={409: "The workspace's last owner keeps that role."},
    )
    def post(self, request: Request) -> Response:
        """Add somebody that a trusted service (X-Service-Token) speaks for, by external id.

        They are made at first sight. Others invite people instead, who then accept.
        """
        wish = self.read(MemberInput)
        access = self.enter()
        if not self.caller.is_service:
            raise invalid(
                "external_id",
                "service_only",
                "Only a trusted service adds people without asking them: POST an invitation.",
            )
        with transaction.atomic():
            user = provision_user(wish["external_id"])
            known = Membership.objects.filter(workspace=access.workspace, user=user).first()
            member = (
                members.change_role(known, wish["role"], actor=access.actor, own_role=access.role)
                if known
                else add_member(access.workspace, user, role=wish["role"], actor=access.actor)
            )
            return self.answer(member_json(member), 200 if known else 201)


class MemberView(OwnersView):
    """GET shows a member; PATCH changes the role; DELETE removes them, or oneself."""

    @operation(
        "get_member",
        "Look at a member",
        tag="members",
        answers={200: MEMBER},
        conditional=True,
    )
    def get(self, request: Request, member_id: str) -> Response:
        """Return who they are and what they may do."""
        member = _member_of(self.enter(), member_id)
        tag = member_tag(member)
        return self.unchanged(tag) or self.answer(member_json(member), tag=tag)

    @operation(
        "change_member",
        "Give a member another role",
        tag="members",
        body=RoleInput,
        example={"role": "approver", "reason": "Moved to the legal team."},
        answers={200: MEMBER},
        problems={409: "The workspace's last owner keeps that role."},
        conditional=True,
    )
    def patch(self, request: Request, member_id: str) -> Response:
        """Give another role; nobody gives more than they have themselves."""
        wish = self.read(RoleInput)
        access = self.enter()
        member = _member_of(access, member_id)
        with transaction.atomic():
            self.require_match(member, member_tag)
            changed = members.change_role(
                member,
                wish["role"],
                actor=access.actor,
                own_role=access.role,
                reason=wish["reason"],
            )
            return self.answer(member_json(changed), tag=member_tag(changed))

    @operation(
        "remove_member",
        "Remove a member",
        tag="members",
        answers={200: REMOVED},
        problems={409: "The workspace's last owner cannot go."},
    )
    def delete(self, request: Request, member_id: str) -> Response:
        """Take somebody out of the workspace; everybody may take themselves out."""
        self.write_role = Role.VIEWER  # of leaving; removing others is judged below
        access = self.enter()
        member = _member_of(access, member_id)
        is_self = access.user is not None and member.user_id == access.user.pk
        if not (is_self or self.caller.is_key or access.may(Role.OWNER)):
            raise Problem(
                403, "role_missing", f"Your role here is {access.role}; this takes owner."
            )
        members.remove_member(member, actor=access.actor, own_role=access.role, is_self=is_self)
        return Response({"id": str(member.public_id), "removed": True})


def member_tag(member: Membership) -> str:
    """Return the ETag of a member's role."""
    return tag_of(str(member.public_id), str(member.role))


def _member_of(access: Access, member_id: str) -> Membership:
    key = as_uuid(member_id)
    rows = Membership.objects.select_related("user", "workspace")
    found = rows.filter(workspace=access.workspace, public_id=key).first() if key else None
    if found is None:
        raise unknown("member_id", "member")
    return found
