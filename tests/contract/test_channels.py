"""The promises of a notification channel, kept by every provider's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from tests.contract.server import DROP, HANG, RESET, Raw, Reply, Request, Scripted, Step, serve
from tests.notifications.senders import (
    DEVICE,
    SECRETS,
    SID,
    claimed,
    provider_settings,
    public_pem,
    use,
)

CHANNELS = ("email", "sms", "push", "slack")
GOOD: dict[str, Reply] = {
    "email": Reply(202, b"", {"X-Message-Id": "m-1"}),
    "sms": Reply(201, {"sid": "SM1", "status": "queued"}),
    "push": Reply(200, {"name": "projects/p/messages/1"}),
    "slack": Reply(200, {"ok": True, "channel": "C024BE91L", "ts": "1.5"}),
}
IDS = {"email": "m-1", "sms": "SM1", "push": "projects/p/messages/1", "slack": "C024BE91L:1.5"}
TOKEN = Reply(200, {"access_token": "ya29.of-google-secret", "expires_in": 3599})
ODD_BODIES = (
    b"",
    b"<html><h1>Bad gateway</h1></html>",
    b"[]",
    b"null",
    b"17",
    b"{",
    b"\xff\xfe\x00",
    b'{"error": 5, "errors": 5, "code": [], "ok": 1, "sid": 5, "name": {}, "ts": 2}',
    b'{"error": [], "errors": [[]], "code": {"a": 1}, "ok": true, "ts": null}',
    b'{"error": {"details": [5, {"errorCode": []}, {"fieldViolations": [5]}], "status": []}}',
    b'{"error": {"details": 5, "status": null}, "ok": "yes", "sid": "", "name": ""}',
)
CUT_OFF = Raw(b"HTTP/1.1 201 Told\r\ncontent-length: 9\r\n\r\n{")
OWN_SECRET = {
    "email": SECRETS[0],
    "sms": SECRETS[1],
    "push": "ya29.of-google-secret",
    "slack": SECRETS[2],
}
HUGE = b'{"detail": "' + b"x" * 200_000 + b'"}'
BAD_STATUSES = (400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 415, 422, 429, 500, 502, 503, 504)

Send = Callable[[], Awaitable[str]]


def tell(channel: str, settings: Any, story: Callable[[Scripted, Send], Awaitable[None]]) -> None:
    """Run a story with the channel's sender and a scripted provider."""

    async def main() -> None:
        from django.core.cache import cache

        from notifications.channels import make_senders

        cache.clear()
        async with serve(GOOD[channel]) as server:
            use(settings, provider_settings(server.url))
            settings.CHANNEL_DEADLINE = timedelta(seconds=5)
            senders = make_senders()

            async def send() -> str:
                return await senders[channel].send(claimed(channel))

            try:
                await story(server, send)
            finally:
                for sender in senders.values():
                    await sender.close()

    asyncio.run(main())


def answer(server: Scripted, step: Step) -> None:
    """Answer messages with `step`; Google's tokens are given all the same."""
    server.script = lambda request: TOKEN if request.path == "/fcm/token" else step
    server.requests.clear()


def messages(server: Scripted) -> list[Request]:
    return [request for request in server.requests if request.path != "/fcm/token"]


async def fails(send: Send) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await send()
    error = caught.value
    seen = f"{error!r} {error.detail} {error.excerpt}"
    assert not [secret for secret in (*SECRETS, "ya29.of-google-secret") if secret in seen]
    assert error.detail
    return error


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_message_that_is_taken_returns_the_provider_s_id(channel: str, settings: Any) -> None:
    async def story(server: Scripted, send: Send) -> None:
        answer(server, GOOD[channel])
        assert await send() == IDS[channel]
        assert len(messages(server)) == 1

    tell(channel, settings, story)


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_refusal_is_a_service_error_whatever_its_body(channel: str, settings: Any) -> None:
    async def story(server: Scripted, send: Send) -> None:
        for status in BAD_STATUSES:
            for body in (*ODD_BODIES, *([HUGE] if status in {400, 503} else [])):
                answer(server, Reply(status, body))
                error = await fails(send)
                assert error.http_status == status
                if (status >= 500 or status == 408) and channel == "sms":
                    assert error.category is C.OUTCOME_UNKNOWN
                elif status >= 500:
                    assert error.category is C.SERVER_ERROR

    tell(channel, settings, story)


@pytest.mark.parametrize("channel", CHANNELS)
def test_an_unreadable_success_may_have_been_sent(channel: str, settings: Any) -> None:
    async def story(server: Scripted, send: Send) -> None:
        for status in (200, 201, 202, 204):
            for body in ODD_BODIES:
                if status == 204 and body:
                    continue
                answer(server, Reply(status, body))
                if channel == "email" and status == 202:
                    assert await send() == ""  # SendGrid's 202 has no body anyway
                    continue
                error = await fails(send)
                assert error.category in {C.OUTCOME_UNKNOWN, C.UNKNOWN}, (status, body)
                if channel == "sms":
                    assert error.category is C.OUTCOME_UNKNOWN

    tell(channel, settings, story)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("lost", [DROP, RESET, CUT_OFF])
def test_a_lost_answer_may_have_been_sent(channel: str, lost: Step, settings: Any) -> None:
    async def story(server: Scripted, send: Send) -> None:
        answer(server, lost)
        error = await fails(send)
        assert error.category is C.OUTCOME_UNKNOWN
        assert len(messages(server)) == 1  # and nothing repeated it on the quiet

    tell(channel, settings, story)


@pytest.mark.parametrize("channel", CHANNELS)
def test_an_endless_answer_is_cut_off_and_counts_by_its_status(channel: str, settings: Any) -> None:
    async def story(server: Scripted, send: Send) -> None:
        answer(server, Reply(GOOD[channel].status, HUGE))
        if channel == "email":
            assert await send() == ""  # 202 says all there is to say
        else:
            assert (await fails(send)).category is C.OUTCOME_UNKNOWN

    tell(channel, settings, story)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_silent_provider_is_left_at_the_deadline(channel: str, settings: Any) -> None:
    async def story(server: Scripted, send: Send) -> None:
        settings.CHANNEL_DEADLINE = timedelta(seconds=0.4)
        answer(server, HANG)
        assert (await fails(send)).category is C.OUTCOME_UNKNOWN

    tell(channel, settings, story)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_redirect_is_never_followed(channel: str, settings: Any) -> None:
    async def story(server: Scripted, send: Send) -> None:
        answer(server, Reply(302, b"", {"Location": f"{server.url}/elsewhere"}))
        error = await fails(send)
        assert error.http_status == 302
        assert "redirect" in error.detail
        assert len(messages(server)) == 1

    tell(channel, settings, story)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_provider_that_is_not_there_got_nothing(channel: str, settings: Any) -> None:
    async def story(server: Scripted, send: Send) -> None:
        use(settings, provider_settings("http://127.0.0.1:9"))
        assert (await fails(send)).category is C.NETWORK_ERROR

    tell(channel, settings, story)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_wait_that_is_asked_for_is_carried(channel: str, settings: Any) -> None:
    async def story(server: Scripted, send: Send) -> None:
        answer(server, Reply(429, b"{}", {"Retry-After": "42"}))
        error = await fails(send)
        assert error.category is C.RATE_LIMIT
        assert error.retry_after == timedelta(seconds=42)

    tell(channel, settings, story)


@pytest.mark.parametrize("channel", CHANNELS)
def test_nothing_secret_is_logged_or_shown(
    channel: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def story(server: Scripted, send: Send) -> None:
        echo = json.dumps([OWN_SECRET[channel], *([DEVICE] if channel == "push" else [])])
        answer(server, Reply(400, echo.encode()))
        error = await fails(send)
        assert "[hidden]" in error.excerpt
        assert DEVICE not in error.excerpt
        assert not [secret for secret in SECRETS if secret in caplog.text]
        assert "PRIVATE KEY" not in caplog.text
        assert DEVICE not in repr(claimed("push")).replace(f"target='{DEVICE}'", "")

    tell(channel, settings, story)


# --- what each provider gets -------------------------------------------------------------------


def test_sendgrid_gets_text_before_html_and_the_delivery_s_own_ids(settings: Any) -> None:
    async def story(server: Scripted, send: Send) -> None:
        answer(server, GOOD["email"])
        await send()
        (request,) = messages(server)
        assert request.path == "/sendgrid/v3/mail/send"
        assert request.headers["authorization"] == f"Bearer {SECRETS[0]}"
        mail = request.json
        assert mail["personalizations"] == [{"to": [{"email": "ada@example.org"}]}]
        assert mail["from"] == {"email": "carillon@post.example", "name": "Carillon"}
        assert [part["type"] for part in mail["content"]] == ["text/plain", "text/html"]
        key = mail["custom_args"]["delivery_id"]
        assert mail["headers"]["Message-ID"] == f"<{key}@post.example>"

    tell("email", settings, story)


@pytest.mark.parametrize("service", ["", "MG" + 32 * "b"])
def test_twilio_gets_a_form_from_the_number_or_the_service(settings: Any, service: str) -> None:
    async def story(server: Scripted, send: Send) -> None:
        settings.TWILIO_MESSAGING_SERVICE_SID = service
        answer(server, GOOD["sms"])
        await send()
        (request,) = messages(server)
        assert request.path == f"/twilio/2010-04-01/Accounts/{SID}/Messages.json"
        assert request.headers["authorization"].startswith("Basic ")
        body = request.body.decode()
        assert "To=%2B4915112345678" in body
        assert ("From=" in body, "MessagingServiceSid=" in body) == (not service, bool(service))
        assert "StatusCallback" not in body  # nobody said where we can be reached

    tell("sms", settings, story)


@pytest.mark.parametrize(
    ("ours", "theirs", "named"),
    [
        ("https://post.example", "https", True),
        ("http://localhost:8000", "https", False),  # Twilio would refuse it
        ("http://localhost:8000", "http", True),  # the sandbox
        ("", "http", False),
    ],
)
def test_a_status_callback_is_named_where_twilio_can_reach_us(
    settings: Any, ours: str, theirs: str, named: bool
) -> None:
    from notifications.hook_addresses import twilio_hook

    settings.HOOKS_PUBLIC_URL, settings.TWILIO_API_BASE = ours, f"{theirs}://api.twilio.com"
    delivery = claimed("sms")
    expected = f"{ours}/api/v1/hooks/twilio/{delivery.id}" if named else ""
    assert twilio_hook(delivery.id) == expected


def test_firebase_gets_a_signed_request_once_and_then_its_token(settings: Any) -> None:
    async def story(server: Scripted, send: Send) -> None:
        answer(server, GOOD["push"])
        await asyncio.gather(*(send() for _ in range(8)))
        asked = [request for request in server.requests if request.path == "/fcm/token"]
        assert len(asked) == 1
        assertion = asked[0].body.decode().rpartition("assertion=")[2]
        claims = jwt.decode(
            assertion, public_pem(), algorithms=["RS256"], audience=f"{server.url}/fcm/token"
        )
        assert claims["iss"] == "demo-tests@carillon-test.iam.gserviceaccount.com"
        assert claims["exp"] - claims["iat"] == 3600
        assert "authorization" not in asked[0].headers
        pushed = messages(server)[0]
        assert pushed.path == "/fcm/v1/projects/carillon-test/messages:send"
        assert pushed.headers["authorization"] == "Bearer ya29.of-google-secret"
        message = pushed.json["message"]
        assert message["token"] == DEVICE
        assert all(isinstance(value, str) for value in message["data"].values())
        assert len(json.dumps(pushed.json)) < 4096

    tell("push", settings, story)


def test_the_token_is_shared_through_the_cache_and_unreadable_there(settings: Any) -> None:
    async def story(server: Scripted, send: Send) -> None:
        from notifications.channels.push import FcmSender

        answer(server, GOOD["push"])
        await send()
        another = FcmSender()  # as another process's
        await another.send(claimed("push"))
        await another.close()
        assert [r.path for r in server.requests].count("/fcm/token") == 1

    tell("push", settings, story)


def test_pushes_go_out_while_the_cache_is_away(settings: Any) -> None:
    from django.core.cache import caches

    async def story(server: Scripted, send: Send) -> None:
        settings.CACHES = {
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": "redis://127.0.0.1:9/0",
            }
        }
        with contextlib.suppress(AttributeError):
            del caches["default"]
        answer(server, GOOD["push"])
        assert await send() == IDS["push"]

    tell("push", settings, story)


def test_a_refused_token_is_dropped_and_an_old_one_is_no_fault_of_ours(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(server: Scripted, send: Send) -> None:
        unauthenticated = {"error": {"code": 401, "status": "UNAUTHENTICATED"}}
        answer(server, GOOD["push"])
        await send()
        answer(server, Reply(401, unauthenticated))
        later = time.time() + 120
        monkeypatch.setattr("engine.wall_clock.time.time", lambda: later)
        error = await fails(send)
        assert (error.category, error.app_wide) == (C.TOKEN_EXPIRED, False)
        error = await fails(send)  # with a token that is new
        assert (error.category, error.app_wide) == (C.AUTH_ERROR, True)
        assert [r.path for r in server.requests].count("/fcm/token") == 1

    tell("push", settings, story)


@pytest.mark.parametrize(
    ("step", "category"),
    [
        (Reply(400, {"error": "invalid_grant", "error_description": "Invalid JWT"}), C.AUTH_ERROR),
        (Reply(401, {"error": "invalid_client"}), C.AUTH_ERROR),
        (Reply(403, {"error": "unauthorized_client"}), C.PERMISSION),
        (Reply(429, b"", {"Retry-After": "9"}), C.RATE_LIMIT),
        (Reply(503, b"<html>"), C.SERVER_ERROR),
        (Reply(200, b"<html>"), C.SERVER_ERROR),
        (Reply(200, {"access_token": "", "expires_in": True}), C.SERVER_ERROR),
        (DROP, C.NETWORK_ERROR),
    ],
)
def test_without_a_token_nothing_is_pushed(settings: Any, step: Step, category: C) -> None:
    async def story(server: Scripted, send: Send) -> None:
        server.always(step)
        error = await fails(send)
        assert error.category is category
        assert messages(server) == []

    tell("push", settings, story)


def test_slack_gets_text_beside_its_blocks(settings: Any) -> None:
    async def story(server: Scripted, send: Send) -> None:
        answer(server, GOOD["slack"])
        await send()
        (request,) = messages(server)
        assert request.path == "/slack/api/chat.postMessage"
        body = request.json
        assert body["channel"] == "C024BE91L"
        assert "@carillon on Mastodon" in body["text"]
        assert [block["type"] for block in body["blocks"]] == ["header", "section", "context"]

    tell("slack", settings, story)
