"""Backoff stays within its bounds, and every kind of failure has a policy."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ErrorCategory, ServiceError
from engine.retry import POLICIES, Action, full_jitter, next_delay

attempts = st.integers(min_value=-3, max_value=100_000)
durations = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=30))
seeds = st.integers().map(random.Random)


@given(attempts, durations, durations, seeds)
def test_jitter_lies_between_nothing_and_the_doubled_base_or_the_cap(
    attempt: int, base: timedelta, cap: timedelta, rng: random.Random
) -> None:
    drawn = full_jitter(attempt, base=base, cap=cap, rng=rng)
    doubled = base.total_seconds() * 2.0 ** min(max(attempt, 1) - 1, 62)
    assert timedelta() <= drawn <= cap
    assert drawn.total_seconds() <= doubled + 1e-6


@given(attempts, durations, durations, st.none() | durations, seeds)
def test_retry_after_is_a_floor_and_jitter_goes_on_top(
    attempt: int, base: timedelta, cap: timedelta, wish: timedelta | None, rng: random.Random
) -> None:
    floor = wish or timedelta()
    delay = next_delay(attempt, base=base, cap=cap, retry_after=wish, rng=rng)
    assert floor <= delay <= floor + cap


def test_the_bound_doubles_with_each_failure_until_the_cap() -> None:
    class Highest(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    drawn = [
        full_jitter(n, base=timedelta(seconds=5), cap=timedelta(seconds=60), rng=Highest())
        for n in range(1, 7)
    ]
    assert [each.total_seconds() for each in drawn] == [5, 10, 20, 40, 60, 60]


@pytest.mark.parametrize("category", ErrorCategory)
def test_every_category_has_a_policy(category: ErrorCategory) -> None:
    assert POLICIES[category].max_attempts >= 1


def test_nothing_that_may_have_been_sent_is_retried_blindly() -> None:
    assert POLICIES[ErrorCategory.OUTCOME_UNKNOWN].action is Action.RECONCILE
    assert POLICIES[ErrorCategory.DUPLICATE].action is Action.RECONCILE


def test_only_refusals_of_the_network_count_for_the_breaker() -> None:
    counting = {category for category in POLICIES if POLICIES[category].counts_for_breaker}
    assert counting == {
        ErrorCategory.RATE_LIMIT,
        ErrorCategory.QUOTA_EXCEEDED,
        ErrorCategory.SERVER_ERROR,
    }


def test_an_error_keeps_a_bounded_part_of_what_the_network_said() -> None:
    error = ServiceError(ErrorCategory.UNKNOWN, "d" * 900, excerpt="e" * 900)
    assert (len(error.detail), len(error.excerpt)) == (500, 500)
    assert str(error).startswith("unknown: ddd")
