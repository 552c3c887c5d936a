"""The outbox's door: events are written in the transaction of what happened, or not at all."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from engine import sql
from engine.ids import uuid7
from notifications.ladder import attempts_of
from notifications.lanes import lane_of
from notifications.models import Delivery, DeliveryState, DigestItem, Notification

_NOTIFICATION_COLUMNS = {
    "id": sql.UUID,
    "event": sql.TEXT,
    "workspace_id": sql.UUID,
    "user_id": sql.BIGINT,
    "context": sql.JSONB,
    "dedupe_key": sql.TEXT,
}
_DELIVERY_COLUMNS = {
    "id": sql.UUID,
    "notification_id": sql.UUID,
    "channel": sql.TEXT,
    "target": sql.TEXT,
    "lane": sql.TEXT,
    "max_attempts": sql.INT,
}
_ITEM_COLUMNS = {
    "id": sql.UUID,
    "notification_id": sql.UUID,
    "user_id": sql.BIGINT,
    "due_at": sql.INSTANT,
}


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One thing to tell: `event` is noun.verb, `deliveries` are (channel, target) pairs.

    `dedupe_key` (at most 255 characters) names the happening: a second event with the same key is
    not written. `context` is what the channels make their messages of (JSON). `later` holds the
    channels that must not be used before an instant, `digest_at` when the user's summary is due
    that tells it, if one does.
    """

    event: str
    workspace_id: uuid.UUID | None
    context: Mapping[str, Any]
    dedupe_key: str
    deliveries: tuple[tuple[str, str], ...]
    user_id: int | None = None
    later: Mapping[str, datetime] = field(default_factory=dict)
    digest_at: datetime | None = None
    id: uuid.UUID = field(default_factory=uuid7)


def write(events: Sequence[OutboxEvent]) -> int:
    """Write events with their deliveries, due at once if not `later`; returns how many were new.

    Runs in the caller's transaction: two statements however many events, none for none. Quiet
    hours and summaries take a few more.
    """
    if not events:
        return 0
    first = {event.dedupe_key: event for event in reversed(events)}
    # In the order of their keys, so that two writers of the same keys wait and never deadlock.
    ordered = [first[key] for key in sorted(first)]
    new = _insert_notifications(ordered)
    sql.insert_rows(
        Delivery,
        [
            {
                "id": uuid7(),
                "notification_id": event.id,
                "channel": channel,
                "target": target,
                "lane": lane_of(channel, target),
                "max_attempts": attempts_of(channel),
            }
            for event in ordered
            if event.id in new
            for channel, target in event.deliveries
        ],
        _DELIVERY_COLUMNS,
        fixed={
            "state": f"'{DeliveryState.PENDING}'",
            "due_at": sql.now_plus(),
            "created_at": sql.now_plus(),
            "priority": "0",
            "attempts": "0",
            "fencing_token": "0",
            "provider_id": "''",
            "error_category": "''",
            "error_text": "''",
        },
    )
    written = [event for event in ordered if event.id in new]
    _put_off(written)
    sql.insert_rows(
        DigestItem,
        [
            {
                "id": uuid7(),
                "notification_id": event.id,
                "user_id": event.user_id,
                "due_at": event.digest_at,
            }
            for event in written
            if event.digest_at is not None
        ],
        _ITEM_COLUMNS,
    )
    return len(new)


def _put_off(events: Sequence[OutboxEvent]) -> None:
    """Give the deliveries of quiet hours their moment; people of one zone share few of them."""
    moments: defaultdict[tuple[str, datetime], list[uuid.UUID]] = defaultdict(list)
    for event in events:
        for channel, moment in event.later.items():
            moments[channel, moment].append(event.id)
    for (channel, moment), ids in moments.items():
        Delivery.objects.filter(notification_id__in=ids, channel=channel).update(due_at=moment)


def _insert_notifications(events: Sequence[OutboxEvent]) -> set[uuid.UUID]:
    """Insert those whose dedupe key is free; returns the ids that were inserted."""
    names = ", ".join(_NOTIFICATION_COLUMNS)
    values = ", ".join(f"v.v_{name}" for name in _NOTIFICATION_COLUMNS)
    statement = (
        f"INSERT INTO {sql.table_of(Notification)} ({names}, created_at) "  # noqa: S608 - ours
        f"SELECT {values}, {sql.now_plus()} FROM {sql.recordset('v', _NOTIFICATION_COLUMNS)} "
        "WHERE TRUE ON CONFLICT (dedupe_key) DO NOTHING RETURNING id"
    )
    rows = [{name: getattr(event, name) for name in _NOTIFICATION_COLUMNS} for event in events]
    with connection.cursor() as cursor:
        cursor.execute(statement, [sql.encode(rows)])
        return {sql.as_uuid(pk) for (pk,) in cursor.fetchall()}
