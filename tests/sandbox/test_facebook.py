"""Facebook's imitation answers as the reference of Pages says."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from typing import Any

import aiohttp
import pytest

from tests.sandbox.assets import hosted, jpeg, mp4
from tests.sandbox.conftest import ADA, Client, Play, Reply
from tests.sandbox.graph_login import APPLICATION, code_for, code_form, decide

API = "/facebook/v26.0"
USER = "user-ada"
SCOPES = "public_profile,pages_show_list,pages_read_engagement,pages_manage_posts"


async def feed(c: Client, *, token: str = ADA, **body: Any) -> Reply:
    return await c.call("POST", f"{API}/me/feed", json=body, token=token)


async def stage(c: Client, data: bytes, **fields: str) -> str:
    """An unpublished photo's id."""
    form = aiohttp.FormData({"published": "false", **fields})
    form.add_field("source", io.BytesIO(data), filename="a.jpg", content_type="image/jpeg")
    reply = await c.call("POST", f"{API}/me/photos", data=form)
    return str(reply.json["id"])


async def reel_started(c: Client, edge: str = "video_reels") -> dict[str, str]:
    reply = await c.call("POST", f"{API}/me/{edge}", json={"upload_phase": "start"})
    return dict(reply.json)


async def send(c: Client, url: str, data: bytes, **headers: str) -> Reply:
    given = {"Authorization": f"OAuth {ADA}", "offset": "0", "file_size": str(len(data))}
    path = url.removeprefix(c.url)
    return await c.call("POST", path, token=None, data=data, headers={**given, **headers})


async def finish(c: Client, video_id: str, edge: str = "video_reels", **more: str) -> Reply:
    body = {"upload_phase": "finish", "video_id": video_id, "video_state": "PUBLISHED", **more}
    return await c.call("POST", f"{API}/me/{edge}", json=body)


async def video_status(c: Client, video_id: str) -> dict[str, Any]:
    path = f"{API}/{video_id}?fields=status,post_id,permalink_url"
    return dict((await c.call("GET", path)).json)


async def listed(c: Client, query: str = "fields=id,message") -> list[dict[str, Any]]:
    reply = await c.call("GET", f"{API}/me/published_posts?{query}")
    assert reply.status == 200, reply.text
    return list(reply.json["data"])


def codes(reply: Reply) -> tuple[int, int | None]:
    assert reply.status in (400, 401, 403, 404), reply.text
    error = reply.json["error"]
    return error["code"], error.get("error_subcode")


def test_text_is_published_and_read_back(play: Play) -> None:
    async def story(c: Client) -> None:
        body = {"message": "Version 2.4 is out"}
        reply = await c.call("POST", f"{API}/me/feed?fields=id,permalink_url", json=body)
        page = (await c.call("GET", f"{API}/me?fields=id")).json["id"]
        post_id = reply.json["id"]
        assert post_id.startswith(f"{page}_")
        number = post_id.partition("_")[2]
        assert reply.json["permalink_url"] == f"https://www.facebook.com/{page}/posts/{number}"
        fields = "message,created_time,is_published,attachments"
        read = (await c.call("GET", f"{API}/{post_id}?fields={fields}")).json
        assert (read["message"], read["is_published"]) == ("Version 2.4 is out", True)
        assert read["created_time"].endswith("+0000")
        assert "attachments" not in read

    play(story)


def test_the_same_twice_running_is_506_until_forgotten(play: Play) -> None:
    async def story(c: Client) -> None:
        assert (await feed(c, message="once")).status == 200
        assert codes(await feed(c, message="once ")) == (506, None)
        assert (await feed(c, message="once", link="https://example.org/")).status == 200
        assert (await feed(c, message="once")).status == 200
        await c.switch("facebook", duplicate_forgets_after_ms=5000)
        c.clock.advance(6)
        assert (await feed(c, message="once")).status == 200
        assert (await c.stats("facebook"))["duplicates"] == 3

    play(story)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (100, 1349125)),
        ({"message": "a" * 63_207}, (100, None)),
        ({"link": "not a link"}, (100, 2061006)),
        ({"link": "https://www.facebook.com/x"}, (100, 1609008)),
        ({"link": "https://gone.invalid/"}, (100, 1609005)),
        ({"message": "a", "attached_media": [{"media_fbid": "1"}]}, (100, None)),
        ({"message": "a" * 131, "text_format_preset_id": "1"}, (100, None)),
        ({"message": "a", "published": False}, (100, None)),
        ({"message": "a", "published": "perhaps"}, (100, None)),
    ],
)
def test_bad_posts_are_100(
    play: Play, body: dict[str, Any], expected: tuple[int, int | None]
) -> None:
    async def story(c: Client) -> None:
        assert codes(await feed(c, **body)) == expected

    play(story)


def test_staged_photos_become_one_post_and_cannot_be_used_again(play: Play) -> None:
    async def story(c: Client) -> None:
        ids = [await stage(c, jpeg(width)) for width in (800, 900)]
        assert await listed(c) == []
        attached = [{"media_fbid": photo} for photo in ids]
        post_id = (await feed(c, message="Two", attached_media=attached)).json["id"]
        path = f"{API}/{post_id}?fields=attachments{{type,target{{id}},subattachments}}"
        album = (await c.call("GET", path)).json["attachments"]["data"][0]
        assert album["type"] == "album"
        assert [s["target"]["id"] for s in album["subattachments"]["data"]] == ids
        again = await feed(c, message="Again", attached_media=attached)
        assert codes(again) == (100, 1366051)
        assert (await c.stats("facebook"))["count"] == 1

    play(story)


def test_attached_media_may_come_as_form_fields(play: Play) -> None:
    async def story(c: Client) -> None:
        photo = await stage(c, jpeg())
        form = {"message": "Form", "attached_media[0]": json.dumps({"media_fbid": photo})}
        reply = await c.call("POST", f"{API}/me/feed", data=form)
        assert reply.status == 200
        found = await listed(c, "fields=attachments{type,target{id}}")
        told = {"type": "photo", "target": {"id": photo}}
        assert found[0]["attachments"]["data"] == [told]

    play(story)


def test_a_photo_by_address_is_fetched_before_the_answer(play: Play) -> None:
    async def story(c: Client) -> None:
        body = {"url": await hosted(c, jpeg()), "caption": "Seen", "alt_text_custom": "A team"}
        reply = await c.call("POST", f"{API}/me/photos", json=body)
        assert reply.json["post_id"].endswith((await listed(c))[0]["id"])
        photo = await c.call("GET", f"{API}/{reply.json['id']}?fields=alt_text_custom,link")
        assert photo.json["alt_text_custom"] == "A team"
        gone = await c.call("POST", f"{API}/me/photos", json={"url": f"{c.url}/nothing.jpg"})
        assert codes(gone) == (324, None)
        text = await c.call("POST", f"{API}/me/photos", json={"url": await hosted(c, mp4())})
        assert codes(text) == (324, 2069019)

    play(story)


def test_a_staged_photo_can_be_deleted_or_ends(play: Play) -> None:
    async def story(c: Client) -> None:
        photo = await stage(c, jpeg())
        assert (await c.call("DELETE", f"{API}/{photo}")).json == {"success": True}
        assert codes(await c.call("GET", f"{API}/{photo}")) == (100, 33)
        await c.switch("facebook", handle_life_ms=5000)
        photo = await stage(c, jpeg())
        c.clock.advance(6)
        assert codes(await feed(c, attached_media=[{"media_fbid": photo}])) == (100, None)

    play(story)


def test_a_photo_or_a_video_makes_a_story_outside_the_lists(play: Play) -> None:
    async def story(c: Client) -> None:
        photo = await stage(c, jpeg(1080, 1920))
        path = f"{API}/me/photo_stories?photo_id={photo}"
        made = (await c.call("POST", path)).json
        assert made["success"] is True
        assert codes(await c.call("POST", path)) == (100, 1366051)
        started = await reel_started(c, "video_stories")
        await send(c, started["upload_url"], mp4())
        done = (await finish(c, started["video_id"], "video_stories")).json
        assert done["post_id"] != made["post_id"]
        assert await listed(c) == []
        assert (await c.stats("facebook"))["count"] == 2

    play(story)


def test_a_video_in_chunks_is_seen_when_it_is_ready(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("facebook", processing_ms=60_000)
        film, path = mp4(), f"{API}/me/videos"
        start = {"upload_phase": "start", "file_size": len(film)}
        session = (await c.call("POST", path, json=start)).json
        assert (session["start_offset"], session["end_offset"]) == ("0", str(len(film)))

        async def transfer(offset: int, data: bytes) -> Reply:
            form = aiohttp.FormData(
                {
                    "upload_phase": "transfer",
                    "upload_session_id": session["upload_session_id"],
                    "start_offset": str(offset),
                }
            )
            form.add_field("video_file_chunk", data, filename="c", content_type="video/mp4")
            return await c.call("POST", path, data=form)

        assert (await transfer(0, film[:100])).json["start_offset"] == "100"
        assert codes(await transfer(0, film[:100])) == (6000, 1363037)
        end = {
            "upload_phase": "finish",
            "upload_session_id": session["upload_session_id"],
            "description": "A film",
        }
        assert codes(await c.call("POST", path, json=end)) == (6000, 1363019)
        rest = (await transfer(100, film[100:])).json
        assert rest["start_offset"] == rest["end_offset"]
        assert (await c.call("POST", path, json=end)).json == {"success": True}
        assert codes(await c.call("POST", path, json=end)) == (100, 33)
        told = await video_status(c, session["video_id"])
        assert told["status"]["video_status"] == "processing"
        assert "post_id" not in told
        assert await listed(c) == []
        c.clock.advance(61)
        told = await video_status(c, session["video_id"])
        assert told["status"]["video_status"] == "ready"
        assert told["permalink_url"].startswith("/")
        found = await listed(c, "fields=id,attachments{target{id}}")
        assert found[0]["id"].endswith(f"_{told['post_id']}")
        assert found[0]["attachments"]["data"][0]["target"] == {"id": session["video_id"]}

    play(story)


def test_a_video_by_address_is_a_post_when_it_has_come(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("facebook", processing_ms=0)
        url = await hosted(c, mp4(), "video/mp4")
        body = {"file_url": url, "description": "From afar"}
        video_id = (await c.call("POST", f"{API}/me/videos", json=body)).json["id"]
        for _ in range(500):
            told = await video_status(c, video_id)
            if told["status"]["video_status"] == "ready":
                break
        assert [p["message"] for p in await listed(c)] == ["From afar"]

    play(story)


def test_a_reel_is_started_uploaded_and_finished(play: Play) -> None:
    async def story(c: Client) -> None:
        film, started = mp4(), await reel_started(c)
        url, video_id = started["upload_url"], started["video_id"]
        assert codes(await finish(c, video_id)) == (6000, 1363019)
        denied = await send(c, url, film, Authorization=f"Bearer {ADA}")
        assert denied.json["debug_info"]["type"] == "NotAuthorizedError"
        assert (await send(c, url, film)).json == {"success": True}
        told = (await video_status(c, video_id))["status"]
        assert told["video_status"] == "upload_complete"
        assert told["uploading_phase"] == {"status": "complete", "bytes_transfered": len(film)}
        assert (await finish(c, video_id, description="A reel")).json == {"success": True}
        c.clock.advance(1)
        told = await video_status(c, video_id)
        assert told["status"]["publishing_phase"]["publish_status"] == "published"
        assert told["permalink_url"] == f"/reel/{video_id}/"
        read = await c.call("GET", f"{API}/{told['post_id']}?fields=id,message")
        assert read.json["message"] == "A reel"
        assert (await finish(c, video_id)).json == {"success": True}
        reels = await c.call("GET", f"{API}/me/video_reels?fields=id,description")
        assert reels.json["data"] == [{"id": video_id, "description": "A reel"}]
        assert (await c.stats("facebook"))["count"] == 1

    play(story)


@pytest.mark.parametrize(
    ("film", "words"),
    [
        (mp4(2), "3 to 90 seconds"),
        (mp4(10, 360, 640), "540p"),
        (mp4(10, 1080, 1080), "9:16"),
        (jpeg(), "format"),
    ],
    ids=["short", "small", "square", "image"],
)
def test_a_reel_that_does_not_fit_fails_after_a_successful_finish(
    play: Play, film: bytes, words: str
) -> None:
    async def story(c: Client) -> None:
        started = await reel_started(c)
        await c.switch("facebook", processing_ms=5000)
        await send(c, started["upload_url"], film)
        assert (await finish(c, started["video_id"])).status == 200
        c.clock.advance(6)
        told = (await video_status(c, started["video_id"]))["status"]
        assert told["video_status"] == "error"
        assert words in told["processing_phase"]["error"]["message"]
        assert (await c.stats("facebook"))["count"] == 0

    play(story)


def test_work_can_be_made_to_fail_and_uploads_to_end(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("facebook", processing_fails="Out of film", handle_life_ms=5000)
        started = await reel_started(c)
        await send(c, started["upload_url"], mp4())
        c.clock.advance(1)
        told = (await video_status(c, started["video_id"]))["status"]
        assert told["processing_phase"]["error"]["message"] == "Out of film"
        late = await reel_started(c)
        c.clock.advance(6)
        assert (await send(c, late["upload_url"], mp4())).status == 404

    play(story)


def test_a_hosted_reel_needs_the_offset_header(play: Play) -> None:
    async def story(c: Client) -> None:
        url, started = await hosted(c, mp4(), "video/mp4"), await reel_started(c)
        path = started["upload_url"].removeprefix(c.url)
        headers = {"Authorization": f"OAuth {ADA}", "file_url": url}
        refused = await c.call("POST", path, token=None, headers=headers)
        assert refused.json["debug_info"]["type"] == "ProcessingFailedError"
        taken = await c.call("POST", path, token=None, headers={**headers, "offset": "0"})
        assert taken.json == {"success": True}
        assert (await finish(c, started["video_id"])).json == {"success": True}

    play(story)


def test_thirty_reels_a_day_are_the_most(play: Play) -> None:
    async def story(c: Client) -> None:
        for _ in range(30):
            started = await reel_started(c)
            await send(c, started["upload_url"], mp4())
            assert (await finish(c, started["video_id"])).status == 200
        started = await reel_started(c)
        await send(c, started["upload_url"], mp4())
        assert codes(await finish(c, started["video_id"])) == (341, None)
        c.clock.advance(86_401)
        started = await reel_started(c)
        await send(c, started["upload_url"], mp4())
        assert (await finish(c, started["video_id"])).status == 200

    play(story)


def test_switches_tell_staging_from_publishing(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("facebook", on="create", fail={"status": 500, "times": None})
        assert await stage(c, jpeg())
        started = await reel_started(c)
        assert (await send(c, started["upload_url"], mp4())).status == 200
        refused = await finish(c, started["video_id"])
        assert (refused.status, refused.json["error"]["code"]) == (500, 1)
        photo = {"url": await hosted(c, jpeg())}
        assert (await c.call("POST", f"{API}/me/photos", json=photo)).status == 500

    play(story)


def test_comments_take_posts_and_bare_videos(play: Play) -> None:
    async def story(c: Client) -> None:
        post_id = (await feed(c, message="Talk")).json["id"]
        path = f"{API}/{post_id}/comments"
        comment = (await c.call("POST", path, json={"message": "First!"})).json["id"]
        found = (await c.call("GET", f"{path}?fields=id,message")).json["data"]
        assert found == [{"id": comment, "message": "First!"}]
        assert codes(await c.call("POST", path, json={})) == (100, None)
        started = await reel_started(c)
        await send(c, started["upload_url"], mp4())
        await finish(c, started["video_id"])
        below = f"{API}/{started['video_id']}/comments"
        assert codes(await c.call("POST", below, json={"message": "Early"})) == (100, 33)
        c.clock.advance(1)
        assert (await c.call("POST", below, json={"message": "Nice"})).status == 200
        fields = "comments.limit(0).summary(true),reactions.limit(0).summary(true)"
        counts = (await c.call("GET", f"{API}/{post_id}?fields={fields}")).json
        assert counts["comments"]["data"] == []
        assert counts["comments"]["summary"]["total_count"] == 1

    play(story)


def test_lists_are_newest_first_cut_by_since_limit_and_lag(play: Play) -> None:
    async def story(c: Client) -> None:
        for n in range(3):
            await feed(c, message=f"n {n}")
            c.clock.advance(10)
        assert [p["message"] for p in await listed(c)] == ["n 2", "n 1", "n 0"]
        since = int(c.clock()) - 15
        assert [p["message"] for p in await listed(c, f"since={since}")] == ["n 2"]
        path = f"{API}/me/published_posts?fields=message&limit=2"
        first = (await c.call("GET", path)).json
        following = first["paging"]["next"].removeprefix(c.url)
        rest = (await c.call("GET", following)).json
        assert [p["message"] for p in rest["data"]] == ["n 0"]
        assert "next" not in rest["paging"]
        await c.switch("facebook", find_lag_ms=15_000)
        assert len(await listed(c)) == 2

    play(story)


def test_deleting_takes_a_post_down_once(play: Play) -> None:
    async def story(c: Client) -> None:
        post_id = (await feed(c, message="bye")).json["id"]
        path = f"{API}/{post_id}"
        assert codes(await c.call("DELETE", path, token="demo-eve")) == (100, 33)
        assert (await c.call("DELETE", path)).json == {"success": True}
        assert codes(await c.call("DELETE", path)) == (100, 33)
        assert codes(await c.call("GET", path)) == (100, 33)
        assert codes(await c.call("GET", f"{API}/somebody")) == (803, None)

    play(story)


def test_a_person_has_two_pages_to_publish_on_and_one_to_look_at(play: Play) -> None:
    async def story(c: Client) -> None:
        fields = "id,name,username,access_token,tasks,picture,instagram_business_account"
        reply = await c.call("GET", f"{API}/me/accounts?fields={fields}&limit=100", token=USER)
        first, second, third = reply.json["data"]
        assert [p["username"] for p in reply.json["data"]] == ["ada", "ada-two", "ada-analyst"]
        assert "CREATE_CONTENT" in first["tasks"]
        assert third["tasks"] == ["ANALYZE"]
        assert first["instagram_business_account"]["id"].startswith("17841")
        assert "instagram_business_account" not in second
        assert first["id"] == (await c.call("GET", f"{API}/me?fields=id")).json["id"]
        assert (await feed(c, message="a", token=second["access_token"])).status == 200
        assert codes(await feed(c, message="a", token=third["access_token"])) == (200, None)
        again = await c.call("GET", f"{API}/me/accounts?limit=1", token=USER)
        assert again.json["data"][0]["access_token"] == first["access_token"]
        assert len(again.json["data"]) == 1

    play(story)


def test_a_persons_token_does_not_publish(play: Play) -> None:
    async def story(c: Client) -> None:
        page = (await c.call("GET", f"{API}/me?fields=id")).json["id"]
        body = {"message": "a"}
        reply = await c.call("POST", f"{API}/{page}/feed", json=body, token=USER)
        assert codes(reply) == (190, 2069032)
        other = await c.call("POST", f"{API}/{page}/feed", json=body, token="demo-eve")
        assert codes(other) == (100, 33)
        assert codes(await c.call("GET", f"{API}/me/accounts")) == (100, None)
        path = f"{API}/{page}?fields=access_token"
        assert (await c.call("GET", path, token=USER)).json["access_token"]

    play(story)


async def logged_in(c: Client, scopes: str = SCOPES) -> str:
    """A short user token."""
    code = await code_for(c, f"{API}/dialog/oauth", scopes)
    path = f"{API}/oauth/access_token"
    form = {k: v for k, v in code_form(code).items() if k != "grant_type"}
    reply = await c.call("GET", path, token=None, params=form)
    assert reply.json["expires_in"] == 7200
    return str(reply.json["access_token"])


async def lengthened(c: Client, token: str, method: str = "GET") -> Reply:
    fields = {**APPLICATION, "grant_type": "fb_exchange_token", "fb_exchange_token": token}
    given = {"params": fields} if method == "GET" else {"data": fields}
    return await c.call(method, f"{API}/oauth/access_token", token=None, **given)


def test_page_tokens_of_a_long_user_token_do_not_expire(play: Play) -> None:
    async def story(c: Client) -> None:
        short = await logged_in(c)
        long = (await lengthened(c, short)).json
        assert (long["token_type"], long["expires_in"]) == ("bearer", 5_184_000)

        async def page_token(user_token: str) -> str:
            reply = await c.call("GET", f"{API}/me/accounts", token=user_token)
            return str(reply.json["data"][0]["access_token"])

        brief, lasting = await page_token(short), await page_token(long["access_token"])
        c.clock.advance(7201)
        assert codes(await feed(c, message="a", token=brief)) == (190, 463)
        c.clock.advance(70 * 86_400)
        assert (await feed(c, message="a", token=lasting)).status == 200
        dead = await c.call("GET", f"{API}/me", token=long["access_token"])
        assert codes(dead) == (190, 463)

    play(story)


def test_debug_token_tells_scopes_and_ends(play: Play) -> None:
    async def story(c: Client) -> None:
        user = (await lengthened(c, await logged_in(c), "POST")).json["access_token"]
        page = (await c.call("GET", f"{API}/me/accounts", token=user)).json["data"][0]
        app = "|".join(APPLICATION.values())

        async def debug(token: str) -> dict[str, Any]:
            query = {"input_token": token, "access_token": app}
            reply = await c.call("GET", f"{API}/debug_token", token=None, params=query)
            return dict(reply.json["data"])

        told = await debug(user)
        assert (told["type"], told["is_valid"]) == ("USER", True)
        assert set(told["scopes"]) == set(SCOPES.split(","))
        assert told["data_access_expires_at"] - told["issued_at"] == 90 * 86_400
        told = await debug(page["access_token"])
        assert (told["type"], told["expires_at"]) == ("PAGE", 0)
        assert told["profile_id"] == page["id"]
        assert (await debug("nonsense"))["is_valid"] is False

    play(story)


def test_taking_consent_back_kills_the_pages_tokens_too(play: Play) -> None:
    async def story(c: Client) -> None:
        user = await logged_in(c)
        page = (await c.call("GET", f"{API}/me/accounts", token=user)).json["data"][0]
        granted = (await c.call("GET", f"{API}/me/permissions", token=user)).json["data"]
        assert {"permission": "pages_show_list", "status": "granted"} in granted
        revoked = await c.call("DELETE", f"{API}/me/permissions", token=user)
        assert revoked.json == {"success": True}
        assert codes(await feed(c, message="a", token=page["access_token"])) == (190, 458)

    play(story)


def test_scopes_are_asked_per_call(play: Play) -> None:
    async def story(c: Client) -> None:
        user = await logged_in(c, "public_profile,pages_show_list")
        page = (await c.call("GET", f"{API}/me/accounts", token=user)).json["data"][0]
        token = page["access_token"]
        assert codes(await feed(c, message="a", token=token)) == (200, None)
        found = await c.call("GET", f"{API}/me/published_posts", token=token)
        assert codes(found) == (10, None)

    play(story)


def test_cancelling_and_wrong_codes(play: Play) -> None:
    async def story(c: Client) -> None:
        cancelled = await decide(c, f"{API}/dialog/oauth", SCOPES, decision="cancel")
        assert "error=access_denied&error_code=200" in cancelled.headers["Location"]
        code = await code_for(c, f"{API}/dialog/oauth", SCOPES)
        path = f"{API}/oauth/access_token"
        wrong = code_form(code, redirect_uri="https://carillon.example/")
        assert codes(await c.call("GET", path, token=None, params=wrong)) == (100, 36008)
        assert (await c.call("GET", path, token=None, params=code_form(code))).status == 200
        used = await c.call("GET", path, token=None, params=code_form(code))
        assert codes(used) == (100, 36009)

    play(story)


def test_a_proof_of_the_application_is_checked_when_it_is_sent(play: Play) -> None:
    async def story(c: Client) -> None:
        secret = APPLICATION["client_secret"].encode()
        proof = hmac.new(secret, ADA.encode(), hashlib.sha256).hexdigest()
        path = f"{API}/me?appsecret_proof="
        assert (await c.call("GET", path + proof)).status == 200
        assert codes(await c.call("GET", path + "0" * 64)) == (100, None)

    play(story)


def test_metrics_that_meta_took_away_are_100(play: Play) -> None:
    async def story(c: Client) -> None:
        post_id = (await feed(c, message="Measured")).json["id"]
        c.clock.advance(3600)
        path = f"{API}/{post_id}/insights?metric="
        wanted = "post_media_view,post_clicks,post_reactions_by_type_total"
        data = (await c.call("GET", path + wanted)).json["data"]
        assert data[0]["values"][0]["value"] > data[1]["values"][0]["value"] > 0
        assert set(data[2]["values"][0]["value"]) == {"like", "love"}
        for gone in ("post_impressions", "page_fans"):
            assert codes(await c.call("GET", f"{path}{wanted},{gone}")) == (100, None)
        page = f"{API}/me/insights?metric=page_media_view&period=day"
        days = (await c.call("GET", page)).json["data"][0]["values"]
        assert [set(day) for day in days] == [{"value", "end_time"}] * 2
        long_ago = int(c.clock()) - 91 * 86_400
        assert codes(await c.call("GET", f"{page}&since={long_ago}")) == (100, None)

    play(story)


def test_usage_is_told_and_throttling_is_code_32(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("facebook", on="create", rate={"limit": 2, "window_s": 3600})
        first = await feed(c, message="1")
        usage = json.loads(first.headers["X-Business-Use-Case-Usage"])
        entry = next(iter(usage.values()))[0]
        assert (entry["type"], entry["call_count"]) == ("pages", 50)
        await feed(c, message="2")
        refused = await feed(c, message="3")
        assert (refused.status, codes(refused)) == (403, (32, None))

    play(story)
