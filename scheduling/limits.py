"""Which rate-limit states a workspace may see: its accounts', and those of the apps and hosts
they share with others, without a word about those others."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from urllib.parse import urlsplit

from django.db.models import Q, QuerySet

from accounts.models import Workspace
from engine.errors import ServiceError
from engine.models import RateLimitState
from platforms.credentials import CredentialError
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import ADAPTERS, adapter_for

Scope = RateLimitState.Scope
RECEIVERS = "notify"  # the bucket of callback receivers: not a network's, and other people's


def limits_of(workspace: Workspace) -> QuerySet[RateLimitState]:
    """Return the states that concern this workspace's connections."""
    connections = [
        connection
        for connection in SocialConnection.objects.filter(workspace=workspace)
        if connection.platform in ADAPTERS
    ]
    in_use = [one for one in connections if one.state != ConnectionState.REVOKED]
    own = Q(scope=Scope.CONNECTION, key__in=[str(one.pk) for one in connections])
    apps = Q(scope=Scope.APP, key__in=sorted({one.platform for one in in_use}))
    hosts = Q(scope=Scope.HOST, key__in=sorted(set(map(_host_of, in_use)) - {""}))
    return RateLimitState.objects.filter(own | apps | hosts).exclude(bucket=RECEIVERS)


def own_limit(workspace: Workspace, limit_id: int) -> RateLimitState | None:
    """Return a state that this workspace may see, or None."""
    return limits_of(workspace).filter(pk=limit_id).first()


def account_names(states: Sequence[RateLimitState], workspace: Workspace) -> dict[str, str]:
    """Return what the connections among the states' keys are called; own connections only."""
    keys = [uuid.UUID(state.key) for state in states if state.scope == Scope.CONNECTION]
    found = SocialConnection.objects.filter(workspace=workspace, pk__in=keys)
    return {
        str(pk): username or external_id
        for pk, username, external_id in found.values_list("pk", "username", "external_id")
    }


def _host_of(connection: SocialConnection) -> str:
    """Return the host that an account lives on, where accounts choose it; else ""."""
    adapter = adapter_for(connection.platform)
    if not adapter.user_given_host():
        return ""
    try:
        address = adapter.base_url(connection.get_credentials())
    except (CredentialError, ServiceError, KeyError, TypeError, ValueError):
        address = connection.instance_url
    return urlsplit(address).netloc.lower()
