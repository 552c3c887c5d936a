"""The sandbox network keeps what its reference (the docstring of sandbox/own.py) promises."""

from __future__ import annotations

import io
from typing import Any

import aiohttp
import pytest

from tests.sandbox.conftest import ADA, Client, Play, Reply

POSTS = "/sandbox/posts"


async def post(
    c: Client, text: str = "hello", key: str = "", token: str = ADA, **fields: Any
) -> Reply:
    headers = {"Idempotency-Key": key} if key else {}
    return await c.call("POST", POSTS, token=token, json={"text": text, **fields}, headers=headers)


async def upload(
    c: Client, data: bytes | None = None, mime_type: str = "image/png", **fields: Any
) -> Reply:
    form = aiohttp.FormData(fields)
    form.add_field("file", io.BytesIO(data or c.png), filename="a.png", content_type=mime_type)
    return await c.call("POST", "/sandbox/media", data=form)


def test_a_post_is_created_read_listed_and_deleted(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await post(c, "one")
        assert reply.status == 201
        one = reply.json
        assert one == {
            "id": one["id"],
            "status": "published",
            "text": "one",
            "reply_to": None,
            "media": [],
            "account": "ada",
            "url": one["url"],
            "created_at": one["created_at"],
        }
        assert (await c.call("GET", f"{POSTS}/{one['id']}", token="demo-eve")).json == one
        two = (await post(c, "two")).json
        assert (await c.call("GET", POSTS)).json == {"posts": [two, one]}
        since = {"since": two["created_at"]}
        assert (await c.call("GET", POSTS, params=since)).json == {"posts": [two]}
        assert (await c.call("GET", f"{POSTS}?limit=1")).json == {"posts": [two]}
        path = f"{POSTS}/{one['id']}"
        assert (await c.call("DELETE", path, token="demo-eve")).status == 403
        assert (await c.call("DELETE", path)).json == {"deleted": True}
        for method in ("GET", "DELETE"):
            gone = await c.call(method, path)
            assert (gone.status, gone.json["error"]["code"]) == (404, "not_found")

    play(story)


def test_me_names_the_account_of_the_token(play: Play) -> None:
    async def story(c: Client) -> None:
        me = (await c.call("GET", "/sandbox/me", token="demo-grace_h")).json
        assert (me["username"], me["name"]) == ("grace_h", "Grace H")
        assert me["id"].isdigit()
        bad = await c.call("GET", "/sandbox/me", token="grace")
        assert (bad.status, bad.json["error"]["code"]) == (401, "invalid_token")

    play(story)


def test_a_key_makes_a_repeat_safe_for_a_day(play: Play) -> None:
    async def story(c: Client) -> None:
        first = await post(c, key="k")
        again = await post(c, "anything", key="k")
        assert (again.status, again.json["id"]) == (200, first.json["id"])
        assert again.headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in first.headers
        c.clock.advance(86_401)
        assert (await post(c, key="k")).json["id"] != first.json["id"]
        assert (await post(c)).status == 201
        assert (await c.stats("sandbox"))["duplicates"] == 2

    play(story)


def test_slow_posts_are_processed_for_two_seconds(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await post(c, "take your time #slow", key="k")
        assert reply.status == 202
        assert reply.json == {"id": reply.json["id"], "status": "processing"}
        assert (await post(c, "", key="k")).status == 202
        path = f"{POSTS}/{reply.json['id']}"
        assert (await c.call("GET", path)).json["status"] == "processing"
        listed = (await c.call("GET", POSTS)).json["posts"]
        assert [p["status"] for p in listed] == ["processing"]
        c.clock.advance(2)
        assert (await c.call("GET", path)).json["status"] == "published"

    play(story)


def test_media_and_threads(play: Play) -> None:
    async def story(c: Client) -> None:
        uploaded = await upload(c, alt_text="A chart")
        assert uploaded.status == 201
        media = uploaded.json
        assert (media["alt_text"], media["size_bytes"]) == ("A chart", len(c.png))
        root = (await post(c, "", media=[media["id"]])).json
        assert root["media"] == [media["id"]]
        reply = (await post(c, "more", reply_to=root["id"], due_at=None)).json
        assert reply["reply_to"] == root["id"]
        foreign = await post(c, token="demo-eve", media=[media["id"]])
        assert foreign.json["error"]["code"] == "media_not_found"
        c.clock.advance(86_401)
        assert (await post(c, media=[media["id"]])).status == 422

    play(story)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"text": ""}, "text_missing"),
        ({"text": "a" * 501}, "text_too_long"),
        ({"text": 5}, "invalid_field"),
        ({"text": "a", "colour": 1}, "unknown_field"),
        ({"text": "a", "media": "1"}, "invalid_field"),
        ({"text": "a", "media": ["1"]}, "media_not_found"),
        ({"text": "a", "media": list("12345")}, "too_many_media"),
        ({"text": "a", "reply_to": "1"}, "reply_not_found"),
        ({"text": "a", "due_at": "soon"}, "invalid_field"),
        ({"text": "a", "due_at": "2026-01-01T00:00:00"}, "invalid_field"),
    ],
)
def test_what_does_not_fit_is_422_with_a_code(play: Play, fields: Any, code: str) -> None:
    async def story(c: Client) -> None:
        reply = await c.call("POST", POSTS, json=fields)
        assert (reply.status, reply.json["error"]["code"]) == (422, code)
        assert reply.json["error"]["message"]
        assert (await c.stats("sandbox"))["count"] == 0

    play(story)


def test_unreadable_bodies_and_parameters_are_400(play: Play) -> None:
    async def story(c: Client) -> None:
        for data in ("{", "[]"):
            assert (await c.call("POST", POSTS, data=data)).json["error"]["code"] == "invalid_json"
        for query in ("limit=0", "limit=101", "since=yesterday"):
            reply = await c.call("GET", f"{POSTS}?{query}")
            assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_parameter")
        multipart = await c.call("POST", "/sandbox/media", data="x")
        assert multipart.json["error"]["code"] == "invalid_multipart"

    play(story)


def test_files_must_be_small_images(play: Play) -> None:
    async def story(c: Client) -> None:
        assert (await upload(c, mime_type="video/mp4")).status == 415
        assert (await upload(c, data=b"x" * (5 * 1024**2 + 1))).status == 413
        assert (await upload(c, alt_text="a" * 1001)).json["error"]["code"] == "alt_text_too_long"

    play(story)


def test_rate_headers_count_seconds_and_429_says_when(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await post(c)
        assert reply.headers["ratelimit-limit"] == "1000"
        assert reply.headers["ratelimit-remaining"] == "999"
        assert 0 < int(reply.headers["ratelimit-reset"]) <= 60
        assert "retry-after" not in reply.headers
        await c.switch("sandbox", rate={"limit": 1})
        refused = await post(c)
        assert (refused.status, refused.json["error"]["code"]) == (429, "rate_limited")
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert refused.headers["ratelimit-remaining"] == "0"

    play(story)


def test_binary_files_survive_whatever_bytes_they_hold(play: Play) -> None:
    async def story(c: Client) -> None:
        data = bytes(range(256)) + b"\r\n--\r\n\r\n" * 3
        media_id = (await upload(c, data=data)).json["id"]
        raw = await c.session.get(f"{c.url}/_media/sandbox/{media_id}")
        assert await raw.read() == data

    play(story)
