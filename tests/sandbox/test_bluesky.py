"""Bluesky's imitation answers as the AT Protocol's lexicons and its PDS say."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from sandbox.bluesky.cids import NotData, of_record
from tests.sandbox.conftest import ADA, Client, Play, Reply

XRPC = "/bluesky/xrpc"
POST = "app.bsky.feed.post"
RKEY = "3n2ucocuc22k7"
AT = "2026-11-22T09:00:00.000Z"


async def sign_in(c: Client, name: str = "ada", password: str | None = None) -> Reply:
    body = {"identifier": f"{name}.bsky.social", "password": password or f"app-{name}"}
    path = f"{XRPC}/com.atproto.server.createSession"
    return await c.call("POST", path, token=None, json=body)


async def refresh(c: Client, token: str, **options: Any) -> Reply:
    path = f"{XRPC}/com.atproto.server.refreshSession"
    return await c.call("POST", path, token=token, **options)


async def me(c: Client, token: str = ADA) -> Reply:
    return await c.call("GET", f"{XRPC}/com.atproto.server.getSession", token=token)


async def did(c: Client, name: str = "ada") -> str:
    return (await me(c, f"demo-{name}")).json["did"]


async def put(c: Client, text: str = "Hello", rkey: str = RKEY, **more: Any) -> Reply:
    """Put a post; `method`, `token`, `body` and record fields may be given."""
    method, token = more.pop("method", "putRecord"), more.pop("token", "demo-ada")
    collection, extra = more.pop("collection", POST), more.pop("body", {})
    headers = more.pop("headers", {})
    record = {"$type": collection, "text": text, "createdAt": AT, **more}
    repo = (await me(c, token)).json["did"]
    body = {"repo": repo, "collection": collection, "rkey": rkey, "validate": True, **extra}
    path = f"{XRPC}/com.atproto.repo.{method}"
    body["record"] = record
    return await c.call("POST", path, token=token, json=body, headers=headers)


async def upload(c: Client, data: bytes, mime_type: str = "image/png") -> Reply:
    path = f"{XRPC}/com.atproto.repo.uploadBlob"
    return await c.call("POST", path, data=data, headers={"Content-Type": mime_type})


async def service_token(c: Client, **query: Any) -> str:
    query = {"aud": "did:web:127.0.0.1", "lxm": "com.atproto.repo.uploadBlob", **query}
    asked = "&".join(f"{k}={quote(str(v))}" for k, v in query.items())
    reply = await c.call("GET", f"{XRPC}/com.atproto.server.getServiceAuth?{asked}")
    return reply.json["token"]


async def upload_video(c: Client, data: bytes = b"\0\0\0\x18ftypmp42", token: str = "") -> Reply:
    path = f"{XRPC}/app.bsky.video.uploadVideo?did={await did(c)}&name=a.mp4"
    token = token or await service_token(c)
    return await c.call("POST", path, token=token, data=data, headers={"Content-Type": "video/mp4"})


async def job(c: Client, job_id: str) -> Any:
    path = f"{XRPC}/app.bsky.video.getJobStatus?jobId={job_id}"
    return (await c.call("GET", path, token=None)).json["jobStatus"]


def images(blob: Any, alt: str = "A chart") -> dict[str, Any]:
    return {"$type": "app.bsky.embed.images", "images": [{"alt": alt, "image": blob}]}


def claims(token: str) -> Any:
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def test_an_app_password_opens_a_session_whose_tokens_tell_their_end(play: Play) -> None:
    async def story(c: Client) -> None:
        session = (await sign_in(c)).json
        assert session["handle"] == "ada.bsky.social"
        assert session["did"].startswith("did:plc:")
        assert session["didDoc"]["service"][0]["serviceEndpoint"] == f"{c.url}/bluesky"
        assert claims(session["accessJwt"])["exp"] - c.clock() == pytest.approx(7200, abs=5)
        assert claims(session["refreshJwt"])["exp"] - c.clock() == pytest.approx(7_776_000, abs=5)
        shown = (await me(c, session["accessJwt"])).json
        assert (shown["did"], shown["active"]) == (session["did"], True)
        assert (await me(c)).json["did"] == session["did"]
        document = await c.call("GET", f"/bluesky/{session['did']}", token=None)
        assert document.json == session["didDoc"]

    play(story)


def test_wrong_and_removed_app_passwords_are_401_and_the_main_one_asks_for_a_code(
    play: Play,
) -> None:
    async def story(c: Client) -> None:
        wrong = await sign_in(c, password="nonsense")
        assert (wrong.status, wrong.json["error"]) == (401, "AuthenticationRequired")
        main = await sign_in(c, password="main-ada")
        assert (main.status, main.json["error"]) == (401, "AuthFactorTokenRequired")
        assert (await sign_in(c, name="nobody")).status == 401
        removed = {"network": "bluesky", "token": "app-ada", "action": "revoke"}
        await c.call("POST", "/_control/tokens", token=None, json=removed)
        assert (await sign_in(c)).json["error"] == "AuthenticationRequired"

    play(story)


def test_an_expired_access_token_is_a_400(play: Play) -> None:
    async def story(c: Client) -> None:
        token = (await sign_in(c)).json["accessJwt"]
        c.clock.advance(7100)
        assert (await me(c, token)).status == 200
        c.clock.advance(200)
        expired = await me(c, token)
        assert (expired.status, expired.json["error"]) == (400, "ExpiredToken")
        bad = await me(c, "nonsense")
        assert (bad.status, bad.json["error"]) == (400, "InvalidToken")
        none = await c.call("GET", f"{XRPC}/com.atproto.server.getSession", token=None)
        assert (none.status, none.json["error"]) == (401, "AuthMissing")

    play(story)


def test_a_rotated_refresh_token_gives_the_same_successor_for_two_hours(play: Play) -> None:
    async def story(c: Client) -> None:
        first = (await sign_in(c)).json["refreshJwt"]
        second = (await refresh(c, first)).json
        assert second["refreshJwt"] != first
        assert (await me(c, second["accessJwt"])).status == 200
        c.clock.advance(7190)
        again = await refresh(c, first)
        assert (again.status, again.json["refreshJwt"]) == (200, second["refreshJwt"])
        c.clock.advance(20)
        late = await refresh(c, first)
        assert (late.status, late.json["error"]) == (400, "ExpiredToken")
        assert (await refresh(c, second["refreshJwt"])).status == 200

    play(story)


def test_refreshing_takes_no_body_and_no_access_token(play: Play) -> None:
    async def story(c: Client) -> None:
        assert (await refresh(c, "refresh-ada")).json["handle"] == "ada.bsky.social"
        body = await refresh(c, "refresh-eve", json={})
        assert (body.status, body.json["error"]) == (400, "InvalidRequest")
        access = await refresh(c, (await sign_in(c)).json["accessJwt"])
        assert (access.status, access.json["error"]) == (400, "InvalidToken")

    play(story)


def test_a_deleted_session_cannot_be_refreshed(play: Play) -> None:
    async def story(c: Client) -> None:
        session = (await sign_in(c)).json
        path = f"{XRPC}/com.atproto.server.deleteSession"
        gone = await c.call("POST", path, token=session["refreshJwt"])
        assert (gone.status, gone.text) == (200, "")
        assert (await refresh(c, session["refreshJwt"])).json["error"] == "ExpiredToken"
        assert (await me(c, session["accessJwt"])).status == 200

    play(story)


def test_thirty_sessions_in_five_minutes_are_the_most(play: Play) -> None:
    async def story(c: Client) -> None:
        for _ in range(30):
            assert (await sign_in(c)).status == 200
        refused = await sign_in(c)
        assert (refused.status, refused.json["error"]) == (429, "RateLimitExceeded")
        assert refused.headers["RateLimit-Policy"] == "30;w=300"
        assert 0 < int(refused.headers["Retry-After"]) <= 300
        assert (await sign_in(c, name="eve")).status == 200
        c.clock.advance(301)
        assert (await sign_in(c)).status == 200

    play(story)


def test_handles_resolve_to_dids(play: Play) -> None:
    async def story(c: Client) -> None:
        path = f"{XRPC}/com.atproto.identity.resolveHandle?handle="
        found = await c.call("GET", f"{path}eve.bsky.social", token=None)
        assert found.json == {"did": await did(c, "eve")}
        for handle in ("nobody.bsky.social", "ada.example.org"):
            lost = await c.call("GET", path + handle, token=None)
            assert (lost.status, lost.json["message"]) == (400, "Unable to resolve handle")

    play(story)


def test_blob_cids_come_from_the_bytes_and_the_type_too(play: Play) -> None:
    async def story(c: Client) -> None:
        blob = (await upload(c, b"hello", "text/plain")).json["blob"]
        known = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
        assert blob == {
            "$type": "blob",
            "ref": {"$link": known},
            "mimeType": "text/plain",
            "size": 5,
        }
        assert (await upload(c, c.png, "image/jpeg")).json["blob"]["mimeType"] == "image/png"
        assert (await upload(c, b"")).status == 400

    play(story)


def test_record_cids_are_those_of_the_protocols_own_test_files() -> None:
    link = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
    picture = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"
    record = {
        "a": {"$link": link},
        "b": {"$bytes": "nFERjvLLiw9qm45JrqH9QTzyC2Lu1Xb4ne6+sBrCzI0"},
        "c": {"$type": "blob", "ref": {"$link": picture}, "mimeType": "image/jpeg", "size": 10000},
    }
    assert of_record(record) == "bafyreihldkhcwijkde7gx4rpkkuw7pl6lbyu5gieunyc7ihactn5bkd2nm"
    assert of_record({}) == "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua"
    with pytest.raises(NotData):
        of_record({"half": 0.5})


def test_a_record_with_an_image_is_published_with_its_alt_text(play: Play) -> None:
    async def story(c: Client) -> None:
        blob = (await upload(c, c.png)).json["blob"]
        reply = await put(c, "see", embed=images(blob))
        assert reply.status == 200
        answer = reply.json
        assert answer["uri"] == f"at://{await did(c)}/{POST}/{RKEY}"
        assert answer["cid"].startswith("bafyrei")
        assert answer["validationStatus"] == "valid"
        assert answer["commit"]["cid"].startswith("bafyrei")
        shown = (await c.stats("bluesky"))["posts"][0]["media"][0]
        assert (shown["alt_text"], shown["bytes"]) == ("A chart", len(c.png))
        raw = await c.session.get(f"{c.url}/_media/bluesky/{shown['id']}")
        assert await raw.read() == c.png

    play(story)


def test_the_same_record_again_is_a_success_without_a_commit(play: Play) -> None:
    async def story(c: Client) -> None:
        first = (await put(c, body={"swapRecord": None})).json
        again = await put(c, body={"swapRecord": None})
        assert again.status == 200
        assert again.json == {k: first[k] for k in ("uri", "cid", "validationStatus")}
        assert (await c.stats("bluesky"))["count"] == 1

    play(story)


def test_another_record_under_a_used_key_is_an_invalid_swap(play: Play) -> None:
    async def story(c: Client) -> None:
        first = (await put(c, body={"swapRecord": None})).json
        other = await put(c, "Other", body={"swapRecord": None})
        assert (other.status, other.json["error"]) == (400, "InvalidSwap")
        assert first["cid"] in other.json["message"]
        edited = await put(c, "Other", body={"swapRecord": first["cid"]})
        assert edited.status == 200
        stats = await c.stats("bluesky")
        assert [p["text"] for p in stats["posts"]] == ["Other"]
        assert (stats["count"], stats["deleted"]) == (1, 0)

    play(story)


def test_creating_under_a_used_key_is_a_500(play: Play) -> None:
    async def story(c: Client) -> None:
        assert (await put(c, method="createRecord")).status == 200
        again = await put(c, method="createRecord")
        assert (again.status, again.json["error"]) == (500, "InternalServerError")
        assert (await c.stats("bluesky"))["count"] == 1

    play(story)


def test_writes_are_applied_all_or_none(play: Play) -> None:
    async def story(c: Client) -> None:
        did = (await me(c, "demo-ada")).json["did"]
        create = {"$type": "com.atproto.repo.applyWrites#create", "rkey": RKEY}
        post = {"$type": POST, "text": "Hello", "createdAt": AT}
        kind = "app.bsky.feed.threadgate"
        uri = f"at://{did}/{POST}/{RKEY}"
        gate = {"$type": kind, "post": uri, "allow": [], "createdAt": AT}

        async def apply(*writes: dict[str, Any]) -> Reply:
            body = {"repo": did, "validate": True, "writes": list(writes)}
            return await c.call("POST", f"{XRPC}/com.atproto.repo.applyWrites", json=body)

        both = (
            {**create, "collection": POST, "value": post},
            {**create, "collection": kind, "value": gate},
        )
        bad = await apply(both[0], {**both[1], "value": {**gate, "post": "at://elsewhere/x/y"}})
        assert bad.status == 400
        assert (await c.stats("bluesky")).get("count", 0) == 0
        done = await apply(*both)
        assert done.json["results"][0]["uri"] == uri
        assert (await apply(*both)).status == 500
        assert (await c.stats("bluesky"))["count"] == 1
        assert (await apply()).status == 400

    play(story)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"text": "é" * 301}, "Record/text must not be longer than 300 graphemes"),
        ({"text": "👨‍👩‍👧‍👦" * 150}, "Record/text must not be longer than 3000 characters"),
        ({"createdAt": "2026-11-22 09:00"}, "Record/createdAt must be a valid atproto datetime"),
        ({"langs": ["de", "en", "fr", "it"]}, "Record/langs must not have more than 3 elements"),
        ({"tags": ["a" * 65]}, "Record/tags/0 must not be longer than 64 graphemes"),
        ({"reply": None}, "Record/reply must be an object"),
        ({"embed": {"$type": "app.bsky.embed.images", "images": [{}]}}, 'the property "image"'),
        ({"embed": {"images": []}}, 'which includes the "$type" property'),
    ],
)
def test_records_that_break_their_lexicon_are_400_with_the_reason(
    play: Play, fields: dict[str, Any], reason: str
) -> None:
    async def story(c: Client) -> None:
        reply = await put(c, **fields)
        assert (reply.status, reply.json["error"]) == (400, "InvalidRequest")
        assert reply.json["message"].startswith(f"Invalid {POST} record: ")
        assert reason in reply.json["message"]
        assert (await c.stats("bluesky"))["count"] == 0

    play(story)


def test_the_limits_themselves_are_allowed(play: Play) -> None:
    async def story(c: Client) -> None:
        assert (await put(c, "👩‍🚀" * 272)).status == 200
        assert (await put(c, "a" * 300, rkey="3n2ucocuc22ka")).status == 200

    play(story)


@pytest.mark.parametrize(("start", "end", "status"), [(21, 42, 200), (21, 43, 400), (6, 42, 400)])
def test_facets_count_bytes_and_cut_no_character(
    play: Play, start: int, end: int, status: int
) -> None:
    async def story(c: Client) -> None:
        link = {"$type": "app.bsky.richtext.facet#link", "uri": "https://example.org/x"}
        facet = {"index": {"byteStart": start, "byteEnd": end}, "features": [link]}
        reply = await put(c, "Olá 👩‍🚀 see https://example.org/x", facets=[facet])
        assert reply.status == status

    play(story)


@pytest.mark.parametrize("rkey", ["mine", "3n2ucocuc22k", "zn2ucocuc22k7"])
def test_the_key_of_a_post_is_a_tid(play: Play, rkey: str) -> None:
    async def story(c: Client) -> None:
        reply = await put(c, rkey=rkey)
        assert reply.status == 400
        assert "expected a tid" in reply.json["message"]

    play(story)


def test_blobs_that_no_record_uses_are_forgotten_and_come_back_with_the_same_cid(
    play: Play,
) -> None:
    async def story(c: Client) -> None:
        await c.switch("bluesky", handle_life_ms=5000)
        blob = (await upload(c, c.png)).json["blob"]
        c.clock.advance(6)
        lost = await put(c, embed=images(blob))
        assert (lost.status, lost.json["error"]) == (400, "BlobNotFound")
        assert blob["ref"]["$link"] in lost.json["message"]
        assert (await upload(c, c.png)).json["blob"] == blob
        assert (await put(c, embed=images(blob))).status == 200
        c.clock.advance(3600)
        assert (await put(c, rkey="3n2ucocuc22ka", embed=images(blob))).status == 200

    play(story)


def test_a_blob_is_what_its_reference_says_and_ones_own(play: Play) -> None:
    async def story(c: Client) -> None:
        blob = (await upload(c, c.png)).json["blob"]
        size = await put(c, embed=images({**blob, "size": 1}))
        assert size.json["error"] == "InvalidSize"
        kind = await put(c, embed=images({**blob, "mimeType": "image/gif"}))
        assert kind.json["error"] == "InvalidMimeType"
        foreign = await put(c, token="demo-eve", embed=images(blob))
        assert foreign.json["error"] == "BlobNotFound"
        too_big = await put(c, embed=images({**blob, "size": 2_000_001}))
        assert "is too big" in too_big.json["message"]

    play(story)


def test_replies_name_their_parent_and_root_as_they_are(play: Play) -> None:
    async def story(c: Client) -> None:
        root = {k: (await put(c)).json[k] for k in ("uri", "cid")}
        reply = {"root": root, "parent": root}
        child = await put(c, "two", rkey="3n2ucocuc22ka", reply=reply)
        assert child.status == 200
        wrong = {**root, "cid": child.json["cid"]}
        lost = await put(c, "x", rkey="3n2ucocuc22kb", reply={"root": root, "parent": wrong})
        assert lost.status == 400
        parent = {k: child.json[k] for k in ("uri", "cid")}
        bad_root = {"root": parent, "parent": parent}
        assert (await put(c, "three", rkey="3n2ucocuc22kc", reply=bad_root)).status == 400
        thread = {"root": root, "parent": parent}
        assert (await put(c, "three", rkey="3n2ucocuc22kc", reply=thread)).status == 200
        assert (await c.stats("bluesky"))["posts"][1]["reply_to"] == root["uri"]

    play(story)


def test_a_threadgate_has_the_key_of_its_post(play: Play) -> None:
    async def story(c: Client) -> None:
        uri = (await put(c)).json["uri"]
        kind, allow = (
            "app.bsky.feed.threadgate",
            [{"$type": "app.bsky.feed.threadgate#mentionRule"}],
        )
        gate = await put(c, collection=kind, post=uri, allow=allow)
        assert gate.status == 200
        other = await put(c, rkey="3n2ucocuc22ka", collection=kind, post=uri)
        assert other.status == 400
        assert (await c.stats("bluesky"))["count"] == 1

    play(story)


def test_records_are_read_by_anyone_until_they_are_deleted(play: Play) -> None:
    async def story(c: Client) -> None:
        written = (await put(c)).json
        path = f"repo={await did(c)}&collection={POST}&rkey={RKEY}"
        url = f"{XRPC}/com.atproto.repo.getRecord?{path}"
        read = (await c.call("GET", url, token=None)).json
        assert (read["uri"], read["cid"]) == (written["uri"], written["cid"])
        assert read["value"]["text"] == "Hello"
        body = {"repo": await did(c), "collection": POST, "rkey": RKEY}
        delete = f"{XRPC}/com.atproto.repo.deleteRecord"
        assert "commit" in (await c.call("POST", delete, json=body)).json
        again = await c.call("POST", delete, json=body)
        assert (again.status, again.json) == (200, {})
        lost = await c.call("GET", url, token=None)
        assert (lost.status, lost.json["error"]) == (400, "RecordNotFound")
        assert (await c.stats("bluesky"))["deleted"] == 1
        assert (await put(c)).status == 200
        stats = await c.stats("bluesky")
        assert (stats["count"], stats["deleted"], len(stats["posts"])) == (1, 1, 2)

    play(story)


def test_only_ones_own_repository_takes_writes(play: Play) -> None:
    async def story(c: Client) -> None:
        foreign = await put(c, body={"repo": await did(c, "eve")})
        assert (foreign.status, foreign.json["error"]) == (401, "AuthenticationRequired")

    play(story)


def test_records_are_listed_newest_key_first_and_lag_when_told(play: Play) -> None:
    async def story(c: Client) -> None:
        keys = [f"3n2ucocuc22k{last}" for last in "7ab"]
        for rkey in keys:
            await put(c, rkey, rkey=rkey)
        url = f"{XRPC}/com.atproto.repo.listRecords?repo={await did(c)}&collection={POST}"

        async def listed(query: str = "") -> list[str]:
            found = (await c.call("GET", url + query, token=None)).json["records"]
            return [record["uri"].rpartition("/")[2] for record in found]

        assert await listed() == ["3n2ucocuc22kb", "3n2ucocuc22ka", "3n2ucocuc22k7"]
        assert await listed("&limit=2") == keys[:0:-1]
        assert await listed(f"&cursor={keys[1]}") == keys[:1]
        await c.switch("bluesky", find_lag_ms=5000)
        assert await listed() == []
        c.clock.advance(6)
        assert len(await listed()) == 3
        assert (await c.call("GET", f"{url}&limit=101")).status == 400

    play(story)


def test_the_appview_counts_what_grows_with_age(play: Play) -> None:
    async def story(c: Client) -> None:
        root = {k: (await put(c)).json[k] for k in ("uri", "cid")}
        await put(c, "two", rkey="3n2ucocuc22ka", reply={"root": root, "parent": root})
        missing = root["uri"].replace(RKEY, "3n2ucocuc22kz")
        url = f"{XRPC}/app.bsky.feed.getPosts?uris={quote(root['uri'])}&uris={quote(missing)}"
        (young,) = (await c.call("GET", url, token=None)).json["posts"]
        assert (young["uri"], young["replyCount"], young["likeCount"]) == (root["uri"], 1, 0)
        c.clock.advance(86_400)
        (old,) = (await c.call("GET", url, token=None)).json["posts"]
        assert old["likeCount"] > 10
        assert {"repostCount", "quoteCount", "bookmarkCount"} <= old.keys()
        actor = f"{XRPC}/app.bsky.actor.getProfile?actor="
        profile = (await c.call("GET", f"{actor}ada.bsky.social", token=None)).json
        assert (profile["postsCount"], profile["followersCount"] > 20) == (2, True)
        assert (await c.call("GET", f"{actor}ghost.bsky.social", token=None)).status == 400

    play(story)


def test_writes_cost_points_of_an_hour_told_in_epoch_seconds(play: Play) -> None:
    async def story(c: Client) -> None:
        first = (await put(c)).headers
        assert (first["RateLimit-Limit"], first["RateLimit-Remaining"]) == ("5000", "4998")
        assert first["RateLimit-Policy"] == "5000;w=3600"
        assert 3590 < int(first["RateLimit-Reset"]) - c.clock() <= 3600
        created = await put(c, method="createRecord", rkey="3n2ucocuc22ka")
        assert created.headers["RateLimit-Remaining"] == "4995"
        body = {"repo": await did(c), "collection": POST, "rkey": RKEY}
        gone = await c.call("POST", f"{XRPC}/com.atproto.repo.deleteRecord", json=body)
        assert gone.headers["RateLimit-Remaining"] == "4994"
        blob = await upload(c, c.png)
        assert blob.headers["RateLimit-Policy"] == "1000;w=86400"

    play(story)


def test_a_switched_rate_counts_calls_and_refuses_with_retry_after(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("bluesky", rate={"limit": 1, "window_s": 60})
        assert (await put(c)).headers["RateLimit-Remaining"] == "0"
        refused = await put(c)
        assert (refused.status, refused.json["error"]) == (429, "RateLimitExceeded")
        assert 0 < int(refused.headers["Retry-After"]) <= 60

    play(story)


def test_a_video_is_worked_on_and_then_used_in_a_record(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("bluesky", processing_ms=10_000)
        started = (await upload_video(c)).json
        assert started["state"] == "JOB_STATE_CREATED"
        c.clock.advance(5)
        working = await job(c, started["jobId"])
        assert working["state"] == "JOB_STATE_ENCODING"
        assert "blob" not in working
        c.clock.advance(6)
        done = await job(c, started["jobId"])
        assert done["state"] == "JOB_STATE_COMPLETED"
        again = await upload_video(c)
        assert (again.status, again.json["error"]) == (409, "already_exists")
        assert again.json["jobId"] == started["jobId"]
        embed = {"$type": "app.bsky.embed.video", "video": done["blob"], "alt": "A film"}
        assert (await put(c, "film", embed=embed)).status == 200
        shown = (await c.stats("bluesky"))["posts"][0]["media"][0]
        assert shown["alt_text"] == "A film"

    play(story)


def test_a_video_may_fail_with_a_code(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("bluesky", processing_ms=0, processing_fails="validation_failure")
        failed = await job(c, (await upload_video(c)).json["jobId"])
        assert failed["state"] == "JOB_STATE_FAILED"
        assert failed["failureCode"] == "validation_failure"
        unknown = f"{XRPC}/app.bsky.video.getJobStatus?jobId=none"
        assert (await c.call("GET", unknown, token=None)).status == 400

    play(story)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"aud": "did:web:elsewhere.example"}, "BadJwtAudience"),
        ({"lxm": "app.bsky.video.uploadVideo"}, "BadJwtLexiconMethod"),
    ],
)
def test_a_service_token_must_mean_this_server_and_this_method(
    play: Play, query: dict[str, Any], name: str
) -> None:
    async def story(c: Client) -> None:
        refused = await upload_video(c, token=await service_token(c, **query))
        assert (refused.status, refused.json["error"]) == (401, name)
        assert (await upload_video(c, token="demo-ada")).status == 401

    play(story)


def test_service_tokens_live_as_long_as_asked_but_no_hour(play: Play) -> None:
    async def story(c: Client) -> None:
        path = f"{XRPC}/com.atproto.server.getServiceAuth?aud=did:web:127.0.0.1&exp="
        far = await c.call("GET", f"{path}{int(c.clock()) + 3700}")
        assert (far.status, far.json["error"]) == (400, "BadExpiration")
        token = await service_token(c, exp=int(c.clock()) + 1800)
        c.clock.advance(1801)
        assert (await upload_video(c, token=token)).json["error"] == "JwtExpired"

    play(story)


def test_upload_limits_count_the_day_and_ask_for_a_confirmed_address(play: Play) -> None:
    async def story(c: Client) -> None:
        async def limits(token: str) -> Any:
            query = f"aud=did:web:video.bsky.app&lxm={lxm}"
            path = f"{XRPC}/com.atproto.server.getServiceAuth?{query}"
            service = (await c.call("GET", path, token=token)).json["token"]
            return (await c.call("GET", f"{XRPC}/{lxm}", token=service)).json

        lxm = "app.bsky.video.getUploadLimits"
        await upload_video(c)
        told = await limits("demo-ada")
        assert (told["canUpload"], told["remainingDailyVideos"]) == (True, 24)
        refused = await limits("demo-unverified-eve")
        assert (refused["canUpload"], refused["error"]) == (False, "unconfirmed_email")

    play(story)


def test_the_feed_page_knows_address_tags_and_link_card(play: Play) -> None:
    async def story(c: Client) -> None:
        card = {"uri": "https://example.org/x", "title": "X", "description": "All about it"}
        embed = {"$type": "app.bsky.embed.external", "external": card}
        await put(c, tags=["space"], embed=embed)
        (thread,) = (await c.call("GET", "/_feed.json", token=None)).json["threads"]
        shown = thread["posts"][0]
        assert shown["url"] == f"https://bsky.app/profile/{await did(c)}/post/{RKEY}"
        assert (shown["tags"], shown["link"]["url"]) == (["space"], card["uri"])

    play(story)


def test_lateness_is_known_from_the_header(play: Play) -> None:
    async def story(c: Client) -> None:
        await put(c, headers={"X-Carillon-Due-At": AT})
        assert (await c.stats("bluesky"))["posts"][0]["due_at"] is not None
        odd = await put(c, rkey="3n2ucocuc22ka", headers={"X-Carillon-Due-At": "tomorrow"})
        assert odd.status == 400

    play(story)
