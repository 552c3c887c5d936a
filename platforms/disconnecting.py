"""Disconnecting an account: its credentials are wiped here, then ended at the network if it can."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from social_core.exceptions import AuthConfigurationError

from accounts.audit import record
from engine.errors import ServiceError
from engine.states import IllegalTransition
from platforms.adapters.base import Capability
from platforms.backends import BACKENDS
from platforms.credentials import CredentialError
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import adapter_for
from platforms.tokens import end_refreshing
from platforms.verification import OpenDoor, converse

TOKENS = ("access_token", "refresh_token", "oauth_token")
log = logging.getLogger("carillon.connections")


def disconnect(connection: SocialConnection, *, actor: str, reason: str = "") -> str:
    """Forget an account's credentials for good, and ask the network to end them, too.

    They are wiped first: whatever the network answers, nothing is sent with them any more. Returns
    "" when it ended them, else a sentence about what the owner may still do there. Raises
    IllegalTransition when it is disconnected already.
    """
    credentials = _wipe(connection, actor=actor, reason=reason)
    connection.refresh_from_db()
    name = adapter_for(connection.platform).name
    if credentials and (others := _sharing(connection, credentials)):
        names = ", ".join(str(other.username or other.external_id) for other in others)
        return (
            f"Its access at {name} is left in place, for {names} use{'s' * (len(others) == 1)} it."
        )
    try:
        asked = bool(credentials) and _end_there(connection, credentials)
    except (ServiceError, AuthConfigurationError) as error:
        log.warning(
            "connection.revoke_failed",
            extra={"connection_id": str(connection.pk), "error": type(error).__name__},
        )
        why = error.detail if isinstance(error, ServiceError) else "It does not know us any more."
        return f"{name} may still list its access: {why}"
    return "" if asked else f"To end its access at {name} as well, remove this application there."


def _wipe(connection: SocialConnection, *, actor: str, reason: str) -> Mapping[str, Any]:
    """Return what the credentials were; empty when no key opens them."""
    with transaction.atomic():
        row = (
            SocialConnection.objects.select_for_update(of=("self",))
            .exclude(state=ConnectionState.REVOKED)
            .filter(pk=connection.pk)
            .first()
        )
        if row is None:
            raise IllegalTransition("The account is disconnected already.")
        try:
            credentials = row.get_credentials()
        except CredentialError:
            credentials = {}
        end_refreshing(row)
        row.secret = b""
        row.expires_at = row.refresh_expires_at = None
        row.scopes = []
        row.state, row.state_reason = ConnectionState.REVOKED, reason[:500]
        row.version += 1
        row.save()
        record(
            workspace=row.workspace,
            actor=actor,
            action="connection.disconnected",
            target=f"connection:{row.pk}",
            reason=reason,
            detail={"platform": row.platform, "account": row.external_id},
        )
    return credentials


def _sharing(
    connection: SocialConnection, credentials: Mapping[str, Any]
) -> list[SocialConnection]:
    """Return living connections that would end with these credentials.

    Those of the same sign-in have the same tokens (a member and their organizations), and some
    networks end all that an account ever gave to this application.
    """
    others = SocialConnection.objects.filter(platform=connection.platform).exclude(
        state=ConnectionState.REVOKED
    )
    tokens = {credentials.get(name) for name in TOKENS} - {None, ""}
    found = []
    for other in others.exclude(pk=connection.pk).iterator():
        try:
            shared = tokens & set(map(other.get_credentials().get, TOKENS))
        except CredentialError:
            shared = set()
        if shared or other.external_id == connection.external_id:
            found.append(other)
    return found


def _end_there(connection: SocialConnection, credentials: Mapping[str, Any]) -> bool:
    """Ask the network to end the credentials; False when it cannot be asked."""
    backend = BACKENDS.get(connection.backend)
    if backend is not None and backend.ends_tokens:
        backend.end(credentials)
        return True
    adapter = adapter_for(connection.platform)
    if Capability.REVOKE not in adapter.capabilities:
        return False

    async def talk(open_door: OpenDoor) -> None:
        auth = adapter.authorize(credentials)
        await adapter.revoke(open_door(base_url=adapter.base_url(credentials), auth=auth))

    converse(adapter.name, talk, user_given_host=adapter.user_given_host())
    return True
