"""Callers of the API, and the imitation networks their tokens belong to."""

from __future__ import annotations

import itertools
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jwt
import pytest

if TYPE_CHECKING:  # settings are ready only when the first test runs
    from accounts.models import Workspace
    from tests.api.client import Api

SECRET, SERVICE = "j" * 40, "s" * 40
_numbers = itertools.count(1)


@pytest.fixture
def api(workspace: Workspace) -> Api:
    """Give a client with an API key for everything in `workspace`."""
    from tests.api.client import keyed

    return keyed(workspace)


@pytest.fixture
def as_user(db: None, settings: Any) -> Callable[..., Api]:
    """Give clients with a JWT: `as_user("u1", org_id="o1")`; `service` adds X-Service-Token."""
    from tests.api.client import Api

    settings.JWT_SECRET, settings.SERVICE_TOKEN = [SECRET], SERVICE

    def make(user_id: str | None = "u1", *, service: bool = False, **claims: Any) -> Api:
        token = jwt.encode(
            {"exp": time.time() + 60, **({"sub": user_id} if user_id else {}), **claims},
            SECRET,
            "HS256",
        )
        extra = {"X_Service_Token": SERVICE} if service else {}
        return Api(Authorization=f"Bearer {token}", **extra)

    return make


@pytest.fixture
def networks(sandbox_url: str, settings: Any) -> Iterator[Callable[..., None]]:
    """Point the adapters at the sandbox and give its switchboard."""
    from platforms.registry import adapter_for

    settings.PLATFORMS = {
        **settings.PLATFORMS,
        "sandbox": {"api_base": sandbox_url},
        "x": {**settings.PLATFORMS["x"], "api_base": f"{sandbox_url}/x"},
    }
    adapter_for.cache_clear()

    def switch(**rule: Any) -> None:
        call("POST", rule)

    def call(method: str, body: Any = None) -> None:
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{sandbox_url}/_control",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310

    yield switch
    call("DELETE")
    adapter_for.cache_clear()


@pytest.fixture
def token() -> str:
    """Give a bearer token of an account nobody used before."""
    return f"demo-api{next(_numbers)}"
