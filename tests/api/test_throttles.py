"""Every caller has a budget a minute, and every answer tells what is left of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.http import HttpRequest
from django.test import Client
from redis.exceptions import ConnectionError as CacheAway

from accounts.access import Caller
from accounts.models import Workspace
from api import throttles
from tests.api.client import Api, keyed
from tests.factories import make_user

LIMITS = {"KEY": 5, "USER": 4, "ADDRESS": 3}


@pytest.fixture(autouse=True)
def limits(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set small limits, and a clock that stands 20 seconds into a minute of the test's own."""
    for kind, limit in LIMITS.items():
        setattr(settings, f"API_REQUESTS_PER_MINUTE_AND_{kind}", limit)
    cache.clear()
    monkeypatch.setattr(throttles, "_away_until", 0.0)
    stand_at(monkeypatch, 60_000_020.0)


def stand_at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    clock = SimpleNamespace(time=lambda: seconds, monotonic=time.monotonic)
    monkeypatch.setattr(throttles, "time", clock)


@pytest.fixture(params=["valkey", "files"])
def any_cache(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> None:
    """Run a test with each cache that an installation may have."""
    if request.param == "files":
        files = "django.core.cache.backends.filebased.FileBasedCache"
        settings.CACHES = {"default": {"BACKEND": files, "LOCATION": str(tmp_path / "files")}}


def spent(api: Api, limit: int, code: int = 200, path: str = "me") -> None:
    """Use a whole budget up, looking at the headers, and one request more."""
    for left in range(limit - 1, -1, -1):
        answer = api.get(path)
        assert answer.status == code
        assert answer.headers["RateLimit-Limit"] == str(limit)
        assert answer.headers["RateLimit-Remaining"] == str(left)
        assert answer.headers["RateLimit-Reset"] == "40"
        assert "Retry-After" not in answer.headers
    answer = api.get(path)
    answer.problem(429, "rate_limited")
    assert answer.headers["Retry-After"] == "40"
    assert answer.headers["RateLimit-Remaining"] == "0"


def test_a_key_has_a_budget_of_its_own(workspace: Workspace, any_cache: None) -> None:
    spent(keyed(workspace), LIMITS["KEY"])
    spent(keyed(workspace), LIMITS["KEY"])


def test_a_user_has_one_budget_for_all_tokens(as_user: Callable[..., Api]) -> None:
    as_user("u1", org_id="o1").get("me")
    spent(as_user("u2", org_id="o1"), LIMITS["USER"])
    assert as_user("u1", org_id="o2").get("me").headers["RateLimit-Remaining"] == "2"
    as_user("u2", org_id="o2").get("me").problem(429, "rate_limited")


def test_sessions_count_as_their_user(workspace: Workspace) -> None:
    api = Api()
    api.django = Client(raise_request_exception=False)
    api.django.force_login(make_user(workspace))
    spent(api, LIMITS["USER"])


def test_a_service_is_counted_as_a_key_is(as_user: Callable[..., Api]) -> None:
    service = as_user(None, service=True, org_id="o1")
    assert service.get("posts").headers["RateLimit-Limit"] == str(LIMITS["KEY"])


def test_who_guesses_keys_is_slowed_down(db: None, any_cache: None) -> None:
    spent(Api(X_API_Key="crl_00000000_guess"), LIMITS["ADDRESS"], code=401)
    Api(X_API_Key="crl_00000001_guess").get("me").problem(429, "rate_limited")
    Api().get("posts").problem(429, "rate_limited")


def test_a_guesser_s_address_does_not_slow_down_valid_callers(workspace: Workspace) -> None:
    spent(Api(), LIMITS["ADDRESS"], code=401)
    assert keyed(workspace).get("me").status == 200


def test_problems_count_and_tell_too(api: Api) -> None:
    for number, (method, path, headers, status) in enumerate(
        [
            ("GET", "posts/1", {}, 404),
            ("GET", "posts", {"Accept": "text/html"}, 406),
            ("PUT", "posts", {}, 405),
            ("POST", "posts", {}, 422),
            ("POST", "posts", {}, 429),
        ],
        start=1,
    ):
        if number == 5:
            api.get("me")
        answer = api(method, path, {} if method == "POST" else None, **headers)
        assert answer.status == status
        assert answer.headers["RateLimit-Limit"] == str(LIMITS["KEY"])


def test_a_new_minute_gives_a_new_budget(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = keyed(workspace)
    spent(api, LIMITS["KEY"])
    stand_at(monkeypatch, 60_000_060.0)
    answer = api.get("me")
    assert (answer.status, answer.headers["RateLimit-Reset"]) == (200, "60")


def test_a_limit_of_nought_is_none(api: Api, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE_AND_KEY = 0
    answers = [api.get("me") for _ in range(10)]
    assert {answer.status for answer in answers} == {200}
    assert "RateLimit-Limit" not in answers[0].headers


def test_a_burst_is_let_in_exactly_as_far_as_the_budget_goes(settings: Any) -> None:
    """It has no database: counting asks none."""
    settings.API_REQUESTS_PER_MINUTE_AND_KEY = 100
    caller = Caller(actor="service", is_service=True)
    outcomes: list[bool] = []

    def ask() -> None:
        for _ in range(40):
            budget = throttles.spend(HttpRequest(), caller)
            assert budget
            outcomes.append(budget.used <= budget.limit)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == 320
    assert sum(outcomes) == 100


def test_without_a_cache_everybody_is_let_in_and_it_is_left_alone(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def away(name: str, *_: Any) -> int:
        asked.append(name)
        raise CacheAway("gone")

    monkeypatch.setattr(cache, "incr", away, raising=False)
    answers = [api.get("me") for _ in range(10)]
    assert {answer.status for answer in answers} == {200}
    assert len(asked) == 1
    assert caplog.text.count("cache.unavailable") == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("", "", True),
    ],
)
def test_addresses_count_as_far_as_they_are_one_subscriber_s(
    rf: Any, one: str, other: str, same: bool
) -> None:
    used = []
    for address in (one, other):
        budget = throttles.spend(rf.get("/", REMOTE_ADDR=address), None)
        assert budget
        used.append(budget.used)
    assert used == [1, 2 if same else 1]
