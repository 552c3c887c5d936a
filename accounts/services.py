"""What people can do with workspaces, members and keys; every change stands in the audit log."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import keys
from accounts.audit import record
from accounts.models import ApiKey, Membership, Role, User, Workspace

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


class AccountError(Exception):
    """What was asked for cannot be done; the message names the reason and the remedy."""


def create_workspace(
    *, slug: str, actor: str, name: str = "", owner: User | None = None
) -> Workspace:
    """Make a workspace, with `owner` as its first member; raises AccountError (bad slug)."""
    if not SLUG.fullmatch(slug):
        raise AccountError(
            f"{slug!r} cannot be a slug: use 1 to 64 lower-case letters, digits and hyphens."
        )
    try:
        with transaction.atomic():
            workspace = Workspace.objects.create(slug=slug, name=name or slug)
            record(
                workspace=workspace,
                actor=actor,
                action="workspace.created",
                target=f"workspace:{workspace.pk}",
            )
            if owner is not None:
                add_member(workspace, owner, role=Role.OWNER, actor=actor)
    except IntegrityError:
        raise AccountError(f"There is a workspace {slug!r} already: choose another slug.") from None
    return workspace


def add_member(workspace: Workspace, user: User, *, role: str, actor: str) -> Membership:
    """Make `user` a member with `role`, or give a member that role."""
    with transaction.atomic():
        member, _ = Membership.objects.update_or_create(
            workspace=workspace, user=user, defaults={"role": Role(role)}
        )
        record(
            workspace=workspace,
            actor=actor,
            action="member.added",
            target=f"user:{user.pk}",
            detail={"role": str(member.role)},
        )
    return member


def issue_api_key(
    *,
    workspace: Workspace,
    name: str,
    actor: str,
    scopes: Sequence[str] = (),
    valid_for: timedelta | None = None,
    created_by: User | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its full text, which is shown this once and never stored.

    No scopes: the key may do everything in its workspace. Raises AccountError.
    """
    if unknown := sorted(set(scopes) - set(keys.SCOPES)):
        raise AccountError(f"Unknown scopes {unknown}: choose from {', '.join(keys.SCOPES)}.")
    if valid_for is not None and valid_for <= timedelta():
        raise AccountError("A key must be valid for some time: give a positive number of days.")
    secret = keys.new_secret()
    with transaction.atomic():
        key = ApiKey.objects.create(
            workspace=workspace,
            name=name,
            prefix=keys.new_prefix(),
            secret_sha256=keys.digest(secret),
            scopes=sorted(set(scopes)),
            expires_at=timezone.now() + valid_for if valid_for else None,
            created_by=created_by,
        )
        record(
            workspace=workspace,
            actor=actor,
            action="api_key.issued",
            target=f"api_key:{key.pk}",
            detail={"name": name, "prefix": key.prefix, "scopes": key.scopes},
        )
    return key, f"{keys.BRAND}_{key.prefix}_{secret}"


def revoke_api_key(key: ApiKey, *, actor: str, reason: str = "") -> ApiKey:
    """End a key at once; revoking it again changes nothing."""
    with transaction.atomic():
        now = timezone.now()
        if ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now):
            record(
                workspace=key.workspace,
                actor=actor,
                action="api_key.revoked",
                target=f"api_key:{key.pk}",
                reason=reason,
            )
    key.refresh_from_db()
    return key


def provision_user(external_id: str) -> User:
    """Return the user another system knows as `external_id`, made at first sight (no password)."""
    if known := User.objects.filter(external_id=external_id).first():
        return known
    user = User(username=f"ext-{_short_hash(external_id)}", external_id=external_id)
    user.set_unusable_password()
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:  # another request saw it at the same moment
        return User.objects.get(external_id=external_id)
    return user


def provision_workspace(external_id: str) -> Workspace:
    """Return the workspace another system knows as `external_id`, made at first sight.

    The id of a workspace of ours is understood as well.
    """
    if known := find_workspace(external_id):
        return known
    try:
        with transaction.atomic():
            workspace = Workspace.objects.create(
                slug=f"ext-{_short_hash(external_id)}",
                name=external_id,
                external_id=external_id,
            )
            record(
                workspace=workspace,
                actor="system",
                action="workspace.provisioned",
                target=f"workspace:{workspace.pk}",
                reason=f"first seen in a token as {external_id}",
            )
    except IntegrityError:
        return Workspace.objects.get(external_id=external_id)
    return workspace


def provision_member(workspace: Workspace, user: User) -> Membership:
    """Return the user's membership, made with the role of an editor at first sight."""
    known = Membership.objects.filter(workspace=workspace, user=user).first()
    if known is not None:
        return known
    try:
        return add_member(workspace, user, role=Role.EDITOR, actor="system")
    except IntegrityError:
        return Membership.objects.get(workspace=workspace, user=user)


def find_workspace(name: str) -> Workspace | None:
    """Return the workspace with this external id or, failing that, this id of ours."""
    if known := Workspace.objects.filter(external_id=name).first():
        return known
    try:
        return Workspace.objects.filter(pk=name).first()
    except ValidationError:  # not a UUID
        return None


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
