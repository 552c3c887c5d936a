"""Access tokens on their row: one refresher at a time, the new pair stored before its first use.

1. `begin_refresh` gives the turn to one caller on all hosts: a lease, and a fence that rises with
   every turn and every reconnect. The same commit notes that a refresh is about to be sent.
2. The holder calls the network once, with the credentials that were read with the turn.
3. `store_refreshed`, `put_off` or `end_connection` end the turn and write only while the fence is
   theirs: what a reconnect or a later turn wrote stays.
A holder that dies leaves its note: single-use refresh tokens may be used up without anybody having
the new pair. The next turn tries the old one once more, and knows what a refusal then means.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Value, When
from django.db.models.functions import Coalesce, Now

from platforms.models import ConnectionState, SocialConnection

LOOK_AGAIN = timedelta(milliseconds=500)  # when a refresh under way will have had its answer
PAUSE = timedelta(seconds=60)  # between two refreshes that worked: some tokens live for minutes


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to refresh until the lease ends. `connection` was read with it.

    `lost_at` says that an earlier refresh was sent then and its answer never stored.
    """

    connection: SocialConnection
    lost_at: datetime | None


@dataclass(frozen=True, slots=True)
class Wait:
    """No fresh token before `until`; `reason` is a sentence, `failing_since` None while all works.

    All instants are of the database's clock.
    """

    until: datetime
    reason: str = ""
    failing_since: datetime | None = None


def refresh_lease() -> timedelta:
    """Return how long a turn lasts: its call begins within one deadline and ends within another."""
    lease: timedelta = 2 * settings.CALL_DEADLINE + settings.RECONCILE_GRACE
    return lease


def begin_refresh(connection_id: uuid.UUID, version: int) -> Turn | Wait | None:
    """Become the only refresher of a connection still at `version`, or learn how long to wait.

    None means that there is nothing to refresh any more: it was renewed, reconnected or paused.
    """
    with transaction.atomic():
        connection = (
            SocialConnection.objects.select_for_update(of=("self",))
            .annotate(now=Now())
            .filter(pk=connection_id, version=version, state=ConnectionState.ACTIVE)
            .first()
        )
        if connection is None:
            return None
        now: datetime = connection.now
        if connection.refresh_lease_until and connection.refresh_lease_until > now:
            return _wait(connection, min(connection.refresh_lease_until, now + LOOK_AGAIN))
        if connection.refresh_again_at and connection.refresh_again_at > now:
            return _wait(connection, connection.refresh_again_at)
        lost_at = connection.refresh_unanswered_at
        connection.refresh_lease_until = now + refresh_lease()
        connection.refresh_fence += 1
        connection.refresh_unanswered_at = lost_at or now
        connection.save(
            update_fields=["refresh_lease_until", "refresh_fence", "refresh_unanswered_at"]
        )
    return Turn(connection, lost_at)


def store_refreshed(turn: Turn, new: Mapping[str, Any]) -> bool:
    """Keep the new credentials and end the turn; False when the turn was over.

    Empty values overwrite nothing. An expiry belongs to its token and is not inherited.
    """
    connection = turn.connection
    old = {k: v for k, v in connection.get_credentials().items() if k != "expires_at"}
    merged = {**old, **{name: value for name, value in new.items() if value not in (None, "")}}
    connection.set_credentials(merged)
    is_active = When(state=ConnectionState.ACTIVE, then=Value(""))
    # A pause in the meantime does not matter: the old refresh token may be used up.
    return bool(
        SocialConnection.objects.filter(pk=connection.pk, refresh_fence=connection.refresh_fence)
        .exclude(state=ConnectionState.REVOKED)
        .update(
            secret=connection.secret,
            expires_at=expiry_of(merged),
            refresh_expires_at=expiry_of(merged, "refresh_expires_at"),
            version=F("version") + 1,
            state_reason=Case(is_active, default=F("state_reason")),
            refresh_lease_until=None,
            refresh_unanswered_at=None,
            refresh_failing_since=None,
            refresh_again_at=Now() + PAUSE,
        )
    )


def put_off(turn: Turn, wait: timedelta, reason: str, *, may_be_used: bool) -> Wait:
    """End a turn that brought no token; the next begins after `wait`.

    `may_be_used` says that the network may have accepted the refresh token all the same.
    """
    connection = turn.connection
    ours = SocialConnection.objects.filter(pk=connection.pk, refresh_fence=connection.refresh_fence)
    ours.update(
        refresh_lease_until=None,
        refresh_unanswered_at=connection.refresh_unanswered_at if may_be_used else turn.lost_at,
        refresh_failing_since=Coalesce("refresh_failing_since", Now()),
        refresh_again_at=Now() + wait,
    )
    ours.filter(state=ConnectionState.ACTIVE).update(state_reason=reason[:500])
    now: datetime = connection.now  # type: ignore[attr-defined]
    return Wait(now + wait, reason, connection.refresh_failing_since or now)


def end_connection(turn: Turn, reason: str) -> bool:
    """Say that the network no longer accepts the refresh token; False when the turn was over."""
    connection = turn.connection
    ours = SocialConnection.objects.filter(pk=connection.pk, refresh_fence=connection.refresh_fence)
    ended = ours.filter(state=ConnectionState.ACTIVE).update(
        state=ConnectionState.NEEDS_RECONNECT,
        state_reason=reason[:500],
        refresh_unanswered_at=None,
        refresh_failing_since=None,
        refresh_again_at=None,
    )
    ours.update(refresh_lease_until=None)
    return bool(ended)


def end_refreshing(connection: SocialConnection) -> None:
    """Forget every refresh: new credentials are about to be saved, a turn's result is refused."""
    connection.refresh_fence += 1
    connection.refresh_lease_until = None
    connection.refresh_unanswered_at = None
    connection.refresh_failing_since = None
    connection.refresh_again_at = None


def last_refreshed_at(connection: SocialConnection) -> datetime | None:
    """Return when a refresh last worked, as far as the row still tells; None: it does not."""
    if connection.refresh_failing_since is not None or connection.refresh_again_at is None:
        return None
    worked_at = connection.refresh_again_at - PAUSE
    ends = connection.expires_at
    # A connection left alone for an hour has such a moment too, but no token that outlasts it.
    return worked_at if ends is not None and ends > worked_at else None


def expire_token(connection_id: uuid.UUID, version: int) -> bool:
    """Note that the network refuses the access token of `version`: nobody uses it again."""
    return bool(
        SocialConnection.objects.filter(
            pk=connection_id, version=version, state=ConnectionState.ACTIVE
        ).update(expires_at=Now(), version=F("version") + 1)
    )


def mark_needs_reconnect(connection_id: uuid.UUID, version: int, reason: str) -> bool:
    """Say that only the owner can make this connection work again; once per version."""
    return bool(
        SocialConnection.objects.filter(
            pk=connection_id, version=version, state=ConnectionState.ACTIVE
        ).update(state=ConnectionState.NEEDS_RECONNECT, state_reason=reason[:500])
    )


def expiry_of(credentials: Mapping[str, Any], name: str = "expires_at") -> datetime | None:
    """Return when a credentials object's token ends: an ISO instant or epoch seconds."""
    value = credentials.get(name)
    if value in (None, ""):
        return None
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, tz=UTC)
    parsed = datetime.fromisoformat(str(value))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _wait(connection: SocialConnection, until: datetime) -> Wait:
    return Wait(until, connection.state_reason, connection.refresh_failing_since)
