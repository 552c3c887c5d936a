"""What people can do with workspaces, members and keys; every change stands in the audit log."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import keys
from accounts.audit import record
from accounts.models import ApiKey, Membership, Role, User, Workspace

ZONE_CHARS = 64
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


class AccountError(Exception):
    """What was asked for cannot be done; the message names the reason and the remedy.

    `field` is what the caller gave wrongly, if it is one thing.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class BeyondOwnRights(AccountError):
    """Nobody gives, changes or takes away more than they have themselves."""


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
    issuer: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its full text, which is shown this once and never stored.

    No scopes: the key may do everything in its workspace. With `issuer`, the key that asks for it,
    it gets no scope that one lacks and does not outlive it; no scopes then mean the issuer's.
    Raises AccountError, BeyondOwnRights.
    """
    if unknown := sorted(set(scopes) - set(keys.SCOPES)):
        raise AccountError(
            f"Unknown scopes {unknown}: choose from {', '.join(keys.SCOPES)}.",
            field="scopes",
        )
    if valid_for is not None and valid_for <= timedelta():
        raise AccountError(
            "A key must be valid for some time: give a positive number of days.",
            field="valid_days",
        )
    expires_at = timezone.now() + valid_for if valid_for else None
    if issuer is not None:
        scopes = scopes or issuer.scopes
        require_within(issuer, scopes)
        if issuer.expires_at is not None:
            expires_at = min(expires_at or issuer.expires_at, issuer.expires_at)
    secret = keys.new_secret()
    with transaction.atomic():
        key = ApiKey.objects.create(
            workspace=workspace,
            name=name,
            prefix=keys.new_prefix(),
            secret_sha256=keys.digest(secret),
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
            created_by=created_by,
        )
        record(
            workspace=workspace,
            actor=actor,
            action="api_key.issued",
            target=f"api_key:{key.pk}",
            detail={"name": name, "prefix": key.prefix, "scopes": key.scopes},
        )
    return key, keys.text_of(key, secret)


def rotate_api_key(
    key: ApiKey, *, overlap: timedelta, actor: str, reason: str = "", issuer: ApiKey | None = None
) -> tuple[ApiKey, str]:
    """Give a key a new secret; the one before it is good as well for `overlap` (0: not at all).

    Returns the key with its full new text, shown this once. Raises AccountError for a key that
    was revoked or has expired, BeyondOwnRights if `issuer` may less than the key.
    """
    secret = keys.new_secret()
    with transaction.atomic():
        row = ApiKey.objects.select_for_update(of=("self",)).get(pk=key.pk)
        if issuer is not None:
            require_within(issuer, row.scopes)
        now = timezone.now()
        if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
            raise AccountError("This key is over: issue a new one.")
        row.previous_sha256 = row.secret_sha256 if overlap else ""
        row.previous_until = now + overlap if overlap else None
        row.secret_sha256 = keys.digest(secret)
        row.save()
        record(
            workspace=row.workspace,
            actor=actor,
            action="api_key.rotated",
            target=f"api_key:{row.pk}",
            reason=reason,
            detail={"overlap_seconds": int(overlap.total_seconds())},
        )
    return row, keys.text_of(row, secret)


def require_within(issuer: ApiKey, scopes: Sequence[str]) -> None:
    """Raise BeyondOwnRights unless `issuer` has all these scopes (none means all there are)."""
    if not issuer.scopes or (scopes and set(scopes) <= set(issuer.scopes)):
        return
    missing = sorted(set(scopes or keys.SCOPES) - set(issuer.scopes))
    raise BeyondOwnRights(
        f"A key gives no more than it has: this one lacks {', '.join(missing)}.", field="scopes"
    )


def revoke_api_key(
    key: ApiKey, *, actor: str, reason: str = "", issuer: ApiKey | None = None
) -> ApiKey:
    """End a key at once; revoking it again changes nothing.

    Raises BeyondOwnRights if `issuer`, the key that asks for it, may less than the key.
    """
    if issuer is not None:
        require_within(issuer, key.scopes)
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


def change_workspace(workspace: Workspace, *, actor: str, **changes: Any) -> Workspace:
    """Set name, time_zone, late_policy, late_limit_minutes, approval_rule; raises AccountError."""
    if (zone := changes.get("time_zone")) is not None and not is_time_zone(zone):
        raise AccountError(
            f"{zone!r} is not an IANA time zone, such as Europe/Berlin.", field="time_zone"
        )
    with transaction.atomic():
        row = Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
        before = {name: getattr(row, name) for name in changes}
        changed = {name: value for name, value in changes.items() if value != before[name]}
        if not changed:
            return row
        for name, value in changed.items():
            setattr(row, name, value)
        row.save(update_fields=list(changed))
        record(
            workspace=row,
            actor=actor,
            action="workspace.changed",
            target=f"workspace:{row.pk}",
            detail={name: [before[name], value] for name, value in changed.items()},
        )
    return row


def is_time_zone(name: str) -> bool:
    """Say whether this is an IANA time zone that this machine knows."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: "Europe" is a directory
        return False
    return len(name) <= ZONE_CHARS


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
