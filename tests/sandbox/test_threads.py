"""Threads' imitation answers as Threads' reference says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.assets import hosted, jpeg, mp4
from tests.sandbox.conftest import ADA, Client, Play, Reply
from tests.sandbox.graph_login import APPLICATION, code_for, code_form, decide

API = "/threads/v1.0"
SCOPES = "threads_basic,threads_content_publish"


async def create(c: Client, *, token: str = ADA, **body: Any) -> Reply:
    return await c.call("POST", f"{API}/me/threads", json=body, token=token)


async def publish(c: Client, container: str, *, token: str = ADA) -> Reply:
    body = {"creation_id": container}
    return await c.call("POST", f"{API}/me/threads_publish", json=body, token=token)


async def status(c: Client, container: str) -> dict[str, Any]:
    reply = await c.call("GET", f"{API}/{container}?fields=status,error_message")
    return dict(reply.json)


async def until(c: Client, container: str, wanted: str) -> dict[str, Any]:
    for _ in range(200):
        told = await status(c, container)
        if told["status"] == wanted:
            return told
        c.clock.advance(0.1)
    raise AssertionError(f"{wanted} never came: {told}")


async def post(c: Client, text: str, **body: Any) -> str:
    """A published text's id."""
    container = (await create(c, media_type="TEXT", text=text, **body)).json["id"]
    return str((await publish(c, container)).json["id"])


def codes(reply: Reply) -> tuple[int, int | None]:
    assert reply.status in (400, 401, 403, 429), reply.text
    error = reply.json["error"]
    return error["code"], error.get("error_subcode")


def test_text_goes_from_container_to_permalink(play: Play) -> None:
    async def story(c: Client) -> None:
        media_id = await post(c, "Version 2.4 is out", topic_tag="python")
        assert int(media_id) > 2**53
        fields = "id,permalink,shortcode,timestamp,text,media_type,topic_tag,is_reply"
        media = (await c.call("GET", f"{API}/{media_id}?fields={fields}")).json
        assert media["permalink"] == f"https://www.threads.com/@ada/post/{media['shortcode']}"
        assert (media["text"], media["media_type"]) == ("Version 2.4 is out", "TEXT_POST")
        assert (media["topic_tag"], media["is_reply"]) == ("python", False)

    play(story)


def test_a_container_is_published_once_and_a_lost_answer_can_be_looked_up(play: Play) -> None:
    async def story(c: Client) -> None:
        container = (await create(c, media_type="TEXT", text="once")).json["id"]
        await c.switch("threads", accept_then_drop=1)
        with pytest.raises(Exception, match="disconnected"):
            await publish(c, container)
        assert (await status(c, container))["status"] == "PUBLISHED"
        assert codes(await publish(c, container)) == (24, 4279009)
        listed = (await c.call("GET", f"{API}/me/threads?fields=id,text")).json["data"]
        assert [t["text"] for t in listed] == ["once"]

    play(story)


def test_a_container_at_work_or_expired_is_not_found(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("threads", processing_ms=30_000, handle_life_ms=60_000)
        container = (await create(c, media_type="TEXT", text="a")).json["id"]
        assert codes(await publish(c, container)) == (24, 4279009)
        assert (await status(c, container))["status"] == "IN_PROGRESS"
        c.clock.advance(31)
        assert (await status(c, container))["status"] == "FINISHED"
        c.clock.advance(30)
        assert (await status(c, container))["status"] == "EXPIRED"
        assert codes(await publish(c, container)) == (24, 4279009)

    play(story)


def test_an_image_keeps_its_alt_text(play: Play) -> None:
    async def story(c: Client) -> None:
        url = await hosted(c, jpeg())
        made = await create(c, media_type="IMAGE", image_url=url, text="With", alt_text="A team")
        await until(c, made.json["id"], "FINISHED")
        media_id = (await publish(c, made.json["id"])).json["id"]
        media = (await c.call("GET", f"{API}/{media_id}?fields=media_type,alt_text")).json
        assert (media["media_type"], media["alt_text"]) == ("IMAGE", "A team")

    play(story)


def test_a_carousel_mixes_two_to_twenty_items(play: Play) -> None:
    async def story(c: Client) -> None:
        image, video = await hosted(c, jpeg()), await hosted(c, mp4(), "video/mp4")
        items = [
            (await create(c, media_type="IMAGE", image_url=image, is_carousel_item=True)).json,
            (await create(c, media_type="VIDEO", video_url=video, is_carousel_item=True)).json,
        ]
        ids = [item["id"] for item in items]
        assert codes(await create(c, media_type="CAROUSEL", children=ids[:1]))[0] == 100
        assert codes(await create(c, media_type="CAROUSEL", children=ids)) == (100, 2207027)
        for item in ids:
            await until(c, item, "FINISHED")
        parent = (await create(c, media_type="CAROUSEL", children=",".join(ids), text="2")).json
        media_id = (await publish(c, parent["id"])).json["id"]
        media = (await c.call("GET", f"{API}/{media_id}?fields=media_type,children")).json
        assert media["media_type"] == "CAROUSEL_ALBUM"
        assert len(media["children"]["data"]) == 2

    play(story)


@pytest.mark.parametrize(
    ("data", "error"),
    [(mp4(301), "INVALID_DURATION"), (jpeg(), "FAILED_PROCESSING_VIDEO")],
    ids=["long", "image"],
)
def test_a_video_that_does_not_fit_fails_in_its_container(
    play: Play, data: bytes, error: str
) -> None:
    async def story(c: Client) -> None:
        url = await hosted(c, data, "video/mp4")
        container = (await create(c, media_type="VIDEO", video_url=url)).json["id"]
        assert (await until(c, container, "ERROR"))["error_message"] == error

    play(story)


def test_downloads_and_processing_fail_in_the_networks_words(play: Play) -> None:
    async def story(c: Client) -> None:
        gone = (await create(c, media_type="VIDEO", video_url=f"{c.url}/nothing.mp4")).json["id"]
        assert (await until(c, gone, "ERROR"))["error_message"] == "FAILED_DOWNLOADING_VIDEO"
        image = await create(c, media_type="IMAGE", image_url=f"{c.url}/nothing.jpg")
        assert codes(image) == (100, 2207052)
        assert "could not be fetched from this URI" in image.json["error"]["message"]
        await c.switch("threads", processing_fails="UNKNOWN")
        url = await hosted(c, mp4(), "video/mp4")
        container = (await create(c, media_type="VIDEO", video_url=url)).json["id"]
        assert (await until(c, container, "ERROR"))["error_message"] == "UNKNOWN"

    play(story)


@pytest.mark.parametrize("text", ["a" * 500, "é" * 500, "👍" * 125, "👨‍👩‍👧‍👦" * 20])
def test_text_is_counted_in_characters_but_emoji_in_bytes(play: Play, text: str) -> None:
    async def story(c: Client) -> None:
        assert (await create(c, media_type="TEXT", text=text)).status == 200
        reply = await create(c, media_type="TEXT", text=text + "👍" * 23)
        assert codes(reply) == (100, None)
        assert "at most 500 characters" in reply.json["error"]["message"]

    play(story)


def test_five_links_are_the_most(play: Play) -> None:
    async def story(c: Client) -> None:
        links = " ".join(f"https://example.org/{n}" for n in range(5))
        repeated = f"{links} https://example.org/0"
        assert (await create(c, media_type="TEXT", text=repeated)).status == 200
        more = await create(
            c, media_type="TEXT", text=links, link_attachment="https://example.org/5"
        )
        assert "THREADS_API__LINK_LIMIT_EXCEEDED" in more.json["error"]["message"]

    play(story)


@pytest.mark.parametrize(
    "body",
    [
        {"text": "no kind"},
        {"media_type": "TEXT"},
        {"media_type": "IMAGE"},
        {"media_type": "TEXT", "text": "a", "is_carousel_item": True},
        {"media_type": "TEXT", "text": "a", "reply_control": "nobody"},
        {"media_type": "TEXT", "text": "a", "topic_tag": "a.b"},
        {"media_type": "TEXT", "text": "a", "reply_to_id": "17"},
        {"media_type": "TEXT", "text": "a", "text_attachment": {"plaintext": "a" * 10_001}},
        {"media_type": "IMAGE", "image_url": "http://h/a", "link_attachment": "https://a.example"},
    ],
)
def test_parameters_are_refused_with_100(play: Play, body: dict[str, Any]) -> None:
    async def story(c: Client) -> None:
        assert codes(await create(c, **body))[0] == 100

    play(story)


def test_replies_form_a_chain_with_a_quota_of_their_own(play: Play) -> None:
    async def story(c: Client) -> None:
        first = await post(c, "one")
        second = await post(c, "two", reply_to_id=first)
        media = (await c.call("GET", f"{API}/{second}?fields=replied_to,root_post,is_reply")).json
        assert media["replied_to"] == media["root_post"] == {"id": first}
        mine = (await c.call("GET", f"{API}/me/replies")).json["data"]
        below = (await c.call("GET", f"{API}/{first}/replies")).json["data"]
        roots = (await c.call("GET", f"{API}/me/threads")).json["data"]
        assert (mine, below, roots) == ([{"id": second}], [{"id": second}], [{"id": first}])
        fields = "quota_usage,config,reply_quota_usage,reply_config"
        limit = await c.call("GET", f"{API}/me/threads_publishing_limit?fields={fields}")
        assert limit.json["data"] == [
            {
                "quota_usage": 1,
                "config": {"quota_total": 250, "quota_duration": 86400},
                "reply_quota_usage": 1,
                "reply_config": {"quota_total": 1000, "quota_duration": 86400},
            }
        ]

    play(story)


def test_the_days_cap_refuses_posts_but_not_replies(play: Play) -> None:
    async def story(c: Client) -> None:
        first = await post(c, "0")
        for n in range(1, 250):
            await post(c, str(n))
        container = (await create(c, media_type="TEXT", text="250")).json["id"]
        assert codes(await publish(c, container)) == (9, 2207042)
        assert await post(c, "a reply", reply_to_id=first)

    play(story)


def test_deleting_names_what_is_gone(play: Play) -> None:
    async def story(c: Client) -> None:
        media_id = await post(c, "bye")
        path = f"{API}/{media_id}"
        assert codes(await c.call("DELETE", path, token="demo-eve")) == (100, 33)
        assert (await c.call("DELETE", path)).json == {"success": True, "deleted_id": media_id}
        assert codes(await c.call("GET", path)) == (100, 33)
        assert codes(await create(c, media_type="TEXT", text="a", reply_to_id=media_id))[0] == 100

    play(story)


def test_lists_know_since_and_lag(play: Play) -> None:
    async def story(c: Client) -> None:
        await post(c, "old")
        c.clock.advance(60)
        new = await post(c, "new")
        path = f"{API}/me/threads?fields=id&since={int(c.clock()) - 30}"
        assert (await c.call("GET", path)).json["data"] == [{"id": new}]
        await c.switch("threads", find_lag_ms=5000)
        assert (await c.call("GET", path)).json["data"] == []

    play(story)


def test_metrics_of_posts_and_profiles(play: Play) -> None:
    async def story(c: Client) -> None:
        media_id = await post(c, "measured")
        await post(c, "answer", reply_to_id=media_id)
        c.clock.advance(600)
        path = f"{API}/{media_id}/insights?metric=views,likes,replies"
        data = (await c.call("GET", path)).json["data"]
        values = {d["name"]: d["values"][0]["value"] for d in data}
        assert values["views"] > values["likes"] > 0
        assert values["replies"] == 1
        assert codes(await c.call("GET", f"{path},impressions"))[0] == 100
        profile = f"{API}/me/threads_insights?metric=views,likes,followers_count,clicks"
        shapes = (await c.call("GET", profile)).json["data"]
        assert [list(d)[-1] for d in shapes] == [
            "values",
            "total_value",
            "total_value",
            "link_total_values",
        ]
        assert codes(await c.call("GET", f"{profile}&since=1712000000"))[0] == 100

    play(story)


def test_a_token_is_lengthened_once_and_renewed_after_a_day(play: Play) -> None:
    async def story(c: Client) -> None:
        code = await code_for(c, "/threads/oauth/authorize", SCOPES)
        form = code_form(code)
        short = await c.call("POST", "/threads/oauth/access_token", token=None, data=form)
        assert short.json["user_id"] > 2**53
        query = f"grant_type=th_exchange_token&client_secret={APPLICATION['client_secret']}"
        path = f"/threads/access_token?{query}&access_token="
        long = await c.call("GET", path + short.json["access_token"], token=None)
        assert long.json["expires_in"] == 60 * 86_400
        token = long.json["access_token"]
        assert (await c.call("GET", path + token, token=None)).status == 400
        renewing = f"/threads/refresh_access_token?grant_type=th_refresh_token&access_token={token}"
        assert codes(await c.call("GET", renewing, token=None))[0] == 100
        c.clock.advance(86_400)
        renewed = await c.call("GET", renewing, token=None)
        assert renewed.status == 200
        dead = await c.call("GET", f"{API}/me", token=short.json["access_token"])
        assert codes(dead) == (190, 463)
        me = await c.call("GET", f"{API}/me?fields=id,username", token=renewed.json["access_token"])
        assert me.json == {"id": str(short.json["user_id"]), "username": "ada"}
        c.clock.advance(61 * 86_400)
        assert codes(await c.call("GET", renewing, token=None)) == (190, 463)

    play(story)


def test_scopes_that_were_not_granted_are_missing(play: Play) -> None:
    async def story(c: Client) -> None:
        code = await code_for(c, "/threads/oauth/authorize", SCOPES, account="grace")
        reply = await c.call(
            "POST", "/threads/oauth/access_token", token=None, data=code_form(code)
        )
        token = reply.json["access_token"]
        container = (await create(c, media_type="TEXT", text="a", token=token)).json["id"]
        media_id = (await publish(c, container, token=token)).json["id"]
        assert codes(await c.call("DELETE", f"{API}/{media_id}", token=token))[0] == 10
        answer = await create(c, media_type="TEXT", text="b", reply_to_id=media_id, token=token)
        assert codes(answer)[0] == 10
        debug = await c.call("GET", f"/threads/debug_token?input_token={token}", token=token)
        assert set(debug.json["data"]["scopes"]) == set(SCOPES.split(","))

    play(story)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"redirect_uri": "https://carillon.example/"}, (100, 36008)),
        ({"code": "guess"}, (100, 36007)),
        ({"client_secret": "no"}, (1, None)),
        ({"client_id": "no"}, (101, None)),
    ],
)
def test_codes_are_refused_in_the_graphs_words(
    play: Play, changes: dict[str, str], expected: tuple[int, int | None]
) -> None:
    async def story(c: Client) -> None:
        code = await code_for(c, "/threads/oauth/authorize", SCOPES)
        path = "/threads/oauth/access_token"
        reply = await c.call("POST", path, token=None, data=code_form(code, **changes))
        assert codes(reply) == expected
        assert (await c.call("POST", path, token=None, data=code_form(code))).status == 200
        assert codes(await c.call("POST", path, token=None, data=code_form(code))) == (100, 36009)

    play(story)


def test_cancelling_comes_back_with_a_reason(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await decide(c, "/threads/oauth/authorize", SCOPES, decision="cancel")
        assert "error=access_denied&error_reason=user_denied" in reply.headers["Location"]

    play(story)


def test_throttling_is_code_4_and_there_are_no_usage_headers(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("threads", on="all", rate={"limit": 1})
        assert "X-App-Usage" not in (await c.call("GET", f"{API}/me")).headers
        reply = await c.call("GET", f"{API}/me")
        assert (reply.status, codes(reply)) == (429, (4, None))

    play(story)
