"""Breadth-first search through every world the model can reach."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tests.model.machine import STORIES, Rules, World, is_settled, problem, steps


@dataclass(frozen=True, slots=True)
class Found:
    """What the search saw: how many worlds, the broken promise if any, and the way there."""

    worlds: int
    problem: str = ""
    way: tuple[str, ...] = ()
    stuck: int = 0  # worlds from which nothing settled can be reached


def search(network: str, story: str, rules: Rules | None = None) -> Found:
    """Visit all worlds; stop at the first broken promise, which has the shortest way."""
    rules = rules or Rules()
    start = World(network, parts=STORIES[story].parts, claims=STORIES[story].claims)
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    reached_from: dict[World, list[World]] = {}
    frontier = deque([start])
    while frontier:
        world = frontier.popleft()
        for name, after in steps(world, rules, STORIES[story]):
            if broken := problem(world, after):
                return Found(len(came_from), broken, (*_way_to(world, came_from), name))
            if after not in came_from:
                came_from[after] = (world, name)
                frontier.append(after)
            if after != world:
                reached_from.setdefault(after, []).append(world)
    return Found(len(came_from), stuck=len(came_from) - _can_settle(came_from, reached_from))


def _way_to(world: World, came_from: dict[World, tuple[World, str] | None]) -> tuple[str, ...]:
    names: list[str] = []
    while step := came_from[world]:
        world, name = step
        names.append(name)
    return tuple(reversed(names))


def _can_settle(
    worlds: dict[World, tuple[World, str] | None], reached_from: dict[World, list[World]]
) -> int:
    """Return how many worlds can still come to an end, walking backwards from the ends."""
    seen = {world for world in worlds if is_settled(world)}
    frontier = deque(seen)
    while frontier:
        for before in reached_from.get(frontier.popleft(), ()):
            if before not in seen:
                seen.add(before)
                frontier.append(before)
    return len(seen)
