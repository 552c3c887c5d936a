"""The words in which shapes of answers are told: JSON Schema with a meaning and an example.

Answers are made by plain functions that return dicts (fast, and easy to read). Beside each stands a
`Shape` that says what it returns; tests compare every answer they see with its shape. So does
whoever reads /api/docs/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import TextChoices

Schema = dict[str, Any]
NAMED: dict[str, Schema] = {}  # what can be referred to: shapes and choices, by name
UUID_EXAMPLE = "0199b7c2-6b1e-7c0a-9d5e-3f0a4c1b2d6e"
MOMENT_EXAMPLE = "2026-11-26T09:00:00Z"
_REFERENCE = "#/components/schemas/"


class Shape:
    """A named object: exactly these properties, all of them always there.

    `more` is the schema of properties beyond the named ones; None: there are none.
    """

    def __init__(
        self, name: str, meaning: str, /, *, more: Schema | None = None, **properties: Schema
    ) -> None:
        self.name = name
        self.schema: Schema = {
            "type": "object",
            "description": meaning,
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False if more is None else more,
        }
        _keep(name, self.schema)

    def example(self, **instead: Any) -> Any:
        """Return an example of it, made of its properties' examples; `instead` replaces some."""
        return {**example_of(self.schema), **instead}


def text(meaning: str, example: str, **rules: Any) -> Schema:
    """Return the schema of a text; `rules` are JSON Schema's (maxLength, pattern ...)."""
    return {"type": "string", "description": meaning, "examples": [example], **rules}


def address(meaning: str, example: str = "https://example.com/") -> Schema:
    """Return the schema of an http(s) address."""
    return text(meaning, example)


def identifier(meaning: str, example: str = UUID_EXAMPLE) -> Schema:
    """Return the schema of one of our ids."""
    return text(meaning, example, format="uuid")


def moment(meaning: str, example: str = MOMENT_EXAMPLE) -> Schema:
    """Return the schema of an instant, in UTC with a Z."""
    return text(meaning, example, format="date-time")


def whole(meaning: str, example: int, **rules: Any) -> Schema:
    """Return the schema of a whole number."""
    return {"type": "integer", "description": meaning, "examples": [example], **rules}


def number(meaning: str, example: float, **rules: Any) -> Schema:
    """Return the schema of a number that may have a fraction."""
    return {"type": "number", "description": meaning, "examples": [example], **rules}


def flag(meaning: str, *, example: bool = False) -> Schema:
    """Return the schema of true or false."""
    return {"type": "boolean", "description": meaning, "examples": [example]}


def one_of(choices: type[TextChoices], meaning: str, example: str = "") -> Schema:
    """Return the schema of one of an enumeration's values, named like its class."""
    _keep(
        choices.__name__,
        {
            "type": "string",
            "enum": list(choices.values),
            "examples": [choices.values[0]],
        },
    )
    return _referring(choices.__name__, meaning, example or choices.values[0])


def among(values: list[str], meaning: str) -> Schema:
    """Return the schema of one of these texts."""
    return {"type": "string", "description": meaning, "enum": values, "examples": [values[0]]}


def anything(meaning: str, example: Mapping[str, Any]) -> Schema:
    """Return the schema of a JSON object whose properties are nobody's promise."""
    return {
        "type": "object",
        "description": meaning,
        "additionalProperties": True,
        "examples": [dict(example)],
    }


def listed(of: Schema | Shape, meaning: str, example: list[Any] | None = None) -> Schema:
    """Return the schema of a list; its example has one item unless told."""
    items = the(of) if isinstance(of, Shape) else of
    found: Schema = {"type": "array", "description": meaning, "items": items}
    return found if example is None else {**found, "examples": [example]}


def the(shape: Shape, meaning: str = "") -> Schema:
    """Return a reference to a shape, for a property that holds one."""
    return _referring(shape.name, meaning, ...)


def or_null(schema: Schema, example: Any = ...) -> Schema:
    """Return a schema that allows null as well; `example=None` shows the null."""
    shown = {} if example is ... else {"examples": [example]}
    if "$ref" in schema:
        told = {name: value for name, value in schema.items() if name != "$ref"}
        return {"oneOf": [{"$ref": schema["$ref"]}, {"type": "null"}], **told, **shown}
    nullable = {**schema, "type": [schema["type"], "null"], **shown}
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    return nullable


def either(*shapes: Shape, meaning: str) -> Schema:
    """Return the schema of one of some shapes, or null; its example is the first shape's."""
    kinds: list[Schema] = [the(shape) for shape in shapes]
    return {"oneOf": [*kinds, {"type": "null"}], "description": meaning}


def page_of(shape: Shape, plural: str) -> Shape:
    """Return the shape of one page of `shape`s, as `pages.Pages` answers."""
    return Shape(
        f"{shape.name}Page",
        f"One page of {plural}.",
        next=or_null(address("The next page; null on the last one."), None),
        previous=or_null(address("The page before; null on the first one."), None),
        results=listed(shape, f"The {plural} of this page, newest first."),
    )


def list_of(shape: Shape, plural: str) -> Shape:
    """Return the shape of all of some `shape`s: `{"results": [...]}`."""
    return Shape(f"{shape.name}List", f"All {plural}.", results=listed(shape, f"The {plural}."))


def example_of(schema: Schema) -> Any:
    """Return the example a schema gives, or one made of what it consists of."""
    match schema:
        case {"examples": [first, *_]}:
            return first
        case {"$ref": reference} | {"oneOf": [{"$ref": reference}, *_]}:
            return example_of(NAMED[reference.removeprefix(_REFERENCE)])
        case {"type": "array", "items": items}:
            return [example_of(items)]
        case {"properties": properties}:
            return {name: example_of(inner) for name, inner in properties.items()}
    raise ValueError(f"Give this schema an example: {schema}.")


def named_in(schema: Any) -> Iterator[str]:
    """Yield the names a schema refers to, and those that they refer to."""
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(_REFERENCE)
            yield name
            yield from named_in(NAMED[name])
        for inner in schema.values():
            yield from named_in(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from named_in(inner)


def text_file(name: str, meaning: str, example: str) -> Schema:
    """Return a reference to the schema of a file of text, such as CSV."""
    _keep(name, text(meaning, example))
    return _referring(name, "", ...)


def _referring(name: str, meaning: str, example: Any) -> Schema:
    told = {"description": meaning} if meaning else {}
    shown = {} if example is ... else {"examples": [example]}
    return {"$ref": f"{_REFERENCE}{name}", **told, **shown}


def _keep(name: str, schema: Schema) -> None:
    if NAMED.setdefault(name, schema) != schema:
        raise ValueError(f"Two different shapes are called {name}: rename one.")
