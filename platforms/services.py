"""What people can do with connections: connect an account (again), pause and resume it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts.audit import record
from accounts.models import User, Workspace
from engine.states import IllegalTransition
from platforms.adapters.base import Account
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import slug_of
from platforms.tokens import end_refreshing, expiry_of


def connect(
    workspace: Workspace,
    platform: str,
    credentials: Mapping[str, Any],
    account: Account | None,
    created_by: User | None,
    *,
    actor: str = "system",
) -> SocialConnection:
    """Keep `credentials` (encrypted) for an account and return its connection.

    An account the workspace has already keeps its row and gets the new credentials and a higher
    `version`, so that running loops notice; it becomes active again unless somebody paused it.
    `account` is what `verify_credentials` answered; None keeps them unverified, under an id made
    from the credentials themselves. Raises UnknownPlatform.
    """
    slug = slug_of(platform)
    found = account or _unverified(credentials)
    try:
        with transaction.atomic():
            return _upsert(workspace, slug, credentials, found, created_by, actor)
    except IntegrityError:  # another request connected the same account at the same moment
        with transaction.atomic():
            return _upsert(workspace, slug, credentials, found, created_by, actor)


def pause(connection: SocialConnection, *, actor: str, reason: str = "") -> SocialConnection:
    """Stop sending to an account until it is resumed; a post is refused at its send mark.

    Raises IllegalTransition unless the connection is active.
    """
    return _switch(
        connection, ConnectionState.ACTIVE, ConnectionState.PAUSED, actor=actor, reason=reason
    )


def resume(connection: SocialConnection, *, actor: str, reason: str = "") -> SocialConnection:
    """Send to a paused account again; raises IllegalTransition unless it is paused."""
    return _switch(
        connection, ConnectionState.PAUSED, ConnectionState.ACTIVE, actor=actor, reason=reason
    )


def _switch(
    connection: SocialConnection, source: str, target: str, *, actor: str, reason: str
) -> SocialConnection:
    kept_reason = reason[:500] if target == ConnectionState.PAUSED else ""
    with transaction.atomic():
        moved = SocialConnection.objects.filter(pk=connection.pk, state=source).update(
            state=target,
            state_reason=kept_reason,
            version=F("version") + 1,
            updated_at=timezone.now(),
        )
        connection.refresh_from_db(fields=["state", "state_reason", "version", "updated_at"])
        if not moved:
            raise IllegalTransition(f"The connection is {connection.get_state_display()}.")
        record(
            workspace=connection.workspace,
            actor=actor,
            action=f"connection.{'paused' if target == ConnectionState.PAUSED else 'resumed'}",
            target=f"connection:{connection.pk}",
            reason=reason,
        )
    return connection


def _upsert(
    workspace: Workspace,
    slug: str,
    credentials: Mapping[str, Any],
    account: Account,
    created_by: User | None,
    actor: str,
) -> SocialConnection:
    connection = (
        SocialConnection.objects.select_for_update(of=("self",))
        .filter(workspace=workspace, platform=slug, external_id=account.external_id)
        .first()
    )
    is_new = connection is None
    if connection is None:
        connection = SocialConnection(
            workspace=workspace,
            platform=slug,
            external_id=account.external_id,
            created_by=created_by,
        )
    else:
        connection.version += 1
    connection.username = account.username
    connection.display_name = account.display_name
    connection.avatar_url = account.avatar_url
    connection.instance_url = account.instance_url
    connection.scopes = list(account.scopes)
    connection.limits = dict(account.limits)
    connection.expires_at = expiry_of(credentials)
    connection.refresh_expires_at = expiry_of(credentials, "refresh_expires_at")
    end_refreshing(connection)
    connection.set_credentials(dict(credentials))
    if connection.state != ConnectionState.PAUSED:
        connection.state, connection.state_reason = ConnectionState.ACTIVE, ""
    connection.save()
    record(
        workspace=workspace,
        actor=actor,
        action="connection.connected" if is_new else "connection.reconnected",
        target=f"connection:{connection.pk}",
        detail={"platform": slug, "account": account.external_id},
    )
    return connection


def _unverified(credentials: Mapping[str, Any]) -> Account:
    canonical = json.dumps(credentials, sort_keys=True, default=str)
    name = f"unverified-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"
    return Account(
        external_id=name,
        username=name,
        instance_url=str(credentials.get("instance_url", "")),
    )
