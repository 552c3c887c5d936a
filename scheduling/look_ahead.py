"""Once a minute: posts inside the look-ahead window become `queued`, to be prepared by a slot."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection, transaction

from engine import sql
from scheduling.models import PostTransition, ScheduledPost
from scheduling.preparing import inside_window, longest_window
from scheduling.states import PostState

S = PostState
ACTOR = "look-ahead"
BATCH = 2000


def queue_due_posts() -> int:
    """Move posts due within LOOK_AHEAD_MINUTES from `scheduled` to `queued`; returns how many.

    Those with files earlier, where their network wants more time (`Adapter.prepare_ahead`).

    Only unclaimed rows: a post already in a slot's hands needs no preparation ahead.
    """
    soon = f"due_at <= {sql.now_plus(settings.LOOK_AHEAD)}"
    slow = f"due_at <= {sql.now_plus(longest_window())} AND {inside_window()}"
    return _queue(soon) + _queue(slow)


def _queue(wanted: str) -> int:
    total, since = 0, ""
    while moved := _queue_batch(wanted, since):
        total += len(moved)
        if len(moved) < BATCH:
            break
        since = str(max(due for _, _, due in moved))
    return total


def _queue_batch(wanted: str, since: str) -> list[tuple[Any, ...]]:
    """Queue the earliest wanted posts due from `since` on; returns (id, token, due_at) of each.

    A batch begins where the last one ended, so that what is queued is not read again and again.
    """
    ScheduledPost.graph.check(S.SCHEDULED, S.QUEUED)
    table = sql.table_of(ScheduledPost)
    locked = " FOR UPDATE SKIP LOCKED" if sql.is_postgresql() else ""
    begun = " AND due_at >= %s" if since else ""
    chosen = (
        f"SELECT id FROM {table} WHERE lease_slot IS NULL AND state = '{S.SCHEDULED}' "  # noqa: S608
        f"AND {wanted}{begun} "
        f"ORDER BY due_at LIMIT {BATCH}{locked}"
    )
    statement = (
        f"UPDATE {table} SET state = '{S.QUEUED}' WHERE id IN ({chosen}) "  # noqa: S608
        "RETURNING id, fencing_token, due_at"
    )
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(statement, [since] if since else [])
            moved: list[tuple[Any, ...]] = cursor.fetchall()
        sql.insert_rows(
            PostTransition,
            [{"post_id": sql.as_uuid(pk), "fencing_token": token} for pk, token, _ in moved],
            {"post_id": sql.UUID, "fencing_token": sql.BIGINT},
            fixed={
                "source": f"'{S.SCHEDULED}'",
                "target": f"'{S.QUEUED}'",
                "actor": f"'{ACTOR}'",
                "reason": "'inside the look-ahead window'",
                "at": sql.now_plus(),
            },
        )
    return moved
