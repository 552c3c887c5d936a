"""What we do about each error category, and how long we wait: data and pure functions."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from engine.errors import ErrorCategory as C


class Action(StrEnum):
    """The possible answers to a failure."""

    RETRY = "retry"  # try again later, this used up an attempt
    WAIT = "wait"  # try again when the limit allows; no attempt is used up
    REFRESH = "refresh"  # refresh the token, then try again
    RECONCILE = "reconcile"  # find out what happened before anything else
    FAIL = "fail"  # a person must change something


@dataclass(frozen=True, slots=True)
class Policy:
    """`max_attempts` bounds this category alone; the post's own max_attempts bounds all of them."""

    action: Action
    max_attempts: int
    counts_for_breaker: bool = False


POLICIES: dict[C, Policy] = {
    C.RATE_LIMIT: Policy(Action.RETRY, 7, counts_for_breaker=True),
    C.QUOTA_EXCEEDED: Policy(Action.RETRY, 3, counts_for_breaker=True),
    C.TOKEN_EXPIRED: Policy(Action.REFRESH, 2),
    C.AUTH_ERROR: Policy(Action.REFRESH, 2),
    C.PERMISSION: Policy(Action.FAIL, 1),
    C.VALIDATION_ERROR: Policy(Action.FAIL, 1),
    C.DUPLICATE: Policy(Action.RECONCILE, 1),
    C.MEDIA_ERROR: Policy(Action.FAIL, 1),
    C.NETWORK_ERROR: Policy(Action.RETRY, 7),
    C.SERVER_ERROR: Policy(Action.RETRY, 7, counts_for_breaker=True),
    C.OUTCOME_UNKNOWN: Policy(Action.RECONCILE, 1),
    C.UNKNOWN: Policy(Action.RETRY, 3),
}


# Faults that go away by themselves: asking again later is worth it.
PASSING = frozenset(
    {
        C.NETWORK_ERROR,
        C.SERVER_ERROR,
        C.RATE_LIMIT,
        C.QUOTA_EXCEEDED,
        C.TOKEN_EXPIRED,
    }
)


def full_jitter(attempt: int, *, base: timedelta, cap: timedelta, rng: random.Random) -> timedelta:
    """Return a uniform draw from [0, min(cap, base * 2**(attempt - 1))].

    `attempt` counts failures so far, starting at 1.
    Source: Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """
    doubled = base.total_seconds() * 2.0 ** min(max(attempt, 1) - 1, 62)
    return timedelta(seconds=rng.uniform(0.0, min(cap.total_seconds(), doubled)))


def next_delay(
    attempt: int,
    *,
    base: timedelta,
    cap: timedelta,
    retry_after: timedelta | None,
    rng: random.Random,
) -> timedelta:
    """Return the wait before the next attempt: Retry-After is a floor, jitter goes on top."""
    jitter = full_jitter(attempt, base=base, cap=cap, rng=rng)
    return (retry_after or timedelta()) + jitter
