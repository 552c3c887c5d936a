"""How drf-spectacular makes an OpenAPI document of what `schema.operation` tells of methods."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, cast

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent

from api.base import SAFE, ApiView
from api.problems import MEDIA_TYPE, PROBLEM
from api.schema import Answered, Operation, operation_of
from api.shapes import NAMED, Schema, example_of, named_in, the

JSON = "application/json"

# What any operation may answer, and when. Operations tell their own in `problems`.
EVERYWHERE = {406: "Answers are JSON: the request accepts none."}
OF_CALLERS = {
    400: "The JSON or a type in it is wrong; or the caller belongs to several workspaces and "
    "`X-Workspace` names none (`workspace_not_named`).",
    401: "No key or token, or one that opens nothing: `detail` says why.",
    403: "The key lacks the scope, the member the role.",
    404: "There is no such row in this workspace, or no such workspace for this caller.",
    429: "The budget of this minute is used up.",
}
OF_BODIES = {
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "A value is wrong: `errors` names each.",
}
OF_QUERIES = {422: "A value of the query is wrong, or there is no such parameter: see `errors`."}
OF_KEYS = {409: "The first request with this Idempotency-Key is still running."}
OF_CONDITIONS = {412: "It is not as If-Match says: somebody or something changed it."}
UNCHANGED = "It is as If-None-Match says."
CODES = {
    400: "malformed",
    401: "not_authenticated",
    403: "scope_missing",
    404: "not_found",
    406: "not_acceptable",
    409: "illegal_transition",
    412: "precondition_failed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "rate_limited",
    503: "platform_unavailable",
}
HEADERS = {
    "WWW-Authenticate": "How to prove who one is.",
    "Retry-After": "Seconds to wait before asking again.",
    "ETag": "Stands for the row as it is; for If-Match and If-None-Match.",
    "RateLimit-Limit": "Requests that the caller may make in a minute.",
    "RateLimit-Remaining": "How many of them are left.",
    "RateLimit-Reset": "Seconds until the next minute begins.",
    "Idempotency-Replayed": "`true`: this answer was given before, to the same request.",
}
BUDGET = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
PARAMETERS = {  # name -> header, meaning, example, longest value in characters
    "Workspace": (
        "X-Workspace",
        "Slug or id of the workspace, for callers who belong to several.",
        "acme",
        255,
    ),
    "IdempotencyKey": (
        "Idempotency-Key",
        "For 24 hours the same request under this key is answered, not carried out, again.",
        "5f0c2a9e-order-17",
        255,
    ),
    "IfMatch": (
        "If-Match",
        "The ETag of what was read: if it has changed since, nothing is done (412).",
        '"9f86d081884c7d659a2feaa0"',
        None,  # several may be named
    ),
    "IfNoneMatch": (
        "If-None-Match",
        "The ETag of what is known: if it is still so, nothing is sent (304).",
        '"9f86d081884c7d659a2feaa0"',
        None,  # several may be named
    ),
}


class Described(AutoSchema):
    """Describes view methods by the `operation` that each carries."""

    registry: ComponentRegistry

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> dict[str, Any] | None:
        """Return the OpenAPI operation, with the scope and the role that it takes."""
        found: dict[str, Any] | None = super().get_operation(
            path, path_regex, path_prefix, method, registry
        )
        if found is not None and self.has_callers:
            found["x-scope"], found["x-role"] = self.needs
        return found

    @property
    def needs(self) -> tuple[str, str]:
        """Return the scope of keys ("": any) and the role that callers need."""
        view = cast("ApiView", self.view)
        if self.method in SAFE:
            return view.read_scope, view.read_role.value
        return view.write_scope, view.write_role.value

    @property
    def told(self) -> Operation:
        """Return what its author told of this method; a method nobody described says so."""
        method = getattr(self.view, self.method.lower())
        return operation_of(method) or Operation(
            id=f"undescribed_{type(self.view).__name__}_{self.method.lower()}",
            summary="",
            tag="undescribed",
            answers={},
        )

    @property
    def has_callers(self) -> bool:
        """Say whether callers must prove who they are."""
        return isinstance(self.view, ApiView)

    def get_operation_id(self) -> str:
        """Return the operation's name."""
        return self.told.id

    def get_summary(self) -> str:
        """Return its one line."""
        return self.told.summary

    def get_description(self) -> str:  # type: ignore[override] # as in its parent
        """Return its docstring, and what else a caller needs."""
        method = getattr(self.view, self.method.lower())
        text = inspect.cleandoc(method.__doc__ or "")
        if not self.has_callers:
            return text
        scope, role = self.needs
        return f"{text}\n\nRole: {role} or above." + (
            f" Scope of keys: `{scope}`." if scope else ""
        )

    def get_tags(self) -> list[str]:
        """Return what it is listed under."""
        return [self.told.tag]

    def get_request_serializer(self) -> Any:
        """Return the serializer that reads its body."""
        return self.told.body

    def _get_request_body(self, direction: str = "request") -> dict[str, Any] | None:
        found: dict[str, Any] | None = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        if found is not None and self.told.example is not None:
            found["content"][JSON]["example"] = dict(self.told.example)
        if found is not None:
            found["content"] |= self._files(self.told.files)
        return found

    def _get_parameters(self) -> list[dict[str, Any]]:
        parameters = [*map(_path_parameter, self._path_names())]
        parameters += [parameter.described for parameter in self.told.query]
        if self.has_callers:
            parameters.append(self._component("parameters", "Workspace"))
            if self.method == "POST":
                parameters.append(self._component("parameters", "IdempotencyKey"))
        if self.told.conditional:
            name = "IfNoneMatch" if self.method in SAFE else "IfMatch"
            parameters.append(self._component("parameters", name))
        return parameters

    def _path_names(self) -> list[str]:
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        answers = {str(code): self._answer(code, one) for code, one in self.told.answers.items()}
        for status, when in sorted({**self._shared_problems(), **self.told.problems}.items()):
            answers.setdefault(str(status), self._problem(status, when))
        if self.told.conditional and self.method in SAFE:
            answers["304"] = {"description": UNCHANGED, **self._headers(["ETag"])}
        return dict(sorted(answers.items()))

    def _shared_problems(self) -> dict[int, str]:
        found = dict(EVERYWHERE)
        if self.has_callers:
            found |= OF_CALLERS | OF_QUERIES
            if self.told.body is not None:
                found |= OF_BODIES
            if self.method == "POST":
                found |= OF_KEYS
            if self.told.conditional and self.method not in SAFE:
                found |= OF_CONDITIONS
        return found

    def _answer(self, status: int, answer: Answered) -> dict[str, Any]:
        shape = answer.shape
        example = shape.example() if answer.example is None else answer.example
        headers = ["ETag"] if self.told.conditional else []
        if self.method == "POST" and self.has_callers:
            headers.append("Idempotency-Replayed")
        return {
            "description": answer.meaning or shape.schema["description"],
            "content": {
                JSON: {"schema": self.use(the(shape)), "example": example},
                **self._files(answer.files),
            },
            **self._headers(headers),
        }

    def _files(self, files: Mapping[str, Schema]) -> dict[str, Any]:
        return {
            kind: {"schema": self.use(schema), "example": example_of(schema)}
            for kind, schema in files.items()
        }

    def _problem(self, status: int, when: str) -> dict[str, Any]:
        example = PROBLEM.example(
            type=f"urn:carillon:problem:{CODES[status]}",
            title=HTTPStatus(status).phrase,
            status=status,
            detail=when,
            code=CODES[status],
            errors=[],
            instance=self.path,
        )
        headers = {
            401: ["WWW-Authenticate"],
            412: ["ETag"],
            429: ["Retry-After"],
            503: ["Retry-After"],
        }
        return {
            "description": when,
            "content": {MEDIA_TYPE: {"schema": self.use(the(PROBLEM)), "example": example}},
            **self._headers(headers.get(status, ())),
        }

    def _headers(self, names: Iterable[str]) -> dict[str, Any]:
        budget = BUDGET if self.has_callers else ()
        headers = {name: self._component("headers", name) for name in (*names, *budget)}
        return {"headers": headers} if headers else {}

    def use(self, schema: Schema) -> Schema:
        """Return `schema`; what it refers to becomes part of the document."""
        for name in named_in(schema):
            self._register("schemas", name, NAMED[name])
        return schema

    def _component(self, kind: str, name: str) -> dict[str, Any]:
        """Return a reference to a header or parameter of ours."""
        if kind == "headers":
            self._register(kind, name, {"description": HEADERS[name], "schema": {"type": "string"}})
        else:
            header, meaning, example, most = PARAMETERS[name]
            self._register(
                kind,
                name,
                {
                    "name": header,
                    "in": "header",
                    "description": meaning,
                    "schema": {"type": "string", **({"maxLength": most} if most else {})},
                    "example": example,
                },
            )
        return {"$ref": f"#/components/{kind}/{name}"}

    def _register(self, kind: str, name: str, schema: Mapping[str, Any]) -> None:
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            name=name, type=kind, schema=dict(schema), object=name
        )
        self.registry.register_on_missing(component)


def _path_parameter(name: str) -> dict[str, Any]:
    """Return the parameter of a path; those called `..._id` are ids of ours."""
    what = name.removesuffix("_id").replace("_", " ")
    is_id = name != what
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"The {what}'s id." if is_id else f"The {what}.",
        "schema": {"type": "string", **({"format": "uuid"} if is_id else {})},
    }


def without_final_slash(endpoints: Iterable[tuple[str, Any, Any, Any]]) -> list[tuple[Any, ...]]:
    """Name addresses as docs/api.md does; each answers with a slash at its end, too."""
    return [(path.rstrip("/"), *rest) for path, *rest in endpoints]
