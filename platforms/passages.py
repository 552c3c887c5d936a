"""Which buckets each kind of call of an account goes through, from what its adapter declares."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from urllib.parse import urlsplit

from engine.gate import Counted, Key, Passage
from engine.models import RateLimitState
from platforms.adapters.base import Adapter, Bucket

OTHER = "other"  # kinds of calls without a bucket of their own
OPERATIONS = ("publish", "prepare", "find", "refresh", "validate", "delete", "metrics", OTHER)
ALL = "all"  # the bucket of refusals, breaker and spacing: they concern calls of any kind
_SCOPE = RateLimitState.Scope


def owner_of(scope: str, adapter: Adapter, connection_id: uuid.UUID, base_url: str) -> str:
    """Return whose allowance a scope means for this account: its id, the platform, or its host."""
    if scope == _SCOPE.CONNECTION:
        return str(connection_id)
    return urlsplit(base_url).netloc.lower() if scope == _SCOPE.HOST else adapter.slug


def passages_of(adapter: Adapter, connection_id: uuid.UUID, base_url: str) -> Mapping[str, Passage]:
    """Return the passage of every operation, and of the kinds of calls that have buckets.

    Accounts at a user-given host share that host's troubles, not those of the software it runs.
    """

    def key(scope: str, bucket: str) -> Key:
        return (str(scope), owner_of(scope, adapter, connection_id, base_url), bucket)

    shared = _SCOPE.HOST if adapter.user_given_host() else _SCOPE.APP
    passages = {}
    for operation in {*OPERATIONS, *(bucket.operation for bucket in adapter.buckets)}:
        buckets = _buckets(adapter, operation)
        passages[operation] = Passage(
            platform=adapter.slug,
            own=key(_SCOPE.CONNECTION, ALL),
            shared=key(shared, ALL),
            told=tuple(key(b.scope, b.name) for b in buckets if not b.counted),
            counted=tuple(
                Counted(
                    key(b.scope, b.pool or b.name),
                    b.calls,
                    b.window.total_seconds(),
                    b.cost,
                    b.refilled_in,
                )
                for b in buckets
                if b.counted
            ),
            is_spaced=adapter.adaptive_spacing,
        )
    return passages


def _buckets(adapter: Adapter, operation: str) -> list[Bucket]:
    """Return the buckets of an operation, or those for calls without one of their own."""
    own = [bucket for bucket in adapter.buckets if bucket.operation == operation]
    return own or [bucket for bucket in adapter.buckets if bucket.operation == OTHER]
