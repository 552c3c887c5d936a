"""Graph nodes told by `fields=a,b{c},d.limit(0).summary(true)`; an unknown field fails the call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.graph.errors import bad_parameter, refused

_TOKEN = re.compile(r"(\w+)|\.(\w+)\(([^()]*)\)|([{},])")


@dataclass(slots=True)
class Field:
    """One wanted field: its modifiers (`limit`, `summary`, ...) and the fields below it."""

    name: str
    modifiers: dict[str, str] = field(default_factory=dict)
    below: list[Field] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Node:
    """One object: what can be asked of it, and what is told unasked. None = nothing to tell."""

    type: str
    values: Mapping[str, Any]
    default: tuple[str, ...] = ("id",)


@dataclass(frozen=True, slots=True)
class Edge:
    """The objects below a node, with a summary for those who ask."""

    nodes: Sequence[Node]
    summary: Mapping[str, Any] = field(default_factory=dict)


def parse_fields(text: str) -> list[Field]:
    """Raises a Refusal with code 2500 when brackets or names do not fit."""
    root: list[Field] = []
    levels = [root]
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise _syntax_error(text)
        position = token.end()
        name, modifier, argument, sign = token.groups()
        level = levels[-1]
        if name:
            level.append(Field(name))
        elif not level and sign != "}":
            raise _syntax_error(text)
        elif modifier:
            level[-1].modifiers[modifier] = argument
        elif sign == "{":
            levels.append(level[-1].below)
        elif sign == "}" and len(levels) > 1:
            levels.pop()
        elif sign == "}":
            raise _syntax_error(text)
    if len(levels) > 1:
        raise _syntax_error(text)
    return root


def show(node: Node, fields: Sequence[Field]) -> dict[str, Any]:
    """The wanted fields of a node, its id always; its own choice when none are wanted."""
    shown: dict[str, Any] = {}
    for wanted in fields or [Field(name) for name in node.default]:
        if wanted.name not in node.values:
            what = f"field ({wanted.name}) on node type ({node.type})"
            raise bad_parameter(f"Tried accessing nonexisting {what}")
        value = node.values[wanted.name]
        if value is not None:
            shown[wanted.name] = _show_value(value, wanted)
    if "id" in node.values:
        shown.setdefault("id", node.values["id"])
    return shown


def _show_value(value: Any, wanted: Field) -> Any:
    if isinstance(value, Node):
        return show(value, wanted.below)
    if isinstance(value, Edge):
        limit = wanted.modifiers.get("limit", "25")
        nodes = value.nodes[: int(limit) if limit.isdecimal() else 25]
        shown: dict[str, Any] = {"data": [show(node, wanted.below) for node in nodes]}
        if wanted.modifiers.get("summary", "").lower() in ("true", "1", "total_count"):
            shown["summary"] = dict(value.summary)
        return shown
    if isinstance(value, dict) and wanted.below:
        inner = value["data"] if isinstance(value.get("data"), dict) else value
        narrowed = {f.name: inner[f.name] for f in wanted.below if f.name in inner}
        return narrowed if inner is value else {"data": narrowed}
    return value


def _syntax_error(text: str) -> Exception:
    message = f'Syntax error "Expected end of string instead of ..." at fields: {text[:80]}'
    return refused(message, 2500)
