"""Recovering what dead or stalled workers left behind; runs every second inside each slot.

1. Unsent claims of silent slots become free again.
2. Sent posts whose lease and grace are over become `outcome_unknown`, never `scheduled`: the dead
   worker may have posted. The reconciler finds out.
3. Posts blocked by a connection that works again go on, and doubts that waited for it are asked.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.db import connection, transaction

from engine import sql
from engine.crash_points import reach
from engine.errors import ErrorCategory
from platforms.models import ConnectionState, SocialConnection
from scheduling.announcements import PostChange, announce
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.records import insert_transitions
from scheduling.states import PostState
from scheduling.tallies import Tallies

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
    reach("sweep.before")
    if doubt_abandoned():
        reach("sweep.after")
    unblock()
    wake_doubts()


def doubt_abandoned() -> int:
    """Move sent posts whose lease and grace are over to `outcome_unknown`; returns how many."""
    ScheduledPost.graph.check(S.PUBLISHING, S.OUTCOME_UNKNOWN)
    with transaction.atomic():
        moved = ScheduledPost.expire(
            grace=settings.RECONCILE_GRACE,
            set_sql=(
                f"state = '{S.OUTCOME_UNKNOWN}', due_at = {sql.now_plus()}, "
                "first_sent_at = COALESCE(first_sent_at, sent_at), "
                f"last_category = '{ErrorCategory.OUTCOME_UNKNOWN}', last_error = %s"
            ),
            parameters=[NO_ANSWER],
        )
        _note(moved, source=S.PUBLISHING, target=S.OUTCOME_UNKNOWN, reason=NO_ANSWER)
        if moved:
            # The worker's own word, should it still come, replaces this.
            PublishAttempt.objects.filter(
                post_id__in=[pk for pk, _ in moved], outcome="in_flight"
            ).update(outcome="unknown", decision="reconcile", reason=NO_ANSWER)
            posts = ScheduledPost.objects.in_bulk([pk for pk, _ in moved])
            announce([PostChange.of(p, event="post.outcome_unknown") for p in posts.values()])
            _tally(posts.values())
    return len(moved)


def _tally(posts: Iterable[ScheduledPost]) -> None:
    """Count posts in doubt, and the tries that their workers did not end."""
    tallies = Tallies()
    for post in posts:
        tallies.attempt(post.platform, "unknown", ErrorCategory.OUTCOME_UNKNOWN)
        tallies.reached(post.platform, post.state)
        if post.first_sent_at and post.first_sent_at == post.sent_at:
            lateness = post.first_sent_at - post.scheduled_at
            tallies.sent(post.platform, lateness.total_seconds())
    tallies.write()


def unblock() -> int:
    """Let posts go on whose connection is active again; returns how many.

    They are due at their own moment, so the late policy decides about those long overdue.
    """
    ScheduledPost.graph.check(S.BLOCKED, S.SCHEDULED)
    table = sql.table_of(ScheduledPost)
    works = (
        f"SELECT 1 FROM {sql.table_of(SocialConnection)} c "  # noqa: S608 - names are ours
        f"WHERE c.id = {table}.connection_id AND c.state = '{ConnectionState.ACTIVE}'"
    )
    statement = (
        f"UPDATE {table} SET state = '{S.SCHEDULED}', due_at = scheduled_at, "  # noqa: S608
        "fencing_token = fencing_token + 1, last_category = '', last_error = '' "
        f"WHERE state = '{S.BLOCKED}' AND EXISTS ({works}) RETURNING id, fencing_token"
    )
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(statement)
            moved = [(sql.as_uuid(pk), token) for pk, token in cursor.fetchall()]
        _note(moved, source=S.BLOCKED, target=S.SCHEDULED, reason="the connection works again")
    return len(moved)


def wake_doubts() -> int:
    """Let posts be asked about whose account can be asked again; returns how many.

    They are in doubt, and wait for their connection's owner (see `scheduling.asking`).
    """
    table = sql.table_of(ScheduledPost)
    works = (
        f"SELECT 1 FROM {sql.table_of(SocialConnection)} c "  # noqa: S608 - names are ours
        f"WHERE c.id = {table}.connection_id AND c.state = '{ConnectionState.ACTIVE}'"
    )
    statement = (
        f"UPDATE {table} SET due_at = {sql.now_plus()} "  # noqa: S608
        f"WHERE state = '{S.OUTCOME_UNKNOWN}' AND last_category = '{ErrorCategory.AUTH_ERROR}' "
        f"AND lease_slot IS NULL AND due_at > {sql.now_plus()} AND EXISTS ({works})"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)


def _note(moved: Sequence[tuple[uuid.UUID, int]], *, source: str, target: str, reason: str) -> None:
    """Write the transitions of the moved posts, (id, token) each."""
    if not moved:
        return
    insert_transitions(
        [
            {
                "post_id": pk,
                "source": source,
                "target": target,
                "actor": ACTOR,
                "reason": reason,
                "fencing_token": token,
            }
            for pk, token in moved
        ]
    )
    log.warning("posts.moved", extra={"count": len(moved), "target": target})
