"""Who belongs to a workspace, who may change it, and what nobody can take away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import members
from accounts.models import AuditEvent, Invitation, Membership, Role, User, Workspace
from accounts.services import AccountError, BeyondOwnRights
from tests.concurrency.threads import together
from tests.factories import make_user, make_workspace

ADA = {"actor": "user:ada", "own_role": Role.OWNER}


def membership(workspace: Workspace, role: str, **fields: Any) -> Membership:
    return Membership.objects.get(
        workspace=workspace, user=make_user(workspace, role=role, **fields)
    )


def invited(workspace: Workspace, **fields: Any) -> tuple[Invitation, str]:
    wish = {"email": "ada@example.org", "role": Role.EDITOR, **ADA, **fields}
    return members.invite(workspace, **wish)


def test_a_role_changes_and_the_log_says_who_why_from_and_to(workspace: Workspace) -> None:
    member = membership(workspace, Role.EDITOR)
    members.change_role(member, Role.APPROVER, reason="legal", **ADA)
    member.refresh_from_db()
    assert member.role == Role.APPROVER
    event = AuditEvent.objects.get(action="member.role_changed")
    assert (event.actor, event.target, event.reason) == (
        "user:ada",
        f"user:{member.user_id}",
        "legal",
    )
    assert event.detail == {"from": "editor", "to": "approver"}


def test_the_last_owner_stays_and_keeps_the_role(workspace: Workspace) -> None:
    owner = membership(workspace, Role.OWNER)
    membership(workspace, Role.OWNER, is_active=False)  # cannot log in, so cannot own alone
    with pytest.raises(members.LastOwner):
        members.change_role(owner, Role.EDITOR, **ADA)
    with pytest.raises(members.LastOwner):
        members.remove_member(owner, is_self=True, **ADA)
    assert not AuditEvent.objects.filter(action__startswith="member.").exists()
    other = membership(workspace, Role.OWNER)
    members.remove_member(owner, is_self=True, **ADA)
    assert list(Membership.objects.filter(workspace=workspace, user__is_active=True)) == [other]


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_leave_at_once_one_stays() -> None:
    workspace = make_workspace()
    both = [membership(workspace, Role.OWNER) for _ in range(2)]

    def leave(member: Membership) -> str:
        try:
            members.remove_member(member, is_self=True, **ADA)
        except members.LastOwner:
            return "stays"
        return "left"

    assert sorted(together([lambda m=member: leave(m) for member in both])) == ["left", "stays"]
    assert Membership.objects.filter(workspace=workspace, role=Role.OWNER).count() == 1


@pytest.mark.parametrize("own", [Role.EDITOR, Role.APPROVER, Role.VIEWER])
def test_nobody_gives_changes_or_takes_more_than_they_have(workspace: Workspace, own: str) -> None:
    membership(workspace, Role.OWNER)
    owner, viewer = membership(workspace, Role.OWNER), membership(workspace, Role.VIEWER)
    with pytest.raises(BeyondOwnRights):
        members.change_role(viewer, Role.OWNER, actor="x", own_role=own)
    with pytest.raises(BeyondOwnRights):
        members.change_role(owner, Role.VIEWER, actor="x", own_role=own)
    with pytest.raises(BeyondOwnRights):
        members.remove_member(owner, actor="x", own_role=own)
    with pytest.raises(BeyondOwnRights):
        invited(workspace, role=Role.OWNER, own_role=own)


def test_an_invitation_makes_a_member_once(workspace: Workspace) -> None:
    invitation, token = invited(workspace, role=Role.APPROVER)
    assert token not in str(Invitation.objects.values().get())
    assert members.invitation_of(token) == invitation
    user = make_user(email="Ada@Example.org")
    member = members.accept_invitation(invitation, user, actor="user:ada")
    assert (member.workspace, member.user, member.role) == (workspace, user, Role.APPROVER)
    assert members.invitation_of(token) is None
    with pytest.raises(AccountError, match="is over"):
        members.accept_invitation(invitation, user, actor="user:ada")


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"revoked_at": timezone.now()},
        {"accepted_at": timezone.now()},
    ],
)
def test_an_invitation_that_is_over_opens_nothing(
    workspace: Workspace, change: dict[str, Any]
) -> None:
    invitation, token = invited(workspace)
    Invitation.objects.filter(pk=invitation.pk).update(**change)
    assert members.invitation_of(token) is None
    with pytest.raises(AccountError):
        members.accept_invitation(invitation, make_user(email="ada@example.org"), actor="x")
    assert not Membership.objects.exists()


@pytest.mark.parametrize(
    ("named", "person", "is_meant"),
    [
        ({"email": "ada@example.org"}, {"email": "bob@example.org"}, False),
        ({"email": "ada@example.org"}, {"email": ""}, True),  # the token is the proof
        ({"email": "", "external_id": "u-1"}, {"external_id": "u-1"}, True),
        ({"email": "", "external_id": "u-1"}, {"external_id": "u-2"}, False),
        ({"email": "", "external_id": "u-1"}, {"email": "ada@example.org"}, False),
    ],
)
def test_an_invitation_is_for_the_person_it_names(
    workspace: Workspace, named: dict[str, str], person: dict[str, str], is_meant: bool
) -> None:
    invitation, token = invited(workspace, **named)
    user = make_user(**person)
    if is_meant:
        members.accept_invitation(invitation, user, actor="x")
    else:
        with pytest.raises(BeyondOwnRights):
            members.accept_invitation(invitation, user, actor="x")
    assert Membership.objects.filter(user=user).exists() == is_meant
    assert (members.invitation_of(token) is None) == is_meant


def test_accepting_raises_a_role_and_never_lowers_it(workspace: Workspace) -> None:
    viewer = make_user(workspace, role=Role.VIEWER, email="v@example.org")
    owner = make_user(workspace, role=Role.OWNER, email="o@example.org")
    for user, expected in ((viewer, Role.EDITOR), (owner, Role.OWNER)):
        invitation, _ = invited(workspace, email=user.email)
        assert members.accept_invitation(invitation, user, actor="x").role == expected


def test_a_newer_invitation_of_the_same_person_ends_the_older(workspace: Workspace) -> None:
    _, first = invited(workspace)
    _, second = invited(workspace, email="ADA@example.org", role=Role.VIEWER)
    assert members.invitation_of(first) is None
    assert members.invitation_of(second) is not None


def test_what_somebody_offered_beyond_their_new_role_ends_with_it(workspace: Workspace) -> None:
    membership(workspace, Role.OWNER)
    maker = membership(workspace, Role.OWNER)
    _, high = invited(workspace, role=Role.OWNER, invited_by=maker.user)
    _, low = invited(workspace, email="b@example.org", role=Role.VIEWER, invited_by=maker.user)
    members.change_role(maker, Role.EDITOR, **ADA)
    assert members.invitation_of(high) is None
    assert members.invitation_of(low) is not None
    members.remove_member(maker, **ADA)
    assert members.invitation_of(low) is None


def test_invitations_do_not_pile_up_for_ever(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "PENDING_MOST", 2)
    invited(workspace)
    invited(workspace, email="b@example.org")
    with pytest.raises(AccountError, match="revoke"):
        invited(workspace, email="c@example.org")
    invited(workspace)  # in place of the first


def test_every_member_has_a_public_id(workspace: Workspace) -> None:
    one, two = membership(workspace, Role.OWNER), membership(workspace, Role.VIEWER)
    assert one.public_id != two.public_id
    assert User.objects.count() == 2
