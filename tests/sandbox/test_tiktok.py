"""TikTok's imitation answers as TikTok's reference says."""

from __future__ import annotations

import asyncio
import hashlib
import io
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import pytest

from sandbox.tiktok.publications import Publications
from tests.sandbox.assets import hosted, jpeg, mp4
from tests.sandbox.conftest import ADA, Client, Play, Reply

API = "/tiktok/v2"
PUBLISH = f"{API}/post/publish"
VIDEO = b"\0\0\0\x18ftypmp42" + b"\1" * 1000
CHUNK = 5_000_000
LONG_VIDEO = VIDEO + b"\2" * (2 * CHUNK + 500)
BACK = "http://127.0.0.1:9/back"


async def init(
    c: Client, title: str = "Launch day #demo", size: int = len(VIDEO), **options: Any
) -> Reply:
    source = {
        "source": "FILE_UPLOAD",
        "video_size": size,
        "chunk_size": size,
        "total_chunk_count": 1,
        **options.pop("source", {}),
    }
    info = {"title": title, "privacy_level": "PUBLIC_TO_EVERYONE", **options.pop("info", {})}
    body = {"post_info": info, "source_info": source}
    return await c.call("POST", f"{PUBLISH}/video/init/", json=body, **options)


async def put(c: Client, url: str, first: int, data: bytes, total: int, **headers: str) -> Reply:
    assert url.startswith(f"{c.url}/tiktok/upload/?")
    content_range = f"bytes {first}-{first + len(data) - 1}/{total}"
    return await c.call(
        "PUT",
        url.removeprefix(c.url),
        token=None,
        headers={"Content-Type": "video/mp4", "Content-Range": content_range, **headers},
        data=io.BytesIO(data),
    )


async def publish(c: Client, title: str = "Launch day #demo", **options: Any) -> str:
    """Upload in one chunk; the publish_id."""
    reply = await init(c, title, **options)
    assert reply.status == 200, reply.text
    data = reply.json["data"]
    assert (await put(c, data["upload_url"], 0, VIDEO, len(VIDEO))).status == 201
    return str(data["publish_id"])


async def status(c: Client, publish_id: str, token: str = ADA) -> Any:
    body = {"publish_id": publish_id}
    reply = await c.call("POST", f"{PUBLISH}/status/fetch/", json=body, token=token)
    assert reply.json["error"]["code"] == "ok", reply.text
    return reply.json["data"]


async def listed(c: Client, **body: Any) -> Any:
    path = f"{API}/video/list/?fields=id,create_time,title,share_url,view_count"
    return (await c.call("POST", path, json=body)).json["data"]


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json["error"]["code"]


def test_every_answer_has_an_error_object(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await c.call("POST", f"{PUBLISH}/creator_info/query/")
        assert code(reply) == (200, "ok")
        assert reply.json["error"]["log_id"]
        assert reply.headers["X-Tt-Logid"]
        data = reply.json["data"]
        assert data["creator_username"] == "ada"
        assert "SELF_ONLY" in data["privacy_level_options"]
        assert data["max_video_post_duration_sec"] == 600
        refused = await c.call("POST", f"{PUBLISH}/creator_info/query/", token="nonsense")
        assert code(refused) == (401, "access_token_invalid")

    play(story)


def test_a_video_is_published_with_its_last_byte(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("tiktok", processing_ms=60_000)
        data = (await init(c)).json["data"]
        assert data["publish_id"].startswith("v_pub_file~v2-1.")
        assert (await status(c, data["publish_id"]))["status"] == "PROCESSING_UPLOAD"
        assert (await c.stats("tiktok"))["count"] == 0
        assert (await put(c, data["upload_url"], 0, VIDEO, len(VIDEO))).status == 201
        early = await status(c, data["publish_id"])
        assert (early["status"], early["uploaded_bytes"]) == ("PROCESSING_UPLOAD", len(VIDEO))
        (post,) = (await c.stats("tiktok"))["posts"]
        assert post["text"] == "Launch day #demo"
        c.clock.advance(61)
        done = await status(c, data["publish_id"])
        assert (done["status"], done["publicaly_available_post_id"]) == ("PUBLISH_COMPLETE", [])
        c.clock.advance(60)
        done = await status(c, data["publish_id"])
        assert done["publicaly_available_post_id"] == [int(post["id"])]
        assert int(post["id"]) > 2**53

    play(story)


def test_chunks_come_in_order_and_the_last_takes_the_rest(play: Play) -> None:
    async def story(c: Client) -> None:
        size = len(LONG_VIDEO)
        source = {"video_size": size, "chunk_size": CHUNK, "total_chunk_count": 2}
        url = (await init(c, source=source)).json["data"]["upload_url"]
        assert (await put(c, url, CHUNK, LONG_VIDEO[CHUNK:], size)).status == 416
        assert (await put(c, url, 0, LONG_VIDEO[: CHUNK + 1], size)).status == 416
        first = await put(c, url, 0, LONG_VIDEO[:CHUNK], size)
        assert (first.status, first.headers["Content-Range"]) == (
            206,
            f"bytes 0-{CHUNK - 1}/{size}",
        )
        last = await put(c, url, CHUNK, LONG_VIDEO[CHUNK:], size)
        assert last.status == 201
        assert (await put(c, url, CHUNK, LONG_VIDEO[CHUNK:], size)).status == 416
        stats = await c.stats("tiktok")
        assert [post["media"][0]["bytes"] for post in stats["posts"]] == [size]

    play(story)


@pytest.mark.parametrize(
    ("size", "chunk", "count", "is_good"),
    [
        (1000, 1000, 1, True),
        (1000, 500, 2, False),
        (64 * 1024**2, 64 * 1024**2, 1, True),
        (64 * 1024**2 + 1, 64 * 1024**2 + 1, 1, False),
        (157_286_400, 10_485_760, 15, True),
        (157_286_401, 10_485_760, 15, True),  # floor, not ceil
        (157_286_401, 10_485_760, 16, False),
        (50_000_123, 4_000_000, 12, False),
        (4 * 1024**3, 4 * 1024**2 + 1024**2, 819, True),
        (4 * 1024**3 + 1, 64 * 1024**2, 64, False),
        (0, 0, 1, False),
    ],
)
def test_chunk_rules(play: Play, size: int, chunk: int, count: int, is_good: bool) -> None:
    async def story(c: Client) -> None:
        source = {"video_size": size, "chunk_size": chunk, "total_chunk_count": count}
        reply = await init(c, source=source)
        assert code(reply) == ((200, "ok") if is_good else (400, "invalid_params"))

    play(story)


def test_uploads_are_refused_with_a_token_a_wrong_type_or_too_late(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("tiktok", handle_life_ms=60_000)
        url = (await init(c)).json["data"]["upload_url"]
        size = len(VIDEO)
        with_token = await put(c, url, 0, VIDEO, size, Authorization="Bearer demo-ada")
        assert with_token.status == 400
        other_type = await put(c, url, 0, VIDEO, size, **{"Content-Type": "application/json"})
        assert other_type.status == 400
        assert (await put(c, url + "x", 0, VIDEO, size)).status == 404
        c.clock.advance(61)
        assert code(await put(c, url, 0, VIDEO, size)) == (403, "upload_url_expired")
        assert (await c.stats("tiktok"))["count"] == 0

    play(story)


def test_a_lost_answer_to_the_last_chunk_is_found_by_the_publish_id(play: Play) -> None:
    async def story(c: Client) -> None:
        data = (await init(c)).json["data"]
        await c.switch("tiktok", accept_then_drop=True)
        with pytest.raises(aiohttp.ClientError):
            await put(c, data["upload_url"], 0, VIDEO, len(VIDEO))
        await c.switch("tiktok", accept_then_drop=None)
        c.clock.advance(1)
        assert (await status(c, data["publish_id"]))["status"] == "PUBLISH_COMPLETE"
        assert (await c.stats("tiktok"))["count"] == 1

    play(story)


def test_switches_tell_init_chunk_and_last_chunk_apart(play: Play) -> None:
    async def story(c: Client) -> None:
        size = len(LONG_VIDEO)
        source = {"video_size": size, "chunk_size": CHUNK, "total_chunk_count": 2}
        await c.switch("tiktok", on="create", fail={"status": 500})
        url = (await init(c, source=source)).json["data"]["upload_url"]
        assert (await put(c, url, 0, LONG_VIDEO[:CHUNK], size)).status == 206
        failed = await put(c, url, CHUNK, LONG_VIDEO[CHUNK:], size)
        assert code(failed) == (500, "internal_error")
        assert (await put(c, url, CHUNK, LONG_VIDEO[CHUNK:], size)).status == 201

    play(story)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"info": {"privacy_level": ""}}, (400, "invalid_params")),
        ({"info": {"privacy_level": "ALL"}}, (403, "privacy_level_option_mismatch")),
        ({"info": {"mood": "glad"}}, (400, "invalid_params")),
        ({"info": {"disable_duet": "yes"}}, (400, "invalid_params")),
        ({"info": {"video_cover_timestamp_ms": True}}, (400, "invalid_params")),
        ({"title": "a" * 2201}, (400, "invalid_params")),
        ({"title": "😀" * 1101}, (400, "invalid_params")),
        ({"source": {"source": "CARRIER_PIGEON"}}, (400, "invalid_params")),
        ({"token": "demo-private-ada"}, (403, "privacy_level_option_mismatch")),
        (
            {"token": "demo-unaudited-ada"},
            (403, "unaudited_client_can_only_post_to_private_accounts"),
        ),
    ],
)
def test_an_init_that_may_not_be_says_why(
    play: Play, changes: dict[str, Any], expected: tuple[int, str]
) -> None:
    async def story(c: Client) -> None:
        assert code(await init(c, **changes)) == expected

    play(story)


def test_a_caption_has_2200_utf_16_units(play: Play) -> None:
    async def story(c: Client) -> None:
        assert code(await init(c, "😀" * 1100)) == (200, "ok")

    play(story)


def test_private_posts_never_get_a_public_id(play: Play) -> None:
    async def story(c: Client) -> None:
        publish_id = await publish(c, info={"privacy_level": "SELF_ONLY"})
        c.clock.advance(60)
        done = await status(c, publish_id)
        assert (done["status"], done["publicaly_available_post_id"]) == ("PUBLISH_COMPLETE", [])
        assert (await listed(c))["videos"] == []
        unaudited = "demo-unaudited-ada"
        await publish(c, info={"privacy_level": "SELF_ONLY"}, token=unaudited)

    play(story)


@pytest.mark.parametrize(
    ("fails", "data", "why"),
    [
        ("frame_rate_check_failed", VIDEO, "frame_rate_check_failed"),
        (None, b"\0" * len(VIDEO), "file_format_check_failed"),
        (None, mp4(seconds=2), "duration_check_failed"),
        (None, mp4(seconds=601), "duration_check_failed"),
        (None, mp4(20, 200, 400), "picture_size_check_failed"),
    ],
)
def test_a_failed_publication_says_why_and_is_no_post(
    play: Play, fails: str | None, data: bytes, why: str
) -> None:
    async def story(c: Client) -> None:
        await c.switch("tiktok", processing_fails=fails)
        begun = (await init(c, size=len(data))).json["data"]
        assert (await put(c, begun["upload_url"], 0, data, len(data))).status == 201
        c.clock.advance(1)
        failed = await status(c, begun["publish_id"])
        assert (failed["status"], failed["fail_reason"]) == ("FAILED", why)
        assert (await c.stats("tiktok"))["count"] == 0

    play(story)


def test_a_draft_ends_in_the_inbox(play: Play) -> None:
    async def story(c: Client) -> None:
        size = len(VIDEO)
        source = {"video_size": size, "chunk_size": size, "total_chunk_count": 1}
        body = {"source_info": {"source": "FILE_UPLOAD", **source}}
        path = f"{PUBLISH}/inbox/video/init/"
        data = (await c.call("POST", path, json=body)).json["data"]
        assert data["publish_id"].startswith("v_inbox_file~v2.")
        assert (await put(c, data["upload_url"], 0, VIDEO, size)).status == 201
        c.clock.advance(1)
        done = await status(c, data["publish_id"])
        assert (done["status"], done["publicaly_available_post_id"]) == ("SEND_TO_USER_INBOX", [])
        assert (await listed(c))["videos"] == []
        body["post_info"] = {"title": "no"}
        assert code(await c.call("POST", path, json=body)) == (400, "invalid_params")

    play(story)


async def photos(c: Client, *urls: str, **changes: Any) -> Reply:
    info = {"title": "Autumn", "description": "Five colours", "privacy_level": "SELF_ONLY"}
    body = {
        "media_type": "PHOTO",
        "post_mode": "DIRECT_POST",
        "post_info": {**info, **changes.pop("info", {})},
        "source_info": {
            "source": "PULL_FROM_URL",
            "photo_cover_index": 0,
            "photo_images": list(urls),
        },
        **changes,
    }
    return await c.call("POST", f"{PUBLISH}/content/init/", json=body)


async def ended(c: Client, publish_id: str) -> Any:
    """The status once the files have been pulled and looked at."""
    for _ in range(400):
        books = c.running.world.site("tiktok").books(Publications)
        if books[publish_id].is_complete:
            break
        await asyncio.sleep(0.005)
    c.clock.advance(1)
    return await status(c, publish_id)


def test_photos_are_pulled_and_published_unasked(play: Play) -> None:
    async def story(c: Client) -> None:
        urls = [await hosted(c, jpeg(90 + n)) for n in (1, 2)]
        reply = await photos(c, *urls, info={"privacy_level": "PUBLIC_TO_EVERYONE"})
        assert reply.json["data"].keys() == {"publish_id"}
        done = await ended(c, reply.json["data"]["publish_id"])
        assert done["status"] == "PUBLISH_COMPLETE"
        (post,) = (await c.stats("tiktok"))["posts"]
        assert post["text"] == "Autumn\n\nFive colours"
        assert [m["bytes"] for m in post["media"]] == [len(jpeg()), len(jpeg())]
        (video,) = (await listed(c))["videos"]
        assert video["share_url"] == f"https://www.tiktok.com/@ada/photo/{post['id']}"
        again = await photos(c, *urls, info={"privacy_level": "PUBLIC_TO_EVERYONE"})
        await ended(c, again.json["data"]["publish_id"])
        assert (await c.stats("tiktok"))["duplicates"] == 1

    play(story)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "photo_pull_failed"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 24, "file_format_check_failed"),
        (jpeg(1921, 1080), "picture_size_check_failed"),
        (jpeg(1081, 1081), "picture_size_check_failed"),
    ],
)
def test_photos_that_cannot_be_pulled_or_read_fail(
    play: Play, data: bytes | None, why: str
) -> None:
    async def story(c: Client) -> None:
        url = f"{c.url}/_media/mastodon/one/1" if data is None else await hosted(c, data)
        publish_id = (await photos(c, url)).json["data"]["publish_id"]
        failed = await ended(c, publish_id)
        assert (failed["status"], failed["fail_reason"]) == ("FAILED", why)

    play(story)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"info": {"privacy_level": None}}, (400, "invalid_params")),
        ({"info": {"is_aigc": True}}, (400, "invalid_params")),
        ({"info": {"disable_duet": True}}, (400, "invalid_params")),
        ({"info": {"title": "a" * 91}}, (400, "invalid_params")),
        ({"info": {"description": "a" * 4001}}, (400, "invalid_params")),
        ({"media_type": "VIDEO"}, (400, "invalid_params")),
        ({"post_mode": "NOW"}, (400, "invalid_params")),
        ({"urls": []}, (400, "invalid_params")),
        ({"urls": ["https://a.example/1.jpg"] * 36}, (400, "invalid_params")),
        ({"urls": ["ftp://a.example/1.jpg"]}, (400, "invalid_params")),
        ({"urls": ["https://unverified.example/1.jpg"]}, (403, "url_ownership_unverified")),
    ],
)
def test_photo_posts_are_checked(
    play: Play, changes: dict[str, Any], expected: tuple[int, str]
) -> None:
    async def story(c: Client) -> None:
        urls = changes.pop("urls", ["https://a.example/1.jpg"])
        assert code(await photos(c, *urls, **changes)) == expected

    play(story)


def test_statuses_belong_to_their_creator(play: Play) -> None:
    async def story(c: Client) -> None:
        publish_id = await publish(c)
        path = f"{PUBLISH}/status/fetch/"
        unknown = await c.call("POST", path, json={"publish_id": "v_pub_file~v2-1.1"})
        assert code(unknown) == (400, "invalid_publish_id")
        foreign = await c.call("POST", path, json={"publish_id": publish_id}, token="demo-eve")
        assert foreign.json["error"]["code"] == "token_not_authorized_for_specified_publish_id"

    play(story)


def test_public_videos_are_listed_by_milliseconds_and_queried_by_id(play: Play) -> None:
    async def story(c: Client) -> None:
        for n in range(3):
            await publish(c, f"n {n}")
            c.clock.advance(2)
        page = await listed(c, max_count=2)
        assert [video["title"] for video in page["videos"]] == ["n 2", "n 1"]
        assert page["has_more"] is True
        rest = await listed(c, max_count=2, cursor=page["cursor"])
        assert [video["title"] for video in rest["videos"]] == ["n 0"]
        assert rest["has_more"] is False
        (video,) = rest["videos"]
        assert isinstance(video["id"], str)
        assert abs(video["create_time"] - c.clock()) < 10
        c.clock.advance(3600)
        path = f"{API}/video/query/?fields=id,view_count"
        body = {"filters": {"video_ids": [video["id"], "1"]}}
        (found,) = (await c.call("POST", path, json=body)).json["data"]["videos"]
        assert (found["id"], found["view_count"] > 0) == (video["id"], True)
        assert (await c.call("POST", path, json=body, token="demo-eve")).json["data"][
            "videos"
        ] == []
        await c.switch("tiktok", find_lag_ms=86_400_000)
        assert (await listed(c))["videos"] == []

    play(story)


def test_lists_need_fields_and_small_pages(play: Play) -> None:
    async def story(c: Client) -> None:
        for query, body in (("", {}), ("?fields=soul", {}), ("?fields=id", {"max_count": 21})):
            reply = await c.call("POST", f"{API}/video/list/{query}", json=body)
            assert code(reply) == (400, "invalid_params")
        many = {"filters": {"video_ids": ["1"] * 21}}
        reply = await c.call("POST", f"{API}/video/query/?fields=id", json=many)
        assert code(reply) == (400, "invalid_params")

    play(story)


def test_users_tell_what_was_asked_for_and_granted(play: Play) -> None:
    async def story(c: Client) -> None:
        path = f"{API}/user/info/?fields=open_id,username,follower_count"
        user = (await c.call("GET", path)).json["data"]["user"]
        assert user.keys() == {"open_id", "username", "follower_count"}
        assert code(await c.call("GET", f"{API}/user/info/")) == (400, "invalid_params")
        order = {"network": "tiktok", "account": "ada", "action": "issue"}
        body = {**order, "scopes": ["user.info.basic"]}
        issued = await c.call("POST", "/_control/tokens", token=None, json=body)
        token = issued.json["access_token"]
        basic = await c.call("GET", f"{API}/user/info/?fields=open_id", token=token)
        assert basic.json["data"]["user"]["open_id"] == user["open_id"]
        assert code(await c.call("GET", path, token=token)) == (401, "scope_not_authorized")
        assert code(await init(c, token=token)) == (401, "scope_not_authorized")

    play(story)


def test_a_minute_has_six_inits_and_tells_no_limits(play: Play) -> None:
    async def story(c: Client) -> None:
        for _ in range(6):
            assert (await init(c)).status == 200
        refused = await init(c)
        assert code(refused) == (429, "rate_limit_exceeded")
        assert not [name for name in refused.headers if "limit" in name.lower()]
        assert "Retry-After" not in refused.headers
        c.clock.advance(61)
        assert (await init(c)).status == 200

    play(story)


def test_a_creator_has_fifteen_posts_and_five_drafts_a_day(play: Play) -> None:
    async def story(c: Client) -> None:
        for n in range(15):
            await publish(c, f"n {n}")
            c.clock.advance(20)
        assert code(await init(c)) == (403, "spam_risk_too_many_posts")
        await c.switch(None, on="all", rate={"limit": 1_000_000})
        assert (await init(c)).status == 200
        await c.switch(None, on="all", rate=None)
        c.clock.advance(86_400)
        assert (await init(c)).status == 200
        url = await hosted(c, jpeg())
        for _ in range(5):
            draft = await photos(c, url, post_mode="MEDIA_UPLOAD")
            await ended(c, draft.json["data"]["publish_id"])
            c.clock.advance(20)
        many = await photos(c, url, post_mode="MEDIA_UPLOAD")
        assert code(many) == (403, "spam_risk_too_many_pending_share")

    play(story)


def test_an_application_without_an_audit_serves_five_users_a_day(play: Play) -> None:
    async def story(c: Client) -> None:
        private = {"privacy_level": "SELF_ONLY"}
        for n in range(5):
            assert (await init(c, info=private, token=f"demo-unaudited-{n}")).status == 200
        refused = await init(c, info=private, token="demo-unaudited-5")
        assert code(refused) == (403, "reached_active_user_cap")
        assert (await init(c, info=private, token="demo-unaudited-0")).status == 200

    play(story)


async def agree(c: Client, **changes: str) -> dict[str, str]:
    request = {
        "response_type": "code",
        "client_key": "sandbox-client",
        "redirect_uri": BACK,
        "state": "s1",
        "scope": "user.info.basic,video.publish,video.list",
        **changes,
    }
    path = f"{API}/auth/authorize/?{urlencode(request)}"
    form = [("decision", "allow"), ("account", "ada"), ("scope", "video.publish")]
    reply = await c.call("POST", path, token=None, data=form, allow_redirects=False)
    return dict(parse_qsl(urlsplit(reply.headers["Location"]).query))


async def redeem(c: Client, grant_type: str = "authorization_code", **fields: str) -> Reply:
    form = {
        "grant_type": grant_type,
        "client_key": "sandbox-client",
        "client_secret": "sandbox-client-secret",
        "redirect_uri": BACK,
        **fields,
    }
    return await c.call("POST", f"{API}/oauth/token/", token=None, data=form)


def test_consent_brings_two_hours_and_what_stayed_ticked(play: Play) -> None:
    async def story(c: Client) -> None:
        back = await agree(c)
        assert (back["state"], back["scopes"]) == ("s1", "user.info.basic,video.publish")
        tokens = (await redeem(c, code=back["code"])).json
        assert (tokens["expires_in"], tokens["refresh_expires_in"]) == (7200, 180 * 86_400)
        assert tokens["scope"] == "user.info.basic,video.publish"
        path = f"{API}/user/info/?fields=open_id"
        user = (await c.call("GET", path, token=tokens["access_token"])).json["data"]["user"]
        assert user["open_id"] == tokens["open_id"]
        c.clock.advance(7201)
        dead = await c.call("GET", path, token=tokens["access_token"])
        assert code(dead) == (401, "access_token_invalid")
        again = await redeem(c, code=back["code"])
        assert (again.status, again.json["error"]) == (400, "invalid_grant")

    play(story)


def test_desktop_applications_spell_the_challenge_in_hex(play: Play) -> None:
    async def story(c: Client) -> None:
        verifier = "v" * 43
        challenge = hashlib.sha256(verifier.encode()).hexdigest()
        back = await agree(c, code_challenge=challenge, code_challenge_method="S256")
        wrong = await redeem(c, code=back["code"], code_verifier="w" * 43)
        assert (wrong.status, wrong.json["error"]) == (400, "invalid_request")
        assert (await redeem(c, code=back["code"], code_verifier=verifier)).status == 200

    play(story)


def test_refresh_tokens_work_once_and_replays_end_the_consent(play: Play) -> None:
    async def story(c: Client) -> None:
        first = (await redeem(c, "refresh_token", refresh_token="refresh-ada")).json
        second = await redeem(c, "refresh_token", refresh_token=first["refresh_token"])
        assert second.json["refresh_token"] != first["refresh_token"]
        replay = await redeem(c, "refresh_token", refresh_token=first["refresh_token"])
        assert (replay.status, replay.json["error"]) == (400, "invalid_grant")
        assert replay.json["log_id"]
        path = f"{PUBLISH}/creator_info/query/"
        assert (await c.call("POST", path, token=second.json["access_token"])).status == 401
        assert (await c.call("POST", path)).status == 401

    play(story)


def test_refusals_of_the_token_service(play: Play) -> None:
    async def story(c: Client) -> None:
        form = {"client_key": "sandbox-client", "client_secret": "sandbox-client-secret"}
        path = f"{API}/oauth/revoke/"
        revoked = await c.call("POST", path, token=None, data={**form, "token": "demo-ada"})
        assert revoked.status == 200
        assert code(await init(c)) == (401, "access_token_invalid")
        by_id = {"client_id": "sandbox-client", "grant_type": "refresh_token"}
        stranger = await c.call("POST", f"{API}/oauth/token/", token=None, data=by_id)
        assert stranger.json["error"] == "invalid_client"
        as_json = await c.call("POST", f"{API}/oauth/token/", token=None, json=form)
        assert as_json.json["error"] == "invalid_request"

    play(story)
