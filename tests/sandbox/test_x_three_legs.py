"""OAuth 1.0a's three legs on X, with oauthlib as the client."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from oauthlib import oauth1

from tests.sandbox.conftest import Client, Play, Reply

BACK = "http://127.0.0.1:9/oauth/complete/twitter/?redirect_state=abc"
CONSUMER = {"client_key": "sandbox-consumer", "client_secret": "sandbox-consumer-secret"}


async def signed(c: Client, method: str, path: str, **keys: Any) -> Reply:
    client = oauth1.Client(**{**CONSUMER, **keys})
    _url, headers, _body = client.sign(c.url + path, method)
    return await c.call(method, path, token=None, headers=dict(headers))


async def first_leg(c: Client, callback: str = BACK) -> dict[str, str]:
    reply = await signed(c, "POST", "/x/oauth/request_token", callback_uri=callback)
    assert reply.status == 200
    return dict(parse_qsl(reply.text))


def page_of(token: str, page: str = "authenticate") -> str:
    return f"/x/oauth/{page}?oauth_token={token}"


async def decide(c: Client, token: str, **form: str) -> Reply:
    return await c.call("POST", page_of(token), token=None, data=form, allow_redirects=False)


async def third_leg(c: Client, request: dict[str, str], verifier: str, **keys: Any) -> Reply:
    return await signed(
        c,
        "POST",
        "/x/oauth/access_token",
        resource_owner_key=request["oauth_token"],
        resource_owner_secret=request["oauth_token_secret"],
        verifier=verifier,
        **keys,
    )


async def agreed(c: Client, account: str = "grace") -> tuple[dict[str, str], str]:
    request = await first_leg(c)
    reply = await decide(c, request["oauth_token"], decision="allow", account=account)
    back = dict(parse_qsl(urlsplit(reply.headers["Location"]).query))
    assert back["oauth_token"] == request["oauth_token"]
    assert back["redirect_state"] == "abc"
    return request, back["oauth_verifier"]


def test_three_legs_end_with_a_token_that_signs_for_the_account(play: Play) -> None:
    async def story(c: Client) -> None:
        request, verifier = await agreed(c)
        assert request["oauth_callback_confirmed"] == "true"
        access = dict(parse_qsl((await third_leg(c, request, verifier)).text))
        assert access["screen_name"] == "grace"
        keys = {
            "resource_owner_key": access["oauth_token"],
            "resource_owner_secret": access["oauth_token_secret"],
        }
        me = await signed(c, "GET", "/x/2/users/me", **keys)
        assert me.json["data"]["id"] == access["user_id"]
        wrong = await signed(
            c, "GET", "/x/2/users/me", **{**keys, "resource_owner_secret": "grace-secret"}
        )
        assert wrong.status == 401

    play(story)


@pytest.mark.parametrize("page", ["authenticate", "authorize"])
def test_the_page_names_consumer_and_callback_host(play: Play, page: str) -> None:
    async def story(c: Client) -> None:
        token = (await first_leg(c))["oauth_token"]
        path = page_of(token, page) + "&screen_name=grace"
        reply = await c.call("GET", path, token=None)
        assert reply.status == 200
        for part in ("<b>sandbox-consumer</b>", "<b>127.0.0.1:9</b>", 'value="grace"'):
            assert part in reply.text

    play(story)


def test_cancel_sends_denied_and_ends_the_request_token(play: Play) -> None:
    async def story(c: Client) -> None:
        token = (await first_leg(c))["oauth_token"]
        reply = await decide(c, token, decision="cancel")
        assert reply.headers["Location"] == f"{BACK}&denied={token}"
        assert (await c.call("GET", page_of(token), token=None)).status == 400

    play(story)


def test_a_request_token_is_spent_by_the_third_leg(play: Play) -> None:
    async def story(c: Client) -> None:
        request, verifier = await agreed(c)
        wrong = await third_leg(c, request, "guess")
        assert wrong.status == 401
        assert wrong.json == {"errors": [{"code": 32, "message": "Could not authenticate you."}]}
        assert (await third_leg(c, request, verifier)).status == 200
        assert (await third_leg(c, request, verifier)).status == 401

    play(story)


def test_without_permission_or_after_a_quarter_of_an_hour_there_is_no_access(play: Play) -> None:
    async def story(c: Client) -> None:
        request = await first_leg(c)
        assert (await third_leg(c, request, "")).status == 401
        late, verifier = await agreed(c)
        c.clock.advance(901)
        assert (await c.call("GET", page_of(late["oauth_token"]), token=None)).status == 400
        refused = await third_leg(c, late, verifier, timestamp=str(int(c.clock())))
        assert refused.headers["x-sandbox-reason"] == "the token is unknown"

    play(story)


def test_a_request_token_signs_no_calls_and_no_other_consumers_trade(play: Play) -> None:
    async def story(c: Client) -> None:
        request, verifier = await agreed(c)
        keys = {
            "resource_owner_key": request["oauth_token"],
            "resource_owner_secret": request["oauth_token_secret"],
        }
        assert (await signed(c, "GET", "/x/2/users/me", **keys)).status == 401
        body = {"key": "other", "secret": "other-secret"}
        await c.call("POST", "/_control/consumers", token=None, json=body)
        other = {"client_key": "other", "client_secret": "other-secret"}
        assert (await third_leg(c, request, verifier, **other)).status == 401

    play(story)


@pytest.mark.parametrize("callback", [None, "nowhere", "javascript:alert(1)"])
def test_the_first_leg_needs_a_callback(play: Play, callback: str | None) -> None:
    async def story(c: Client) -> None:
        reply = await signed(c, "POST", "/x/oauth/request_token", callback_uri=callback)
        assert reply.status == 401

    play(story)


def test_the_first_leg_needs_a_known_consumer(play: Play) -> None:
    async def story(c: Client) -> None:
        path = "/x/oauth/request_token"
        wrong = await signed(c, "POST", path, client_secret="no", callback_uri=BACK)
        assert wrong.headers["x-sandbox-reason"] == "the signature does not match"
        bare = await c.call("POST", path, token=None)
        assert (bare.status, bare.json["errors"][0]["code"]) == (401, 215)

    play(story)


def test_a_client_without_a_callback_gets_a_pin(play: Play) -> None:
    async def story(c: Client) -> None:
        request = await first_leg(c, "oob")
        token = request["oauth_token"]
        assert "You get a code to copy" in (await c.call("GET", page_of(token), token=None)).text
        reply = await decide(c, token, decision="allow", account="ada")
        pin = reply.text.partition('tabindex="0">')[2][:7]
        assert pin.isdecimal()
        assert (await third_leg(c, request, pin)).status == 200

    play(story)
