"""From a failure to a decision: a pure function over the policy table."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

from engine.errors import ErrorCategory, ServiceError
from engine.retry import POLICIES, Action, next_delay
from scheduling.states import PostState

S = PostState

NEXT_STEP: dict[ErrorCategory, str] = {
    ErrorCategory.PERMISSION: "Give the app the missing permission, then requeue the post.",
    ErrorCategory.VALIDATION_ERROR: "Change the post, then schedule it again.",
    ErrorCategory.MEDIA_ERROR: "Replace the file, then schedule the post again.",
    ErrorCategory.DUPLICATE: "The account has this post already: change the text or leave it.",
    ErrorCategory.AUTH_ERROR: "Reconnect the account; its waiting posts then continue.",
    ErrorCategory.TOKEN_EXPIRED: "Reconnect the account; its waiting posts then continue.",
}


@dataclass(frozen=True, slots=True)
class Situation:
    """What else matters: `attempt` counts this run's tries, this one included, from 1.

    `of_category` counts those of them that failed for the same reason (None: all of them). `sent`
    says that the failed call may have made something visible, `sent_before` that an earlier try
    of this run did; `can_refresh` that a fresh token can be had without the account's owner.
    """

    attempt: int
    max_attempts: int
    sent: bool
    sent_before: bool = False
    can_refresh: bool = False
    of_category: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Where the post goes; `delay` is the wait before the machine acts again (None: a person)."""

    target: PostState
    name: str  # retry, refresh, reconcile, fail, give_up, block
    reason: str
    delay: timedelta | None = None


def decide(
    error: ServiceError,
    situation: Situation,
    *,
    base: timedelta,
    cap: timedelta,
    reconcile_after: timedelta,
    rng: random.Random,
) -> Decision:
    """Return what to do about `error`; total over all categories."""
    category = error.category
    if category is ErrorCategory.OUTCOME_UNKNOWN and not situation.sent:
        category = ErrorCategory.NETWORK_ERROR  # an upload nobody can see may be repeated freely
    policy = POLICIES[category]
    of_category = situation.attempt if situation.of_category is None else situation.of_category
    used_up = of_category >= policy.max_attempts
    match policy.action:
        case Action.RECONCILE:
            return _reconcile(category, error, situation, reconcile_after)
        case Action.REFRESH if not situation.can_refresh:
            return Decision(S.BLOCKED, "block", _sentence(error, category))
        case Action.REFRESH if used_up:
            # The network gives tokens and refuses them: its own trouble, the grant is alive.
            used_up = False
        case Action.REFRESH:
            return Decision(S.SCHEDULED, "refresh", error.detail, timedelta())
        case Action.FAIL:
            return Decision(S.FAILED, "fail", _sentence(error, category))
    if used_up or situation.attempt >= situation.max_attempts:
        tries = "one try" if situation.attempt == 1 else f"{situation.attempt} tries"
        return Decision(
            S.DEAD_LETTER,
            "give_up",
            f"{error.detail} Given up after {tries}: requeue it when the cause is gone.",
        )
    delay = next_delay(
        situation.attempt, base=base, cap=cap, retry_after=error.retry_after, rng=rng
    )
    return Decision(S.SCHEDULED, "retry", error.detail, delay)


def _reconcile(
    category: ErrorCategory,
    error: ServiceError,
    situation: Situation,
    reconcile_after: timedelta,
) -> Decision:
    ours = situation.sent and situation.sent_before
    if category is ErrorCategory.DUPLICATE and not ours:
        return Decision(S.FAILED, "fail", _sentence(error, category))
    return Decision(S.OUTCOME_UNKNOWN, "reconcile", error.detail, reconcile_after)


def _sentence(error: ServiceError, category: ErrorCategory) -> str:
    return f"{error.detail} {NEXT_STEP.get(category, '')}".strip()
