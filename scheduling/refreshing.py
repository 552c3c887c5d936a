"""Fresh access tokens: fetched ahead, one call per connection on all hosts, and never waited for.

A post whose token cannot be had yet gets an honest `due_at`; nothing sleeps. Only an explicit
"invalid grant" ends a connection: whatever else goes wrong while refreshing passes by itself.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import traceback
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from engine import sql
from engine.crash_points import reach
from engine.errors import ErrorCategory, ServiceError
from platforms.adapters.base import Capability
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import ADAPTERS
from platforms.tokens import (
    Turn,
    Wait,
    begin_refresh,
    end_connection,
    expire_token,
    mark_needs_reconnect,
    put_off,
    store_refreshed,
)
from scheduling.accounts import ConnectedAccount
from scheduling.blocking import block_waiting
from scheduling.models import ScheduledPost
from scheduling.states import WAITING

if TYPE_CHECKING:
    from scheduling.caller import Caller

log = logging.getLogger("carillon.publisher")

REFRESH_EARLY = timedelta(minutes=5)  # ahead: the token must outlast the look-ahead window by this
STILL_GOOD = timedelta(minutes=1)  # a token that lasts this long serves the next call
LAST_USE = timedelta(seconds=5)  # ... and one that lasts this long, if there is no other
LOOK_EVERY_SECONDS = 10.0
LOOK_AT_IDLE_EVERY_SECONDS = 600.0
AHEAD_AT_ONCE = 16  # refreshes side by side in one slot, each of another connection
NOT_REFRESHABLE_AGAIN = timedelta(hours=1)
STORE_AGAIN_SECONDS = 0.2
WAIT_LEAST = timedelta(seconds=5)
WAIT_MOST = timedelta(minutes=5)
C = ErrorCategory
# After these the network may have used up the refresh token; after the others it has certainly not.
MAY_BE_USED = frozenset({C.OUTCOME_UNKNOWN, C.SERVER_ERROR, C.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Renewal:
    """The account as it is now; `wait` says until when its token cannot be had."""

    account: ConnectedAccount
    wait: Wait | None = None

    @property
    def is_over(self) -> bool:
        """Say whether only the account's owner can help."""
        return self.account.state == ConnectionState.NEEDS_RECONNECT


def expires_before(account: ConnectedAccount, moment: datetime) -> bool:
    """Say whether the token ends before `moment` and can be replaced."""
    return account.expires_at is not None and account.expires_at < moment and account.is_renewable


async def fresh_token(caller: Caller, account: ConnectedAccount) -> Renewal:
    """Return the account with a token for the next call, refreshed if need be.

    While the old token lasts, a refresh that brings none delays nothing.
    """
    now = caller.clock.instant()
    if not expires_before(account, now + STILL_GOOD):
        return Renewal(account)
    renewal = await renew(caller, account)
    ends = renewal.account.expires_at
    if renewal.wait and ends is not None and ends > caller.clock.instant() + LAST_USE:
        return Renewal(renewal.account)
    return renewal


async def after_refusal(caller: Caller, account: ConnectedAccount, error: ServiceError) -> Renewal:
    """Replace a token that the network refused; without a way to, the connection is over.

    `account` is the one the call was made with: if it was renewed meanwhile, there is nothing to
    do. All other posts of the account stop using the refused token, too.
    """
    known, database = account.connection, caller.runner.database
    if account.is_renewable:
        await database.run(expire_token, known.pk, known.version)
    else:
        await database.run(_needs_reconnect, known, error.detail)
    await database.run(caller.accounts.load, [known.pk])
    return await fresh_token(caller, caller.accounts.get(known.pk))


async def renew(caller: Caller, account: ConnectedAccount) -> Renewal:
    """Fetch a fresh token, unless somebody else does or has done so; raises no ServiceError."""
    known, database = account.connection, caller.runner.database
    if hold := await caller.admit(account, "refresh"):
        until = datetime.fromtimestamp(hold.until, UTC)
        return Renewal(account, Wait(until, f"Waiting for the network's limit: {hold.reason}"))
    began = time.monotonic()
    turn = await database.run(begin_refresh, known.pk, known.version)
    wait = await _refresh(caller, account, turn, began) if isinstance(turn, Turn) else turn
    await database.run(caller.accounts.load, [known.pk])
    return Renewal(caller.accounts.get(known.pk), wait)


async def _refresh(
    caller: Caller, account: ConnectedAccount, turn: Turn, began: float
) -> Wait | None:
    """Use the turn: one call, and what follows from it."""
    if time.monotonic() - began > settings.CALL_DEADLINE.total_seconds():
        # A call made now could outlast the lease: two hosts would use one refresh token.
        late = ServiceError(C.NETWORK_ERROR, "This machine was too slow.")
        return await _failed(caller, account, turn, late)
    try:
        credentials = turn.connection.get_credentials()
        reach("refresh.leased")
        with caller.calling(account, "refresh") as http:
            fresh = await account.adapter.refresh(http, credentials)
        reach("refresh.fetched")
    except ServiceError as error:
        return await _failed(caller, account, turn, error)
    except Exception as error:  # noqa: BLE001 - one adapter's fault must not end its connection
        # The place without the message, which may quote credentials.
        at = traceback.extract_tb(error.__traceback__)[-1]
        details = {"error": type(error).__name__, "at": f"{at.filename}:{at.lineno}"}
        log.error("token.refresh_crashed", extra=details)  # noqa: TRY400
        internal = f"Carillon itself failed here ({type(error).__name__})."
        return await _failed(caller, account, turn, ServiceError(C.UNKNOWN, internal))
    await _store(caller, turn, fresh)
    return None


async def _store(caller: Caller, turn: Turn, fresh: Any) -> None:
    """Commit the new pair before anybody uses it; the old one may be worth nothing any more."""
    while True:
        try:
            stored = await caller.runner.database.run(store_refreshed, turn, fresh)
        except (OperationalError, InterfaceError) as error:
            log.warning("token.store_failed", extra={"error": type(error).__name__})
            await asyncio.sleep(STORE_AGAIN_SECONDS)
        else:
            break
    reach("refresh.stored")
    event = "token.refreshed" if stored else "token.refresh_superseded"
    log.info(event, extra={"connection_id": str(turn.connection.pk)})


async def _failed(
    caller: Caller, account: ConnectedAccount, turn: Turn, error: ServiceError
) -> Wait | None:
    log.warning(
        "token.refresh_failed",
        extra={
            "connection_id": str(turn.connection.pk),
            "category": error.category,
            "http_status": error.http_status,
        },
    )
    database = caller.runner.database
    if error.category is C.AUTH_ERROR and error.provider_code == "invalid_grant":
        await database.run(_end, turn, _why_over(account, turn, error))
        return None
    return await database.run(
        put_off,
        turn,
        _pause(turn, error, caller.rng),
        f"Its access token could not be refreshed yet. {error.detail}",
        may_be_used=error.category in MAY_BE_USED,
    )


def _why_over(account: ConnectedAccount, turn: Turn, error: ServiceError) -> str:
    if turn.lost_at is None:
        return error.detail
    return (
        f"The answer to a token refresh was lost at {turn.lost_at:%Y-%m-%d %H:%M} UTC, and "
        f"{account.adapter.name} no longer accepts the old token: connect the account again."
    )


def _pause(turn: Turn, error: ServiceError, rng: random.Random) -> timedelta:
    """Return the wait before the next try: as long as it has failed already, within bounds."""
    since = turn.connection.refresh_failing_since
    failing = turn.connection.now - since if since else timedelta()  # type: ignore[attr-defined]
    wait = min(max(failing, WAIT_LEAST), WAIT_MOST)
    return max(wait, error.retry_after or timedelta()) + WAIT_LEAST * rng.random()


# --- on a database thread -----------------------------------------------------------------------
def _end(turn: Turn, reason: str) -> None:
    with transaction.atomic():
        if end_connection(turn, reason):
            block_waiting(turn.connection.pk)


def _needs_reconnect(known: SocialConnection, reason: str) -> None:
    with transaction.atomic():
        if mark_needs_reconnect(known.pk, known.version, reason):
            block_waiting(known.pk)


def find_expiring(limit: int) -> list[uuid.UUID]:
    """Return active connections whose token hardly outlasts the window in which they have posts.

    One row each, however many posts wait; those that are being refreshed or put off are left out.
    """
    slugs = [slug for slug, kind in ADAPTERS.items() if Capability.REFRESH in kind.capabilities]
    states = ", ".join(f"'{state}'" for state in sorted(WAITING))
    ends_by = sql.now_plus(settings.LOOK_AHEAD + REFRESH_EARLY)
    near = (
        f"SELECT DISTINCT connection_id FROM {sql.table_of(ScheduledPost)} "  # noqa: S608
        f"WHERE lease_slot IS NULL AND state IN ({states}) "
        f"AND due_at <= {sql.now_plus(settings.LOOK_AHEAD)}"
    )
    # An array: the posts first, for they are few, while idle accounts' tokens end all the time.
    theirs = f"= ANY(ARRAY({near}))" if sql.is_postgresql() else f"IN ({near})"
    statement = (
        f"SELECT id FROM {sql.table_of(SocialConnection)} WHERE id {theirs} "  # noqa: S608
        f"AND state = '{ConnectionState.ACTIVE}' AND expires_at < {ends_by} "
        f"AND platform IN ({', '.join(['%s'] * len(slugs))}) "
        f"AND (refresh_lease_until IS NULL OR refresh_lease_until < {sql.now_plus()}) "
        f"AND (refresh_again_at IS NULL OR refresh_again_at < {sql.now_plus()}) "
        f"ORDER BY expires_at LIMIT {limit:d}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, slugs)
        return [sql.as_uuid(pk) for (pk,) in cursor.fetchall()]


def find_idle(limit: int) -> list[uuid.UUID]:
    """Return active connections whose token would end for want of posts.

    Some tokens can be renewed only while they are good (`Adapter.keep_alive`): whoever posts
    once a season would have to connect anew each time.
    """
    now = Now()
    ends = Q()
    for slug, kind in ADAPTERS.items():
        if kind.keep_alive is not None:
            ends |= Q(platform=slug, expires_at__lt=now + kind.keep_alive)
    if not ends:
        return []
    rows = SocialConnection.objects.filter(
        ends,
        Q(refresh_lease_until=None) | Q(refresh_lease_until__lt=now),
        Q(refresh_again_at=None) | Q(refresh_again_at__lt=now),
        state=ConnectionState.ACTIVE,
    )
    return list(rows.order_by("expires_at").values_list("pk", flat=True)[:limit])


def _leave_for_now(connection_id: uuid.UUID, version: int) -> None:
    """Keep a connection that cannot be refreshed out of the way of those that can."""
    SocialConnection.objects.filter(pk=connection_id, version=version).update(
        refresh_again_at=Now() + NOT_REFRESHABLE_AGAIN
    )


class RefreshAhead:
    """Refreshes, beside a slot's posts, the tokens that those in the look-ahead window will need.

    Every slot looks; the turn on the row decides who refreshes.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._loop: asyncio.AbstractEventLoop | None = None
        self.running: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._look_at = self._look_at_idle_at = float("-inf")  # monotonic seconds

    def open(self) -> None:
        """Begin on the loop."""
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Let refreshes under way end: their answers hold the only valid tokens."""
        self._loop = None
        if self.running:
            await asyncio.wait(
                list(self.running.values()), timeout=settings.CALL_DEADLINE.total_seconds()
            )

    def db_look(self) -> None:
        """Find what must be refreshed and hand it to the loop, every LOOK_EVERY_SECONDS."""
        loop, room = self._loop, AHEAD_AT_ONCE - len(self.running)
        if loop is None or room <= 0 or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_EVERY_SECONDS
        found = find_expiring(room)
        if len(found) < room and time.monotonic() >= self._look_at_idle_at:
            self._look_at_idle_at = time.monotonic() + LOOK_AT_IDLE_EVERY_SECONDS
            found += [pk for pk in find_idle(room) if pk not in found][: room - len(found)]
        self._caller.accounts.load(found)
        for pk in found:
            account = self._caller.accounts.get(pk)
            if account.is_renewable:
                loop.call_soon_threadsafe(self._start, account)
            else:
                _leave_for_now(pk, account.connection.version)

    def _start(self, account: ConnectedAccount) -> None:
        pk = account.connection.pk
        if pk in self.running or self._loop is None or self._caller.runner.is_stopping:
            return
        self.running[pk] = asyncio.create_task(self._run(account))

    async def _run(self, account: ConnectedAccount) -> None:
        try:
            await renew(self._caller, account)
        except (DatabaseError, InterfaceError) as error:
            log.warning("token.refresh_failed", extra={"error": type(error).__name__})
        finally:
            del self.running[account.connection.pk]
