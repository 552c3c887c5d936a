"""What each operation of the API is, told once beside its view method: `@operation(...)`.

The schema at /api/schema/ is made of it (`openapi`), and `ApiView` refuses query parameters that it
does not name. To add an operation:

    @operation(
        "list_posts",                                 # unique; clients are generated from it
        "List posts, newest first",                   # one line; the docstring tells the rest
        tag="posts",
        answers={200: page_of(POST, "posts")},        # a Shape for each status but problems
        query=PAGED,                                  # what the query may hold, if anything
        problems={409: "The post was sent already."}, # beyond those that all operations share
        conditional=True,                             # if its row has an ETag, see `conditions`
    )
    def get(self, request: Request) -> Response:

and for a body `body=PostInput` (the serializer that reads it) with `example={...}`. Scope and role
are read from the view class. docs/api.md has a chapter on it; tests/api/test_schema.py tells what
was forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rest_framework.serializers import Serializer

from api.shapes import Schema, Shape

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing the query may hold."""

    name: str
    schema: Schema  # with its meaning and example

    @property
    def described(self) -> dict[str, Any]:
        """Return it as an OpenAPI parameter."""
        schema = dict(self.schema)
        meaning, examples = schema.pop("description"), schema.pop("examples")
        commas = {"style": "form", "explode": False} if schema["type"] == "array" else {}
        return {
            "name": self.name,
            "in": "query",
            "description": meaning,
            "schema": schema,
            "example": examples[0],
            **commas,
        }


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer with more to say than its shape: what it means, and an example of its own."""

    shape: Shape
    meaning: str = ""
    example: Any = None
    files: Mapping[str, Schema] = field(default_factory=dict)  # other media types it may come as


@dataclass(frozen=True, slots=True)
class Operation:
    """All that is told of one operation; see the module."""

    id: str
    summary: str
    tag: str
    answers: Mapping[int, Answered]
    body: type[Serializer[Any]] | None = None
    example: Mapping[str, Any] | None = None
    query: Sequence[Parameter] = ()
    problems: Mapping[int, str] = field(default_factory=dict)
    conditional: bool = False  # its row has an ETag, which If-Match or If-None-Match may name
    files: Mapping[str, Schema] = field(default_factory=dict)  # other media types of the body

    @property
    def query_names(self) -> frozenset[str]:
        """Return the names that the query may hold."""
        return frozenset(parameter.name for parameter in self.query)


def operation(
    operation_id: str,
    summary: str,
    *,
    tag: str,
    answers: Mapping[int, Shape | Answered],
    body: type[Serializer[Any]] | None = None,
    example: Mapping[str, Any] | None = None,
    query: Sequence[Parameter] = (),
    problems: Mapping[int, str] | None = None,
    conditional: bool = False,
    files: Mapping[str, Schema] | None = None,
) -> Callable[[Method], Method]:
    """Tell what a view method is; the module's docstring shows how."""
    told = Operation(
        id=operation_id,
        summary=summary,
        tag=tag,
        answers={
            status: one if isinstance(one, Answered) else Answered(one)
            for status, one in answers.items()
        },
        body=body,
        example=example,
        query=tuple(query),
        problems=dict(problems or {}),
        conditional=conditional,
        files=dict(files or {}),
    )

    def tell(method: Method) -> Method:
        vars(method)["operation"] = told
        return method

    return tell


def operation_of(method: Any) -> Operation | None:
    """Return what was told of a view method."""
    return getattr(method, "operation", None)
