"""Every cruelty can be ordered, aimed, counted and taken back."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.sandbox.conftest import Client, Play, Reply

LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
    """Wait until the coroutine function `condition` is true."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


async def count(c: Client, network: str = "x") -> int:
    return int((await c.stats(network))["count"])


def test_failures_come_in_order_and_then_end(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", fail=[{"status": 503, "times": 2}, {"status": 400, "body": {"a": 1}}])
        replies = [await c.tweet("t") for _ in range(4)]
        assert [r.status for r in replies] == [503, 503, 400, 201]
        assert replies[0].json["title"] == "Service Unavailable"
        assert replies[2].json == {"a": 1}
        assert await count(c) == 1

    play(story)


def test_a_failure_may_land_all_the_same(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", fail={"status": 502, "lands": True, "body": "<html>bad gateway</html>"})
        reply = await c.tweet("t")
        assert (reply.status, reply.text) == (502, "<html>bad gateway</html>")
        assert reply.headers["Content-Type"].startswith("text/html")
        assert await count(c) == 1

    play(story)


def test_429_tells_when_in_the_networks_own_words(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch(None, fail={"status": 429, "retry_after": 30, "times": None})
        on_x = await c.tweet("t")
        assert on_x.headers["Retry-After"] == "30"
        assert on_x.headers["x-rate-limit-remaining"] == "0"
        assert 28 <= int(on_x.headers["x-rate-limit-reset"]) - c.clock() <= 30
        on_mastodon = await c.toot("t")
        assert on_mastodon.headers["Retry-After"] == "30"
        assert on_mastodon.headers["X-RateLimit-Remaining"] == "0"
        on_own = await c.call("POST", "/sandbox/posts", json={"text": "t"})
        assert on_own.headers.getall("Retry-After") == ["30"]
        assert on_own.json["error"]["code"] == "rate_limited"
        for network in ("x", "mastodon/one", "sandbox"):
            assert await count(c, network) == 0

    play(story)


def test_a_timed_failure_counts_down_and_ends(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch(
            "mastodon", fail={"status": 429, "for_s": 30, "retry_after": "left"}, on="all"
        )
        assert (await c.toot("a")).headers["Retry-After"] == "30"
        c.clock.advance(20)
        assert (await c.toot("a")).headers["Retry-After"] == "10"
        c.clock.advance(11)
        assert (await c.toot("a")).status == 200

    play(story)


def test_without_retry_after_there_is_no_such_header(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("mastodon/one", fail={"status": 429, "for_s": 30})
        reply = await c.toot("a")
        assert reply.status == 429
        assert "Retry-After" not in reply.headers

    play(story)


def test_a_failures_headers_are_sent_as_given(play: Play) -> None:
    async def story(c: Client) -> None:
        date = "Sun, 22 Nov 2026 10:00:00 GMT"
        headers = {"x-rate-limit-reset": "1", "X-Odd": 5}
        await c.switch("x", fail={"status": 429, "retry_after": date, "headers": headers})
        reply = await c.tweet("t")
        assert reply.headers["Retry-After"] == date
        assert reply.headers["x-rate-limit-reset"] == "1"
        assert reply.headers["X-Odd"] == "5"

    play(story)


def test_accept_then_drop_publishes_and_says_nothing(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", accept_then_drop=1)
        with pytest.raises(LOST):
            await c.tweet("dropped")
        assert await count(c) == 1
        calls = (await c.call("GET", "/_calls", token=None)).json["calls"]
        assert (calls[0]["status"], calls[0]["fault"]) == (None, "accept_then_drop")
        assert (await c.tweet("dropped")).status == 403
        assert (await c.tweet("next")).status == 201

    play(story)


def test_a_share_of_the_calls_is_hit_and_the_others_are_not(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", on="all", rate={"limit": 1000})
        await c.switch("x", fail={"status": 503, "share": 0.3})
        statuses = [(await c.tweet(f"t{n}")).status for n in range(200)]
        assert set(statuses) == {201, 503}
        assert 20 < statuses.count(503) < 100  # 60 +- 6.5 are to be expected
        assert await count(c) == statuses.count(201)

    play(story)


def test_a_share_may_be_limited_to_a_number_of_hits(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", fail={"status": 503, "share": 0.5, "times": 2})
        statuses = [(await c.tweet(f"t{n}")).status for n in range(60)]
        assert statuses.count(503) == 2

    play(story)


def test_a_fault_may_let_calls_pass_first(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", fail={"status": 503, "skip": 2, "times": 1})
        statuses = [(await c.tweet(f"t{n}")).status for n in range(5)]
        assert statuses == [201, 201, 503, 201, 201]
        refused = await c.switch("x", fail={"status": 503, "skip": -1})
        assert refused.status == 400

    play(story)


@pytest.mark.parametrize("kind", ["drop_before", "reset"])
def test_dropped_before_means_not_done(play: Play, kind: str) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", **{kind: 1})
        with pytest.raises(LOST) as lost:
            await c.tweet("dropped")
        assert (getattr(lost.value, "errno", None) == errno.ECONNRESET) == (kind == "reset")
        assert await count(c) == 0
        assert (await c.tweet("dropped")).status == 201

    play(story)


def test_garbage_is_a_200_of_html_that_landed_unless_told_otherwise(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", garbage=1)
        reply = await c.tweet("a")
        assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html")
        assert reply.text.startswith("<!DOCTYPE html>")
        assert await count(c) == 1
        await c.switch("x", garbage={"lands": False})
        assert (await c.tweet("b")).status == 200
        assert await count(c) == 1

    play(story)


def test_a_truncated_answer_landed(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", truncated=1)
        with pytest.raises(aiohttp.ClientPayloadError):
            await c.tweet("a")
        assert await count(c) == 1

    play(story)


def test_a_hung_call_never_lands_without_being_told(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", hang=1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(c.tweet("a"), 0.2)
        assert await count(c) == 0
        assert (await c.tweet("a")).status == 201

    play(story)


def test_a_hung_call_may_land_when_its_client_is_long_gone(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("mastodon/one", hang={"lands_after_ms": 300})
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(c.toot("late", key="k"), 0.1)
        assert await count(c, "mastodon/one") == 0

        async def landed() -> bool:
            return await count(c, "mastodon/one") == 1

        await eventually(landed)
        post = (await c.stats("mastodon/one"))["posts"][0]
        assert 0.25 < post["published_at"] - post["received_at"] < 2
        assert (await c.toot("late", key="k")).json["id"] == post["id"]

    play(story)


def test_what_lands_after_everything_was_forgotten_is_not_shown(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", latency_ms=100)
        late = asyncio.create_task(c.tweet("ghost"))

        async def under_way() -> bool:
            return len(c.running.world.calls) == 1

        await eventually(under_way)
        await c.call("DELETE", "/_data", token=None)
        assert (await late).status == 201
        assert (await c.call("GET", "/_stats", token=None)).json == {}
        assert (await c.call("GET", "/_feed.json", token=None)).json["threads"] == []

    play(story)


def test_slow_drip_arrives_whole_but_slowly(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", slow_drip={"interval_ms": 2})
        started = time.monotonic()
        reply = await c.tweet("a")
        assert reply.json["data"]["text"] == "a"
        assert time.monotonic() - started > 0.002 * len(reply.text)

    play(story)


def test_latency_delays_the_work_and_survives_an_impatient_client(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", latency_ms=200)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(c.tweet("a"), 0.05)

        async def landed() -> bool:
            return await count(c) == 1

        await eventually(landed)
        await c.switch("x", latency_ms={"min": 10, "max": 20})
        assert (await c.tweet("b")).status == 201
        await c.switch("x", latency_ms=None)
        assert (await c.call("GET", "/_control", token=None)).json == {"rules": []}

    play(story)


def test_find_lag_hides_young_posts_from_lists_and_lookups(play: Play) -> None:
    async def story(c: Client) -> None:
        me = (await c.call("GET", "/x/2/users/me")).json["data"]["id"]
        await c.switch("x", find_lag_ms=10_000)
        post_id = (await c.tweet("a")).json["data"]["id"]
        listing, lookup = f"/x/2/users/{me}/tweets", f"/x/2/tweets/{post_id}"
        assert (await c.call("GET", listing)).json["meta"]["result_count"] == 0
        assert "data" not in (await c.call("GET", lookup)).json
        reply = await c.tweet("b", reply={"in_reply_to_tweet_id": post_id})
        assert reply.status == 201
        c.clock.advance(11)
        assert (await c.call("GET", listing)).json["meta"]["result_count"] == 2
        assert "data" in (await c.call("GET", lookup)).json

    play(story)


def test_rate_windows_may_differ_from_their_headers(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", rate={"limit": 1, "window_s": 60, "reset_skew_s": -50})
        reply = await c.tweet("a")
        assert int(reply.headers["x-rate-limit-reset"]) - c.clock() <= 10
        c.clock.advance(15)
        assert (await c.tweet("b")).status == 429
        c.clock.advance(46)
        assert (await c.tweet("b")).status == 201

    play(story)


def test_switches_are_aimed_at_network_account_and_operation(play: Play) -> None:
    async def story(c: Client) -> None:
        always = {"status": 500, "times": None}
        await c.switch("x", account="ada", fail=always)
        await c.switch("x", on="find", fail={**always, "status": 502})
        assert (await c.tweet("a")).status == 500
        assert (await c.tweet("a", token="demo-eve")).status == 201
        assert (await c.call("GET", "/x/2/users/me")).status == 200
        assert (await c.call("GET", "/x/2/tweets/1")).status == 502
        assert (await c.toot("a")).status == 200
        rules = (await c.call("GET", "/_control", token=None)).json["rules"]
        assert {(r["network"], r["account"], r["on"]) for r in rules} == {
            ("x", "ada", "create"),
            ("x", None, "find"),
        }
        await c.call("DELETE", "/_control", token=None)
        assert (await c.tweet("a")).status == 201

    play(story)


def test_the_more_specific_rule_speaks_first(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch(None, on="all", fail={"status": 500, "times": None})
        await c.switch("mastodon", fail={"status": 502, "times": None})
        await c.switch("mastodon/one", account="ada", fail={"status": 503, "times": 1})
        assert [(await c.toot("a")).status for _ in range(2)] == [503, 502]
        assert (await c.tweet("a")).status == 500

    play(story)


@pytest.mark.parametrize(
    ("switches", "named"),
    [
        ({"hug": 1}, "hug"),
        ({"on": "sleep", "hang": 1}, "on"),
        ({"fail": "often"}, "fail"),
        ({"fail": 3}, "fail.status"),
        ({"fail": {"status": 200}}, "fail.status"),
        ({"fail": {"status": 500, "mood": 1}}, "fail"),
        ({"hang": {"times": 0}}, "hang.times"),
        ({"hang": {"share": 0}}, "hang.share"),
        ({"hang": {"share": 1.5}}, "hang.share"),
        ({"hang": {"share": "half"}}, "hang.share"),
        ({"hang": {"lands_after_ms": "soon"}}, "hang.lands_after_ms"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"idempotency": "maybe"}, "idempotency"),
        ({"rate": {"burst": 1}}, "rate"),
        ({"account": 5, "hang": 1}, "account"),
    ],
)
def test_a_switch_that_cannot_be_set_is_named_and_nothing_is_set(
    play: Play, switches: dict[str, Any], named: str
) -> None:
    async def story(c: Client) -> None:
        reply = await c.switch("x", **{"find_lag_ms": 1, **switches})
        assert reply.status == 400
        assert reply.json["error"].startswith(f"{named}: ")
        assert (await c.call("GET", "/_control", token=None)).json == {"rules": []}

    play(story)


def test_tokens_expire_are_revoked_and_restored_on_order(play: Play) -> None:
    async def story(c: Client) -> None:
        async def order(network: str, action: str) -> Reply:
            body = {"network": network, "token": "demo-ada", "action": action}
            return await c.call("POST", "/_control/tokens", token=None, json=body)

        await order("x", "expire")
        assert (await c.tweet("a")).status == 401
        assert (await c.toot("a")).status == 200
        await order("x", "restore")
        assert (await c.tweet("a")).status == 201
        await order("mastodon/one", "revoke")
        assert (await c.toot("b")).json["error"] == "The access token was revoked"
        assert (await order("x", "steal")).status == 400

    play(story)
