"""Recovering deliveries that dead workers left; runs every second inside each notifier slot.

1. Unsent claims of silent slots become free again.
2. Deliveries marked as sending whose lease is over become pending again: the receiver may hear of
   the event twice, under the same id, rather than never. Out of attempts, they fail. So do text
   messages at once: nobody knows whether they were sent, unless the provider has told us since.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings

from engine import sql
from engine.errors import ErrorCategory
from notifications.ladder import NEVER_TWICE
from notifications.models import Delivery, DeliveryState

log = logging.getLogger("carillon.notifier")

D = DeliveryState
NO_ANSWER = (
    "The worker that was sending this ended before the answer was recorded: it may have arrived."
)
IN_DOUBT = (
    "Unknown whether it was sent: the worker that was sending this ended before the answer was "
    "recorded. It is not repeated by itself; send it again if the recipient has not got it."
)


def sweep() -> None:
    """Do both recoveries."""
    freed = Delivery.steal(silent_after=settings.SLOT_TIME_TO_LIVE)
    if freed:
        log.warning("claims.stolen", extra={"count": freed, "kind": "notify"})
    expire_abandoned()


def expire_abandoned() -> int:
    """Take deliveries back whose sending lease is over; returns how many."""
    for target in (D.PENDING, D.FAILED, D.SENT):
        Delivery.graph.check(D.SENDING, target)
    once = ", ".join(f"'{channel}'" for channel in sorted(NEVER_TWICE))
    told = f"channel IN ({once}) AND provider_id <> ''"
    again = f"channel NOT IN ({once}) AND attempts < max_attempts"
    taken = len(
        Delivery.expire(
            grace=timedelta(),
            set_sql=(
                f"state = CASE WHEN {told} THEN '{D.SENT}' WHEN {again} THEN '{D.PENDING}' "
                f"ELSE '{D.FAILED}' END, "
                f"due_at = CASE WHEN {again} THEN {sql.now_plus()} END, "
                f"delivered_at = CASE WHEN {told} THEN {sql.now_plus()} ELSE delivered_at END, "
                f"error_category = CASE WHEN {told} THEN '' "
                f"ELSE '{ErrorCategory.OUTCOME_UNKNOWN}' END, "
                f"error_text = CASE WHEN {told} THEN '' WHEN channel IN ({once}) THEN %s "
                "ELSE %s END"
            ),
            parameters=[IN_DOUBT, NO_ANSWER],
        )
    )
    if taken:
        log.warning("deliveries.abandoned", extra={"count": taken})
    return taken
