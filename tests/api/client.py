"""A small client of the API for tests: JSON in, JSON out, and problems looked at closely."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from accounts.services import issue_api_key

PROBLEM_KEYS = {"type", "title", "status", "detail", "code", "errors", "instance"}


@dataclass(frozen=True)
class Answer:
    """One answer: `body` is the JSON, `headers` by any case."""

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
        return Answer(response.status_code, response.json(), response.headers)

    def get(self, path: str, **headers: str) -> Answer:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self("POST", path, body, **headers)


def keyed(workspace: Workspace, *scopes: str) -> Api:
    """Return a client with a new API key."""
    _, token = issue_api_key(workspace=workspace, name="test", actor="system", scopes=scopes)
    return Api(Authorization=f"Bearer {token}")


def soon(**delta: float) -> str:
    """Return an instant as a client writes it, one hour ahead unless told."""
    return iso(timezone.now() + timedelta(**(delta or {"hours": 1})))


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
