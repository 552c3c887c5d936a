"""Bluesky: sessions opened with an app password, renewed and ended; the account behind them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import ErrorCategory as C
from platforms.adapters.bluesky import Bluesky
from platforms.adapters.bluesky_session import end_of
from tests.contract.bluesky_case import BLUESKY_CASE, DID, SESSION, TOKENS, directory_entry
from tests.contract.server import Reply
from tests.platforms.bluesky_scene import failure, methods, refusal, tell
from tests.platforms.scenes import Scene

SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def token_ending(moment: datetime) -> str:
    payload = json.dumps({"scope": "com.atproto.appPass", "exp": int(moment.timestamp())})
    return f"head.{base64.urlsafe_b64encode(payload.encode()).decode().rstrip('=')}.tail"


ENTERED = {"handle": "@ada.bsky.social ", "app_password": "abcd-efgh-ijkl-mnop"}


def test_an_app_password_becomes_a_session_at_the_accounts_own_server() -> None:
    ends = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
    answer = {**TOKENS, "accessJwt": token_ending(ends)}

    async def story(scene: Scene) -> None:
        kept = await scene.adapter.sign_in(scene.http, ENTERED)
        assert kept == {
            "handle": "@ada.bsky.social ",
            "app_password": "abcd-efgh-ijkl-mnop",
            "did": DID,
            "pds_url": "https://morel.example",
            "access_token": answer["accessJwt"],
            "refresh_token": "new-refresh",
            "expires_at": ends.isoformat(),
        }
        (request,) = scene.requests
        assert request.path == "/xrpc/com.atproto.server.createSession"
        assert request.json == {
            "identifier": "ada.bsky.social",
            "password": "abcd-efgh-ijkl-mnop",
        }
        assert "authorization" not in request.headers
        assert scene.adapter.base_url(kept) == "https://morel.example"

    tell(story, Reply(200, {**answer, "didDoc": directory_entry("https://morel.example/")}))


def test_the_directory_tells_the_server_when_the_answer_does_not() -> None:
    async def story(scene: Scene) -> None:
        kept = await scene.adapter.sign_in(scene.http, ENTERED)
        assert kept["pds_url"] == "https://morel.example"
        assert scene.requests[1].path == f"/plc/{DID}"

    tell(story, Reply(200, TOKENS), Reply(200, directory_entry("https://morel.example")))


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("AuthenticationRequired", "app password"), ("AuthFactorTokenRequired", "not the main one")],
)
def test_a_refused_app_password_says_what_to_do(name: str, remedy: str) -> None:
    async def story(scene: Scene) -> None:
        await scene.adapter.sign_in(scene.http, ENTERED)

    echo = f"Invalid identifier or password: {ENTERED['app_password']}"
    error = failure(story, refusal(401, name, echo))
    assert error.category is C.AUTH_ERROR
    assert remedy in error.detail
    assert ENTERED["app_password"] not in error.detail + error.excerpt


KNOWN = {**ENTERED, "did": DID, "refresh_token": "old-refresh", "access_token": "old"}


def test_a_session_is_renewed_with_its_refresh_token() -> None:
    async def story(scene: Scene) -> None:
        known = {**KNOWN, "pds_url": scene.server.url}
        fresh = await scene.adapter.refresh(scene.http, known)
        assert (fresh["access_token"], fresh["refresh_token"]) == ("new-access", "new-refresh")
        assert fresh["pds_url"] == scene.server.url
        assert fresh["app_password"] == ENTERED["app_password"]
        (request,) = scene.requests
        assert request.path == "/xrpc/com.atproto.server.refreshSession"
        assert request.headers["authorization"] == "Bearer old-refresh"
        assert request.body == b""

    tell(story, Reply(200, TOKENS))


@pytest.mark.parametrize(
    "over",
    [refusal(400, "ExpiredToken"), refusal(400, "InvalidToken"), refusal(401, "AuthMissing")],
)
def test_a_session_that_is_over_is_opened_anew_with_the_app_password(over: Reply) -> None:
    async def story(scene: Scene) -> None:
        fresh = await scene.adapter.refresh(scene.http, {**KNOWN, "pds_url": scene.server.url})
        assert fresh["refresh_token"] == "new-refresh"
        assert methods(scene) == ["refreshSession", "createSession"]
        assert scene.requests[1].json["identifier"] == DID

    tell(story, over, Reply(200, TOKENS))


def test_only_a_dead_app_password_ends_the_connection() -> None:
    async def story(scene: Scene) -> None:
        await scene.adapter.refresh(scene.http, KNOWN)

    over = refusal(400, "ExpiredToken")
    error = failure(story, over, refusal(401, "AuthenticationRequired"))
    assert (error.category, error.provider_code) == (C.AUTH_ERROR, "invalid_grant")
    error = failure(story, refusal(400, "AccountTakedown"))
    assert (error.category, error.provider_code) == (C.AUTH_ERROR, "invalid_grant")
    assert failure(story, over, refusal(429)).category is C.RATE_LIMIT
    assert failure(story, over, refusal(503)).category is C.SERVER_ERROR
    assert failure(story, refusal(500)).category is C.SERVER_ERROR


def test_a_session_without_app_password_ends_with_its_refresh_token() -> None:
    async def story(scene: Scene) -> None:
        await scene.adapter.refresh(scene.http, {"refresh_token": "old", "did": DID})

    error = failure(story, refusal(400, "ExpiredToken"))
    assert (error.category, error.provider_code) == (C.AUTH_ERROR, "invalid_grant")


def test_a_session_is_ended_with_its_refresh_token() -> None:
    async def story(scene: Scene) -> None:
        await scene.adapter.revoke(scene.http)
        await scene.adapter.revoke(scene.http)
        assert methods(scene) == ["deleteSession"] * 2
        assert scene.requests[0].headers["authorization"] == "Bearer b-refresh-token"

    tell(story, Reply(200), refusal(400, "ExpiredToken"))


def test_a_token_that_does_not_tell_its_end_is_renewed_early() -> None:
    for token in ("", "a.b.c", "a.e30.c", token_ending(SINCE).replace(".", "!")):
        assert end_of(token, SINCE) == SINCE + timedelta(minutes=90)


def test_an_account_is_shown_as_the_appview_shows_it() -> None:
    async def story(scene: Scene) -> None:
        account = await scene.adapter.validate(scene.http)
        assert (account.external_id, account.username) == (DID, "ada.bsky.social")
        assert (account.display_name, account.instance_url) == ("Ada", scene.server.url)
        assert "authorization" not in scene.requests[1].headers

    tell(story, *BLUESKY_CASE.me)


def test_an_account_does_without_the_appview() -> None:
    async def story(scene: Scene) -> None:
        assert (await scene.adapter.validate(scene.http)).display_name == ""

    tell(story, Reply(200, SESSION), Reply(502, b"<html>"))


def test_an_account_that_is_not_active_is_named() -> None:
    async def story(scene: Scene) -> None:
        await scene.adapter.validate(scene.http)

    error = failure(story, Reply(200, {**SESSION, "active": False, "status": "suspended"}))
    assert error.category is C.PERMISSION
    assert "suspended" in error.detail


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ({}, "https://bsky.social"),
        ({"pds_url": " https://pds.example.org/ "}, "https://pds.example.org"),
        ({"pds_url": "pds.example.org"}, "https://pds.example.org"),
    ],
)
def test_the_server_is_the_one_named_else_blueskys_own(given: dict[str, str], base: str) -> None:
    assert Bluesky().base_url(given) == base
    assert Bluesky().user_given_host()
