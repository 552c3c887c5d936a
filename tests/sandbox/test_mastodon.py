"""Mastodon's imitation answers as Mastodon's reference says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from tests.sandbox.conftest import FILM, PNG, Client, Play, Reply

API = "/mastodon/one/api"


GIF = b"GIF89a" + b"\x21\xf9\x04 a frame"


async def upload(
    c: Client, mime_type: str = "image/png", data: bytes = PNG, **fields: Any
) -> Reply:
    form = aiohttp.FormData()
    form.add_field("file", data, filename="a", content_type=mime_type)
    for name, value in fields.items():
        form.add_field(name, value)
    return await c.call("POST", f"{API}/v2/media", data=form)


def test_create_answers_200_with_the_status(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await c.toot("Release 1.4 is out", visibility="unlisted", language="de")
        assert reply.status == 200
        status = reply.json
        assert status["url"] == f"{c.url}/mastodon/one/@ada/{status['id']}"
        assert (status["visibility"], status["language"]) == ("unlisted", "de")
        assert status["content"] == "<p>Release 1.4 is out</p>"
        assert status["account"]["username"] == "ada"
        read = await c.call("GET", f"{API}/v1/statuses/{status['id']}")
        assert read.json == {**status, "account": read.json["account"]}

    play(story)


def test_forms_are_taken_like_json(play: Play) -> None:
    async def story(c: Client) -> None:
        media_id = (await upload(c)).json["id"]
        form = [("status", "a form"), ("media_ids[]", media_id), ("sensitive", "true")]
        status = (await c.call("POST", f"{API}/v1/statuses", data=form)).json
        assert status["sensitive"] is True
        assert [m["id"] for m in status["media_attachments"]] == [media_id]

    play(story)


def test_content_is_html_with_links_hashtags_and_breaks(play: Play) -> None:
    async def story(c: Client) -> None:
        url = "https://www.example.org/a/very/long/path/that/is/cut?x=1&y=2"
        content = (await c.toot(f"A & B\nC\n\nD {url} #django")).json["content"]
        assert content.startswith("<p>A &amp; B<br />C</p><p>D <a href=")
        assert '<span class="invisible">https://www.</span><span class="ellipsis">' in content
        assert "#<span>django</span></a></p>" in content
        plain = re.sub(r"<[^>]+>", "", content)
        assert plain.endswith(f"D {url.replace('&', '&amp;')} #django")

    play(story)


def test_a_key_gives_the_original_back_for_an_hour_and_per_account(play: Play) -> None:
    async def story(c: Client) -> None:
        first = (await c.toot("once", key="k1")).json["id"]
        again = await c.toot("once", key="k1")
        assert (again.status, again.json["id"]) == (200, first)
        other_account = await c.call(
            "POST",
            f"{API}/v1/statuses",
            token="demo-eve",
            json={"status": "once"},
            headers={"Idempotency-Key": "k1"},
        )
        assert other_account.json["id"] != first
        assert (await c.toot("once", key="k1", instance="two")).json["id"] != first
        c.clock.advance(3590)
        assert (await c.toot("once", key="k1")).json["id"] == first
        c.clock.advance(20)
        assert (await c.toot("once", key="k1")).json["id"] != first
        assert (await c.stats("mastodon/one"))["duplicates"] == 1

    play(story)


def test_the_forgetful_instance_and_switches_lose_keys(play: Play) -> None:
    async def story(c: Client) -> None:
        assert (await c.toot("a", "forgetful", key="k")).status == 200
        assert (await c.toot("a", "forgetful", key="k")).status == 200
        assert (await c.stats("mastodon/forgetful"))["duplicates"] == 1
        await c.switch("mastodon/one", idempotency={"expire_ms": 5000})
        first = (await c.toot("b", key="k")).json["id"]
        assert (await c.toot("b", key="k")).json["id"] == first
        c.clock.advance(6)
        second = (await c.toot("b", key="k")).json["id"]
        assert second != first
        await c.switch("mastodon", idempotency="ignored")
        await c.switch("mastodon/one", idempotency=None)
        assert (await c.toot("b", key="k")).json["id"] != second
        await c.switch("mastodon/one", idempotency="kept")
        last = (await c.toot("b", key="k")).json["id"]
        assert (await c.toot("b", key="k")).json["id"] == last

    play(story)


def test_without_a_key_copies_are_accepted_silently(play: Play) -> None:
    async def story(c: Client) -> None:
        ids = {(await c.toot("same")).json["id"] for _ in range(3)}
        assert len(ids) == 3
        stats = await c.stats("mastodon/one")
        assert (stats["count"], stats["duplicates"]) == (3, 2)
        await c.call("DELETE", f"{API}/v1/statuses/{ids.pop()}")
        assert (await c.stats("mastodon/one"))["duplicates"] == 1

    play(story)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": " "}, "Text can't be blank"),
        ({"status": "a" * 501}, "Text character limit of 500 exceeded"),
        ({"status": "a" * 300, "spoiler_text": "b" * 201}, "Text character limit"),
        ({"status": "a", "visibility": "secret"}, "Visibility is not included"),
        ({"status": "a", "media_ids": ["1"]}, "Media 1 not found"),
        ({"status": "a", "media_ids": list("12345")}, "Cannot attach more than 4 files"),
    ],
)
def test_failed_validations_are_422_with_the_reason(play: Play, fields: Any, reason: str) -> None:
    async def story(c: Client) -> None:
        reply = await c.call("POST", f"{API}/v1/statuses", json=fields)
        assert reply.status == 422
        assert reply.json["error"].removeprefix("Validation failed: ").startswith(reason)

    play(story)


@pytest.mark.parametrize(
    "text",
    [
        "👨‍👩‍👧‍👦" * 500,
        "e\u0301" * 500,
        "a" * 476 + " https://example.org/" + "b" * 300,
        "@eve@very-long-host.example.org " + "a" * 495,
    ],
)
def test_text_is_counted_in_graphemes_links_as_23_and_mentions_without_host(
    play: Play, text: str
) -> None:
    async def story(c: Client) -> None:
        assert (await c.toot(text)).status == 200
        assert (await c.toot("aaa" + text)).status == 422

    play(story)


def test_threads_and_replies_to_nothing(play: Play) -> None:
    async def story(c: Client) -> None:
        first = (await c.toot("one")).json["id"]
        second = (await c.toot("two", in_reply_to_id=first)).json
        assert second["in_reply_to_id"] == first
        assert second["in_reply_to_account_id"] == second["account"]["id"]
        assert (await c.toot("three", in_reply_to_id="42")).status == 404

    play(story)


def test_images_are_ready_at_once_and_described_before_posting(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await upload(c, description="first")
        assert reply.status == 200
        media = reply.json
        assert (media["type"], media["description"]) == ("image", "first")
        path = f"{API}/v1/media/{media['id']}"
        changed = await c.call("PUT", path, json={"description": "second"})
        assert changed.json["description"] == "second"
        assert (await c.call("GET", path)).status == 200
        raw = await c.session.get(media["url"])
        assert await raw.read() == c.png
        status = (await c.toot("with image", media_ids=[media["id"]])).json
        assert status["media_attachments"][0]["description"] == "second"
        assert (await c.call("GET", path)).status == 404
        assert (await c.toot("again", media_ids=[media["id"]])).status == 422
        assert (await c.call("GET", path, token="demo-eve")).status == 404

    play(story)


def test_videos_are_processed_before_they_can_be_attached(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await upload(c, "video/mp4", FILM)
        assert (reply.status, reply.json["url"], reply.json["type"]) == (202, None, "video")
        path = f"{API}/v1/media/{reply.json['id']}"
        assert (await c.call("GET", path)).status == 206
        early = await c.toot("video", media_ids=[reply.json["id"]])
        assert early.status == 422
        assert "not finished processing" in early.json["error"]
        c.clock.advance(2)
        ready = await c.call("GET", path)
        assert (ready.status, ready.json["url"] is None) == (200, False)
        assert (await c.toot("video", media_ids=[reply.json["id"]])).status == 200

    play(story)


def test_an_animated_gif_is_processed_like_a_video_and_a_still_one_is_not(play: Play) -> None:
    async def story(c: Client) -> None:
        still = await upload(c, "image/gif", GIF)
        assert (still.status, still.json["type"]) == (200, "image")
        moving = await upload(c, "image/gif", GIF + GIF[6:])
        assert (moving.status, moving.json["type"]) == (202, "gifv")
        c.clock.advance(2)
        ids = [still.json["id"], moving.json["id"]]
        mixed = await c.toot("both", media_ids=ids)
        assert mixed.status == 422
        assert "already contains images" in mixed.json["error"]
        assert (await c.toot("one", media_ids=ids[1:])).status == 200

    play(story)


def test_processing_lasts_and_fails_as_switched(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("mastodon/one", processing_ms=60_000, processing_fails="Too dark")
        path = f"{API}/v1/media/{(await upload(c, 'video/mp4', FILM)).json['id']}"
        c.clock.advance(59)
        assert (await c.call("GET", path)).status == 206
        c.clock.advance(2)
        failed = await c.call("GET", path)
        assert (failed.status, failed.json) == (422, {"error": "Too dark"})
        assert (await c.toot("a", media_ids=[path.rpartition("/")[2]])).status == 422
        assert (await upload(c)).status == 500

    play(story)


def test_a_film_that_is_none_fails_in_processing(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await upload(c, "video/mp4", b"not a film")
        assert reply.status == 202
        c.clock.advance(2)
        assert (await c.call("GET", f"{API}/v1/media/{reply.json['id']}")).status == 422

    play(story)


def test_unattached_files_live_as_long_as_switched(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("mastodon/one", handle_life_ms=5000)
        path = f"{API}/v1/media/{(await upload(c)).json['id']}"
        assert (await c.call("GET", path)).status == 200
        c.clock.advance(6)
        assert (await c.call("GET", path)).status == 404

    play(story)


def test_files_of_other_kinds_are_refused(play: Play) -> None:
    async def story(c: Client) -> None:
        assert (await upload(c, "text/html", b"<html>")).status == 422
        assert (await c.call("POST", f"{API}/v2/media", json={})).status == 422

    play(story)


def test_statuses_are_listed_newest_first_by_id_bounds(play: Play) -> None:
    async def story(c: Client) -> None:
        me = (await c.call("GET", f"{API}/v1/accounts/verify_credentials")).json
        assert me["username"] == "ada"
        ids = [(await c.toot(f"n {n}")).json["id"] for n in range(5)]
        path = f"{API}/v1/accounts/{me['id']}/statuses"

        async def listed(query: str) -> list[str]:
            return [s["id"] for s in (await c.call("GET", f"{path}?{query}")).json]

        assert await listed("limit=2&exclude_reblogs=true") == ids[:2:-1]
        assert await listed(f"since_id={ids[0]}&limit=2") == [ids[4], ids[3]]
        assert await listed(f"min_id={ids[0]}&limit=2") == [ids[2], ids[1]]
        assert await listed(f"max_id={ids[2]}") == [ids[1], ids[0]]
        link = (await c.call("GET", f"{path}?limit=2")).headers["Link"]
        assert f'max_id={ids[3]}>; rel="next"' in link
        assert (await c.call("GET", f"{API}/v1/accounts/42/statuses")).status == 404

    play(story)


def test_counters_grow_with_age(play: Play) -> None:
    async def story(c: Client) -> None:
        status_id = (await c.toot("look at me")).json["id"]
        path = f"{API}/v1/statuses/{status_id}"
        assert (await c.call("GET", path)).json["favourites_count"] == 0
        c.clock.advance(86_400)
        assert (await c.call("GET", path)).json["favourites_count"] > 0

    play(story)


def test_a_public_address_leads_to_the_feed(play: Play) -> None:
    async def story(c: Client) -> None:
        status = (await c.toot("look at me", visibility="unlisted")).json
        path = status["url"].removeprefix(c.url)
        reply = await c.call("GET", path, token=None, allow_redirects=False)
        assert reply.headers["Location"].endswith(f"#mastodon-one-{status['id']}")
        feed = (await c.call("GET", "/_feed.json", token=None)).json
        shown = feed["threads"][0]["posts"][0]
        assert (shown["url"], shown["visibility"]) == (status["url"], "unlisted")
        assert {"x", "mastodon", "sandbox"} <= set(feed["kinds"])

    play(story)


def test_ids_carry_their_time(play: Play) -> None:
    async def story(c: Client) -> None:
        status = (await c.toot("now")).json
        assert abs((int(status["id"]) >> 16) / 1000 - c.clock()) < 5

    play(story)


def test_deleting_answers_the_status_with_its_text(play: Play) -> None:
    async def story(c: Client) -> None:
        status_id = (await c.toot("bye")).json["id"]
        path = f"{API}/v1/statuses/{status_id}"
        assert (await c.call("DELETE", path, token="demo-eve")).status == 404
        assert (await c.call("DELETE", path)).json["text"] == "bye"
        assert (await c.call("GET", path)).json == {"error": "Record not found"}

    play(story)


def test_the_instance_tells_its_limits_without_a_token(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await c.call("GET", f"{API}/v2/instance", token=None)
        configuration = reply.json["configuration"]
        assert configuration["statuses"] == {
            "max_characters": 500,
            "max_media_attachments": 4,
            "characters_reserved_per_url": 23,
        }
        assert configuration["media_attachments"]["image_size_limit"] == 16_777_216

    play(story)


def test_rate_headers_reset_is_an_iso_instant_and_429_has_no_retry_after(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await c.toot("a")
        assert reply.headers["X-RateLimit-Limit"] == "300"
        reset = datetime.fromisoformat(reply.headers["X-RateLimit-Reset"])
        assert reset.tzinfo is not None
        assert 10_790 < (reset - datetime.now(UTC)).total_seconds() <= 10_800
        await c.switch("mastodon/one", rate={"limit": 1})
        refused = await c.toot("b")
        assert refused.status == 429
        assert refused.json == {"error": "Too many requests"}
        assert refused.headers["X-RateLimit-Remaining"] == "0"
        assert "Retry-After" not in refused.headers

    play(story)


def test_tokens_are_invalid_or_revoked(play: Play) -> None:
    async def story(c: Client) -> None:
        path = f"{API}/v1/accounts/verify_credentials"
        bad = await c.call("GET", path, token="nonsense")
        assert (bad.status, bad.json["error"]) == (401, "The access token is invalid")
        form = {
            "client_id": "sandbox-client",
            "client_secret": "sandbox-client-secret",
            "token": "demo-ada",
        }
        for _ in range(2):
            revoked = await c.call("POST", "/mastodon/one/oauth/revoke", token=None, data=form)
            assert revoked.status == 200
        dead = await c.call("GET", path)
        assert (dead.status, dead.json["error"]) == (401, "The access token was revoked")
        stranger = {**form, "client_secret": "no"}
        refused = await c.call("POST", "/mastodon/one/oauth/revoke", token=None, json=stranger)
        assert refused.status == 403

    play(story)
