"""Instagram's imitation answers as Instagram's reference says, in both flavours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.sandbox.assets import hosted, jpeg, mp4
from tests.sandbox.conftest import PNG, Client, Play, Reply
from tests.sandbox.graph_login import APPLICATION, BACK, code_for, code_form, decide

IG = "/instagram/v26.0"
FB = "/facebook/v26.0"


async def account_id(c: Client) -> str:
    reply = await c.call("GET", f"{IG}/me?fields=user_id,username")
    return str(reply.json["user_id"])


async def create(c: Client, base: str = f"{IG}/me", **body: Any) -> Reply:
    return await c.call("POST", f"{base}/media", json=body)


async def status(c: Client, container: str) -> dict[str, Any]:
    reply = await c.call("GET", f"{IG}/{container}?fields=status_code,status")
    return dict(reply.json)


async def until(c: Client, container: str, wanted: str) -> dict[str, Any]:
    """Poll as a client would; the sandbox's clock stands in for the waiting between."""
    for _ in range(200):
        told = await status(c, container)
        if told["status_code"] == wanted:
            return told
        c.clock.advance(0.1)
    raise AssertionError(f"{wanted} never came: {told}")


async def finished(c: Client, **body: Any) -> str:
    container = str((await create(c, **body)).json["id"])
    await until(c, container, "FINISHED")
    return container


async def publish(c: Client, container: str, base: str = f"{IG}/me") -> Reply:
    return await c.call("POST", f"{base}/media_publish", json={"creation_id": container})


async def posted(c: Client, **body: Any) -> str:
    """A published image's id."""
    url = await hosted(c, jpeg())
    reply = await publish(c, await finished(c, image_url=url, **body))
    assert reply.status == 200, reply.text
    return str(reply.json["id"])


def codes(reply: Reply) -> tuple[int, int | None]:
    assert reply.status in (400, 401, 403), reply.text
    error = reply.json["error"]
    return error["code"], error.get("error_subcode")


def test_an_image_goes_from_container_to_permalink(play: Play) -> None:
    async def story(c: Client) -> None:
        user = await account_id(c)
        assert len(user) == 17
        assert user.startswith("17841")
        url = await hosted(c, jpeg())
        made = await create(c, f"{IG}/{user}", image_url=url, caption="Release day #python")
        container = made.json["id"]
        assert int(container) > 2**53
        await until(c, container, "FINISHED")
        media_id = (await publish(c, container, f"{IG}/{user}")).json["id"]
        assert media_id != container
        fields = "permalink,shortcode,media_product_type,timestamp,caption,media_type"
        media = (await c.call("GET", f"{IG}/{media_id}?fields={fields}")).json
        assert media["permalink"] == f"https://www.instagram.com/p/{media['shortcode']}/"
        assert (media["media_product_type"], media["media_type"]) == ("FEED", "IMAGE")
        assert media["timestamp"].endswith("+0000")
        assert (await status(c, container))["status_code"] == "PUBLISHED"
        assert (await c.stats("instagram"))["posts"][0]["text"] == "Release day #python"

    play(story)


def test_a_container_is_published_once(play: Play) -> None:
    async def story(c: Client) -> None:
        container = await finished(c, image_url=await hosted(c, jpeg()))
        await c.switch("instagram", accept_then_drop=1)
        with pytest.raises(Exception, match="disconnected"):
            await publish(c, container)
        assert (await status(c, container))["status_code"] == "PUBLISHED"
        assert codes(await publish(c, container)) == (24, 2207006)
        assert (await c.stats("instagram"))["count"] == 1

    play(story)


def test_a_container_that_is_still_at_work_cannot_be_published(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("instagram", processing_ms=60_000)
        container = (await create(c, image_url=await hosted(c, jpeg()))).json["id"]
        assert (await status(c, container))["status_code"] == "IN_PROGRESS"
        assert codes(await publish(c, container)) == (9007, 2207027)
        c.clock.advance(61)
        assert (await publish(c, container)).status == 200

    play(story)


def test_a_container_expires_after_a_day_or_as_switched(play: Play) -> None:
    async def story(c: Client) -> None:
        container = await finished(c, image_url=await hosted(c, jpeg()))
        c.clock.advance(86_400)
        assert (await status(c, container))["status_code"] == "EXPIRED"
        assert codes(await publish(c, container)) == (-2, 2207020)
        await c.switch("instagram", handle_life_ms=5000)
        container = await finished(c, image_url=await hosted(c, jpeg()))
        c.clock.advance(6)
        assert (await status(c, container))["status_code"] == "EXPIRED"

    play(story)


def test_processing_can_fail_with_a_subcode(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("instagram", processing_fails="2207053")
        url = await hosted(c, mp4(), "video/mp4")
        container = (await create(c, media_type="REELS", video_url=url)).json["id"]
        told = await until(c, container, "ERROR")
        assert told["status"].endswith("error code 2207053")
        assert codes(await publish(c, container)) == (-1, 2207053)

    play(story)


@pytest.mark.parametrize(
    ("data", "mime_type", "subcode"),
    [
        (PNG, "image/png", 2207005),
        (jpeg(of_bytes=8 * 1024 * 1024 + 1), "image/jpeg", 2207004),
        (jpeg(1080, 1920), "image/jpeg", 2207009),
        (mp4(), "video/mp4", 2207052),
    ],
    ids=["png", "large", "tall", "video"],
)
def test_images_that_do_not_fit_are_refused_at_once(
    play: Play, data: bytes, mime_type: str, subcode: int
) -> None:
    async def story(c: Client) -> None:
        reply = await create(c, image_url=await hosted(c, data, mime_type))
        assert codes(reply)[1] == subcode

    play(story)


@pytest.mark.parametrize(
    "url", ["ftp://example.org/a.jpg", "http://127.0.0.1:9/a.jpg", "{base}/nothing.jpg"]
)
def test_addresses_that_give_nothing_are_9004(play: Play, url: str) -> None:
    async def story(c: Client) -> None:
        reply = await create(c, image_url=url.format(base=c.url))
        assert codes(reply) == (9004, 2207052)

    play(story)


@pytest.mark.parametrize(
    ("data", "mime_type", "error"),
    [
        (mp4(2), "video/mp4", "2207026"),
        (mp4(1000), "video/mp4", "2207026"),
        (mp4(10, 2160, 3840), "video/mp4", "2207026"),
        (jpeg(), "image/jpeg", "2207026"),
    ],
    ids=["short", "long", "wide", "image"],
)
def test_videos_that_do_not_fit_fail_in_the_container(
    play: Play, data: bytes, mime_type: str, error: str
) -> None:
    async def story(c: Client) -> None:
        url = await hosted(c, data, mime_type)
        container = (await create(c, media_type="REELS", video_url=url)).json["id"]
        assert error in (await until(c, container, "ERROR"))["status"]

    play(story)


def test_a_reel_has_a_reels_address(play: Play) -> None:
    async def story(c: Client) -> None:
        url = await hosted(c, mp4(), "video/mp4")
        container = await finished(c, media_type="REELS", video_url=url, caption="A reel")
        media_id = (await publish(c, container)).json["id"]
        media = (await c.call("GET", f"{IG}/{media_id}?fields=permalink,media_product_type")).json
        assert media["permalink"].startswith("https://www.instagram.com/reel/")
        assert media["media_product_type"] == "REELS"

    play(story)


def test_a_story_is_listed_among_stories_for_a_day(play: Play) -> None:
    async def story(c: Client) -> None:
        url = await hosted(c, jpeg(1080, 1920))
        media_id = (await publish(c, await finished(c, media_type="STORIES", image_url=url))).json
        assert (await c.call("GET", f"{IG}/me/media")).json["data"] == []
        stories = (await c.call("GET", f"{IG}/me/stories")).json["data"]
        assert [s["id"] for s in stories] == [media_id["id"]]
        c.clock.advance(86_401)
        assert (await c.call("GET", f"{IG}/me/stories")).json["data"] == []

    play(story)


def test_a_carousel_waits_for_its_items_and_counts_once(play: Play) -> None:
    async def story(c: Client) -> None:
        image, video = await hosted(c, jpeg()), await hosted(c, mp4(), "video/mp4")
        first = (await create(c, image_url=image, is_carousel_item=True)).json["id"]
        second = (await create(c, media_type="VIDEO", video_url=video, is_carousel_item=True)).json[
            "id"
        ]
        early = await create(c, media_type="CAROUSEL", children=[first, second])
        assert codes(early) == (9007, 2207027)
        for item in (first, second):
            await until(c, item, "FINISHED")
        assert codes(await publish(c, first)) == (24, 2207006)
        parent = await finished(
            c, media_type="CAROUSEL", children=f"{first},{second}", caption="Two"
        )
        media_id = (await publish(c, parent)).json["id"]
        path = f"{IG}/{media_id}?fields=media_type,children{{media_type}}"
        media = (await c.call("GET", path)).json
        assert media["media_type"] == "CAROUSEL_ALBUM"
        assert [m["media_type"] for m in media["children"]["data"]] == ["IMAGE", "VIDEO"]
        used = await c.call("GET", f"{IG}/me/content_publishing_limit?fields=quota_usage,config")
        assert used.json["data"] == [
            {"quota_usage": 1, "config": {"quota_total": 50, "quota_duration": 86400}}
        ]
        again = await create(c, media_type="CAROUSEL", children=[first, second])
        assert codes(again) == (24, 2207006)

    play(story)


@pytest.mark.parametrize("children", [[], ["1"], [str(n) for n in range(11)]])
def test_a_carousel_has_two_to_ten_items(play: Play, children: list[str]) -> None:
    async def story(c: Client) -> None:
        reply = await create(c, media_type="CAROUSEL", children=children)
        assert codes(reply) == (100, 2207028)

    play(story)


def test_a_resumable_upload_fills_a_container(play: Play) -> None:
    async def story(c: Client) -> None:
        film = mp4()
        made = (await create(c, media_type="REELS", upload_type="resumable")).json
        assert made["uri"].startswith(f"{c.url}/instagram/ig-api-upload/v26.0/")
        path = made["uri"].removeprefix(c.url)
        size = str(len(film))

        async def send(data: bytes, offset: int, scheme: str = "OAuth") -> Reply:
            headers = {
                "Authorization": f"{scheme} demo-ada",
                "offset": str(offset),
                "file_size": size,
            }
            return await c.call("POST", path, token=None, data=data, headers=headers)

        assert (await send(film, 0, "Bearer")).status == 401
        assert (await status(c, made["id"]))["status_code"] == "IN_PROGRESS"
        part = await send(film[:50], 0)
        assert part.json["debug_info"]["type"] == "PartialRequestError"
        wrong = await send(film[60:], 60)
        assert wrong.json["debug_info"]["type"] == "OffsetInvalidError"
        assert (await send(film[50:], 50)).json["success"] is True
        await until(c, made["id"], "FINISHED")
        assert (await send(film, 0)).json["success"] is True
        assert (await publish(c, made["id"])).status == 200

    play(story)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"caption": "text only"}, (100, None)),
        ({"media_type": "GIF", "image_url": "u"}, (100, 2207023)),
        ({"media_type": "VIDEO", "video_url": "u"}, (100, 2207067)),
        ({"media_type": "REELS", "image_url": "u"}, (100, None)),
        ({"image_url": "u", "caption": "a" * 2201}, (36004, 2207010)),
        ({"image_url": "u", "caption": "#a " * 31}, (100, 2207040)),
        ({"image_url": "u", "caption": "@a " * 21}, (100, 2207040)),
        ({"image_url": "u", "collaborators": ["a", "b", "c", "d"]}, (100, None)),
        ({"image_url": "u", "user_tags": [{"username": "eve"}]}, (100, None)),
        ({"image_url": "u", "location_id": "1"}, (100, None)),
        ({"image_url": "u", "upload_type": "resumable"}, (100, None)),
        ({"media_type": "REELS", "video_url": "u", "thumb_offset": -1}, (1, 2207057)),
    ],
)
def test_parameters_are_refused_with_their_subcodes(
    play: Play, body: dict[str, Any], expected: tuple[int, int | None]
) -> None:
    async def story(c: Client) -> None:
        assert codes(await create(c, **body)) == expected

    play(story)


def test_the_days_cap_is_9_2207042(play: Play) -> None:
    async def story(c: Client) -> None:
        url = await hosted(c, jpeg())
        for _ in range(50):
            await publish(c, (await finished(c, image_url=url)))
        container = await finished(c, image_url=url)
        assert codes(await publish(c, container)) == (9, 2207042)
        c.clock.advance(86_000)
        assert codes(await publish(c, container)) == (9, 2207042)
        usage = await c.call("GET", f"{IG}/me/content_publishing_limit")
        assert usage.json == {"data": [{"quota_usage": 50}]}

    play(story)


def test_lists_are_newest_first_cut_by_time_and_lag(play: Play) -> None:
    async def story(c: Client) -> None:
        ids = []
        for n in range(3):
            ids.append(await posted(c, caption=f"n {n}"))
            c.clock.advance(10)

        async def listed(query: str) -> list[str]:
            reply = await c.call("GET", f"{IG}/me/media?fields=id,caption,permalink&{query}")
            return [m["id"] for m in reply.json["data"]]

        assert await listed("limit=25") == ids[::-1]
        assert await listed(f"since={int(c.clock()) - 15}") == [ids[2]]
        first = (await c.call("GET", f"{IG}/me/media?fields=id&limit=2")).json
        after = first["paging"]["cursors"]["after"]
        assert await listed(f"limit=2&after={after}") == [ids[0]]
        assert "access_token" not in first["paging"]["next"]
        await c.switch("instagram", find_lag_ms=15_000)
        assert await listed("limit=25") == ids[1::-1]

    play(story)


def test_comments_and_replies_hang_below_the_media(play: Play) -> None:
    async def story(c: Client) -> None:
        media_id = await posted(c)
        path = f"{IG}/{media_id}/comments"
        comment = (await c.call("POST", path, json={"message": "First!"})).json["id"]
        reply = await c.call("POST", f"{IG}/{comment}/replies", json={"message": "Second"})
        assert reply.status == 200
        found = (await c.call("GET", f"{path}?fields=id,text,from")).json["data"]
        assert [(f["id"], f["text"], f["from"]["username"]) for f in found] == [
            (comment, "First!", "ada")
        ]
        assert codes(await c.call("POST", path, json={"message": "a" * 301}))[0] == 100
        assert codes(await c.call("POST", path, json={}))[0] == 100
        assert codes(await c.call("POST", f"{path}?fields=id", json={"message": "x"}))[0] == 100
        assert (await c.call("GET", f"{IG}/me/media")).json["data"] == [{"id": media_id}]

    play(story)


def test_only_facebook_login_deletes(play: Play) -> None:
    async def story(c: Client) -> None:
        media_id = await posted(c)
        assert codes(await c.call("DELETE", f"{IG}/{media_id}")) == (100, 33)
        assert (await c.call("DELETE", f"{FB}/{media_id}")).json == {"success": True}
        assert codes(await c.call("GET", f"{IG}/{media_id}")) == (100, 33)
        stats = await c.stats("instagram")
        assert (stats["count"], stats["deleted"]) == (0, 1)

    play(story)


def test_facebook_login_has_the_same_containers_and_other_fields(play: Play) -> None:
    async def story(c: Client) -> None:
        user = await account_id(c)
        base = f"{FB}/{user}"
        made = await create(c, base, image_url=await hosted(c, jpeg()), location_id="7")
        c.clock.advance(1)
        reply = await publish(c, made.json["id"], base)
        assert reply.status == 200
        usage = await c.call("GET", f"{base}/content_publishing_limit?fields=quota_usage")
        assert usage.json == {"data": [{"quota_usage": 1}]}
        me = await c.call("GET", f"{base}?fields=id,username,media_count")
        assert me.json == {"id": user, "username": "ada", "media_count": 1}
        assert codes(await c.call("GET", f"{base}?fields=account_type"))[0] == 100
        other = await c.call("GET", f"{base}?fields=id", token="demo-ada-two")
        assert codes(other) == (100, 33)

    play(story)


def test_an_unknown_field_fails_the_whole_call(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await c.call("GET", f"{IG}/me?fields=username,shoe_size")
        assert codes(reply) == (100, None)
        assert "nonexisting field (shoe_size)" in reply.json["error"]["message"]
        me = (await c.call("GET", f"{IG}/me?fields=id,user_id,account_type")).json
        assert me["id"] != me["user_id"]
        assert codes(await create(c, f"{IG}/{me['id']}", image_url="u")) == (100, 33)

    play(story)


def test_dead_tokens_are_190_with_a_subcode(play: Play) -> None:
    async def story(c: Client) -> None:
        path = f"{IG}/me"
        assert codes(await c.call("GET", path, token="nonsense")) == (190, None)
        assert codes(await c.call("GET", path, token=None)) == (104, None)
        for action, subcode in (("expire", 463), ("revoke", 458)):
            body = {"network": "instagram", "token": "demo-ada", "action": action}
            await c.call("POST", "/_control/tokens", token=None, json=body)
            reply = await c.call("GET", path)
            assert codes(reply) == (190, subcode)
            assert reply.headers["WWW-Authenticate"].startswith('OAuth "Facebook Platform"')
            await c.call("POST", "/_control/tokens", token=None, json={**body, "action": "restore"})
        assert (await c.call("GET", f"{path}?access_token=demo-ada", token=None)).status == 200

    play(story)


def test_a_missing_permission_is_10(play: Play) -> None:
    async def story(c: Client) -> None:
        body = {
            "network": "instagram",
            "account": "ada",
            "action": "issue",
            "scopes": ["instagram_business_basic"],
        }
        issued = await c.call("POST", "/_control/tokens", token=None, json=body)
        token = issued.json["access_token"]
        assert (await c.call("GET", f"{IG}/me", token=token)).status == 200
        reply = await c.call("POST", f"{IG}/me/media", token=token, json={"image_url": "u"})
        assert (reply.status, codes(reply)[0]) == (403, 10)

    play(story)


def test_metrics_grow_and_one_bad_metric_fails_all(play: Play) -> None:
    async def story(c: Client) -> None:
        media_id = await posted(c)
        path = f"{IG}/{media_id}/insights?metric="
        c.clock.advance(600)

        async def views() -> int:
            data = (await c.call("GET", f"{path}views,reach,saved")).json["data"]
            assert [d["name"] for d in data] == ["views", "reach", "saved"]
            return int(data[0]["values"][0]["value"])

        early = await views()
        c.clock.advance(3600)
        assert await views() > early > 0
        for metric in ("impressions", "nonsense", "reels_skip_rate"):
            assert codes(await c.call("GET", f"{path}views,{metric}"))[0] == 100
        account = f"{IG}/me/insights?metric=reach,views&period=day"
        assert codes(await c.call("GET", account))[0] == 100
        total = (await c.call("GET", f"{account}&metric_type=total_value")).json["data"]
        assert [t["name"] for t in total] == ["reach", "views"]
        assert total[0]["total_value"]["value"] > 0

    play(story)


def test_story_metrics_need_viewers_and_end_with_the_story(play: Play) -> None:
    async def story(c: Client) -> None:
        url = await hosted(c, jpeg())
        container = await finished(c, media_type="STORIES", image_url=url)
        path = f"{IG}/{(await publish(c, container)).json['id']}/insights?metric=views,replies"
        assert codes(await c.call("GET", path))[0] == 10
        c.clock.advance(7200)
        assert len((await c.call("GET", path)).json["data"]) == 2
        c.clock.advance(86_400)
        assert (await c.call("GET", path)).json == {"data": []}

    play(story)


def test_usage_is_told_in_per_cent_and_throttling_is_80002(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("instagram", on="all", rate={"limit": 4, "window_s": 3600})
        first = await c.call("GET", f"{IG}/me")
        usage = json.loads(first.headers["X-Business-Use-Case-Usage"])
        entry = next(iter(usage.values()))[0]
        assert (entry["type"], entry["call_count"]) == ("instagram", 25)
        assert json.loads(first.headers["X-App-Usage"])["call_count"] == 25
        for _ in range(3):
            await c.call("GET", f"{IG}/me")
        last = await c.call("GET", f"{IG}/me")
        assert codes(last) == (80002, None)
        entry = next(iter(json.loads(last.headers["X-Business-Use-Case-Usage"]).values()))[0]
        assert 0 < entry["estimated_time_to_regain_access"] <= 60
        assert "Retry-After" not in last.headers

    play(story)


def test_a_login_brings_a_token_for_an_hour_then_for_sixty_days(play: Play) -> None:
    async def story(c: Client) -> None:
        scopes = "instagram_business_basic,instagram_business_content_publish"
        code = await code_for(c, "/instagram/oauth/authorize", scopes)
        path = "/instagram/oauth/access_token"
        wrong = code_form(code, redirect_uri="https://carillon.example/")
        refused = await c.call("POST", path, token=None, data=wrong)
        assert refused.json["error_type"] == "OAuthException"
        assert "redirect_uri" in refused.json["error_message"]
        short = (await c.call("POST", path, token=None, data=code_form(code))).json
        assert set(short["permissions"].split(",")) == set(scopes.split(","))
        used = await c.call("POST", path, token=None, data=code_form(code))
        assert used.json["error_message"] == "This authorization code has been used"
        assert codes(await c.call("GET", f"{IG}/me", token=short["access_token"])) == (190, 458)

    play(story)


def test_a_long_token_is_renewed_from_its_second_day_on(play: Play) -> None:
    async def story(c: Client) -> None:
        code = await code_for(c, "/instagram/oauth/authorize", "instagram_business_basic")
        form = code_form(code)
        short = await c.call("POST", "/instagram/oauth/access_token", token=None, data=form)
        me = await c.call("GET", f"{IG}/me?fields=id", token=short.json["access_token"])
        assert me.json["id"] == str(short.json["user_id"])
        query = f"grant_type=ig_exchange_token&client_secret={APPLICATION['client_secret']}"
        token = short.json["access_token"]
        long = await c.call(
            "GET", f"/instagram/access_token?{query}&access_token={token}", token=None
        )
        assert (long.json["token_type"], long.json["expires_in"]) == ("bearer", 5_184_000)
        renewing = "/instagram/refresh_access_token?grant_type=ig_refresh_token&access_token="
        token = long.json["access_token"]
        assert codes(await c.call("GET", renewing + token, token=None)) == (100, None)
        c.clock.advance(2 * 86_400)
        renewed = (await c.call("GET", renewing + token, token=None)).json
        assert renewed["permissions"] == "instagram_business_basic"
        assert (await c.call("GET", renewing + "refresh-ada", token=None)).status == 200
        c.clock.advance(59 * 86_400)
        assert codes(await c.call("GET", renewing + token, token=None)) == (190, 463)
        assert (await c.call("GET", f"{IG}/me", token=renewed["access_token"])).status == 200

    play(story)


def test_cancelling_the_login_says_so(play: Play) -> None:
    async def story(c: Client) -> None:
        path, scope = "/instagram/oauth/authorize", "instagram_business_basic"
        reply = await decide(c, path, scope, decision="cancel")
        assert reply.headers["Location"].startswith(f"{BACK}?error=access_denied")
        allowed = await decide(c, path, scope, decision="allow", account="ada")
        assert allowed.headers["Location"].endswith("#_")

    play(story)


def test_an_ordered_429_is_said_as_meta_says_it_unless_it_has_a_body(play: Play) -> None:
    async def story(c: Client) -> None:
        answers = [{"status": 429}, {"status": 429, "body": {"odd": True}}]
        await c.switch("instagram", on="account", fail=answers)
        assert codes(await c.call("GET", f"{IG}/me")) == (80002, None)
        odd = await c.call("GET", f"{IG}/me")
        assert (odd.status, odd.json) == (429, {"odd": True})

    play(story)


def test_a_robots_file_and_a_redirect_keep_meta_away(play: Play) -> None:
    async def story(c: Client) -> None:
        async def serve(request: web.Request) -> web.Response:
            if request.path == "/moved.jpg":
                raise web.HTTPFound("/open.jpg")
            if request.path == "/robots.txt":
                return web.Response(text="User-agent: *\nDisallow: /closed.jpg\n")
            return web.Response(body=jpeg(), content_type="image/jpeg")

        app = web.Application()
        app.router.add_get("/{path:.*}", serve)
        async with TestServer(app) as server:
            for name in ("closed.jpg", "moved.jpg"):
                reply = await create(c, image_url=str(server.make_url(f"/{name}")))
                assert codes(reply) == (9004, 2207052)
            reply = await create(c, image_url=str(server.make_url("/open.jpg")))
            assert reply.status == 200

    play(story)


def test_a_facebook_login_reaches_the_account_behind_a_page(play: Play) -> None:
    async def story(c: Client) -> None:
        scopes = "pages_show_list,instagram_basic,instagram_content_publish"
        code = await code_for(c, f"{FB}/dialog/oauth", scopes)
        path = f"{FB}/oauth/access_token"
        user = (await c.call("GET", path, token=None, params=code_form(code))).json["access_token"]
        fields = "access_token,instagram_business_account{id,username}"
        pages = await c.call("GET", f"{FB}/me/accounts?fields={fields}", token=user)
        page = pages.json["data"][0]
        account, token = page["instagram_business_account"], page["access_token"]
        assert account["username"] == "ada"
        body = {"image_url": await hosted(c, jpeg()), "caption": "Through a page"}
        base = f"{FB}/{account['id']}"
        made = await c.call("POST", f"{base}/media", token=token, json=body)
        c.clock.advance(1)
        body = {"creation_id": made.json["id"]}
        media = await c.call("POST", f"{base}/media_publish", token=token, json=body)
        assert (await c.stats("instagram"))["posts"][0]["text"] == "Through a page"
        gone = await c.call("DELETE", f"{FB}/{media.json['id']}", token=token)
        assert codes(gone) == (10, None)
        read = await c.call("GET", f"{FB}/{media.json['id']}?fields=permalink", token=user)
        assert read.json["permalink"].startswith("https://www.instagram.com/p/")

    play(story)


def test_an_item_that_another_carousel_published_is_used_up(play: Play) -> None:
    async def story(c: Client) -> None:
        url = await hosted(c, jpeg())
        items = [await finished(c, image_url=url, is_carousel_item=True) for _ in range(2)]
        first, second = [await finished(c, media_type="CAROUSEL", children=items) for _ in range(2)]
        assert (await publish(c, first)).status == 200
        assert codes(await publish(c, second)) == (24, 2207006)

    play(story)
