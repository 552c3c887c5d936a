"""Posts of an account that cannot be used: why they wait, and stopping those that are near."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import connection as database
from django.db import transaction

from engine import sql
from engine.errors import ErrorCategory
from platforms.models import ConnectionState, SocialConnection
from scheduling.announcements import PostChange, announce
from scheduling.connection_mails import ask_to_reconnect
from scheduling.models import ScheduledPost
from scheduling.records import insert_transitions
from scheduling.states import WAITING, PostState
from scheduling.tallies import Tallies

S = PostState
ACTOR = "tokens"


def why_blocked(connection: SocialConnection) -> str:
    """Return why posts of a connection that is not active wait, and what its owner can do."""
    return {
        ConnectionState.PAUSED: f"{connection} is paused. Resume it and the post goes on.",
        ConnectionState.NEEDS_RECONNECT: (
            f"{connection} must be connected again. {connection.state_reason}".strip()
        ),
        ConnectionState.REVOKED: f"{connection} was disconnected. Connect it again.",
    }[ConnectionState(connection.state)]


def block_waiting(connection_id: uuid.UUID) -> int:
    """Block the posts of a dead connection that are inside the look-ahead window; returns how many.

    So its owner hears of it while there may be time to reconnect. Claimed but unsent posts are
    taken back; later posts are blocked when their moment comes.
    """
    account = SocialConnection.objects.select_related("workspace").get(pk=connection_id)
    why = why_blocked(account)
    moved: list[uuid.UUID] = []
    with transaction.atomic():
        if account.state == ConnectionState.NEEDS_RECONNECT:
            ask_to_reconnect(account)
        for source in sorted(WAITING):
            moved += _block(connection_id, PostState(source), why)
        posts = list(ScheduledPost.objects.filter(pk__in=moved))
        announce([PostChange.of(post, event="post.blocked") for post in posts])
        tallies = Tallies()
        for post in posts:
            tallies.reached(post.platform, post.state)
        tallies.write()
    return len(moved)


def _block(connection_id: uuid.UUID, source: PostState, why: str) -> list[uuid.UUID]:
    ScheduledPost.graph.check(source, S.BLOCKED)
    table = sql.table_of(ScheduledPost)
    # A row that somebody writes at this moment is blocked when it is claimed next.
    locked = " FOR UPDATE SKIP LOCKED" if sql.is_postgresql() else ""
    chosen = (
        f"SELECT id FROM {table} WHERE connection_id = %s AND state = '{source}' "  # noqa: S608
        f"AND due_at <= {sql.now_plus(settings.LOOK_AHEAD)}{locked}"
    )
    statement = (
        f"UPDATE {table} SET state = '{S.BLOCKED}', due_at = NULL, "  # noqa: S608
        "lease_slot = NULL, lease_expires_at = NULL, fencing_token = fencing_token + 1, "
        f"last_category = '{ErrorCategory.AUTH_ERROR}', last_error = %s "
        f"WHERE id IN ({chosen}) RETURNING id, fencing_token"
    )
    key = connection_id if sql.is_postgresql() else connection_id.hex
    with database.cursor() as cursor:
        cursor.execute(statement, [why, key])
        moved = [(sql.as_uuid(pk), token) for pk, token in cursor.fetchall()]
    insert_transitions(
        [
            {
                "post_id": pk,
                "source": source,
                "target": S.BLOCKED,
                "actor": ACTOR,
                "reason": why,
                "fencing_token": token,
            }
            for pk, token in moved
        ]
    )
    return [pk for pk, _ in moved]
