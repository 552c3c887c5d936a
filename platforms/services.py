"""What people can do with connections: connect an account (again), pause and resume it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts.audit import record
from accounts.models import User, Workspace
from engine.states import IllegalTransition
from platforms.adapters.base import Account
from platforms.credentials import CredentialError
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import adapter_for, slug_of
from platforms.tokens import end_refreshing, expiry_of

OF_THE_REFRESH_TOKEN = ("refresh_token", "refresh_expires_at")


def connect(
    workspace: Workspace,
    platform: str,
    credentials: Mapping[str, Any],
    account: Account | None,
    created_by: User | None,
    *,
    actor: str = "system",
    missing: Collection[str] = (),
    backend: str = "",
) -> SocialConnection:
    """Keep `credentials` (encrypted) for an account and return its connection.

    An account the workspace has already keeps its row and gets the new credentials and a higher
    `version`, so that running loops notice; it becomes active again unless somebody paused it.
    A refresh token that is kept is overwritten by another one only, never by none.
    `account` is what `verify_credentials` answered; None keeps them unverified, under an id made
    from the credentials themselves. `missing` names permissions that the network did not give and
    without which no post goes out: the connection then says so and waits for its owner. `backend`
    is the way it was connected, if by consent. Raises UnknownPlatform.
    """
    slug = slug_of(platform)
    found = account or _unverified(credentials)
    given = (workspace, slug, credentials, found, created_by, actor, missing, backend)
    try:
        with transaction.atomic():
            return _upsert(*given)
    except IntegrityError:  # another request connected the same account at the same moment
        with transaction.atomic():
            return _upsert(*given)


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
    missing: Collection[str],
    backend: str,
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
    connection.backend = backend
    connection.username = account.username
    connection.display_name = account.display_name
    connection.avatar_url = account.avatar_url
    connection.instance_url = account.instance_url
    connection.scopes = list(account.scopes)
    connection.limits = dict(account.limits)
    kept = {**credentials, **_lasting(connection, credentials)}
    connection.expires_at = expiry_of(kept)
    connection.refresh_expires_at = expiry_of(kept, "refresh_expires_at")
    end_refreshing(connection)
    connection.set_credentials(kept)
    if missing:
        connection.state = ConnectionState.NEEDS_RECONNECT
        connection.state_reason = _missing_words(slug, missing)
    elif connection.state != ConnectionState.PAUSED:
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


def _lasting(connection: SocialConnection, new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored refresh token if the new credentials bring none and could use it.

    Networks leave it out when they gave one before. Tokens of another flavour (OAuth 1.0a) have
    none, and it is of no use to them. One that was sent and not answered may be used up.
    """
    if not connection.secret or new.get("refresh_token") or not new.get("access_token"):
        return {}
    if connection.refresh_unanswered_at is not None:
        return {}
    try:
        old = connection.get_credentials()
    except CredentialError:
        return {}
    return {name: old[name] for name in OF_THE_REFRESH_TOKEN if old.get(name)}


def _missing_words(slug: str, missing: Collection[str]) -> str:
    names, one = ", ".join(sorted(missing)), len(missing) == 1
    return (
        f"{adapter_for(slug).name} did not give the permission{'' if one else 's'} {names}. "
        f"Connect again and allow {'it' if one else 'them'}."
    )[:500]


def _unverified(credentials: Mapping[str, Any]) -> Account:
    canonical = json.dumps(credentials, sort_keys=True, default=str)
    name = f"unverified-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"
    return Account(
        external_id=name,
        username=name,
        instance_url=str(credentials.get("instance_url", "")),
    )
