"""X's imitation answers as X's reference says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from tests.sandbox.assets import mp4
from tests.sandbox.conftest import FILM, Client, Play, Reply

DUPLICATE = "You are not allowed to create a Tweet with duplicate content."


def test_create_answers_201_with_id_text_and_history(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await c.tweet("Release 2.4 is out")
        assert reply.status == 201
        data = reply.json["data"]
        assert data["id"].isdigit()
        assert data == {
            "id": data["id"],
            "text": "Release 2.4 is out",
            "edit_history_post_ids": [data["id"]],
        }
        assert reply.headers["x-request-id"]

    play(story)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"text": "a", "colour": "red"}, "colour"),
        ({"text": "a", "reply": None}, "reply"),
        ({"text": None}, "text"),
        ({"text": "a", "reply": {}}, "reply"),
        ({"text": "a", "reply": {"in_reply_to_tweet_id": 5}}, "reply.in_reply_to_tweet_id"),
        ({"text": "a", "media": {"media_ids": ["1", "2", "3", "4", "5"]}}, "media.media_ids"),
        ({"text": "a", "media": {"media_ids": ["77"]}}, "media.media_ids"),
        ({"text": "a", "reply_settings": "nobody"}, "reply_settings"),
        ({"text": "  "}, "text"),
        ({}, "text"),
        ({"text": "é" * 281}, "text"),
        ({"text": "日" * 141}, "text"),
    ],
)
def test_what_does_not_fit_the_schema_is_a_400_that_names_it(
    play: Play, body: Any, named: str
) -> None:
    async def story(c: Client) -> None:
        reply = await c.call("POST", "/x/2/tweets", json=body)
        assert reply.status == 400
        assert reply.json["type"].endswith("/problems/invalid-request")
        assert list(reply.json["errors"][0]["parameters"]) == [named]
        assert (await c.stats("x"))["count"] == 0

    play(story)


def test_optional_fields_of_the_schema_are_accepted(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await c.tweet(
            "hi", reply_settings="following", made_with_ai=False, paid_partnership=False
        )
        assert reply.status == 201

    play(story)


@pytest.mark.parametrize(
    "text",
    ["日" * 140, "https://example.org/" + "x" * 400, "👨‍👩‍👧‍👦" * 140, "a" * 280, "é" * 280],
)
def test_text_is_counted_by_weight(play: Play, text: str) -> None:
    async def story(c: Client) -> None:
        assert (await c.tweet(text)).status == 201

    play(story)


def test_a_second_copy_is_refused_as_duplicate_until_the_detector_forgets(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.tweet("once")
        again = await c.tweet("once ")
        assert again.status == 403
        assert again.json == {
            "detail": DUPLICATE,
            "type": "about:blank",
            "title": "Forbidden",
            "status": 403,
        }
        assert (await c.tweet("once", token="demo-grace")).status == 201
        await c.switch("x", duplicate_forgets_after_ms=5000)
        assert (await c.tweet("once")).status == 403
        c.clock.advance(6)
        assert (await c.tweet("once")).status == 201
        assert (await c.stats("x"))["duplicates"] == 1

    play(story)


def test_a_deleted_post_may_be_written_again(play: Play) -> None:
    async def story(c: Client) -> None:
        post_id = (await c.tweet("once")).json["data"]["id"]
        assert (await c.call("DELETE", f"/x/2/tweets/{post_id}")).json == {
            "data": {"deleted": True}
        }
        assert (await c.call("DELETE", f"/x/2/tweets/{post_id}")).status == 404
        assert (await c.tweet("once")).status == 201
        stats = await c.stats("x")
        assert (stats["count"], stats["deleted"], stats["duplicates"]) == (1, 1, 0)

    play(story)


def test_only_the_author_may_delete(play: Play) -> None:
    async def story(c: Client) -> None:
        post_id = (await c.tweet("mine")).json["data"]["id"]
        reply = await c.call("DELETE", f"/x/2/tweets/{post_id}", token="demo-grace")
        assert reply.status == 403

    play(story)


def test_replies_need_a_living_parent_of_ones_own_or_a_mention(play: Play) -> None:
    async def story(c: Client) -> None:
        root = (await c.tweet("one")).json["data"]["id"]
        own = await c.tweet("two", reply={"in_reply_to_tweet_id": root})
        assert own.status == 201
        foreign = await c.tweet("me too", token="demo-eve", reply={"in_reply_to_tweet_id": root})
        assert foreign.status == 403
        assert foreign.json["type"].endswith("/not-authorized-for-resource")
        call_out = (await c.tweet("what says @eve?")).json["data"]["id"]
        invited = await c.tweet("this", token="demo-eve", reply={"in_reply_to_tweet_id": call_out})
        assert invited.status == 201
        gone = await c.tweet("x", reply={"in_reply_to_tweet_id": "42"})
        assert gone.status == 404

    play(story)


def test_odd_characters_are_answered_not_crashed_on(play: Play) -> None:
    async def story(c: Client) -> None:
        assert (await c.tweet("half \ud800 a pair")).status == 201
        me = (await c.call("GET", "/x/2/users/me")).json["data"]["id"]
        assert (await c.call("GET", f"/x/2/users/{me}/tweets?max_results=²")).status == 400

    play(story)


def test_two_cashtags_are_refused(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await c.tweet("$ABC beats $XYZ")
        assert reply.status == 403
        assert "maximum of one cashtag" in reply.json["detail"]

    play(story)


def test_texts_come_back_with_wrapped_links_and_escapes(play: Play) -> None:
    async def story(c: Client) -> None:
        text = "R&D: https://example.org/a?b=1&c=2 and example.com!"
        post_id = (await c.tweet(text)).json["data"]["id"]
        path = f"/x/2/tweets/{post_id}?tweet.fields=entities,created_at,conversation_id"
        data = (await c.call("GET", path)).json["data"]
        urls = data["entities"]["urls"]
        assert [u["expanded_url"] for u in urls] == [
            "https://example.org/a?b=1&c=2",
            "http://example.com",
        ]
        for url in urls:
            assert data["text"][url["start"] : url["end"]] == url["url"]
            assert url["url"].startswith("https://t.co/")
        assert data["text"].startswith("R&amp;D: https://t.co/")
        assert data["conversation_id"] == post_id
        assert data["created_at"].endswith(".000Z")

    play(story)


def test_fields_are_told_only_when_asked_in_either_spelling(play: Play) -> None:
    async def story(c: Client) -> None:
        post_id = (await c.tweet("hi")).json["data"]["id"]
        bare = await c.call("GET", f"/x/2/tweets/{post_id}")
        assert bare.json["data"].keys() == {"id", "text", "edit_history_post_ids"}
        for name in ("tweet.fields", "post.fields"):
            asked = await c.call("GET", f"/x/2/tweets/{post_id}?{name}=created_at")
            assert "created_at" in asked.json["data"]
        wrong = await c.call("GET", f"/x/2/tweets/{post_id}?tweet.fields=mood")
        assert wrong.status == 400

    play(story)


def test_counters_grow_with_age_and_some_are_for_the_author_only(play: Play) -> None:
    async def story(c: Client) -> None:
        post_id = (await c.tweet("look at me")).json["data"]["id"]
        fields = "tweet.fields=public_metrics,non_public_metrics,organic_metrics"
        path = f"/x/2/tweets?ids={post_id}&{fields}"
        fresh = (await c.call("GET", path)).json["data"][0]["public_metrics"]
        assert fresh["like_count"] == 0
        c.clock.advance(86_400)
        grown = (await c.call("GET", path)).json["data"][0]
        assert grown["public_metrics"]["like_count"] > 0
        assert grown["non_public_metrics"]["impression_count"] > 0
        assert grown["organic_metrics"].keys() >= {"url_link_clicks", "retweet_count"}
        foreign = (await c.call("GET", path, token="demo-eve")).json
        assert "non_public_metrics" not in foreign["data"][0]
        assert [e["parameter"] for e in foreign["errors"]] == [
            "non_public_metrics",
            "organic_metrics",
        ]
        c.clock.advance(30 * 86_400)
        late = (await c.call("GET", f"/x/2/tweets/{post_id}?{fields}")).json
        assert "public_metrics" in late["data"]
        assert len(late["errors"]) == 2

    play(story)


def test_missing_posts_are_errors_beside_the_data(play: Play) -> None:
    async def story(c: Client) -> None:
        post_id = (await c.tweet("hi")).json["data"]["id"]
        many = (await c.call("GET", f"/x/2/tweets?ids={post_id},42")).json
        assert [p["id"] for p in many["data"]] == [post_id]
        assert many["errors"][0]["resource_id"] == "42"
        one = await c.call("GET", "/x/2/tweets/42")
        assert one.status == 200
        assert one.json.keys() == {"errors"}
        assert (await c.call("GET", "/x/2/tweets?ids=a")).status == 400

    play(story)


def test_a_users_posts_are_listed_newest_first_in_pages(play: Play) -> None:
    async def story(c: Client) -> None:
        me = (await c.call("GET", "/x/2/users/me")).json["data"]
        assert me["username"] == "ada"
        ids = [(await c.tweet(f"post {n}")).json["data"]["id"] for n in range(7)]
        path = f"/x/2/users/{me['id']}/tweets"
        first = (await c.call("GET", f"{path}?max_results=5")).json
        assert [p["id"] for p in first["data"]] == ids[:1:-1]
        token = first["meta"]["next_token"]
        rest = (await c.call("GET", f"{path}?max_results=5&pagination_token={token}")).json
        assert [p["id"] for p in rest["data"]] == ids[1::-1]
        assert "next_token" not in rest["meta"]
        newer = (await c.call("GET", f"{path}?since_id={ids[4]}")).json
        assert [p["id"] for p in newer["data"]] == [ids[6], ids[5]]
        assert (await c.call("GET", f"{path}?max_results=4")).status == 400

    play(story)


def test_start_time_bounds_the_list(play: Play) -> None:
    async def story(c: Client) -> None:
        me = (await c.call("GET", "/x/2/users/me")).json["data"]["id"]
        await c.tweet("old")
        c.clock.advance(3600)
        await c.tweet("new")
        since = "2001-01-01T00:00:00Z"
        path = f"/x/2/users/{me}/tweets?start_time="
        assert (await c.call("GET", path + since)).json["meta"]["result_count"] == 2
        posts = (await c.stats("x"))["posts"]
        between = f"{posts[1]['published_at'] - 60:.0f}"
        instant = datetime.fromtimestamp(int(between), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        listed = (await c.call("GET", path + instant)).json
        assert [p["text"] for p in listed["data"]] == ["new"]
        empty = (await c.call("GET", path + "2999-01-01T00:00:00Z")).json
        assert empty == {"meta": {"result_count": 0}}
        assert (await c.call("GET", path + "2026-01-01T00:00:00")).status == 400

    play(story)


def test_unauthorized_bodies_are_as_documented(play: Play) -> None:
    async def story(c: Client) -> None:
        for token in ("nonsense", "demo-", None):
            reply = await c.call("GET", "/x/2/users/me", token=token)
            assert reply.status == 401
            assert reply.json == {
                "title": "Unauthorized",
                "type": "about:blank",
                "status": 401,
                "detail": "Unauthorized",
            }

    play(story)


def test_rate_headers_count_down_per_user_and_endpoint_until_429(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", on="create", rate={"limit": 2, "window_s": 60})
        left = [(await c.tweet(f"n {n}")).headers["x-rate-limit-remaining"] for n in range(2)]
        assert left == ["1", "0"]
        refused = await c.tweet("n 3")
        assert refused.status == 429
        assert refused.json["title"] == "Too Many Requests"
        assert refused.headers["x-rate-limit-remaining"] == "0"
        assert refused.headers["x-rate-limit-limit"] == "2"
        assert int(refused.headers["x-rate-limit-reset"]) - c.clock() < 61
        assert "Retry-After" not in refused.headers
        assert (await c.tweet("n 3", token="demo-grace")).status == 201
        assert (await c.call("GET", "/x/2/users/me")).headers["x-rate-limit-remaining"] == "74"
        c.clock.advance(61)
        assert (await c.tweet("n 3")).status == 201

    play(story)


def _image_form(c: Client, **fields: Any) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("media", c.png, filename="a.png", content_type="image/png")
    for name, value in fields.items():
        form.add_field(name, value)
    return form


def test_one_shot_upload_then_alt_text_then_post(play: Play) -> None:
    async def story(c: Client) -> None:
        form = _image_form(c, media_category="tweet_image")
        uploaded = await c.call("POST", "/x/2/media/upload", data=form)
        assert uploaded.status == 200
        media = uploaded.json["data"]
        assert media["size"] == len(c.png)
        assert media["media_key"] == f"3_{media['id']}"
        described = await c.call(
            "POST",
            "/x/2/media/metadata",
            json={"id": media["id"], "metadata": {"alt_text": {"text": "A chart"}}},
        )
        assert described.status == 200
        post = await c.tweet("see", media={"media_ids": [media["id"]]})
        assert post.status == 201
        assert post.json["data"]["text"].startswith("see https://t.co/")
        stored = (await c.stats("x"))["posts"][0]["media"]
        assert stored == [{"id": media["id"], "alt_text": "A chart", "bytes": len(c.png)}]
        raw = await c.session.get(f"{c.url}/_media/x/{media['id']}")
        assert await raw.read() == c.png
        foreign = await c.tweet("x", token="demo-eve", media={"media_ids": [media["id"]]})
        assert foreign.status == 400

    play(story)


def test_uploaded_media_expire_after_a_day(play: Play) -> None:
    async def story(c: Client) -> None:
        form = _image_form(c, media_category="tweet_image")
        media_id = (await c.call("POST", "/x/2/media/upload", data=form)).json["data"]["id"]
        c.clock.advance(86_401)
        assert (await c.tweet("late", media={"media_ids": [media_id]})).status == 400

    play(story)


UPLOAD = "/x/2/media/upload"


async def chunked(
    c: Client,
    data: bytes = FILM,
    mime_type: str = "video/mp4",
    category: str = "tweet_video",
    promised_bytes: int | None = None,
) -> tuple[str, Reply]:
    """Upload in two segments, the second one first; return the media id and finalize's reply."""
    size = len(data) if promised_bytes is None else promised_bytes
    body = {"media_type": mime_type, "total_bytes": size, "media_category": category}
    media_id = (await c.call("POST", f"{UPLOAD}/initialize", json=body)).json["data"]["id"]
    for index, chunk in ((1, data[10:]), (0, data[:10])):
        form = aiohttp.FormData({"segment_index": str(index)})
        form.add_field("media", chunk, filename="c", content_type="application/octet-stream")
        appended = await c.call("POST", f"{UPLOAD}/{media_id}/append", data=form)
        assert appended.json["data"]["expires_at"] > c.clock()
    return media_id, await c.call("POST", f"{UPLOAD}/{media_id}/finalize")


async def processing(c: Client, media_id: str) -> dict[str, Any]:
    reply = await c.call("GET", f"{UPLOAD}?command=STATUS&media_id={media_id}")
    info: dict[str, Any] = reply.json["data"]["processing_info"]
    return info


def test_chunked_upload_is_assembled_and_video_is_processed(play: Play) -> None:
    async def story(c: Client) -> None:
        media_id, final = await chunked(c)
        data = final.json["data"]
        assert (data["size"], data["media_key"]) == (len(FILM), f"7_{media_id}")
        assert data["processing_info"] == {"state": "pending", "check_after_secs": 1}
        early = await c.tweet("video", media={"media_ids": [media_id]})
        assert early.status == 400
        c.clock.advance(2)
        assert (await processing(c, media_id))["state"] == "succeeded"
        assert (await c.tweet("video", media={"media_ids": [media_id]})).status == 201
        raw = await c.session.get(f"{c.url}/_media/x/{media_id}")
        assert await raw.read() == FILM

    play(story)


def test_processing_goes_from_pending_through_progress_to_its_end(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("x", processing_ms=10_000)
        media_id, final = await chunked(c)
        assert final.json["data"]["processing_info"]["check_after_secs"] == 10
        c.clock.advance(5)
        half = await processing(c, media_id)
        assert half["state"] == "in_progress"
        assert 45 <= half["progress_percent"] <= 60
        await c.switch("x", processing_fails="Video is too dark")
        failing, _final = await chunked(c)
        c.clock.advance(11)
        assert (await processing(c, media_id))["state"] == "succeeded"
        failed = await processing(c, failing)
        assert failed["state"] == "failed"
        assert failed["error"] == {
            "code": 1,
            "name": "InvalidMedia",
            "message": "Video is too dark",
        }
        assert (await c.tweet("video", media={"media_ids": [failing]})).status == 400

    play(story)


@pytest.mark.parametrize(
    ("data", "mime_type", "category", "state"),
    [
        (b"GIF89a and its frames", "image/gif", "tweet_gif", "succeeded"),
        (FILM, "image/gif", "tweet_gif", "failed"),
        (b"no film at all", "video/mp4", "tweet_video", "failed"),
        (b"\x1a\x45\xdf\xa3 and more", "video/webm", "amplify_video", "succeeded"),
    ],
)
def test_the_bytes_decide_what_becomes_of_a_file(
    play: Play, data: bytes, mime_type: str, category: str, state: str
) -> None:
    async def story(c: Client) -> None:
        media_id, _final = await chunked(c, data, mime_type, category)
        c.clock.advance(2)
        assert (await processing(c, media_id))["state"] == state

    play(story)


@pytest.mark.parametrize(
    ("seconds", "state", "status"),
    [(0.4, "failed", 400), (140, "succeeded", 201), (141, "succeeded", 403)],
)
def test_a_film_has_half_a_second_to_140(
    play: Play, seconds: float, state: str, status: int
) -> None:
    async def story(c: Client) -> None:
        media_id, _final = await chunked(c, mp4(seconds))
        c.clock.advance(2)
        assert (await processing(c, media_id))["state"] == state
        reply = await c.tweet("film", media={"media_ids": [media_id]})
        assert reply.status == status
        if status == 403:
            assert "video longer than 2 minutes" in reply.json["detail"]

    play(story)


def test_a_chunked_image_needs_no_processing(play: Play) -> None:
    async def story(c: Client) -> None:
        media_id, final = await chunked(c, c.png, "image/png", "tweet_image")
        assert "processing_info" not in final.json["data"]
        assert (await c.tweet("see", media={"media_ids": [media_id]})).status == 201

    play(story)


def test_an_upload_is_finished_whole_and_in_time(play: Play) -> None:
    async def story(c: Client) -> None:
        _id, short = await chunked(c, promised_bytes=len(FILM) + 1)
        assert short.status == 400
        await c.switch("x", handle_life_ms=5000)
        body = {"media_type": "video/mp4", "total_bytes": 5, "media_category": "tweet_video"}
        started = (await c.call("POST", f"{UPLOAD}/initialize", json=body)).json["data"]
        assert started["expires_after_secs"] in (4, 5)
        c.clock.advance(6)
        assert (await c.call("POST", f"{UPLOAD}/{started['id']}/finalize")).status == 404

    play(story)


@pytest.mark.parametrize(
    "fields", [{}, {"media_category": "tweet_video"}, {"media_category": "poster"}]
)
def test_one_shot_upload_needs_an_image_category(play: Play, fields: Any) -> None:
    async def story(c: Client) -> None:
        reply = await c.call("POST", "/x/2/media/upload", data=_image_form(c, **fields))
        assert reply.status == 400

    play(story)


CLIENT = aiohttp.encode_basic_auth("sandbox-client", "sandbox-client-secret")


async def _refresh(c: Client, refresh_token: str, auth: str | None = CLIENT, **more: str) -> Reply:
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **more}
    headers = {"Authorization": auth} if auth else {}
    return await c.call("POST", "/x/2/oauth2/token", token=None, data=form, headers=headers)


def test_refresh_tokens_rotate_and_a_replay_burns_the_family(play: Play) -> None:
    async def story(c: Client) -> None:
        first = await _refresh(c, "refresh-ada")
        assert first.status == 200
        pair = first.json
        assert pair["expires_in"] == 7200
        assert pair["token_type"] == "bearer"
        assert "offline.access" in pair["scope"]
        me = await c.call("GET", "/x/2/users/me", token=pair["access_token"])
        assert me.json["data"]["username"] == "ada"
        second = (await _refresh(c, pair["refresh_token"])).json
        replay = await _refresh(c, pair["refresh_token"])
        assert replay.status == 400
        assert replay.json == {
            "error": "invalid_request",
            "error_description": "Value passed for the token was invalid.",
        }
        assert (await _refresh(c, second["refresh_token"])).status == 400
        for token in (second["access_token"], pair["access_token"], "demo-ada"):
            assert (await c.call("GET", "/x/2/users/me", token=token)).status == 401

    play(story)


def test_access_tokens_live_two_hours(play: Play) -> None:
    async def story(c: Client) -> None:
        token = (await _refresh(c, "refresh-ada")).json["access_token"]
        c.clock.advance(7199 - 60)
        assert (await c.call("GET", "/x/2/users/me", token=token)).status == 200
        c.clock.advance(120)
        assert (await c.call("GET", "/x/2/users/me", token=token)).status == 401

    play(story)


def test_confidential_clients_need_basic_auth_and_public_ones_a_client_id(play: Play) -> None:
    async def story(c: Client) -> None:
        missing = await _refresh(c, "refresh-ada", auth=None)
        assert missing.status == 401
        assert missing.json["error_description"] == "Missing valid authorization header"
        wrong = await _refresh(
            c, "refresh-ada", auth=aiohttp.encode_basic_auth("sandbox-client", "no")
        )
        assert wrong.status == 401
        public = await _refresh(c, "refresh-ada", auth=None, client_id="sandbox-public")
        assert public.status == 200
        body = {"id": "mine", "secret": "s"}
        await c.call("POST", "/_control/clients", token=None, json=body)
        own = await _refresh(c, "refresh-eve", auth=aiohttp.encode_basic_auth("mine", "s"))
        assert own.status == 200

    play(story)


def test_a_revoked_token_is_dead(play: Play) -> None:
    async def story(c: Client) -> None:
        headers = {"Authorization": CLIENT}
        reply = await c.call(
            "POST", "/x/2/oauth2/revoke", token=None, data={"token": "demo-ada"}, headers=headers
        )
        assert reply.status == 200
        assert (await c.call("GET", "/x/2/users/me")).status == 401

    play(story)
