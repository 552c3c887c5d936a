"""SendGrid, Twilio, Firebase and Slack answer as documented; the inbox shows it all."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox.sendgrid import EventKey
from sandbox.twilio import sign
from tests.sandbox.conftest import ADA, Client, Play, Reply

SID = "AC" + 32 * "a"
MAIL: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "ada@example.org"}]}],
    "from": {"email": "carillon@example.org", "name": "Carillon"},
    "subject": "Not published",
    "content": [
        {"type": "text/plain", "value": "Words"},
        {"type": "text/html", "value": "<p>Words</p><script>alert(1)</script>"},
    ],
}
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
EMAIL = "demo-ada@shop.iam.gserviceaccount.com"
DEVICE = "device-0123456789"


async def inbox(c: Client, **query: str) -> list[dict[str, Any]]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    reply = await c.call("GET", f"/_inbox.json?{asked}", token=None)
    letters: list[dict[str, Any]] = reply.json["letters"]
    return letters


# --- SendGrid -----------------------------------------------------------------------------------
async def mail(c: Client, *, token: str = f"SG.{ADA}", **changes: Any) -> Reply:
    body = {name: value for name, value in {**MAIL, **changes}.items() if value is not None}
    return await c.call("POST", "/sendgrid/v3/mail/send", token=token, json=body)


def test_a_mail_is_taken_without_a_word(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await mail(c)
        assert (reply.status, reply.text) == (202, "")
        assert reply.headers["X-Message-Id"]
        (letter,) = await inbox(c, office="sendgrid")
        assert letter["to"] == "ada@example.org"
        assert letter["sender"] == "Carillon <carillon@example.org>"
        assert letter["content"]["text"] == "Words"

    play(story)


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"token": "SG.wrong"}, 401, None),
        ({"token": "demo-ada"}, 401, None),
        ({"from": {"email": "a@unverified.example"}}, 403, "from"),
        ({"from": {"email": "nobody"}}, 400, "from.email"),
        ({"from": None}, 400, "from"),
        ({"subject": ""}, 400, "subject"),
        ({"content": []}, 400, "content"),
        ({"content": MAIL["content"][::-1]}, 400, "content"),
        ({"content": [{"type": "text/plain", "value": ""}]}, 400, "content.0.value"),
        ({"personalizations": []}, 400, "personalizations"),
        (
            {"personalizations": [{"to": [{"email": "x"}]}]},
            400,
            "personalizations.0.to.0.email",
        ),
    ],
)
def test_sendgrid_refuses_in_its_own_shape(
    play: Play, changes: dict[str, Any], status: int, field: str | None
) -> None:
    async def story(c: Client) -> None:
        reply = await mail(c, **changes)
        assert reply.status == status
        (error,) = reply.json["errors"]
        assert error["message"]
        assert error["field"] == field
        assert await inbox(c) == []

    play(story)


def test_a_mail_s_html_runs_and_loads_nothing(play: Play) -> None:
    async def story(c: Client) -> None:
        await mail(c)
        (letter,) = await inbox(c)
        page = await c.call("GET", f"/_inbox/{letter['id']}.html", token=None)
        assert page.text == MAIL["content"][1]["value"]
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "sandbox" in policy
        assert "script" not in policy

    play(story)


def test_an_event_s_signature_is_the_key_s_own() -> None:
    body, headers = EventKey().post([{"event": "delivered"}], "1700000000")
    assert json.loads(body) == [{"event": "delivered"}]
    assert base64.b64decode(headers["X-Twilio-Email-Event-Webhook-Signature"])


# --- Twilio -------------------------------------------------------------------------------------
async def text(
    c: Client, *, user: str = SID, password: str = ADA, sid: str = SID, **form: str
) -> Reply:
    given = {"To": "+4915112345678", "From": "+15005550006", "Body": "Words", **form}
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    return await c.call(
        "POST",
        f"/twilio/2010-04-01/Accounts/{sid}/Messages.json",
        token=None,
        headers={"Authorization": f"Basic {basic}"},
        data={name: value for name, value in given.items() if value},
    )


def test_a_text_message_is_queued(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await text(c)
        assert (reply.status, reply.json["status"]) == (201, "queued")
        assert reply.json["sid"].startswith("SM")
        reply = await text(c, From="", MessagingServiceSid="MG1")
        assert reply.json["status"] == "accepted"
        assert [letter["is_copy"] for letter in await inbox(c)] == [True, False]

    play(story)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"password": "wrong"}, 401, 20003),
        ({"user": "AC1"}, 401, 20003),
        ({"sid": "AC" + 32 * "b"}, 404, 20404),
        ({"To": "+15005550001"}, 400, 21211),
        ({"To": "0151"}, 400, 21211),
        ({"To": "+15005550004"}, 400, 21610),
        ({"To": "+15005550009"}, 400, 21614),
        ({"To": "+15005550003"}, 400, 21408),
        ({"To": ""}, 400, 21604),
        ({"From": ""}, 400, 21603),
        ({"From": "+15005550007"}, 400, 21606),
        ({"Body": ""}, 400, 21602),
        ({"Body": "x" * 1601}, 400, 21617),
        ({"StatusCallback": "nowhere"}, 400, 21609),
    ],
)
def test_twilio_refuses_with_its_codes(
    play: Play, changes: dict[str, str], status: int, code: int
) -> None:
    async def story(c: Client) -> None:
        reply = await text(c, **changes)
        assert (reply.status, reply.json["code"]) == (status, code)
        assert reply.json["more_info"].endswith(f"/{code}")
        assert await inbox(c) == []

    play(story)


@pytest.mark.parametrize(
    ("to", "statuses"),
    [("+4915112345678", ["sent", "delivered"]), ("+491511233003", ["sent", "undelivered"])],
)
def test_a_status_callback_tells_signed_how_it_went(
    play: Play, to: str, statuses: list[str]
) -> None:
    async def story(c: Client) -> None:
        heard: list[tuple[dict[str, Any], str]] = []

        async def hear(request: web.Request) -> web.Response:
            form = {name: str(value) for name, value in (await request.post()).items()}
            heard.append((form, request.headers["X-Twilio-Signature"]))
            return web.Response(status=204)

        app = web.Application()
        app.router.add_post("/status", hear)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        hook = f"http://127.0.0.1:{runner.addresses[0][1]}/status"
        await text(c, To=to, StatusCallback=hook)
        async with asyncio.timeout(5):
            while len(heard) < 2:
                await asyncio.sleep(0.02)
        await runner.cleanup()
        assert [form["MessageStatus"] for form, _ in heard] == statuses
        assert all(signature == sign("demo-ada", hook, form) for form, signature in heard)
        assert (await inbox(c))[0]["status"] == statuses[-1]

    play(story)


# --- Firebase -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


async def token(c: Client, key: RSAPrivateKey, **changes: Any) -> Reply:
    now = int(time.time())
    claims = {
        "iss": EMAIL,
        "scope": SCOPE,
        "aud": f"{c.url}/fcm/token",
        "iat": now,
        "exp": now + 3600,
        **changes,
    }
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    form = {"grant_type": grant, "assertion": jwt.encode(claims, key, algorithm="RS256")}
    return await c.call("POST", "/fcm/token", token=None, data=form)


async def push(c: Client, access: str = "demo-ada", project: str = "shop", **message: Any) -> Reply:
    body = {"message": {"token": DEVICE, "notification": {"title": "T", "body": "B"}, **message}}
    path = f"/fcm/v1/projects/{project}/messages:send"
    return await c.call("POST", path, token=access, json=body)


def test_a_signed_request_brings_a_token_for_its_own_project(
    play: Play, key: RSAPrivateKey
) -> None:
    async def story(c: Client) -> None:
        reply = await token(c, key)
        assert reply.json["expires_in"] == 3599
        access = reply.json["access_token"]
        sent = await push(c, access)
        assert sent.json["name"].startswith("projects/shop/messages/")
        assert (await inbox(c))[0]["content"]["notification"] == {"title": "T", "body": "B"}
        assert (await push(c, access, project="other")).status == 403

    play(story)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aud": "https://oauth2.googleapis.com/token"}, "invalid_grant"),
        ({"exp": int(time.time()) + 9000}, "invalid_grant"),
        ({"iat": int(time.time()) - 9000, "exp": int(time.time()) - 5400}, "invalid_grant"),
        ({"iss": "nobody@shop.iam.gserviceaccount.com"}, "invalid_grant"),
        ({"scope": "email"}, "invalid_scope"),
    ],
)
def test_google_refuses_what_is_not_right_about_a_request(
    play: Play, key: RSAPrivateKey, changes: dict[str, Any], code: str
) -> None:
    async def story(c: Client) -> None:
        reply = await token(c, key, **changes)
        assert (reply.status, reply.json["error"]) == (400, code)

    play(story)


def test_once_a_key_is_known_only_its_signature_counts(play: Play, key: RSAPrivateKey) -> None:
    async def story(c: Client) -> None:
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        known = {"client_email": EMAIL, "public_key": pem.decode()}
        await c.call("POST", "/_control/service-accounts", token=None, json=known)
        other = generate_private_key(public_exponent=65537, key_size=2048)
        assert (await token(c, other)).json["error_description"] == "Invalid JWT Signature."
        assert (await token(c, key)).status == 200

    play(story)


@pytest.mark.parametrize(
    ("device", "status", "code"),
    [
        ("unregistered-1", 404, "UNREGISTERED"),
        ("mismatch-1", 403, "SENDER_ID_MISMATCH"),
        ("invalid-1", 400, "INVALID_ARGUMENT"),
        ("apns-1", 401, "THIRD_PARTY_AUTH_ERROR"),
    ],
)
def test_devices_are_refused_by_their_names(
    play: Play, device: str, status: int, code: str
) -> None:
    async def story(c: Client) -> None:
        reply = await push(c, token=device)
        details = reply.json["error"]["details"]
        assert (reply.status, details[0]["errorCode"]) == (status, code)
        assert await inbox(c) == []

    play(story)


@pytest.mark.parametrize(
    "message",
    [
        {"data": {"n": 5}},
        {"data": {"n": "x" * 5000}},
        {"webpush": {"fcm_options": {"link": "http://insecure.example"}}},
        {"token": ""},
    ],
)
def test_firebase_refuses_what_breaks_its_rules(play: Play, message: dict[str, Any]) -> None:
    async def story(c: Client) -> None:
        reply = await push(c, **message)
        assert (reply.status, reply.json["error"]["status"]) == (400, "INVALID_ARGUMENT")

    play(story)


# --- Slack --------------------------------------------------------------------------------------
async def say(c: Client, channel: str = "C1", token: str = f"xoxb-{ADA}", **body: Any) -> Reply:
    given = {"channel": channel, "text": "Words", **body}
    return await c.call("POST", "/slack/api/chat.postMessage", token=token, json=given)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"token": "xoxb-wrong"}, "invalid_auth"),
        ({"token": "demo-ada"}, "invalid_auth"),
        ({"channel": "#missing"}, "channel_not_found"),
        ({"channel": "CARCHIVED1"}, "is_archived"),
        ({"channel": "#private-talk"}, "not_in_channel"),
        ({"text": ""}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"blocks": [{"type": "header", "text": {"text": "x" * 151}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
    ],
)
def test_slack_says_no_with_a_200(play: Play, changes: dict[str, Any], code: str) -> None:
    async def story(c: Client) -> None:
        reply = await say(c, **changes)
        assert (reply.status, reply.json["ok"], reply.json["error"]) == (200, False, code)
        assert await inbox(c) == []

    play(story)


def test_a_channel_takes_three_at_once_and_then_one_a_second(play: Play) -> None:
    async def story(c: Client) -> None:
        statuses = [(await say(c)).status for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        assert (await say(c, "C2")).status == 200
        refused = await say(c)
        assert (refused.json["error"], refused.headers["Retry-After"]) == ("ratelimited", "1")
        c.clock.advance(1)
        assert (await say(c)).json["ok"] is True

    play(story)


def test_a_token_without_the_scope_may_not_post(play: Play) -> None:
    async def story(c: Client) -> None:
        issued = await c.call(
            "POST",
            "/_control/tokens",
            token=None,
            json={"network": "slack", "account": "ada", "action": "issue", "scopes": ["x"]},
        )
        reply = await say(c, token=f"xoxb-{issued.json['access_token']}")
        assert reply.json["error"] == "missing_scope"

    play(story)


# --- all of them ----------------------------------------------------------------------------------
def test_a_callback_is_shown_as_it_came(play: Play) -> None:
    async def story(c: Client) -> None:
        headers = {"webhook-id": "1", "webhook-signature": "v1,abc"}
        body = {"type": "post.published"}
        reply = await c.call("POST", "/hooks/me", token=None, json=body, headers=headers)
        assert reply.status == 200
        (letter,) = await inbox(c, office="callbacks", to="/hooks/me")
        assert letter["content"]["body"] == body
        assert letter["content"]["headers"]["webhook-id"] == "1"

    play(story)


@pytest.mark.parametrize("network", ["sendgrid", "twilio", "fcm", "slack"])
def test_switches_reach_every_office_and_lost_answers_still_deliver(
    play: Play, network: str
) -> None:
    calls = {"sendgrid": mail, "twilio": text, "fcm": push, "slack": say}

    async def story(c: Client) -> None:
        await c.switch(network, fail={"status": 503, "times": 1})
        assert (await calls[network](c)).status == 503
        assert await inbox(c) == []
        await c.switch(network, garbage=1)
        assert "<html>" in (await calls[network](c)).text
        assert len(await inbox(c, office=network)) == 1

    play(story)


def test_the_feed_shows_networks_only(play: Play) -> None:
    async def story(c: Client) -> None:
        await mail(c)
        feed = await c.call("GET", "/_feed.json", token=None)
        assert feed.json["networks"] == {}
        page = await c.call("GET", "/inbox", token=None)
        assert page.status == 200
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]
        same = feed.json["revision"]
        spared = await c.call("GET", f"/_inbox.json?after={same}", token=None)
        assert "letters" not in spared.json

    play(story)
