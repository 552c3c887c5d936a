"""The state graph: mistakes stop the import, and posts move along declared edges only."""

from __future__ import annotations

from itertools import product

import pytest

from engine.states import IllegalTransition, StateGraph
from notifications.models import DeliveryGraph, DeliveryState
from scheduling.states import (
    CANCELLABLE,
    EDITABLE,
    ENDS,
    MACHINE,
    REQUEUEABLE,
    WAITING,
    PostGraph,
    PostState,
)

S = PostState
PAIRS = [(source, target) for source, target in product(S, S) if source != target]


def test_an_undeclared_target_stops_the_import() -> None:
    with pytest.raises(TypeError, match=r"Typo: undeclared target states \['opne'\]"):

        class Typo(StateGraph):
            initial = "new"
            edges = {"new": frozenset({"opne"}), "open": frozenset()}


def test_a_state_nobody_can_reach_stops_the_import() -> None:
    with pytest.raises(TypeError, match=r"Island: states never reached \['island', 'shore'\]"):

        class Island(StateGraph):
            initial = "new"
            edges = {
                "new": frozenset({"done"}),
                "done": frozenset(),
                "island": frozenset({"shore"}),
                "shore": frozenset({"island"}),
            }


def test_a_sound_graph_answers_and_knows_its_ends() -> None:
    class Small(StateGraph):
        initial = "new"
        edges = {"new": frozenset({"done"}), "done": frozenset()}

    assert Small.allows("new", "done")
    assert not Small.allows("done", "new")
    assert not Small.allows("nowhere", "new")
    assert Small.ends() == {"done"}
    with pytest.raises(IllegalTransition, match="done -> new is not allowed"):
        Small.check("done", "new")


@pytest.mark.parametrize("graph", [PostGraph, DeliveryGraph])
def test_the_graph_and_the_choices_have_the_same_states(graph: type[StateGraph]) -> None:
    states = {PostGraph: PostState, DeliveryGraph: DeliveryState}[graph]
    assert set(graph.edges) == set(states)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_move_of_a_post_is_checked_against_its_edges(source: S, target: S) -> None:
    if target in PostGraph.edges[source]:
        PostGraph.check(source, target)
        assert PostGraph.allows(source, target)
    else:
        with pytest.raises(IllegalTransition):
            PostGraph.check(source, target)


def test_published_is_final() -> None:
    assert PostGraph.ends() == {S.PUBLISHED}
    assert S.PUBLISHED not in CANCELLABLE | EDITABLE | REQUEUEABLE


def test_a_sent_post_is_neither_cancelled_nor_edited_nor_requeued() -> None:
    sent = {S.PUBLISHING, S.PROCESSING, S.OUTCOME_UNKNOWN, S.PUBLISHED}
    assert not sent & (CANCELLABLE | EDITABLE | REQUEUEABLE)
    assert not any(PostGraph.allows(state, S.CANCELLED) for state in sent)


def test_what_people_may_do_are_edges() -> None:
    assert all(PostGraph.allows(state, S.CANCELLED) for state in CANCELLABLE)
    assert all(PostGraph.allows(state, S.SCHEDULED) for state in REQUEUEABLE)
    assert S.PUBLISHED in ENDS


def test_only_the_machine_s_states_can_come_to_a_send_mark() -> None:
    markable = {state for state in S if PostGraph.allows(state, S.PUBLISHING)}
    assert WAITING <= markable <= MACHINE
