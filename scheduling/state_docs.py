"""docs/states.md, written from the graphs themselves: `python manage.py write_docs`."""

from __future__ import annotations

import inspect
import re

from django.db import models

from engine.states import StateGraph
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

MEMBER = re.compile(r"^    (?P<name>[A-Z_]+) = .*?#\s*(?P<comment>.+)$", re.MULTILINE)

HEAD = """\
# The states of a post

Written from `scheduling/states.py` and `notifications/models.py` by `make docs`; a test compares.
These are all states and all edges: the graph refuses any other move, and every move is a row in
PostTransition with its actor and reason.

"""
BETWEEN = """
A retry is `scheduled` with attempts > 0. A claim adds a lease and changes no state. The send mark
is the edge from `scheduled` or `queued` to `publishing`: it is committed before the call, and from
there on nobody can cancel or edit.

# The states of a delivery

One notification through one channel to one target.

"""


def states_page() -> str:
    """Return the whole page."""
    return (
        HEAD
        + _diagram(PostGraph)
        + _post_table()
        + BETWEEN
        + _diagram(DeliveryGraph)
        + _table(DeliveryState, DeliveryGraph)
    )


def _diagram(graph: type[StateGraph]) -> str:
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {graph.initial}"]
    for source, targets in graph.edges.items():
        lines += [f"    {source} --> {target}" for target in sorted(targets)]
        if not targets:
            lines.append(f"    {source} --> [*]")
    return "\n".join([*lines, "```", "", ""])


def _post_table() -> str:
    comments = _comments(PostState)
    rows = [
        f"| `{state.value}`{_marks(state)} | {comments[state.name]} | {_people_may(state)} "
        f"| {_targets(PostGraph, state)} |"
        for state in PostState
    ]
    head = ["| State | Who moves it next | People may | Leads to |", "|---|---|---|---|"]
    legend = "\n¹ a slot acts at `due_at`  ² and may send it  ³ the machine has come to an end\n"
    return "\n".join([*head, *rows, legend])


def _table(states: type[models.TextChoices], graph: type[StateGraph]) -> str:
    comments = _comments(states)
    rows = [
        f"| `{state.value}` | {comments[state.name]} | {_targets(graph, state)} |"
        for state in states
    ]
    return "\n".join(["| State | Who moves it next | Leads to |", "|---|---|---|", *rows, ""])


def _marks(state: PostState) -> str:
    kinds = ((MACHINE, "¹"), (WAITING, "²"), (ENDS, "³"))
    marks = "".join(mark for kind, mark in kinds if state in kind)
    return f" {marks}" if marks else ""


def _people_may(state: PostState) -> str:
    deeds = ((EDITABLE, "edit"), (CANCELLABLE, "cancel"), (REQUEUEABLE, "requeue"))
    may = [deed for kind, deed in deeds if state in kind]
    if state == PostState.OUTCOME_UNKNOWN:
        may += ["resolve", "requeue if it is not live"]
    return ", ".join(may) or "-"


def _targets(graph: type[StateGraph], state: str) -> str:
    return ", ".join(f"`{target}`" for target in sorted(graph.edges[state])) or "-"


def _comments(states: type[models.TextChoices]) -> dict[str, str]:
    """Return the comment beside each member: who moves it next."""
    return {
        found["name"]: found["comment"].strip()
        for found in MEMBER.finditer(inspect.getsource(states))
    }
