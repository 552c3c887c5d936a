"""Every error is a problem document, wherever it arises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import OperationalError
from django.db import connection as database
from django.test import Client, RequestFactory

from api.problems import not_found, server_error
from config import urls
from tests.api.client import Api


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"priority": 1e999}',
        b"\xff\xfe",
        b'{"text": "a\\u0000b"}',
        b'{"options": {"a": ["\\u0000"]}}',
        b'{"text": "\\ud800"}',
        b'{"\\u0000": 1}',
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
@pytest.mark.parametrize("path", ["posts", "schedule"])
def test_what_is_not_json_is_malformed(api: Api, path: str, raw: bytes) -> None:
    api("POST", path, raw=raw).problem(400, "malformed")


@pytest.mark.parametrize("body", [[], ["a"], "text", 7, False])
def test_a_body_that_is_no_object_is_malformed(api: Api, body: Any) -> None:
    api.post("schedule", body).problem(400, "malformed", "")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/xml"])
def test_other_media_types_are_refused(api: Api, kind: str) -> None:
    problem = api("POST", "posts", raw=b"a=b", Content_Type=kind).problem(
        415, "unsupported_media_type"
    )
    assert "application/json" in problem["detail"]


def test_a_wrong_method_is_refused(api: Api) -> None:
    answer = api("PUT", "posts", {})
    answer.problem(405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]
    api("DELETE", "health").problem(405, "method_not_allowed")


def test_an_answer_in_another_format_is_refused(api: Api) -> None:
    api.get("posts", Accept="text/html").problem(406, "not_acceptable")


def test_a_body_that_is_too_large_is_refused(api: Api, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    api("POST", "posts", raw=b'{"text": "' + b"x" * 2000 + b'"}').problem(413, "too_large")


@pytest.mark.parametrize("path", ["nowhere", "posts/1/2/3/4", "", "../v2/posts"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("debug", [True, False])
def test_unknown_addresses_are_problems_in_debug_too(
    db: None, settings: Any, path: str, method: str, debug: bool
) -> None:
    settings.DEBUG = debug
    problem = Api()(method, path).problem(404, "not_found")
    assert problem["instance"].startswith("/api/")


def test_our_own_faults_are_logged_and_tell_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr("api.posts.filtered", fail)
    problem = api.get("posts").problem(500, "internal_error")
    assert "secret inside" not in str(problem)
    assert "secret inside" in caplog.text


def test_a_lost_database_is_unhealthy(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.cache import cache

    cache.delete("queue-counts")

    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("gone")

    with database.execute_wrapper(refuse):
        answer = Api().get("health")
    assert (answer.status, answer.body["status"]) == (503, "unhealthy")


def test_django_itself_answers_problems_under_api_and_pages_elsewhere(db: None) -> None:
    assert urls.handler404 == "api.problems.not_found"
    assert urls.handler500 == "api.problems.server_error"
    requests = RequestFactory()
    for response, status in (
        (not_found(requests.get("/api/v1/x"), Exception()), 404),
        (server_error(requests.get("/api/v1/x")), 500),
    ):
        assert response.status_code == status
        assert response["Content-Type"] == "application/problem+json"
        assert json.loads(response.content)["status"] == status
    assert not_found(requests.get("/x"), Exception())["Content-Type"].startswith("text/html")
    assert server_error(requests.get("/x"))["Content-Type"].startswith("text/html")
    assert Client().get("/nowhere")["Content-Type"].startswith("text/html")
