"""From a failure to a decision: the policy table, row by row, and that it has no holes."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ErrorCategory, ServiceError
from engine.retry import POLICIES, Action
from scheduling.outcomes import NEXT_STEP, Decision, Situation, decide
from scheduling.states import PostGraph, PostState

S = PostState
C = ErrorCategory
BASE, CAP = timedelta(seconds=5), timedelta(minutes=15)
RECONCILE_AFTER = timedelta(seconds=40)


def decided(category: C, situation: Situation, *, retry_after: timedelta | None = None) -> Decision:
    return decide(
        ServiceError(category, "The network said no.", retry_after=retry_after),
        situation,
        base=BASE,
        cap=CAP,
        reconcile_after=RECONCILE_AFTER,
        rng=random.Random(1),
    )


def first(**details: bool | int) -> Situation:
    return Situation(**{"attempt": 1, "max_attempts": 7, "sent": True, **details})  # type: ignore[arg-type]


# (category, situation, where the post goes, what that is called)
ROWS = [
    (C.RATE_LIMIT, first(), S.SCHEDULED, "retry"),
    (C.RATE_LIMIT, first(attempt=6), S.SCHEDULED, "retry"),
    (C.RATE_LIMIT, first(attempt=7), S.DEAD_LETTER, "give_up"),
    (C.RATE_LIMIT, first(attempt=3, max_attempts=3), S.DEAD_LETTER, "give_up"),
    (C.QUOTA_EXCEEDED, first(attempt=2), S.SCHEDULED, "retry"),
    (C.QUOTA_EXCEEDED, first(attempt=3), S.DEAD_LETTER, "give_up"),
    (C.QUOTA_EXCEEDED, first(attempt=5, of_category=1), S.SCHEDULED, "retry"),
    (C.TOKEN_EXPIRED, first(can_refresh=True), S.SCHEDULED, "refresh"),
    (C.TOKEN_EXPIRED, first(can_refresh=True, attempt=2), S.SCHEDULED, "retry"),
    (C.TOKEN_EXPIRED, first(can_refresh=True, attempt=7), S.DEAD_LETTER, "give_up"),
    (C.TOKEN_EXPIRED, first(attempt=2), S.BLOCKED, "block"),
    (C.TOKEN_EXPIRED, first(can_refresh=True, attempt=4, of_category=1), S.SCHEDULED, "refresh"),
    (C.TOKEN_EXPIRED, first(), S.BLOCKED, "block"),
    (C.AUTH_ERROR, first(can_refresh=True), S.SCHEDULED, "refresh"),
    (C.AUTH_ERROR, first(), S.BLOCKED, "block"),
    (C.PERMISSION, first(), S.FAILED, "fail"),
    (C.VALIDATION_ERROR, first(), S.FAILED, "fail"),
    (C.MEDIA_ERROR, first(), S.FAILED, "fail"),
    (C.DUPLICATE, first(), S.FAILED, "fail"),
    (C.DUPLICATE, first(sent_before=True), S.OUTCOME_UNKNOWN, "reconcile"),
    (C.DUPLICATE, first(sent_before=True, sent=False), S.FAILED, "fail"),
    (C.NETWORK_ERROR, first(), S.SCHEDULED, "retry"),
    (C.NETWORK_ERROR, first(attempt=7), S.DEAD_LETTER, "give_up"),
    (C.SERVER_ERROR, first(), S.SCHEDULED, "retry"),
    (C.OUTCOME_UNKNOWN, first(), S.OUTCOME_UNKNOWN, "reconcile"),
    (C.OUTCOME_UNKNOWN, first(attempt=7), S.OUTCOME_UNKNOWN, "reconcile"),
    (C.OUTCOME_UNKNOWN, first(sent=False), S.SCHEDULED, "retry"),
    (C.OUTCOME_UNKNOWN, first(sent=False, attempt=7), S.DEAD_LETTER, "give_up"),
    (C.UNKNOWN, first(attempt=2), S.SCHEDULED, "retry"),
    (C.UNKNOWN, first(attempt=3), S.DEAD_LETTER, "give_up"),
]


@pytest.mark.parametrize(("category", "situation", "target", "name"), ROWS)
def test_the_table(category: C, situation: Situation, target: S, name: str) -> None:
    decision = decided(category, situation)
    assert (decision.target, decision.name) == (target, name)
    assert decision.reason.startswith("The network said no.")
    waits = {"retry", "refresh", "reconcile"}
    assert (decision.delay is not None) == (name in waits)


def test_no_category_is_missing_from_the_table() -> None:
    assert {row[0] for row in ROWS} == set(C)


def test_the_network_s_wish_is_the_shortest_wait() -> None:
    wish = timedelta(minutes=15)
    decision = decided(C.RATE_LIMIT, first(), retry_after=wish)
    assert decision.delay is not None
    assert wish <= decision.delay <= wish + BASE


def test_a_lost_answer_is_looked_into_once_its_call_can_no_longer_land() -> None:
    assert decided(C.OUTCOME_UNKNOWN, first()).delay == RECONCILE_AFTER


def test_giving_up_tells_how_often_it_was_tried_and_what_to_do() -> None:
    reason = decided(C.SERVER_ERROR, first(attempt=7)).reason
    assert "Given up after 7 tries: requeue it when the cause is gone." in reason
    assert "after one try" in decided(C.SERVER_ERROR, first(max_attempts=1)).reason


@pytest.mark.parametrize("category", C)
def test_what_a_person_must_settle_comes_with_the_next_step(category: C) -> None:
    decision = decided(category, first())
    if decision.target in {S.FAILED, S.BLOCKED}:
        assert decision.reason == f"The network said no. {NEXT_STEP[category]}"


situations = st.builds(
    Situation,
    attempt=st.integers(1, 50),
    max_attempts=st.integers(1, 20),
    sent=st.booleans(),
    sent_before=st.booleans(),
    can_refresh=st.booleans(),
    of_category=st.none() | st.integers(1, 50),
)


@given(st.sampled_from(C), situations, st.none() | st.timedeltas(timedelta(), timedelta(days=9)))
def test_every_failure_in_every_situation_has_a_legal_decision(
    category: C, situation: Situation, wish: timedelta | None
) -> None:
    decision = decided(category, situation, retry_after=wish)
    sources = {S.PUBLISHING, S.PROCESSING} if situation.sent else {S.SCHEDULED, S.QUEUED}
    for source in sources:
        stays = source in {S.SCHEDULED, S.QUEUED} and decision.target == S.SCHEDULED
        assert stays or PostGraph.allows(source, decision.target)
    machine_goes_on = decision.target in {S.SCHEDULED, S.OUTCOME_UNKNOWN}
    assert (decision.delay is not None) == machine_goes_on
    if decision.name == "retry":
        assert decision.delay is not None
        assert (wish or timedelta()) <= decision.delay <= (wish or timedelta()) + CAP
        assert situation.attempt < situation.max_attempts


@given(situations)
def test_what_may_have_been_sent_is_never_sent_again_without_a_question(
    situation: Situation,
) -> None:
    decision = decided(C.OUTCOME_UNKNOWN, situation)
    if situation.sent:
        assert decision.target == S.OUTCOME_UNKNOWN
    assert POLICIES[C.OUTCOME_UNKNOWN].action is Action.RECONCILE
