"""Recovering deliveries that dead workers left; runs every second inside each notifier slot.

1. Unsent claims of silent slots become free again.
2. Deliveries marked as sending whose lease is over become pending again: the receiver may hear of
   the event twice, under the same id, rather than never. Out of attempts, they fail.
"""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import connection

from engine import sql
from engine.errors import ErrorCategory
from notifications.models import Delivery, DeliveryState

log = logging.getLogger("carillon.notifier")

D = DeliveryState
NO_ANSWER = (
    "The worker that was sending this ended before the answer was recorded: it may have arrived."
)


def sweep() -> None:
    """Do both recoveries."""
    freed = Delivery.steal(silent_after=settings.SLOT_TIME_TO_LIVE)
    if freed:
        log.warning("claims.stolen", extra={"count": freed, "kind": "notify"})
    expire_abandoned()


def expire_abandoned() -> int:
    """Take deliveries back whose sending lease is over; returns how many."""
    for target in (D.PENDING, D.FAILED):
        Delivery.graph.check(D.SENDING, target)
    again = "attempts < max_attempts"
    statement = (
        f"UPDATE {sql.table_of(Delivery)} SET "  # noqa: S608 - names and states are ours
        f"state = CASE WHEN {again} THEN '{D.PENDING}' ELSE '{D.FAILED}' END, "
        f"due_at = CASE WHEN {again} THEN {sql.now_plus()} END, "
        "lease_slot = NULL, lease_expires_at = NULL, fencing_token = fencing_token + 1, "
        f"error_category = '{ErrorCategory.OUTCOME_UNKNOWN}', error_text = %s "
        f"WHERE lease_slot IS NOT NULL AND state = '{D.SENDING}' "
        f"AND lease_expires_at < {sql.now_plus()}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [NO_ANSWER])
        taken = int(cursor.rowcount)
    if taken:
        log.warning("deliveries.abandoned", extra={"count": taken})
    return taken
