"""Claimed deliveries as the notifier loop holds them, and what it writes: marks and results."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError

from engine import sql
from engine.errors import ServiceError
from engine.models import Installation
from notifications.ladder import attempts_of
from notifications.models import Channel, Delivery, DeliveryGraph, DeliveryState, Notification
from notifications.targets import Destination, look_up

log = logging.getLogger("carillon.notifier")

D = DeliveryState

COLUMNS = (
    "id",
    "fencing_token",
    "state",
    "due_at",
    "priority",
    "notification_id",
    "channel",
    "target",
    "lane",
    "attempts",
    "max_attempts",
)
_RESULT_COLUMNS = {
    "source": sql.TEXT,
    "target": sql.TEXT,
    "due_at": sql.INSTANT,
    "taken_back": sql.INT,
    "error_category": sql.TEXT,
    "error_text": sql.TEXT,
    "provider_id": sql.TEXT,
}


@dataclass(slots=True)
class ClaimedDelivery:
    """One row under our lease, with its event. Mutable: `state` and `attempts` follow the mark.

    `address` is where it really goes (a device's token, an endpoint's URL, else the target), signed
    with `secrets` where they are the receiver's own; `refusal` says why nothing may go there. After
    `start_before` (monotonic seconds) its call must not begin.
    """

    id: uuid.UUID
    token: int
    state: str
    due_at: datetime
    priority: int
    notification_id: uuid.UUID
    channel: str
    target: str
    lane: str
    attempts: int
    max_attempts: int
    event: str
    workspace_id: uuid.UUID | None
    context: Mapping[str, Any]
    happened_at: datetime
    address: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    refusal: str = ""
    user_id: int | None = None
    start_before: float = math.inf

    @property
    def attempt_of_run(self) -> int:
        """Return the number of the present attempt; sending again by hand starts from 1."""
        return max(1, self.attempts - (self.max_attempts - attempts_of(self.channel)))


@dataclass(slots=True)
class DeliveryResult:
    """Where a claimed delivery goes; `due` is epoch seconds, None at an end.

    `taken_back` says that the mark did not lead to a call, so the attempt does not count.
    """

    delivery: ClaimedDelivery
    target: str
    due: float | None = None
    category: str = ""
    text: str = ""
    provider_id: str = ""
    taken_back: bool = False
    error: ServiceError | None = None
    source: str = field(init=False)

    def __post_init__(self) -> None:
        self.source = self.delivery.state
        if self.target != self.source:
            DeliveryGraph.check(self.source, self.target)


def claim(
    slot_id: int, *, limit: int, lease: timedelta, other_than: Sequence[str]
) -> list[ClaimedDelivery]:
    """Lease up to `limit` deliveries that are due soon, none from the lanes in `other_than`.

    Left alone too are channels that a newer release, running beside this one, has added.
    """
    chosen = f"channel IN ({_places(Channel.values)})"
    if other_than:
        chosen += f" AND lane NOT IN ({_places(other_than)})"
    rows = Delivery.claim(
        slot_id,
        limit=limit,
        horizon=settings.CLAIM_AHEAD,
        lease=lease,
        columns=COLUMNS,
        extra_where=chosen,
        parameters=[*Channel.values, *other_than],
    )
    if not rows:
        return []
    claimed = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    events = Notification.objects.in_bulk([sql.as_uuid(row["notification_id"]) for row in claimed])
    found = look_up((row["channel"], row["target"]) for row in claimed)
    return [
        _read(row, events[key], found.get((row["channel"], row["target"])))
        for row in claimed
        if (key := sql.as_uuid(row["notification_id"])) in events
    ]


def _places(values: Sequence[str]) -> str:
    return ", ".join(["%s"] * len(values))


def _read(
    row: dict[str, Any], event: Notification, destination: Destination | None
) -> ClaimedDelivery:
    row["id"], row["notification_id"] = sql.as_uuid(row["id"]), event.pk
    row["due_at"] = sql.as_instant(row["due_at"])
    row["token"] = row.pop("fencing_token")
    return ClaimedDelivery(
        **row,
        event=event.event,
        workspace_id=event.workspace_id,
        context=event.context,
        happened_at=event.created_at,
        user_id=event.user_id,
        address=destination.address if destination else row["target"],
        secrets=destination.secrets if destination else (),
        refusal=destination.refusal if destination else "",
    )


def sending_lease() -> timedelta:
    """Return how long a marked delivery belongs to its slot: until its call must have ended."""
    longest: timedelta = max(
        settings.CALLBACK_DEADLINE,
        settings.EMAIL_DEADLINE,
        2 * settings.CHANNEL_DEADLINE,  # a push may have to ask for a token first
    )
    return longest + settings.PUBLISH_LEASE  # a call starts well within PUBLISH_LEASE of its mark


def mark_sending(deliveries: Sequence[ClaimedDelivery]) -> set[uuid.UUID]:
    """Commit the send mark of `deliveries`; only the returned ids may be called.

    Refused are rows whose token is no longer ours, and all rows while the installation is paused.
    """
    now = sql.now_plus()
    marked = sql.fenced_update(
        Delivery,
        [{"id": d.id, "token": d.token} for d in deliveries],
        {},
        set_sql=(
            f"state = '{D.SENDING}', attempts = attempts + 1, due_at = NULL, sent_at = {now}, "
            f"lease_expires_at = {sql.now_plus(sending_lease())}"
        ),
        where_sql=(
            f"t.state = '{D.PENDING}' "  # noqa: S608 - names are ours
            f"AND NOT EXISTS (SELECT 1 FROM {sql.table_of(Installation)} WHERE paused)"
        ),
    )
    ours = {sql.as_uuid(pk) for (pk,) in marked}
    for delivery in deliveries:
        if delivery.id in ours:
            delivery.state = D.SENDING
            delivery.attempts += 1
    return ours


def record(results: Sequence[DeliveryResult]) -> None:
    """Write results, each only if its lease is still ours; a row that breaks the batch goes alone.

    Raises OperationalError or InterfaceError when the database is away: try again later.
    """
    try:
        _record(results)
    except (OperationalError, InterfaceError):
        raise
    except DatabaseError:
        if len(results) == 1:
            log.exception("record.refused", extra={"delivery_id": str(results[0].delivery.id)})
            return
        for result in results:
            record([result])


def _record(results: Sequence[DeliveryResult]) -> None:
    written = sql.fenced_update(
        Delivery,
        [_row(result) for result in results],
        _RESULT_COLUMNS,
        set_sql=(
            "state = v.v_target, due_at = v.v_due_at, attempts = t.attempts - "
            f"CASE WHEN t.state = '{D.SENDING}' THEN v.v_taken_back ELSE 0 END, "
            "lease_slot = NULL, lease_expires_at = NULL, error_category = v.v_error_category, "
            "error_text = v.v_error_text, "
            # A report may have told the id already; one about an earlier message is forgotten.
            "report = CASE WHEN v.v_provider_id <> '' AND t.provider_id <> '' "
            "AND t.provider_id <> v.v_provider_id THEN '' ELSE t.report END, "
            "provider_id = CASE WHEN v.v_provider_id <> '' THEN v.v_provider_id "
            "ELSE t.provider_id END, "
            f"delivered_at = CASE WHEN v.v_target = '{D.SENT}' THEN {sql.now_plus()} "
            "ELSE t.delivered_at END"
        ),
        # A mark to take back may never have been committed.
        where_sql=f"t.state = v.v_source OR (t.state = '{D.PENDING}' AND v.v_taken_back = 1)",
    )
    kept = {sql.as_uuid(pk) for (pk,) in written}
    for result in results:
        if result.delivery.id not in kept:
            log.warning("lease.lost", extra={"delivery_id": str(result.delivery.id)})


def _row(result: DeliveryResult) -> dict[str, Any]:
    return {
        "id": result.delivery.id,
        "token": result.delivery.token,
        "source": result.source,
        "target": result.target,
        "due_at": None if result.due is None else datetime.fromtimestamp(result.due, tz=UTC),
        "taken_back": int(result.taken_back),
        "error_category": result.category,
        "error_text": result.text,
        "provider_id": result.provider_id[:255],
    }
