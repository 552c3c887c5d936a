"""YouTube's imitation answers as YouTube's reference says."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import pytest

from tests.sandbox.assets import mp4
from tests.sandbox.conftest import ADA, Client, Play, Reply

API = "/youtube/youtube/v3"
UPLOAD = "/youtube/upload/youtube/v3"
GRAIN = 256 * 1024
VIDEO = b"\0\0\0\x18ftypmp42" + b"\1" * (2 * GRAIN)
BACK = "http://127.0.0.1:9/back"
AUTH = "https://www.googleapis.com/auth/"


async def start(c: Client, title: str = "Weekly recap", **options: Any) -> Reply:
    snippet = {"title": title, "description": "What we shipped.", **options.pop("snippet", {})}
    status = {"privacyStatus": "public", **options.pop("status", {})}
    headers = {
        "X-Upload-Content-Type": "video/mp4",
        "X-Upload-Content-Length": str(options.pop("size", len(VIDEO))),
        **options.pop("headers", {}),
    }
    return await c.call(
        "POST",
        f"{UPLOAD}/videos?uploadType=resumable&part=snippet,status",
        json={"snippet": snippet, "status": status},
        headers=headers,
        **options,
    )


async def send(c: Client, session: str, first: int, last: int, data: bytes = VIDEO) -> Reply:
    """PUT the bytes from `first` to `last`."""
    headers = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
    body = io.BytesIO(data[first : last + 1])
    return await put(c, session, headers=headers, data=body)


async def put(c: Client, session: str, **options: Any) -> Reply:
    assert session.startswith(f"{c.url}{UPLOAD}/videos?")
    return await c.call("PUT", session.removeprefix(c.url), token=None, **options)


async def probe(c: Client, session: str, size: int = len(VIDEO)) -> Reply:
    return await put(c, session, headers={"Content-Range": f"bytes */{size}"})


async def publish(c: Client, title: str = "Weekly recap", **options: Any) -> str:
    """Upload in one piece; the video's id."""
    session = (await start(c, title, **options)).headers["Location"]
    reply = await put(c, session, data=io.BytesIO(VIDEO))
    assert reply.status == 200, reply.text
    return str(reply.json["id"])


async def video(c: Client, video_id: str, **options: Any) -> Any:
    parts = "snippet,status,statistics,processingDetails"
    reply = await c.call("GET", f"{API}/videos?part={parts}&id={video_id}", **options)
    assert reply.status == 200, reply.text
    (item,) = reply.json["items"]
    return item


async def channel(c: Client, token: str = ADA) -> Any:
    path = f"{API}/channels?part=snippet,contentDetails&mine=true"
    (item,) = (await c.call("GET", path, token=token)).json["items"]
    return item


async def uploads(c: Client, **query: Any) -> Any:
    playlist = (await channel(c))["contentDetails"]["relatedPlaylists"]["uploads"]
    query = {"part": "contentDetails", "playlistId": playlist, "maxResults": 50, **query}
    return (await c.call("GET", f"{API}/playlistItems?{urlencode(query)}")).json


def reason(reply: Reply) -> tuple[int, str]:
    error = reply.json["error"]
    assert error["code"] == reply.status
    return reply.status, error["errors"][0]["reason"]


def test_chunks_are_answered_308_and_the_last_one_with_the_video(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await start(c)
        assert (reply.status, reply.text) == (200, "")
        session = reply.headers["Location"]
        empty = await probe(c, session)
        assert (empty.status, "Range" in empty.headers) == (308, False)
        first = await send(c, session, 0, GRAIN - 1)
        assert (first.status, first.headers["Range"]) == (308, f"bytes=0-{GRAIN - 1}")
        assert (await c.stats("youtube"))["count"] == 0
        assert (await probe(c, session)).headers["Range"] == f"bytes=0-{GRAIN - 1}"
        last = await send(c, session, GRAIN, len(VIDEO) - 1)
        assert last.status == 200
        assert last.json["kind"] == "youtube#video"
        assert last.json["status"]["uploadStatus"] == "uploaded"
        assert (await probe(c, session)).json["id"] == last.json["id"]
        (post,) = (await c.stats("youtube"))["posts"]
        assert post["text"] == "Weekly recap\n\nWhat we shipped."
        assert post["media"][0]["bytes"] == len(VIDEO)

    play(story)


def test_a_session_makes_one_video_however_often_it_is_used(play: Play) -> None:
    async def story(c: Client) -> None:
        session = (await start(c)).headers["Location"]
        await c.switch("youtube", accept_then_drop=True)  # aiohttp itself repeats a PUT once
        with pytest.raises(aiohttp.ClientError):
            await send(c, session, 0, len(VIDEO) - 1)
        await c.switch("youtube", accept_then_drop=None)
        found = await probe(c, session)
        assert found.status == 200
        again = await send(c, session, 0, len(VIDEO) - 1)
        assert again.json["id"] == found.json["id"]
        assert (await c.stats("youtube"))["count"] == 1
        await publish(c)  # another session: another video
        assert (await c.stats("youtube"))["duplicates"] == 1

    play(story)


def test_switches_tell_chunks_questions_and_the_publishing_chunk_apart(play: Play) -> None:
    async def story(c: Client) -> None:
        session = (await start(c)).headers["Location"]
        await c.switch("youtube", on="create", fail={"status": 503})
        assert (await send(c, session, 0, GRAIN - 1)).status == 308
        assert (await probe(c, session)).status == 308
        assert (await send(c, session, GRAIN, len(VIDEO) - 1)).status == 503
        assert (await probe(c, session)).headers["Range"] == f"bytes=0-{GRAIN - 1}"
        await c.switch("youtube", account="ada", on="find", fail={"status": 500})
        failed = await probe(c, session)
        assert reason(failed) == (500, "backendError")
        path = "/_calls?network=youtube"
        calls = (await c.call("GET", path, token=None)).json["calls"]
        assert [call["operation"] for call in calls] == [
            "media", "media", "find", "create", "find", "find",
        ]  # fmt: skip

    play(story)


@pytest.mark.parametrize(
    ("content_range", "size"),
    [
        (f"bytes 0-99/{len(VIDEO)}", 100),
        (f"bytes 0-{GRAIN - 1}/{len(VIDEO)}", GRAIN - 1),
        (f"bytes {GRAIN}-{2 * GRAIN - 1}/{len(VIDEO)}", GRAIN),
        (f"bytes 0-{GRAIN - 1}/999999999", GRAIN),
        ("bytes zero", GRAIN),
    ],
)
def test_chunks_that_do_not_fit_are_refused(play: Play, content_range: str, size: int) -> None:
    async def story(c: Client) -> None:
        session = (await start(c)).headers["Location"]
        headers = {"Content-Range": content_range}
        reply = await put(c, session, headers=headers, data=io.BytesIO(VIDEO[:size]))
        assert reason(reply) == (400, "badRequest")
        assert "Range" not in (await probe(c, session)).headers

    play(story)


def test_bytes_that_were_stored_before_are_skipped(play: Play) -> None:
    async def story(c: Client) -> None:
        session = (await start(c)).headers["Location"]
        for _ in range(2):
            again = await send(c, session, 0, GRAIN - 1)
            assert again.headers["Range"] == f"bytes=0-{GRAIN - 1}"
        assert (await send(c, session, 0, len(VIDEO) - 1)).status == 200
        (post,) = (await c.stats("youtube"))["posts"]
        assert post["media"][0]["bytes"] == len(VIDEO)

    play(story)


def test_sessions_end(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("youtube", handle_life_ms=5000)
        session = (await start(c)).headers["Location"]
        assert (await probe(c, session)).status == 308
        c.clock.advance(6)
        assert reason(await probe(c, session)) == (410, "gone")
        assert reason(await probe(c, session + "x")) == (404, "notFound")

    play(story)


def test_a_video_is_uploaded_then_processed(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("youtube", processing_ms=30_000)
        video_id = await publish(c)
        assert len(video_id) == 11
        early = await video(c, video_id)
        assert early["status"]["uploadStatus"] == "uploaded"
        assert early["processingDetails"]["processingStatus"] == "processing"
        c.clock.advance(31)
        late = await video(c, video_id)
        assert late["status"]["uploadStatus"] == "processed"
        assert late["processingDetails"]["processingStatus"] == "succeeded"
        assert late["snippet"]["channelId"] == (await channel(c))["id"]

    play(story)


@pytest.mark.parametrize(
    ("fails", "data", "status", "field", "why"),
    [
        ("codec", VIDEO, "failed", "failureReason", "codec"),
        ("duplicate", VIDEO, "rejected", "rejectionReason", "duplicate"),
        (None, b"no video", "failed", "failureReason", "invalidFile"),
        (None, b"", "failed", "failureReason", "emptyFile"),
        (None, mp4(seconds=43_201), "rejected", "rejectionReason", "length"),
    ],
)
def test_a_video_whose_processing_fails_says_why_and_is_no_post(
    play: Play, fails: str | None, data: bytes, status: str, field: str, why: str
) -> None:
    async def story(c: Client) -> None:
        await c.switch("youtube", processing_fails=fails)
        session = (await start(c, size=len(data))).headers["Location"]
        video_id = (await put(c, session, data=io.BytesIO(data))).json["id"]
        c.clock.advance(1)
        found = (await video(c, video_id))["status"]
        assert (found["uploadStatus"], found[field]) == (status, why)
        assert (await c.stats("youtube"))["count"] == 0

    play(story)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"snippet": {"title": ""}}, (400, "invalidTitle")),
        ({"snippet": {"title": "a" * 101}}, (400, "invalidTitle")),
        ({"snippet": {"title": "a < b"}}, (400, "invalidTitle")),
        ({"snippet": {"description": "é" * 2501}}, (400, "invalidDescription")),
        ({"snippet": {"description": "a > b"}}, (400, "invalidDescription")),
        ({"snippet": {"tags": ["a b", "c" * 495]}}, (400, "invalidTags")),
        ({"snippet": {"categoryId": "999"}}, (400, "invalidCategoryId")),
        ({"snippet": {"mood": "glad"}}, (400, "badRequest")),
        ({"status": {"privacyStatus": "secret"}}, (400, "badRequest")),
        ({"status": {"license": "mine"}}, (403, "forbiddenLicenseSetting")),
        ({"status": {"publishAt": "2030-01-01T00:00:00Z"}}, (400, "invalidPublishAt")),
        (
            {"status": {"publishAt": "soon", "privacyStatus": "private"}},
            (400, "invalidPublishAt"),
        ),
        ({"headers": {"X-Upload-Content-Type": "image/png"}}, (400, "badContent")),
        ({"size": 256 * 1024**3 + 1}, (413, "uploadTooLarge")),
        ({"token": "nonsense"}, (401, "authError")),
        ({"token": None}, (401, "required")),
        ({"token": "demo-no-channel"}, (401, "youtubeSignupRequired")),
    ],
)
def test_a_session_that_may_not_start_says_why(
    play: Play, changes: dict[str, Any], expected: tuple[int, str]
) -> None:
    async def story(c: Client) -> None:
        reply = await start(c, **changes)
        assert reason(reply) == expected
        assert "Location" not in reply.headers

    play(story)


def test_parts_must_be_named_and_known(play: Play) -> None:
    async def story(c: Client) -> None:
        for query, why in (("", "missingRequiredParameter"), ("part=soul", "unknownPart")):
            reply = await c.call("GET", f"{API}/videos?id=a&{query}")
            assert reason(reply) == (400, why)
        reply = await c.call("GET", f"{API}/videos?part=id")
        assert reason(reply) == (400, "missingRequiredParameter")
        reply = await c.call("GET", f"{API}/videos?part=id&id={','.join('a' * 51)}")
        assert reason(reply) == (400, "invalidParameter")

    play(story)


def test_private_videos_are_their_owners_alone_until_their_moment(play: Play) -> None:
    async def story(c: Client) -> None:
        moment = datetime.fromtimestamp(c.clock() + 3600, UTC).isoformat()
        video_id = await publish(c, status={"privacyStatus": "private", "publishAt": moment})
        path = f"{API}/videos?part=status&id={video_id}"
        assert (await c.call("GET", path, token="demo-eve")).json["items"] == []
        assert (await video(c, video_id))["status"]["privacyStatus"] == "private"
        c.clock.advance(3601)
        status = (await video(c, video_id, token="demo-eve"))["status"]
        assert (status["privacyStatus"], "publishAt" in status) == ("public", False)

    play(story)


def test_a_project_without_an_audit_uploads_privately(play: Play) -> None:
    async def story(c: Client) -> None:
        video_id = await publish(c, token="demo-unaudited-ada")
        found = await video(c, video_id, token="demo-unaudited-ada")
        assert found["status"]["privacyStatus"] == "private"

    play(story)


def test_uploads_are_listed_newest_first(play: Play) -> None:
    async def story(c: Client) -> None:
        ids = [await publish(c, f"n {n}") for n in range(3)]
        page = await uploads(c, maxResults=2)
        assert [item["contentDetails"]["videoId"] for item in page["items"]] == ids[:0:-1]
        rest = await uploads(c, maxResults=2, pageToken=page["nextPageToken"])
        assert [item["contentDetails"]["videoId"] for item in rest["items"]] == ids[:1]
        at = datetime.fromisoformat(rest["items"][0]["contentDetails"]["videoPublishedAt"])
        assert abs((datetime.now(UTC) - at).total_seconds()) < 5
        await c.switch("youtube", find_lag_ms=60_000)
        assert (await uploads(c))["items"] == []
        path = f"{API}/playlistItems?part=id&playlistId=UUnobody"
        assert reason(await c.call("GET", path)) == (404, "playlistNotFound")

    play(story)


def test_the_channel_and_its_uploads_have_ids_of_one_kind(play: Play) -> None:
    async def story(c: Client) -> None:
        mine = await channel(c)
        assert mine["id"].startswith("UC")
        assert len(mine["id"]) == 24
        playlists = mine["contentDetails"]["relatedPlaylists"]
        assert playlists["uploads"] == "UU" + mine["id"][2:]
        path = f"{API}/channels?part=id&mine=true"
        assert (await c.call("GET", path, token="demo-no-channel")).json["items"] == []

    play(story)


def test_changing_replaces_whole_parts(play: Play) -> None:
    async def story(c: Client) -> None:
        video_id = await publish(c, snippet={"tags": ["recap"]})
        body = {"id": video_id, "snippet": {"title": "New title", "categoryId": "28"}}
        path = f"{API}/videos?part=snippet"
        assert (await c.call("PUT", path, json=body)).status == 200
        snippet = (await video(c, video_id))["snippet"]
        assert (snippet["title"], snippet["description"], "tags" in snippet) == (
            "New title", "", False,
        )  # fmt: skip
        del body["snippet"]["categoryId"]  # type: ignore[attr-defined]
        assert reason(await c.call("PUT", path, json=body)) == (400, "invalidCategoryId")
        assert (await c.call("PUT", path, json=body, token="demo-eve")).status == 403

    play(story)


def test_deleting_is_204_once(play: Play) -> None:
    async def story(c: Client) -> None:
        video_id = await publish(c)
        path = f"{API}/videos?id={video_id}"
        assert reason(await c.call("DELETE", path, token="demo-eve")) == (403, "forbidden")
        gone = await c.call("DELETE", path)
        assert (gone.status, gone.text) == (204, "")
        assert reason(await c.call("DELETE", path)) == (404, "videoNotFound")
        assert (await uploads(c))["items"] == []
        assert (await c.stats("youtube"))["deleted"] == 1

    play(story)


def test_thumbnails_are_pictures(play: Play) -> None:
    async def story(c: Client) -> None:
        path = f"{UPLOAD}/thumbnails/set?videoId={await publish(c)}"
        for body, why in ((b"", "mediaBodyRequired"), (b"GIF89a", "invalidImage")):
            assert reason(await c.call("POST", path, data=body)) == (400, why)
        reply = await c.call("POST", path, data=c.png)
        (item,) = reply.json["items"]
        raw = await c.session.get(item["default"]["url"])
        assert await raw.read() == c.png
        assert reason(await c.call("POST", f"{path}x", data=c.png)) == (404, "videoNotFound")

    play(story)


def test_comments_stand_below_public_videos(play: Play) -> None:
    async def story(c: Client) -> None:
        video_id = await publish(c)

        def thread(video_id: str, text: str) -> dict[str, Any]:
            top = {"snippet": {"textOriginal": text}}
            return {"snippet": {"videoId": video_id, "topLevelComment": top}}

        path = f"{API}/commentThreads?part=snippet"
        reply = await c.call("POST", path, json=thread(video_id, "First!"))
        assert reply.status == 200
        top = reply.json["snippet"]["topLevelComment"]
        assert top["snippet"]["textOriginal"] == "First!"
        answer = {"snippet": {"parentId": reply.json["id"], "textOriginal": "Thanks"}}
        answered = await c.call("POST", f"{API}/comments?part=snippet", json=answer)
        assert answered.json["id"].startswith(reply.json["id"] + ".")
        listed = (await c.call("GET", f"{path}&videoId={video_id}")).json["items"]
        assert [item["id"] for item in listed] == [reply.json["id"]]
        empty = await c.call("POST", path, json=thread(video_id, " "))
        assert reason(empty) == (400, "commentTextRequired")
        hidden = await publish(c, status={"privacyStatus": "private"})
        closed = await c.call("POST", path, json=thread(hidden, "Hello"))
        assert reason(closed) == (403, "commentsDisabled")
        nowhere = await c.call("POST", path, json=thread("nothing", "Hello"))
        assert reason(nowhere) == (404, "videoNotFound")
        deleted = await c.call("DELETE", f"{API}/comments?id={reply.json['id']}")
        assert deleted.status == 204

    play(story)


def test_videos_are_added_to_playlists(play: Play) -> None:
    async def story(c: Client) -> None:
        body: dict[str, Any] = {"snippet": {"title": "Recaps"}}
        made = await c.call("POST", f"{API}/playlists?part=snippet,status", json=body)
        listed = (await c.call("GET", f"{API}/playlists?part=snippet&mine=true")).json["items"]
        assert [item["id"] for item in listed] == [made.json["id"]]
        resource = {"kind": "youtube#video", "videoId": await publish(c)}
        body = {"snippet": {"playlistId": made.json["id"], "resourceId": resource}}
        path = f"{API}/playlistItems?part=snippet"
        assert (await c.call("POST", path, json=body)).status == 200
        (item,) = (await c.call("GET", f"{path}&playlistId={made.json['id']}")).json["items"]
        assert item["snippet"]["resourceId"] == resource
        body["snippet"]["playlistId"] = "PLnone"
        assert reason(await c.call("POST", path, json=body)) == (404, "playlistNotFound")

    play(story)


def test_counters_are_strings_that_grow(play: Play) -> None:
    async def story(c: Client) -> None:
        video_id = await publish(c)
        assert (await video(c, video_id))["statistics"]["viewCount"] == "0"
        c.clock.advance(3600)
        assert int((await video(c, video_id))["statistics"]["viewCount"]) > 0

    play(story)


def test_reports_end_two_days_ago(play: Play) -> None:
    async def story(c: Client) -> None:
        video_id = await publish(c)
        today = datetime.now(UTC).date()
        query = {
            "ids": "channel==MINE",
            "startDate": (today - timedelta(days=1)).isoformat(),
            "endDate": (today + timedelta(days=30)).isoformat(),
            "metrics": "views,likes",
            "filters": f"video=={video_id}",
            "dimensions": "day",
        }

        async def report(**changes: str) -> Any:
            path = f"/youtube/v2/reports?{urlencode({**query, **changes})}"
            return (await c.call("GET", path)).json

        assert (await report())["rows"] == []
        c.clock.advance(5 * 86_400)
        table = await report()
        assert [header["name"] for header in table["columnHeaders"]] == ["day", "views", "likes"]
        in_all = (await report(dimensions=""))["rows"][0]
        assert in_all[0] == sum(row[1] for row in table["rows"]) > 0
        assert (await report(dimensions="video"))["rows"] == [[video_id, *in_all]]
        assert (await report(metrics="fame"))["error"]["code"] == 400

    play(story)


def test_the_days_uploads_are_the_projects_and_end_at_midnight_in_california(play: Play) -> None:
    async def story(c: Client) -> None:
        replies = [await start(c, token=f"demo-u{n % 7}") for n in range(100)]
        assert {reply.status for reply in replies} == {200}
        refused = await start(c, token="demo-eve")
        assert reason(refused) == (403, "quotaExceeded")
        assert refused.json["error"]["errors"][0]["domain"] == "youtube.quota"
        assert (await c.call("GET", f"{API}/videos?part=id&id=a")).status == 200
        c.clock.advance(25 * 3600)
        assert (await start(c, token="demo-eve")).status == 200

    play(story)


def test_everything_else_costs_units(play: Play) -> None:
    async def story(c: Client) -> None:
        path = f"{API}/videos?id=none"
        replies = await asyncio.gather(*(c.call("DELETE", path) for _ in range(200)))
        assert {reply.status for reply in replies} == {404}
        assert reason(await c.call("DELETE", path)) == (403, "quotaExceeded")
        assert (await start(c)).status == 200  # a bucket of its own
        await c.switch(None, on="all", rate={"limit": 1_000_000})
        assert (await c.call("DELETE", path)).status == 404

    play(story)


def test_a_channel_takes_fifty_videos_a_day(play: Play) -> None:
    async def story(c: Client) -> None:
        for n in range(50):
            await publish(c, f"n {n}")
        assert reason(await start(c)) == (400, "uploadLimitExceeded")
        c.clock.advance(86_401)
        assert (await start(c)).status == 200

    play(story)


def test_bursts_are_rate_limited_without_headers(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("youtube", on="media", rate={"limit": 1})
        assert (await start(c)).status == 200
        refused = await start(c)
        assert reason(refused) == (429, "rateLimitExceeded")
        assert not [name for name in refused.headers if "limit" in name.lower()]

    play(story)


def test_scopes_open_only_their_doors(play: Play) -> None:
    async def story(c: Client) -> None:
        order = {"network": "youtube", "account": "ada", "action": "issue"}
        body = {**order, "scopes": [f"{AUTH}youtube.upload"]}
        issued = await c.call("POST", "/_control/tokens", token=None, json=body)
        token = issued.json["access_token"]
        assert (await start(c, token=token)).status == 200
        for path in ("videos?part=id&id=a", "channels?part=id&mine=true"):
            reply = await c.call("GET", f"{API}/{path}", token=token)
            assert reason(reply) == (403, "insufficientPermissions")
            (detail,) = reply.json["error"]["details"]
            assert detail["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"

    play(story)


async def agree(c: Client, **changes: str) -> str:
    """Allow everything on the consent page; the code."""
    request = {
        "response_type": "code",
        "client_id": "sandbox-client",
        "redirect_uri": BACK,
        "scope": f"{AUTH}youtube.upload {AUTH}youtube.readonly",
        **changes,
    }
    path = f"/youtube/o/oauth2/v2/auth?{urlencode(request)}"
    form = [("decision", "allow"), ("account", "ada"), ("scope", f"{AUTH}youtube.readonly")]
    reply = await c.call("POST", path, token=None, data=form, allow_redirects=False)
    return dict(parse_qsl(urlsplit(reply.headers["Location"]).query))["code"]


async def redeem(c: Client, grant_type: str = "authorization_code", **fields: str) -> Reply:
    form = {
        "grant_type": grant_type,
        "client_id": "sandbox-client",
        "client_secret": "sandbox-client-secret",
        "redirect_uri": BACK,
        **fields,
    }
    return await c.call("POST", "/youtube/token", token=None, data=form)


def test_a_refresh_token_comes_first_or_when_consent_is_asked_for(play: Play) -> None:
    async def story(c: Client) -> None:
        offline = {"access_type": "offline"}
        assert "refresh_token" not in (await redeem(c, code=await agree(c))).json
        again = await redeem(c, code=await agree(c, **offline))
        assert "refresh_token" not in again.json
        tokens = (await redeem(c, code=await agree(c, **offline, prompt="consent"))).json
        assert tokens["refresh_token"]
        assert tokens["scope"] == f"{AUTH}youtube.readonly"  # the other box was not ticked
        assert tokens["expires_in"] == 3599
        path = f"{API}/channels?part=id&mine=true"
        assert (await c.call("GET", path, token=tokens["access_token"])).status == 200
        c.clock.advance(3600)
        dead = await c.call("GET", path, token=tokens["access_token"])
        assert reason(dead) == (401, "authError")

    play(story)


def test_refreshing_keeps_the_refresh_token_until_it_is_revoked(play: Play) -> None:
    async def story(c: Client) -> None:
        for _ in range(2):
            fresh = await redeem(c, "refresh_token", refresh_token="refresh-ada")
            assert "refresh_token" not in fresh.json
            path = f"{API}/channels?part=id&mine=true"
            token = fresh.json["access_token"]
            assert (await c.call("GET", path, token=token)).status == 200
        revoke = "/youtube/revoke?token=refresh-ada"
        assert (await c.call("POST", revoke, token=None)).status == 200
        assert (await c.call("GET", path, token=token)).status == 401
        dead = await redeem(c, "refresh_token", refresh_token="refresh-ada")
        assert (dead.status, dead.json["error"]) == (400, "invalid_grant")
        unknown = await c.call("POST", "/youtube/revoke?token=nonsense", token=None)
        assert (unknown.status, unknown.json["error"]) == (400, "invalid_token")

    play(story)


def test_refusals_of_the_token_service(play: Play) -> None:
    async def story(c: Client) -> None:
        code = await agree(c)
        moved = await redeem(c, code=code, redirect_uri=f"{BACK}/")
        assert (moved.status, moved.json["error"]) == (400, "redirect_uri_mismatch")
        for secret, client_id in (("no", "sandbox-client"), ("no", "nobody")):
            stranger = await redeem(c, code=code, client_id=client_id, client_secret=secret)
            assert (stranger.status, stranger.json["error"]) == (401, "invalid_client")
        assert (await redeem(c, code=code)).status == 200
        assert (await redeem(c, code=code)).json["error"] == "invalid_grant"

    play(story)
