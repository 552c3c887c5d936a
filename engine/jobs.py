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
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django.db import connection, models

from engine import sql
from engine.ids import uuid7
from engine.models import WorkerSlot
from engine.states import StateGraph


class LostLease(Exception):
    """Somebody else was first: the row's token or state is no longer what this worker holds."""


class LeasedJob(models.Model):
    """The columns and statements all leased jobs share; a model adds its states and payload."""

    graph: ClassVar[type[StateGraph]]
    sending: ClassVar[str]  # the state that the send mark sets: such a row may have been sent

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
        fair_by: str = "",
        extra_where: str = "",
        parameters: Sequence[Any] = (),
    ) -> list[tuple[Any, ...]]:
        """Lease up to `limit` free rows due within `horizon` and return their `columns`.

        Rows come earliest first. With `fair_by` (a column such as workspace_id) the limit is
        dealt out over that column's values instead, higher priority first inside each: used when
        more is due than one claim can take. `extra_where` narrows the choice (trusted SQL, whose
        placeholders `parameters` fill).
        """
        table = sql.table_of(cls)
        free = f"lease_slot IS NULL AND due_at <= {sql.now_plus(horizon)}"
        if extra_where:
            free += f" AND ({extra_where})"
        chosen = (
            _fair_choice(table, free, fair_by, limit)
            if fair_by
            else _early_choice(table, free, limit)
        )
        statement = (
            f"UPDATE {table} SET lease_slot = %s, lease_expires_at = {sql.now_plus(lease)}, "  # noqa: S608
            f"fencing_token = fencing_token + 1 WHERE {chosen} RETURNING {', '.join(columns)}"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, [slot_id, *parameters])
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

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


def _early_choice(table: str, free: str, limit: int) -> str:
    """Return the WHERE of a claim that takes the earliest free rows."""
    inner = f"SELECT id FROM {table} WHERE {free} ORDER BY due_at LIMIT {limit:d}"  # noqa: S608
    return _locked(inner)


def _fair_choice(table: str, free: str, fair_by: str, limit: int) -> str:
    """Return the WHERE of a claim that deals the limit out over the values of `fair_by`.

    The values are walked with one index probe each (a "loose index scan"); of the earliest rows of
    each, its share goes by priority, then age. Rows of no value can crowd out another's.
    """
    if not sql.is_postgresql():
        ranked = (
            f"SELECT id FROM (SELECT id, priority, due_at, row_number() OVER "  # noqa: S608
            f"(PARTITION BY {fair_by} ORDER BY priority DESC, due_at) AS place FROM {table} "
            f"WHERE {free}) ORDER BY place, priority DESC, due_at LIMIT {limit:d}"
        )
        return f"id IN ({ranked})"
    waiting = "lease_slot IS NULL AND due_at IS NOT NULL"
    return (
        "id = ANY(ARRAY("  # noqa: S608
        "WITH RECURSIVE owner AS ("
        f"(SELECT {fair_by} AS k FROM {table} WHERE {waiting} ORDER BY {fair_by} LIMIT 1) "
        f"UNION ALL SELECT (SELECT {fair_by} FROM {table} WHERE {waiting} "
        f"AND {fair_by} > owner.k ORDER BY {fair_by} LIMIT 1) FROM owner WHERE owner.k IS NOT NULL"
        "), dealt AS ("
        "SELECT c.id, c.priority, c.due_at, row_number() OVER "
        "(PARTITION BY owner.k ORDER BY c.priority DESC, c.due_at) AS place FROM owner, LATERAL "
        f"(SELECT id, priority, due_at FROM {table} WHERE {free} AND {fair_by} = owner.k "
        f"ORDER BY due_at LIMIT {limit:d}) c WHERE owner.k IS NOT NULL) "
        f"SELECT p.id FROM {table} p JOIN dealt ON dealt.id = p.id WHERE p.lease_slot IS NULL "
        f"ORDER BY dealt.place, dealt.priority DESC, dealt.due_at LIMIT {limit:d} "
        "FOR UPDATE OF p SKIP LOCKED))"
    )


def _locked(inner: str) -> str:
    if sql.is_postgresql():
        return f"id = ANY(ARRAY({inner} FOR UPDATE SKIP LOCKED))"
    return f"id IN ({inner})"
