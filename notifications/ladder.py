"""How long a delivery waits after a failure, and when it is given up: data and pure functions.

Sources: Standard Webhooks 1.0.0, "Deliverability and reliability" (webhook ladder, about 75 hours
in all); the e-mail ladder follows what mail servers ask of senders after a 4xx reply.
"""

from __future__ import annotations

import random
from datetime import timedelta

from engine.errors import ErrorCategory, ServiceError
from notifications.models import Channel

# One entry per attempt: the wait before it.
LADDERS: dict[str, tuple[timedelta, ...]] = {
    Channel.WEBHOOK: (
        timedelta(),
        timedelta(seconds=5),
        timedelta(minutes=5),
        timedelta(minutes=30),
        timedelta(hours=2),
        timedelta(hours=5),
        timedelta(hours=10),
        timedelta(hours=14),
        timedelta(hours=20),
        timedelta(hours=24),
    ),
    Channel.EMAIL: (
        timedelta(),
        timedelta(seconds=30),
        timedelta(minutes=2),
        timedelta(minutes=10),
        timedelta(hours=1),
        timedelta(hours=6),
    ),
}
JITTER = 0.2  # each wait is drawn from its entry +- 20 %
FINAL = frozenset({ErrorCategory.VALIDATION_ERROR})  # the receiver will never take it
MISCONFIGURED = frozenset({ErrorCategory.AUTH_ERROR, ErrorCategory.PERMISSION})
REPAIR_TIME = timedelta(hours=1)  # what is misconfigured waits for a person, so ask rarely


def attempts_of(channel: str) -> int:
    """Return how many attempts a delivery through `channel` gets."""
    return len(LADDERS[channel])


def wait_after(
    channel: str, error: ServiceError, *, attempt: int, rng: random.Random
) -> timedelta | None:
    """Return how long to wait after attempt number `attempt` (from 1) failed; None: give up.

    The receiver's Retry-After wins when it is longer than the ladder's step.
    """
    ladder = LADDERS[channel]
    if error.category in FINAL or attempt >= len(ladder):
        return None
    step = ladder[attempt] * rng.uniform(1 - JITTER, 1 + JITTER)
    floor = REPAIR_TIME if error.category in MISCONFIGURED else timedelta()
    return max(step, floor, error.retry_after or timedelta())
