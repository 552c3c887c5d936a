"""Who belongs to a workspace: invited, given another role, removed; its last owner stays."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.audit import record
from accounts.models import Invitation, Membership, Role, User, Workspace
from accounts.roles import includes
from accounts.services import AccountError, BeyondOwnRights

TOKEN_PREFIX = "crlinv_"
GOOD_FOR = timedelta(days=7)
PENDING_MOST = 200


class LastOwner(AccountError):
    """A workspace always keeps an owner who can log in."""


def invite(
    workspace: Workspace,
    *,
    role: str,
    actor: str,
    own_role: str,
    email: str = "",
    external_id: str = "",
    invited_by: User | None = None,
) -> tuple[Invitation, str]:
    """Offer a place to an address or another system's id; return it with its token, shown once.

    Nothing depends on whether somebody here has that address. A newer invitation of the same
    person ends the older. Raises BeyondOwnRights, AccountError (too many are pending).
    """
    _require_own(own_role, role)
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    now = timezone.now()
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)  # one at a time
        pending = pending_invitations(workspace)
        same = pending.filter(external_id=external_id, email__iexact=email)
        same.update(revoked_at=now)
        if pending.count() >= PENDING_MOST:
            raise AccountError(
                f"{PENDING_MOST} invitations are pending: revoke those nobody waits for."
            )
        invitation = Invitation.objects.create(
            workspace=workspace,
            email=email,
            external_id=external_id,
            role=Role(role),
            token_sha256=_digest(token),
            invited_by=invited_by,
            expires_at=now + GOOD_FOR,
        )
        record(
            workspace=workspace,
            actor=actor,
            action="invitation.made",
            target=f"invitation:{invitation.pk}",
            detail={"role": role, "email": email, "external_id": external_id},
        )
    return invitation, token


def pending_invitations(workspace: Workspace) -> QuerySet[Invitation]:
    """Return the invitations that may still be accepted."""
    return Invitation.objects.filter(
        workspace=workspace, accepted_at=None, revoked_at=None, expires_at__gt=timezone.now()
    )


def revoke_invitation(invitation: Invitation, *, actor: str, reason: str = "") -> None:
    """End an invitation; one that is over already stays as it is."""
    with transaction.atomic():
        if (
            pending_invitations(invitation.workspace)
            .filter(pk=invitation.pk)
            .update(revoked_at=timezone.now())
        ):
            record(
                workspace=invitation.workspace,
                actor=actor,
                action="invitation.revoked",
                target=f"invitation:{invitation.pk}",
                reason=reason,
            )


def invitation_of(token: str) -> Invitation | None:
    """Return the pending invitation that this token opens, or None."""
    found = Invitation.objects.select_related("workspace").filter(
        token_sha256=_digest(token),
        accepted_at=None,
        revoked_at=None,
        expires_at__gt=timezone.now(),
    )
    return found.first()


def accept_invitation(invitation: Invitation, user: User, *, actor: str) -> Membership:
    """Make `user` a member, once; somebody who is one already keeps the higher role.

    Raises AccountError when it is over, BeyondOwnRights when it names somebody else.
    """
    if not _is_for(invitation, user):
        raise BeyondOwnRights(
            "This invitation names another person: log in as them, or ask for one of your own."
        )
    with transaction.atomic():
        taken = pending_invitations(invitation.workspace).filter(pk=invitation.pk)
        if not taken.update(accepted_at=timezone.now()):
            raise AccountError("This invitation is over: ask for a new one.")
        member, is_new = Membership.objects.select_for_update().get_or_create(
            workspace=invitation.workspace, user=user, defaults={"role": invitation.role}
        )
        if not is_new and not includes(member.role, invitation.role):
            member.role = invitation.role
            member.save(update_fields=["role"])
        record(
            workspace=invitation.workspace,
            actor=actor,
            action="invitation.accepted",
            target=f"invitation:{invitation.pk}",
            detail={"user": user.pk, "role": member.role},
        )
    return member


def change_role(
    member: Membership, role: str, *, actor: str, own_role: str, reason: str = ""
) -> Membership:
    """Give a member another role; raises BeyondOwnRights or LastOwner.

    What a member invited others to beyond the new role ends with it.
    """
    _require_own(own_role, role)
    with transaction.atomic():
        row = _locked(member)
        _require_own(own_role, row.role)
        if row.role == role:
            return row
        if row.role == Role.OWNER:
            _require_another_owner(row)
        before, row.role = row.role, Role(role)
        row.save(update_fields=["role"])
        _end_invitations_of(row, beyond=role)
        record(
            workspace=row.workspace,
            actor=actor,
            action="member.role_changed",
            target=f"user:{row.user_id}",
            reason=reason,
            detail={"from": before, "to": role},
        )
    return row


def remove_member(
    member: Membership, *, actor: str, own_role: str, is_self: bool = False, reason: str = ""
) -> None:
    """Take somebody out of the workspace, or let them leave; raises BeyondOwnRights or LastOwner.

    Keys they issued stay: they belong to the workspace, and whoever issued them stands beside.
    """
    with transaction.atomic():
        row = _locked(member)
        if not is_self:
            _require_own(own_role, row.role)
        if row.role == Role.OWNER:
            _require_another_owner(row)
        _end_invitations_of(row)
        record(
            workspace=row.workspace,
            actor=actor,
            action="member.left" if is_self else "member.removed",
            target=f"user:{row.user_id}",
            reason=reason,
            detail={"role": row.role},
        )
        row.delete()


def _locked(member: Membership) -> Membership:
    """Return the row as it is now; of two who change members of a workspace, one waits.

    `no_key`: writing a post takes a share of its workspace's key, and must not wait for this.
    """
    Workspace.objects.select_for_update(no_key=True).get(pk=member.workspace_id)
    return Membership.objects.select_related("workspace", "user").get(pk=member.pk)


def _require_own(own_role: str, role: str) -> None:
    if not includes(own_role, role):
        raise BeyondOwnRights(
            f"This takes the role {role}, and yours here is {own_role}: ask an owner.",
            field="role",
        )


def _require_another_owner(member: Membership) -> None:
    others = Membership.objects.filter(
        workspace=member.workspace_id, role=Role.OWNER, user__is_active=True
    ).exclude(pk=member.pk)
    if not others.exists():
        raise LastOwner("This is the workspace's last owner: make somebody else an owner first.")


def _end_invitations_of(member: Membership, *, beyond: str | None = None) -> None:
    """Revoke what a member offered to others: all of it, or roles above `beyond`."""
    over = [role for role in Role.values if beyond is None or not includes(beyond, role)]
    Invitation.objects.filter(
        Q(invited_by=member.user_id) & Q(role__in=over),
        workspace=member.workspace_id,
        accepted_at=None,
        revoked_at=None,
    ).update(revoked_at=timezone.now())


def _is_for(invitation: Invitation, user: User) -> bool:
    """Say whether the person is the one meant; without a known address the token is the proof."""
    if invitation.external_id:
        return invitation.external_id == user.external_id
    return not user.email or invitation.email.casefold() == user.email.casefold()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
