"""The judge of the trials: a good story passes, and every lie, loss and copy is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from scheduling.states import PostState
from tests.chaos.verdict import Attempt, Copy, Move, Promise, Story, Verdict, judge

S = PostState
PROMISE = Promise(back=0.0, lease_and_grace=2.3)
LIVE = Copy("77", "x", "ada", "hello")
MARK = Move(S.SCHEDULED, S.PUBLISHING, 1, 10.1)
GOOD = Story(
    "p1", "x", "ada", ("hello",), S.PUBLISHED, 10.0,
    remote_ids=("77",),
    attempts=(Attempt(1, "published", True, ("77",)),),
    moves=(MARK, Move(S.PUBLISHING, S.PUBLISHED, 1, 10.2)),
    told=1,
)  # fmt: skip
FIRST, SECOND = Copy("1", "x", "ada", "one"), Copy("2", "x", "ada", "two", reply_to="1")
THREAD = replace(
    GOOD,
    texts=("one", "two"),
    remote_ids=("1", "2"),
    attempts=(Attempt(1, "published", True, ("1", "2")),),
)
DOUBTED = replace(
    GOOD,
    attempts=(Attempt(1, "unknown", False),),
    moves=(
        MARK,
        Move(S.PUBLISHING, S.OUTCOME_UNKNOWN, 2, 12.5),
        Move(S.OUTCOME_UNKNOWN, S.PUBLISHED, 3, 13.0),
    ),
)


def verdict_on(
    story: Story, *copies: Copy, slots: Sequence[int] = (), promise: Promise = PROMISE
) -> Verdict:
    return judge([story], copies, slots, promise)


def kinds(story: Story, *copies: Copy, **more: Any) -> set[str]:
    return {violation.kind for violation in verdict_on(story, *copies, **more).violations}


@pytest.mark.parametrize(
    ("story", "copies"), [(GOOD, [LIVE]), (THREAD, [FIRST, SECOND]), (DOUBTED, [LIVE])]
)
def test_a_good_story_breaks_no_promise(story: Story, copies: list[Copy]) -> None:
    assert kinds(story, *copies) == set()


def at(story: Story, state: str, **fields: Any) -> Story:
    """Return the story ended in another state, by a legal move where there is one."""
    moves = (MARK, Move(S.PUBLISHING, state, 1, 10.2)) if state != S.SCHEDULED else ()
    return replace(story, **{"state": state, "moves": moves, "remote_ids": (), **fields})


@pytest.mark.parametrize(
    ("wrong", "story", "copies"),
    [
        ("lost", at(GOOD, S.FAILED), []),
        ("lost", at(GOOD, S.BLOCKED), []),
        ("lost", at(GOOD, S.SCHEDULED, due=11.0), []),
        ("lost", at(GOOD, S.OUTCOME_UNKNOWN, due=99.0), []),
        ("lost", GOOD, []),
        ("lost", GOOD, [replace(LIVE, deleted=True)]),
        ("lost", THREAD, [FIRST]),
        ("doubled", GOOD, [LIVE, replace(LIVE, id="78")]),
        ("doubled", at(GOOD, S.FAILED), [LIVE, replace(LIVE, id="78")]),
        ("doubled", THREAD, [FIRST, SECOND, replace(SECOND, id="3")]),
        ("stuck", at(GOOD, S.PUBLISHING, moves=(MARK,)), []),
        ("stuck", at(GOOD, S.SCHEDULED, due=11.0, lease_slot=9, lease_end=50.0), []),
        ("stuck", at(GOOD, S.SCHEDULED), []),
        ("stuck", at(GOOD, S.OUTCOME_UNKNOWN), []),
        ("stuck", replace(GOOD, lease_slot=5, lease_end=50.0), [LIVE]),
        ("untrue", replace(GOOD, moves=()), [LIVE]),
        ("untrue", replace(GOOD, moves=GOOD.moves[:1]), [LIVE]),
        ("untrue", replace(GOOD, moves=GOOD.moves[1:]), [LIVE]),
        ("untrue", replace(GOOD, moves=(Move(S.SCHEDULED, S.PUBLISHED, 1, 10.2),)), [LIVE]),
        ("untrue", replace(GOOD, attempts=()), [LIVE]),
        ("untrue", replace(GOOD, attempts=(Attempt(1, "failed", True),)), [LIVE]),
        ("untrue", replace(GOOD, attempts=(Attempt(1, "published", True, ("9",)),)), [LIVE]),
        ("untrue", replace(GOOD, attempts=(Attempt(1, "in_flight", False),)), [LIVE]),
        ("untrue", replace(GOOD, attempts=(Attempt(2, "published", True, ("77",)),)), [LIVE]),
        ("untrue", replace(GOOD, remote_ids=("78",)), [LIVE]),
        ("untrue", replace(GOOD, remote_ids=()), [LIVE]),
        ("untrue", GOOD, [replace(LIVE, text="something else")]),
        ("untrue", GOOD, [replace(LIVE, account="bob")]),
        ("untrue", THREAD, [FIRST, replace(SECOND, reply_to=None)]),
        ("untrue", GOOD, [LIVE, replace(LIVE, id="76", deleted=True)]),
        ("untrue", replace(DOUBTED, attempts=(Attempt(1, "failed", False),)), [LIVE]),
        ("silent", replace(GOOD, told=0), [LIVE]),
        ("silent", replace(GOOD, told=2), [LIVE]),
    ],
)  # fmt: skip
def test_every_wrong_is_seen(wrong: str, story: Story, copies: list[Copy]) -> None:
    assert wrong in kinds(story, *copies)


def test_a_person_s_turn_is_no_loss_where_it_is_the_truth_and_is_said() -> None:
    blocked = at(GOOD, S.BLOCKED, last_error="Connect the account again.")
    asked = replace(PROMISE, by_person=frozenset({S.BLOCKED}), of_accounts=frozenset({"ada"}))
    assert kinds(blocked, promise=asked) == set()
    assert kinds(replace(blocked, last_error=""), promise=asked) == {"silent"}
    assert kinds(replace(blocked, account="bob"), promise=asked) == {"lost"}


def test_a_lease_of_a_living_slot_is_in_order() -> None:
    held = at(GOOD, S.SCHEDULED, due=11.0, lease_slot=9, lease_end=50.0)
    assert "stuck" not in kinds(held, slots=[9])


def test_an_unsent_post_must_go_on_soon_after_its_moment_and_the_fault_s_end() -> None:
    late = replace(GOOD, moves=(replace(MARK, at=16.0), replace(GOOD.moves[1], at=16.2)))
    assert kinds(late, LIVE) == {"slow"}
    assert kinds(late, LIVE, promise=replace(PROMISE, back=15.0)) == set()
    assert kinds(late, LIVE, promise=replace(PROMISE, unsent_seconds=None)) == set()
    assert verdict_on(late, LIVE).unsent_seconds == [6.0]


def test_a_doubt_must_be_resolved_soon_after_lease_and_grace() -> None:
    late = replace(DOUBTED, moves=(*DOUBTED.moves[:2], replace(DOUBTED.moves[2], at=30.0)))
    assert kinds(late, LIVE) == {"slow"}
    assert kinds(late, LIVE, promise=replace(PROMISE, back=20.0)) == set()
    (took,) = verdict_on(late, LIVE).doubt_seconds
    assert took == pytest.approx(30.0 - 10.1 - 2.3)


def test_a_repeat_without_an_answer_is_a_doubt_of_its_own() -> None:
    again = replace(
        DOUBTED,
        attempts=(Attempt(1, "unknown", False), Attempt(4, "published", True, ("77",))),
        moves=(
            *DOUBTED.moves[:2],
            Move(S.OUTCOME_UNKNOWN, S.SCHEDULED, 3, 22.0),
            Move(S.SCHEDULED, S.PUBLISHING, 4, 22.1),
            Move(S.PUBLISHING, S.OUTCOME_UNKNOWN, 5, 24.5),
            Move(S.OUTCOME_UNKNOWN, S.PUBLISHED, 6, 34.0),
        ),
    )
    assert kinds(again, LIVE) == set()
    assert [round(s, 1) for s in verdict_on(again, LIVE).doubt_seconds] == [9.6, 9.6]
