"""Recovering deliveries that dead workers left; runs every second inside each notifier slot.

1. Unsent claims of silent slots become free again.
2. Deliveries marked as sending whose lease is over become pending again: the receiver may hear of
   the event twice, under the same id, rather than never. Out of attempts, they fail.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings

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
    taken = len(
        Delivery.expire(
            grace=timedelta(),
            set_sql=(
                f"state = CASE WHEN {again} THEN '{D.PENDING}' ELSE '{D.FAILED}' END, "
                f"due_at = CASE WHEN {again} THEN {sql.now_plus()} END, "
                f"error_category = '{ErrorCategory.OUTCOME_UNKNOWN}', error_text = %s"
            ),
            parameters=[NO_ANSWER],
        )
    )
    if taken:
        log.warning("deliveries.abandoned", extra={"count": taken})
    return taken
