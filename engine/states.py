"""A state graph: the states of a job and the legal edges between them, checked at import."""

from __future__ import annotations

from typing import ClassVar


class IllegalTransition(Exception):
    """The move is not an edge of the graph, or the row is no longer in the expected state."""


class StateGraph:
    """Subclass with `initial` and `edges`; a mistake in them stops the import.

    Every target must be a declared state and every state reachable from `initial`.
    """

    initial: ClassVar[str]
    edges: ClassVar[dict[str, frozenset[str]]]

    def __init_subclass__(cls) -> None:
        declared = set(cls.edges)
        if unknown := {t for targets in cls.edges.values() for t in targets} - declared:
            raise TypeError(f"{cls.__name__}: undeclared target states {sorted(unknown)}")
        reached, frontier = {cls.initial}, [cls.initial]
        while frontier:
            for target in cls.edges[frontier.pop()] - reached:
                reached.add(target)
                frontier.append(target)
        if lost := declared - reached:
            raise TypeError(f"{cls.__name__}: states never reached {sorted(lost)}")

    @classmethod
    def allows(cls, source: str, target: str) -> bool:
        """Say whether source -> target is an edge."""
        return target in cls.edges.get(source, frozenset())

    @classmethod
    def check(cls, source: str, target: str) -> None:
        """Raise IllegalTransition unless source -> target is an edge."""
        if not cls.allows(source, target):
            raise IllegalTransition(f"{source} -> {target} is not allowed")

    @classmethod
    def ends(cls) -> frozenset[str]:
        """Return the states that no edge leaves."""
        return frozenset(state for state, targets in cls.edges.items() if not targets)
