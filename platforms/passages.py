"""Which buckets each kind of call of an account goes through, from what its adapter declares."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from engine.gate import Counted, Key, Passage
from engine.models import RateLimitState
from platforms.adapters.base import Adapter, Bucket

OTHER = "other"  # kinds of calls without a bucket of their own
ALL = "all"  # the bucket of refusals, breaker and spacing: they concern calls of any kind
_SCOPE = RateLimitState.Scope


def owner_of(scope: str, adapter: Adapter, connection_id: uuid.UUID, base_url: str) -> str:
    """Return whose allowance a scope means for this account: its id, the platform, or its host."""
    if scope == _SCOPE.CONNECTION:
        return str(connection_id)
    return urlsplit(base_url).netloc.lower() if scope == _SCOPE.HOST else adapter.slug


class Passages(dict[str, Passage]):
    """The passage of each kind of call of one account, made when it is first asked for.

    Most accounts of a burst only publish. Accounts at a user-given host share that host's
    troubles, not those of the software it runs.
    """

    def __init__(self, adapter: Adapter, connection_id: uuid.UUID, base_url: str) -> None:
        super().__init__()
        self._adapter, self._connection_id, self._base_url = adapter, connection_id, base_url

    def __missing__(self, operation: str) -> Passage:
        adapter = self._adapter
        buckets = _buckets(adapter, operation)
        shared = _SCOPE.HOST if adapter.user_given_host() else _SCOPE.APP
        self[operation] = passage = Passage(
            platform=adapter.slug,
            own=self._key(_SCOPE.CONNECTION, ALL),
            shared=self._key(shared, ALL),
            told=tuple(self._key(b.scope, b.name) for b in buckets if not b.counted),
            counted=tuple(
                Counted(
                    self._key(b.scope, b.pool or b.name),
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
        return passage

    def _key(self, scope: str, bucket: str) -> Key:
        owner = owner_of(scope, self._adapter, self._connection_id, self._base_url)
        return (str(scope), owner, bucket)


def _buckets(adapter: Adapter, operation: str) -> list[Bucket]:
    """Return the buckets of an operation, or those for calls without one of their own."""
    own = [bucket for bucket in adapter.buckets if bucket.operation == operation]
    return own or [bucket for bucket in adapter.buckets if bucket.operation == OTHER]
