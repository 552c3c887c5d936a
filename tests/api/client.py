"""A small client of the API for tests: JSON in, JSON out, and problems looked at closely."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import jsonschema_rs
from django.test import Client
from django.urls import resolve
from django.utils import timezone

from accounts.models import Workspace
from accounts.services import issue_api_key
from api.documents import document
from api.schema import operation_of

PROBLEM_KEYS = {"type", "title", "status", "detail", "code", "errors", "instance"}


@dataclass(frozen=True)
class Answer:
    """One answer: `body` is the JSON (of other files the text), `headers` by any case."""

    status: int
    body: Any
    headers: Any

    def problem(self, status: int, code: str, *fields: str) -> Any:
        """Assert that this is the problem with exactly these fields at fault; return the body."""
        assert (self.status, self.body.get("code")) == (status, code), self.body
        assert self.headers["Content-Type"] == "application/problem+json"
        assert set(self.body) == PROBLEM_KEYS
        assert self.body["status"] == status
        assert self.body["detail"]
        assert sorted({e["field"] for e in self.body["errors"]}) == sorted(fields), self.body
        assert all(e["code"] and e["message"] for e in self.body["errors"])
        return self.body


class Api:
    """Calls /api/v1/ with the headers given at first."""

    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.django = Client(raise_request_exception=False)

    def __call__(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str
    ) -> Answer:
        sent = {
            **self.headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = raw if raw is not None else (b"" if body is None else json.dumps(body).encode())
        content_type = sent.pop("Content-Type", "application/json")
        response = self.django.generic(
            method, f"/api/v1/{path}", data, content_type=content_type, headers=sent
        )
        content = response.getvalue()  # of files, too, that come in pieces
        is_json = "json" in response.headers.get("Content-Type", "")
        told = json.loads(content) if is_json and content else content.decode() or None
        answer = Answer(response.status_code, told, response.headers)
        conforms(method, f"/api/v1/{path}", answer)
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self("POST", path, body, **headers)


def conforms(method: str, path: str, answer: Answer) -> None:
    """Assert that the OpenAPI document tells of this answer, and that it has the shape told."""
    told = _operations().get(_operation_id(method, path))
    if told is None or answer.status == 500:
        return  # an address or a method that is not there
    assert str(answer.status) in told["responses"], f"{method} {path} told of no {answer.status}"
    if answer.body is None:
        assert "content" not in told["responses"][str(answer.status)]
        return
    kind = answer.headers["Content-Type"].partition(";")[0]
    schema = told["responses"][str(answer.status)]["content"][kind]["schema"]
    conform(answer.body, schema, f"{method} {path}")


def conform(body: Any, schema: dict[str, Any], where: str) -> None:
    """Assert that `body` has the shape of `schema`, which may refer into the document."""
    try:
        _validator(json.dumps(schema)).validate(body)
    except jsonschema_rs.ValidationError as error:
        raise AssertionError(f"{where}: {error}") from None


@cache
def _validator(schema: str) -> Any:
    whole = {**json.loads(schema), "components": document()["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


@cache
def _operations() -> dict[str, Any]:
    return {
        told["operationId"]: told for item in document()["paths"].values() for told in item.values()
    }


def _operation_id(method: str, path: str) -> str:
    view: Any = resolve(path.partition("?")[0]).func
    told = operation_of(getattr(getattr(view, "view_class", None), method.lower(), None))
    return told.id if told else ""


def keyed(workspace: Workspace, *scopes: str) -> Api:
    """Return a client with a new API key."""
    _, token = issue_api_key(workspace=workspace, name="test", actor="system", scopes=scopes)
    return Api(Authorization=f"Bearer {token}")


def soon(**delta: float) -> str:
    """Return an instant as a client writes it, one hour ahead unless told."""
    return iso(timezone.now() + timedelta(**(delta or {"hours": 1})))


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
