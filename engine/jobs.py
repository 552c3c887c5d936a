"""Leased jobs: rows that one worker at a time may act on, for a limited time, with a fencing token.

The rules, each of which the others need:
1. `claim` takes free, due rows for a slot and raises each row's fencing token.
2. Every later write presents that token inside its WHERE; no row updated means the lease is lost.
3. People's actions (cancel, edit, pause) raise the token too, so they win until the send mark.
4. `steal` frees unsent rows of a slot that fell silent; sent rows wait for `expire`, which their
   own lease decides.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from django.db import connection, models, transaction

from engine import sql
from engine.ids import uuid7
from engine.models import WorkerSlot
from engine.states import StateGraph

SPARE = 4  # a dealt claim looks at so many rows for one: others may be claiming some of them


class LostLease(Exception):
    """Somebody else was first: the row's token or state is no longer what this worker holds."""


@dataclass(frozen=True, slots=True)
class Deal:
    """How a claim is dealt out: owners take turns, inside each its lanes, no lane gets much.

    `lane_most` bounds the rows of one lane; the owners and lanes in `full` get none, nor do those
    for which `lane_where` (trusted SQL about owner `o` and lane `l`) does not hold: none of their
    rows is read.
    """

    lane_most: int
    full: Collection[Hashable] = ()
    lane_where: str = "TRUE"


class LeasedJob(models.Model):
    """The columns and statements all leased jobs share; a model adds its states and payload."""

    graph: ClassVar[type[StateGraph]]
    sending: ClassVar[str]  # the state that the send mark sets: such a row may have been sent
    owner_column: ClassVar[str]  # who must not starve, and ...
    lane_column: ClassVar[str]  # ... what each owner's rows queue for; both for dealt claims

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    state: Any  # each job declares its own choices
    priority = models.PositiveSmallIntegerField(default=0)  # 0 ordinary .. 9 first
    due_at = models.DateTimeField(null=True, blank=True)  # next moment the machine acts
    attempts = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=7)
    lease_slot = models.BigIntegerField(null=True, blank=True, editable=False)  # WorkerSlot.pk
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    fencing_token = models.PositiveBigIntegerField(default=0, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @classmethod
    def claim(
        cls,
        slot_id: int,
        *,
        limit: int,
        horizon: timedelta,
        lease: timedelta,
        columns: Sequence[str],
        deal: Deal | None = None,
        extra_where: str = "",
        parameters: Sequence[Any] = (),
    ) -> list[tuple[Any, ...]]:
        """Lease up to `limit` free rows due within `horizon` and return their `columns`.

        Rows come earliest first. With `deal` the limit is dealt out over owners and lanes
        instead, higher priority first inside each: used when more is due than one claim can take.
        `extra_where` narrows the choice (trusted SQL, whose placeholders `parameters` fill).
        """
        table = sql.table_of(cls)
        until = sql.now_plus(horizon)
        free = "lease_slot IS NULL AND due_at IS NOT NULL"
        if extra_where:
            free += f" AND ({extra_where})"
        if deal is None:
            chosen = _early_choice(table, f"due_at <= {until} AND {free}", limit)
        else:
            by = cls.owner_column, cls.lane_column
            chosen = _dealt_choice(table, (until, free), by, deal, limit)
            parameters = [sql.encode({"id": each} for each in deal.full), *parameters]
        statement = (
            f"UPDATE {table} SET lease_slot = %s, lease_expires_at = {sql.now_plus(lease)}, "  # noqa: S608
            f"fencing_token = fencing_token + 1 WHERE {chosen} RETURNING {', '.join(columns)}"
        )
        if deal is not None and sql.is_postgresql():
            with transaction.atomic():
                _read_in_order()
                return _rows_of(statement, [slot_id, *parameters])
        return _rows_of(statement, [slot_id, *parameters])

    @classmethod
    def release(cls, jobs: Sequence[tuple[uuid.UUID, int]]) -> int:
        """Give unsent claims back, (id, token) each; returns how many were still ours."""
        rows = [{"id": pk, "token": token} for pk, token in jobs]
        freed = sql.fenced_update(
            cls,
            rows,
            {},
            set_sql="lease_slot = NULL, lease_expires_at = NULL",
            where_sql=f"t.state <> '{cls.sending}'",
        )
        return len(freed)

    @classmethod
    def forsake(cls, slot_id: int) -> int:
        """Free every unsent row of a slot that does not know what it holds; returns how many.

        After a claim that may have been committed without its answer. The token rises, so what
        the slot does know of is refused when it comes to its mark, and claimed again.
        """
        statement = (
            f"UPDATE {sql.table_of(cls)} SET lease_slot = NULL, lease_expires_at = NULL, "  # noqa: S608
            f"fencing_token = fencing_token + 1 WHERE lease_slot = %s AND state <> '{cls.sending}'"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, [slot_id])
            return int(cursor.rowcount)

    @classmethod
    def steal(cls, *, silent_after: timedelta) -> int:
        """Free the unsent rows of slots without a heartbeat for `silent_after`; returns how many.

        A claim whose own lease ran out is freed too, whoever holds it. Rows in the `sending`
        state are left alone: the dead worker may have sent them. The token rises, so that a slot
        that was only slow is refused one by one; a mark on a row without lease breaks its batch.
        """
        fresh = (
            f"SELECT id FROM {sql.table_of(WorkerSlot)} WHERE stopped_at IS NULL "  # noqa: S608
            f"AND heartbeat_at > {sql.now_plus(-silent_after)}"
        )
        statement = (
            f"UPDATE {sql.table_of(cls)} SET lease_slot = NULL, lease_expires_at = NULL, "  # noqa: S608
            "fencing_token = fencing_token + 1 "
            f"WHERE lease_slot IS NOT NULL AND state <> '{cls.sending}' "
            f"AND (lease_expires_at < {sql.now_plus()} OR lease_slot NOT IN ({fresh}))"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, [])
            return int(cursor.rowcount)

    @classmethod
    def expire(
        cls, *, grace: timedelta, set_sql: str, parameters: Sequence[Any] = ()
    ) -> list[tuple[uuid.UUID, int]]:
        """End the leases of sent rows that are over for longer than `grace`.

        `set_sql` says where they go (never back to waiting without a question: they may have been
        sent). Returns (id, new token) of each; the old holder's writes are refused from now on.
        """
        statement = (
            f"UPDATE {sql.table_of(cls)} SET {set_sql}, lease_slot = NULL, "  # noqa: S608
            "lease_expires_at = NULL, fencing_token = fencing_token + 1 "
            f"WHERE lease_slot IS NOT NULL AND state = '{cls.sending}' "
            f"AND lease_expires_at < {sql.now_plus(-grace)} RETURNING id, fencing_token"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return [(sql.as_uuid(pk), token) for pk, token in cursor.fetchall()]


def _rows_of(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _read_in_order() -> None:
    """Let the planner sort nothing, in this transaction, that an index holds in order.

    It takes all lanes to be of one length, so where most are short it would rather read a lane
    whole by another index and sort it, even if that lane's backlog is all there is.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_sort = off; SET LOCAL enable_incremental_sort = off")


def _early_choice(table: str, free: str, limit: int) -> str:
    """Return the WHERE of a claim that takes the earliest free rows."""
    inner = f"SELECT id FROM {table} WHERE {free} ORDER BY due_at LIMIT {limit:d}"  # noqa: S608
    return _locked(inner)


def _dealt_choice(
    table: str, which: tuple[str, str], by: tuple[str, str], deal: Deal, limit: int
) -> str:
    """Return the WHERE of a claim that deals the limit out over owners and their lanes.

    `which` says until when a row is due and when it is free; `by` names the columns of owner and
    lane; the first placeholder takes those that are full. The lanes are walked with one index probe
    each (a "loose index scan"), so however long the backlog of one is, only `lane_most` of its rows
    are read; of these the first go by priority, then age.
    """
    until, free = which
    owner, lane = by
    lane_most = deal.lane_most
    full = f"full_ones AS (SELECT v_id FROM {sql.recordset('f', {'id': sql.UUID})})"  # noqa: S608
    has_room = " AND ".join(f"{key} NOT IN (SELECT v_id FROM full_ones)" for key in ("o", "l"))  # noqa: S608
    has_room += f" AND ({deal.lane_where})"
    turn = "row_number() OVER (PARTITION BY o, l ORDER BY priority DESC, due_at) AS turn"
    in_order = "ORDER BY place, dealt.priority DESC, dealt.due_at"
    dealt = (
        "dealt AS (SELECT id, priority, due_at, row_number() OVER "
        "(PARTITION BY o ORDER BY priority DESC, turn, due_at) AS place FROM candidate)"
    )
    if not sql.is_postgresql():
        return (
            f"id IN (WITH {full}, waiting AS (SELECT id, priority, due_at, {owner} AS o, "  # noqa: S608
            f"{lane} AS l FROM {table} WHERE {free} AND due_at <= {until}), "
            f"ranked AS (SELECT *, {turn} FROM waiting WHERE {has_room}), "
            f"candidate AS (SELECT * FROM ranked WHERE turn <= {lane_most:d}), {dealt} "
            f"SELECT id FROM dealt {in_order} LIMIT {limit:d})"
        )

    def first_lane(after: str = "") -> str:
        return (
            f"SELECT {owner} AS o, {lane} AS l, due_at FROM {table} "  # noqa: S608
            f"WHERE lease_slot IS NULL AND due_at IS NOT NULL {after} "
            f"ORDER BY {owner}, {lane}, due_at LIMIT 1"
        )

    # Bounds and order are rows, which only the lanes' own index has in order. "due_at <= ..." alone
    # would lead a planner with statistics from before these rows were due to read, for each lane,
    # all that is due.
    return (
        f"id = ANY(ARRAY(WITH RECURSIVE {full}, lane AS (({first_lane()}) "  # noqa: S608
        "UNION ALL SELECT n.o, n.l, n.due_at FROM lane, LATERAL "
        f"({first_lane(f'AND ({owner}, {lane}) > (lane.o, lane.l)')}) n), "
        "busy AS MATERIALIZED (SELECT o, l FROM lane "
        f"WHERE due_at <= {until} AND {has_room}), "
        f"candidate AS (SELECT o, id, priority, due_at, {turn} "
        f"FROM busy, LATERAL (SELECT id, priority, due_at FROM {table} WHERE {free} "
        f"AND ({owner}, {lane}, due_at) >= (o, l, '-infinity') "
        f"AND ({owner}, {lane}, due_at) <= (o, l, {until}) "
        f"ORDER BY {owner}, {lane}, due_at LIMIT {lane_most:d}) earliest), {dealt}, "
        f"chosen AS (SELECT * FROM dealt {in_order} LIMIT {SPARE * limit:d}) "
        f"SELECT p.id FROM {table} p JOIN chosen AS dealt ON dealt.id = p.id "
        f"WHERE p.lease_slot IS NULL {in_order} LIMIT {limit:d} FOR UPDATE OF p SKIP LOCKED))"
    )


def _locked(inner: str) -> str:
    if sql.is_postgresql():
        return f"id = ANY(ARRAY({inner} FOR UPDATE SKIP LOCKED))"
    return f"id IN ({inner})"
