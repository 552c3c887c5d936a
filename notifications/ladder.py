"""How long a delivery waits after a failure, and when it is given up: data and pure functions.

Sources: Standard Webhooks 1.0.0, "Deliverability and reliability" (webhook ladder, about 75 hours
in all); the e-mail ladder follows what mail servers ask of senders after a 4xx reply, and the other
channels climb the same: what a person reads on a phone is of little use half a day later.
"""

from __future__ import annotations

import random
from datetime import timedelta

from engine.errors import ErrorCategory, ServiceError
from notifications.models import Channel

_QUARTER_OF_A_DAY = (
    timedelta(),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
)
_THREE_DAYS = (
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
)
# One entry per attempt: the wait before it.
LADDERS: dict[str, tuple[timedelta, ...]] = {
    Channel.WEBHOOK: _THREE_DAYS,
    Channel.ENDPOINT: _THREE_DAYS,
    Channel.EMAIL: _QUARTER_OF_A_DAY,
    Channel.SMS: _QUARTER_OF_A_DAY,
    Channel.PUSH: _QUARTER_OF_A_DAY,
    Channel.SLACK: _QUARTER_OF_A_DAY,
}
JITTER = 0.2  # each wait is drawn from its entry +- 20 %
FINAL = frozenset({ErrorCategory.VALIDATION_ERROR})  # the receiver will never take it
MISCONFIGURED = frozenset({ErrorCategory.AUTH_ERROR, ErrorCategory.PERMISSION})
# A text message costs money and cannot be taken back: when its answer is lost, a person decides.
NEVER_TWICE = frozenset({Channel.SMS.value})
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
    if error.category in FINAL or attempt >= len(ladder) or is_in_doubt(channel, error):
        return None
    step = ladder[attempt] * rng.uniform(1 - JITTER, 1 + JITTER)
    floor = REPAIR_TIME if error.category in MISCONFIGURED else timedelta()
    return max(step, floor, error.retry_after or timedelta())


def is_in_doubt(channel: str, error: ServiceError) -> bool:
    """Say whether it may have been sent although we saw no answer, and must not be sent again."""
    return channel in NEVER_TWICE and error.category is ErrorCategory.OUTCOME_UNKNOWN
