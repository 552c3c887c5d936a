"""The OAuth 1.0a check agrees with oauthlib's signatures, and refuses everything else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from oauthlib import oauth1
from oauthlib.oauth1.rfc5849.signature import sign_hmac_sha1_with_client
from yarl import URL

from sandbox.oauth1 import base_string, sign
from tests.sandbox.conftest import Client, Play, Reply

KEYS = {
    "client_key": "sandbox-consumer",
    "client_secret": "sandbox-consumer-secret",
    "resource_owner_key": "ada-token",
    "resource_owner_secret": "ada-secret",
}
FORM = "application/x-www-form-urlencoded"


def signed(
    method: str,
    url: str,
    body: str | None = None,
    headers: dict[str, str] | None = None,
    **overrides: Any,
) -> str:
    client = oauth1.Client(**{**KEYS, **overrides})
    _url, headers, _body = client.sign(url, method, body, headers or {})
    return str(headers["Authorization"])


async def call(c: Client, method: str, path: str, header: str, **options: Any) -> Reply:
    headers = {"Authorization": header, **options.pop("headers", {})}
    return await c.call(method, path, token=None, headers=headers, **options)


def test_the_signature_matches_the_standards_own_example() -> None:
    """Source: docs.x.com, "Creating a signature" (the published worked example)."""
    parameters = [
        ("status", "Hello Ladies + Gentlemen, a signed OAuth request!"),
        ("oauth_consumer_key", "xvz1evFS4wEEPTGEFPHBog"),
        ("oauth_nonce", "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "1318622958"),
        ("oauth_token", "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb"),
        ("oauth_version", "1.0"),
    ]
    url = "https://api.twitter.com/1.1/statuses/update.json?include_entities=true"
    text = base_string("post", url, parameters)
    assert text.startswith("POST&https%3A%2F%2Fapi.twitter.com%2F1.1%2Fstatuses%2Fupdate.json&")
    signature = sign(
        text,
        "kAcSOqF21Fu85e7zjz7ZN2U4ZRhV3WpwPAtIDYWDjiD",
        "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHW2YPi5kE",
    )
    assert len(signature) == 28
    assert signature == _oauthlib_signature(text)


def _oauthlib_signature(text: str) -> str:
    class Secrets:
        client_secret = "kAcSOqF21Fu85e7zjz7ZN2U4ZRhV3WpwPAtIDYWDjiD"
        resource_owner_secret = "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHW2YPi5kE"

    return str(sign_hmac_sha1_with_client(text, Secrets))


@pytest.mark.parametrize(
    "path",
    [
        "/x/2/users/me",
        "/x/2/users/me?user.fields=public_metrics",
        "/x/2/tweets?ids=1,2&tweet.fields=created_at%2Ctext",
        "/x/2/users/me?q=a+b&q=%C3%A9%20&empty=&tilde=~%7E&plus=%2B",
    ],
)
def test_signed_reads_are_accepted_whatever_the_query(play: Play, path: str) -> None:
    async def story(c: Client) -> None:
        header = signed("GET", c.url + path)
        headers = {"Authorization": header}
        async with c.session.get(URL(c.url + path, encoded=True), headers=headers) as response:
            assert response.status == 200

    play(story)


def test_json_bodies_are_not_part_of_the_signature(play: Play) -> None:
    async def story(c: Client) -> None:
        header = signed("POST", f"{c.url}/x/2/tweets")
        reply = await call(c, "POST", "/x/2/tweets", header, json={"text": "signed & sent"})
        assert reply.status == 201
        assert (await c.stats("x"))["by_account"]["ada"]["count"] == 1

    play(story)


def test_form_bodies_are_part_of_the_signature(play: Play) -> None:
    async def story(c: Client) -> None:
        body = "text=a+b%20c&more=%C3%A9"
        path, form = "/x/2/tweets", {"Content-Type": FORM}
        good = signed("POST", c.url + path, body, dict(form))
        # The body is no JSON, hence 400; what matters is that it is not 401.
        assert (await call(c, "POST", path, good, data=body, headers=form)).status == 400
        other = signed("POST", c.url + path, body, dict(form))
        changed = await call(c, "POST", path, other, data=body + "x", headers=form)
        assert changed.status == 401

    play(story)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"client_secret": "wrong"}, "the signature does not match"),
        ({"resource_owner_secret": "wrong"}, "the signature does not match"),
        ({"client_key": "stranger"}, "the consumer key is unknown"),
        ({"resource_owner_key": "ada"}, "the token is unknown"),
        ({"timestamp": "1"}, "the timestamp is more than 5 minutes off"),
        ({"signature_method": "HMAC-SHA256"}, "only HMAC-SHA1 is accepted"),
    ],
)
def test_badly_signed_calls_are_401(play: Play, overrides: dict[str, Any], reason: str) -> None:
    async def story(c: Client) -> None:
        header = signed("GET", f"{c.url}/x/2/users/me", **overrides)
        reply = await call(c, "GET", "/x/2/users/me", header)
        assert reply.status == 401
        assert reply.json["detail"] == "Unauthorized"
        assert reply.headers["x-sandbox-reason"] == reason

    play(story)


def test_a_signature_is_good_for_its_own_method_and_url_only(play: Play) -> None:
    async def story(c: Client) -> None:
        header = signed("GET", f"{c.url}/x/2/users/me")
        assert (await call(c, "GET", "/x/2/users/me?a=1", header)).status == 401
        assert (await call(c, "POST", "/x/2/tweets", header, json={"text": "a"})).status == 401

    play(story)


def test_a_nonce_works_once(play: Play) -> None:
    async def story(c: Client) -> None:
        header = signed("GET", f"{c.url}/x/2/users/me")
        assert (await call(c, "GET", "/x/2/users/me", header)).status == 200
        again = await call(c, "GET", "/x/2/users/me", header)
        assert again.status == 401
        assert again.headers["x-sandbox-reason"] == "the nonce was used before"

    play(story)


@pytest.mark.parametrize("skew_seconds", [-290, 290])
def test_timestamps_within_five_minutes_are_accepted(play: Play, skew_seconds: int) -> None:
    async def story(c: Client) -> None:
        stamp = str(int(time.time()) + skew_seconds)
        header = signed("GET", f"{c.url}/x/2/users/me", timestamp=stamp)
        assert (await call(c, "GET", "/x/2/users/me", header)).status == 200

    play(story)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda header: re.sub(r'oauth_nonce="[^"]*", ', "", header),
        lambda header: header.replace("OAuth ", "OAuth nonsense, "),
        lambda header: header + ', oauth_version="1.0"',
        lambda header: "OAuth",
    ],
)
def test_unreadable_headers_are_401(play: Play, spoil: Callable[[str], str]) -> None:
    async def story(c: Client) -> None:
        header = spoil(signed("GET", f"{c.url}/x/2/users/me"))
        assert (await call(c, "GET", "/x/2/users/me", header)).status == 401

    play(story)


def test_consumers_can_be_registered_and_tokens_revoked(play: Play) -> None:
    async def story(c: Client) -> None:
        body = {"key": "my-app", "secret": "s&cret"}
        await c.call("POST", "/_control/consumers", token=None, json=body)
        mine: dict[str, Any] = {"client_key": "my-app", "client_secret": "s&cret"}
        header = signed("GET", f"{c.url}/x/2/users/me", **mine)
        assert (await call(c, "GET", "/x/2/users/me", header)).status == 200
        revoked = {"network": "x", "token": "ada-token", "action": "revoke"}
        await c.call("POST", "/_control/tokens", token=None, json=revoked)
        header = signed("GET", f"{c.url}/x/2/users/me")
        assert (await call(c, "GET", "/x/2/users/me", header)).status == 401

    play(story)
