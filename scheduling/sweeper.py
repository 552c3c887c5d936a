"""Recovering what dead or stalled workers left behind; runs every second inside each slot.

1. Unsent claims of silent slots become free again.
2. Sent posts whose lease and grace are over become `outcome_unknown`, never `scheduled`: the dead
   worker may have posted. The reconciler finds out.
3. Posts blocked by a connection that works again go on.
"""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import connection, transaction

from engine import sql
from engine.errors import ErrorCategory
from platforms.models import ConnectionState, SocialConnection
from scheduling.announcements import PostChange, announce
from scheduling.models import PostTransition, ScheduledPost
from scheduling.states import PostState

log = logging.getLogger("carillon.sweeper")

S = PostState
ACTOR = "sweeper"
NO_ANSWER = (
    "The worker that sent this post ended before the network's answer was recorded. "
    "Carillon asks the network before anything is sent again."
)


def sweep() -> None:
    """Do all three recoveries."""
    freed = ScheduledPost.steal(silent_after=settings.SLOT_TIME_TO_LIVE)
    if freed:
        log.warning("claims.stolen", extra={"count": freed})
    doubt_abandoned()
    unblock()


def doubt_abandoned() -> int:
    """Move sent posts whose lease and grace are over to `outcome_unknown`; returns how many."""
    over = (
        f"state = '{S.PUBLISHING}' AND lease_expires_at < {sql.now_plus(-settings.RECONCILE_GRACE)}"
    )
    return _move_all(
        over,
        set_sql=(
            f"state = '{S.OUTCOME_UNKNOWN}', due_at = {sql.now_plus()}, lease_slot = NULL, "
            "lease_expires_at = NULL, fencing_token = fencing_token + 1, "
            "first_sent_at = COALESCE(first_sent_at, sent_at), "
            f"last_category = '{ErrorCategory.OUTCOME_UNKNOWN}', last_error = %s"
        ),
        parameters=[NO_ANSWER],
        source=S.PUBLISHING,
        target=S.OUTCOME_UNKNOWN,
        reason=NO_ANSWER,
        event="post.outcome_unknown",
        indexed_by="lease_slot IS NOT NULL",
    )


def unblock() -> int:
    """Let posts go on whose connection is active again; returns how many.

    They are due at their own moment, so the late policy decides about those long overdue.
    """
    connections = sql.table_of(SocialConnection)
    table = sql.table_of(ScheduledPost)
    return _move_all(
        f"state = '{S.BLOCKED}' AND EXISTS (SELECT 1 FROM {connections} c "  # noqa: S608
        f"WHERE c.id = {table}.connection_id AND c.state = '{ConnectionState.ACTIVE}')",
        set_sql=(
            f"state = '{S.SCHEDULED}', due_at = scheduled_at, "
            "fencing_token = fencing_token + 1, last_category = '', last_error = ''"
        ),
        parameters=[],
        source=S.BLOCKED,
        target=S.SCHEDULED,
        reason="the connection works again",
        event="",
        indexed_by="TRUE",
    )


def _move_all(
    condition: str,
    *,
    set_sql: str,
    parameters: list[str],
    source: str,
    target: str,
    reason: str,
    event: str,
    indexed_by: str,
) -> int:
    """Move every post that meets `condition`, with transitions and outbox rows."""
    ScheduledPost.graph.check(source, target)
    table = sql.table_of(ScheduledPost)
    statement = (
        f"UPDATE {table} SET {set_sql} WHERE {indexed_by} AND {condition} "  # noqa: S608
        "RETURNING id, fencing_token"
    )
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            moved = cursor.fetchall()
        if not moved:
            return 0
        sql.insert_rows(
            PostTransition,
            [
                {
                    "post_id": sql.as_uuid(pk),
                    "source": source,
                    "target": target,
                    "actor": ACTOR,
                    "reason": reason,
                    "fencing_token": token,
                }
                for pk, token in moved
            ],
            {
                "post_id": sql.UUID,
                "source": sql.TEXT,
                "target": sql.TEXT,
                "actor": sql.TEXT,
                "reason": sql.TEXT,
                "fencing_token": sql.BIGINT,
            },
            fixed={"at": sql.now_plus()},
        )
        if event:
            posts = ScheduledPost.objects.in_bulk([sql.as_uuid(pk) for pk, _ in moved])
            announce([PostChange.of(post, event=event) for post in posts.values()])
    log.warning("posts.moved", extra={"count": len(moved), "target": target})
    return len(moved)
