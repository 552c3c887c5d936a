"""Pages of other origins call the API only where the installation says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.api.client import Api

ORIGIN = "https://app.example.org"


def preflight(path: str, origin: str = ORIGIN) -> Any:
    return Client().options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,idempotency-key,if-match,x-workspace",
        },
    )


def test_nobody_is_let_in_unless_told(db: None, api: Api) -> None:
    assert "Access-Control-Allow-Origin" not in preflight("/api/v1/posts").headers
    assert "Access-Control-Allow-Origin" not in api.get("me", Origin=ORIGIN).headers


@pytest.mark.parametrize(
    ("path", "origin", "allowed"),
    [
        ("/api/v1/posts", ORIGIN, True),
        ("/api/v1/posts", "https://evil.example", False),
        ("/login/", ORIGIN, False),
        ("/admin/login/", ORIGIN, False),
    ],
)
def test_only_named_origins_and_only_the_api(
    db: None, settings: Any, path: str, origin: str, allowed: bool
) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    headers = preflight(path, origin).headers
    assert (headers.get("Access-Control-Allow-Origin") == origin) is allowed
    if allowed:
        asked = headers["Access-Control-Allow-Headers"]
        assert {"idempotency-key", "if-match", "x-workspace"} <= set(asked.split(", "))
        assert "x-service-token" not in asked
        assert "PATCH" in headers["Access-Control-Allow-Methods"]


def test_our_headers_may_be_read_and_sessions_stay_at_home(api: Api, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    headers = api.get("me", Origin=ORIGIN).headers
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {"ETag", "RateLimit-Remaining", "Retry-After"} <= set(
        headers["Access-Control-Expose-Headers"].split(", ")
    )
    assert "Access-Control-Allow-Credentials" not in headers
