"""LinkedIn's imitation answers as LinkedIn's reference says."""

from __future__ import annotations

import base64
import io
import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from yarl import URL

from tests.sandbox.assets import mp4
from tests.sandbox.conftest import ADA, Client, Play, Reply

API = "/linkedin/rest"
HEADERS = {"LinkedIn-Version": "202607", "X-Restli-Protocol-Version": "2.0.0"}
PDF = b"%PDF-1.7 one page"
VIDEO = b"\0\0\0\x18ftypmp42" + b"\0" * (4 * 1024 * 1024 + 100)
BACK = "http://127.0.0.1:9/back"
SELF_SERVE = ["openid", "profile", "email", "w_member_social"]


async def rest(c: Client, method: str, path: str, token: str = ADA, **options: Any) -> Reply:
    """Call with the path as it is: aiohttp would take the encoding of URNs away."""
    headers = {"Authorization": f"Bearer {token}", **HEADERS, **options.pop("headers", {})}
    url = URL(c.url + path, encoded=True)
    async with c.session.request(method, url, headers=headers, **options) as response:
        return Reply(response.status, response.headers, await response.text())


def encoded(urn: str) -> str:
    return quote(urn, safe="")


async def person(c: Client) -> str:
    sub = (await c.call("GET", "/linkedin/v2/userinfo")).json["sub"]
    return f"urn:li:person:{sub}"


async def organization(c: Client) -> str:
    path = f"{API}/organizationAcls?q=roleAssignee&role=ADMINISTRATOR&state=APPROVED"
    (entry,) = (await rest(c, "GET", path)).json["elements"]
    assert entry["roleAssignee"] == await person(c)
    return str(entry["organization"])


def post_body(author: str, commentary: str, **changes: Any) -> dict[str, Any]:
    return {
        "author": author,
        "commentary": commentary,
        "visibility": "PUBLIC",
        "distribution": {
            "feedDistribution": "MAIN_FEED",
            "targetEntities": [],
            "thirdPartyDistributionChannels": [],
        },
        "lifecycleState": "PUBLISHED",
        "isReshareDisabledByAuthor": False,
        **changes,
    }


async def share(c: Client, author: str, commentary: str, **changes: Any) -> Reply:
    options = {k: changes.pop(k) for k in ("token",) if k in changes}
    body = post_body(author, commentary, **changes)
    return await rest(c, "POST", f"{API}/posts", json=body, **options)


async def begin(c: Client, kind: str, owner: str, **fields: Any) -> Any:
    body = {"initializeUploadRequest": {"owner": owner, **fields}}
    reply = await rest(c, "POST", f"{API}/{kind}?action=initializeUpload", json=body)
    assert reply.status == 200, reply.text
    return reply.json["value"]


async def put(c: Client, url: str, data: bytes, token: str | None = ADA) -> Reply:
    assert url.startswith(f"{c.url}/linkedin/")
    return await c.call("PUT", url.removeprefix(c.url), token=token, data=io.BytesIO(data))


async def image(c: Client, owner: str, data: bytes | None = None) -> str:
    value = await begin(c, "images", owner)
    assert (await put(c, value["uploadUrl"], data or c.png)).status == 201
    return str(value["image"])


def test_a_post_is_201_without_a_body_and_with_its_urn_in_a_header(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await share(c, await person(c), "Version 2.4 \\(stable\\) is out #news")
        assert (reply.status, reply.text) == (201, "")
        assert reply.headers["x-restli-id"].startswith("urn:li:share:7")
        (post,) = (await c.stats("linkedin"))["posts"]
        assert post["id"] == reply.headers["x-restli-id"]
        assert post["text"] == "Version 2.4 (stable) is out #news"

    play(story)


@pytest.mark.parametrize(
    ("commentary", "seen"),
    [
        ("five (5) things", "five "),
        ("a_b", "a"),
        ("C# is sharp", "C"),
        ("#snake_case", "#snake"),
        ("#snake\\_case \\\\ \\#no", "#snake_case \\ #no"),
        ("go {hashtag|\\#|django} now", "go #django now"),
        ("by @[Ada \\(L\\)](urn:li:organization:1)!", "by Ada (L)!"),
        ("by @ada", "by "),
        ("back\\slash", "back"),
        ("<b>", ""),
        ("one | two", "one "),
        ("naïve 😀 text\nsecond line", "naïve 😀 text\nsecond line"),
    ],
)
def test_an_unescaped_reserved_character_ends_the_text_silently(
    play: Play, commentary: str, seen: str
) -> None:
    async def story(c: Client) -> None:
        assert (await share(c, await person(c), commentary)).status == 201
        (post,) = (await c.stats("linkedin"))["posts"]
        assert post["text"] == seen

    play(story)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"LinkedIn-Version": ""}, 400, "VERSION_MISSING"),
        ({"LinkedIn-Version": "202511"}, 426, "NONEXISTENT_VERSION"),
        ({"LinkedIn-Version": "209901"}, 426, "NONEXISTENT_VERSION"),
        ({"X-Restli-Protocol-Version": "1.0.0"}, 400, "ILLEGAL_ARGUMENT"),
        ({"Authorization": "Bearer nonsense"}, 401, "INVALID_ACCESS_TOKEN"),
        ({"Authorization": ""}, 401, "EMPTY_ACCESS_TOKEN"),
    ],
)
def test_headers_are_checked_before_anything_is_made(
    play: Play, headers: dict[str, str], status: int, code: str
) -> None:
    async def story(c: Client) -> None:
        body = post_body(await person(c), "a")
        reply = await rest(c, "POST", f"{API}/posts", json=body, headers=headers)
        assert (reply.status, reply.json["code"]) == (status, code)
        assert reply.headers["x-li-uuid"]
        assert (await c.stats("linkedin"))["count"] == 0

    play(story)


@pytest.mark.parametrize(
    ("action", "code", "service_code"),
    [("expire", "EXPIRED_ACCESS_TOKEN", 65602), ("revoke", "REVOKED_ACCESS_TOKEN", 65601)],
)
def test_dead_tokens_say_how_they_died(
    play: Play, action: str, code: str, service_code: int
) -> None:
    async def story(c: Client) -> None:
        body = {"network": "linkedin", "token": "demo-ada", "action": action}
        await c.call("POST", "/_control/tokens", token=None, json=body)
        reply = await c.call("GET", "/linkedin/v2/userinfo")
        assert reply.status == 401
        assert (reply.json["code"], reply.json["serviceErrorCode"]) == (code, service_code)

    play(story)


@pytest.mark.parametrize(
    ("changes", "status", "part"),
    [
        ({"visibility": "ALL"}, 422, "ERROR :: /visibility ::"),
        ({"lifecycleState": "DRAFT"}, 400, "only PUBLISHED"),
        ({"mood": "glad"}, 422, "unrecognized field found but not allowed"),
        ({"distribution": {}}, 422, "/distribution/feedDistribution"),
        ({"commentary": "x" * 3001}, 400, "exceed the maximum of 3000"),
        ({"commentary": " "}, 422, "must not be empty without content"),
        ({"author": "urn:li:member:1"}, 400, "author's URN"),
        ({"author": "urn:li:person:1"}, 403, "processing fields [/author]"),
        ({"author": "urn:li:organization:1"}, 403, "processing fields [/author]"),
        ({"content": {"media": {"id": "urn:li:image:1"}}}, 400, "Invalid URN urn:li:image:1"),
        ({"content": {"media": {}, "poll": {}}}, 422, "exactly one member"),
        ({"content": {"gallery": {}}}, 422, "unrecognized field"),
        ({"content": {"article": {"source": "https://a.example"}}}, 422, "article/title"),
        ({"content": {"article": {"source": "ftp://a", "title": "A"}}}, 400, "Invalid URL"),
        ({"content": {"multiImage": {"images": []}}}, 400, "2 to 20 images"),
        ({"content": {"poll": {"question": "?", "options": [{"text": "a"}]}}}, 400, "two to four"),
        ({"reshareContext": {"parent": "urn:li:share:1"}}, 400, "Invalid URN urn:li:share:1"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    play: Play, changes: dict[str, Any], status: int, part: str
) -> None:
    async def story(c: Client) -> None:
        reply = await rest(
            c, "POST", f"{API}/posts", json={**post_body(await person(c), "a"), **changes}
        )
        assert (reply.status, reply.json["status"]) == (status, status)
        assert part in reply.json["message"]
        assert (await c.stats("linkedin"))["count"] == 0

    play(story)


def test_a_missing_field_is_a_422_of_the_schema(play: Play) -> None:
    async def story(c: Client) -> None:
        body = post_body(await person(c), "a")
        for name in ("author", "commentary", "visibility", "distribution", "lifecycleState"):
            rest_of_it = {k: v for k, v in body.items() if k != name}
            reply = await rest(c, "POST", f"{API}/posts", json=rest_of_it)
            assert reply.status == 422
            assert f"ERROR :: /{name} :: field is required but not found" in reply.json["message"]

    play(story)


def test_3000_characters_are_counted_without_backslashes(play: Play) -> None:
    async def story(c: Client) -> None:
        assert (await share(c, await person(c), "\\(" * 3000)).status == 201

    play(story)


def test_a_repeat_within_ten_minutes_names_the_first_post(play: Play) -> None:
    async def story(c: Client) -> None:
        author = await person(c)
        first = (await share(c, author, "same")).headers["x-restli-id"]
        repeat = await share(c, author, "same")
        assert (repeat.status, repeat.json["message"]) == (
            422,
            f"Content is a duplicate of {first}",
        )
        (detail,) = repeat.json["errorDetails"]["inputErrors"]
        assert detail["code"] == "DUPLICATE_POST"
        article = {"article": {"source": "https://example.org", "title": "T"}}
        assert (await share(c, author, "same", content=article)).status == 201
        c.clock.advance(601)
        assert (await share(c, author, "same")).status == 201
        await c.switch("linkedin", duplicate_forgets_after_ms=0)
        c.clock.advance(0.01)
        assert (await share(c, author, "same")).status == 201
        assert (await c.stats("linkedin"))["duplicates"] == 3  # the article's text is the same

    play(story)


def test_the_duplicate_detector_names_a_deleted_post_too(play: Play) -> None:
    async def story(c: Client) -> None:
        author = await person(c)
        urn = (await share(c, author, "ghost")).headers["x-restli-id"]
        for _ in range(2):
            gone = await rest(c, "DELETE", f"{API}/posts/{encoded(urn)}")
            assert (gone.status, gone.text) == (204, "")
        assert urn in (await share(c, author, "ghost")).json["message"]
        assert (await c.stats("linkedin"))["deleted"] == 1

    play(story)


def test_urns_in_addresses_must_be_encoded(play: Play) -> None:
    async def story(c: Client) -> None:
        author = await organization(c)
        urn = (await share(c, author, "a")).headers["x-restli-id"]
        for path in (f"{API}/posts/{urn}", f"{API}/posts?q=author&author={author}"):
            reply = await rest(c, "GET", path)
            assert (reply.status, reply.json["code"]) == (400, "ILLEGAL_ARGUMENT")
        assert (await rest(c, "GET", f"{API}/posts/{encoded(urn)}")).status == 200

    play(story)


def test_organizations_read_their_posts_newest_first(play: Play) -> None:
    async def story(c: Client) -> None:
        author = await organization(c)
        urns = [(await share(c, author, f"n {n}")).headers["x-restli-id"] for n in range(3)]
        path = f"{API}/posts?q=author&author={encoded(author)}&sortBy=CREATED"
        page = (await rest(c, "GET", f"{path}&start=1&count=2")).json
        assert [post["id"] for post in page["elements"]] == [urns[1], urns[0]]
        (one,) = (await rest(c, "GET", f"{path}&count=1")).json["elements"]
        assert (one["author"], one["commentary"]) == (author, "n 2")
        assert abs(one["createdAt"] / 1000 - c.clock()) < 5
        await c.switch("linkedin", find_lag_ms=60_000)
        assert (await rest(c, "GET", path)).json["elements"] == []
        assert (await rest(c, "GET", f"{API}/posts/{encoded(urns[0])}")).status == 404

    play(story)


def test_nobody_reads_the_posts_of_a_person(play: Play) -> None:
    async def story(c: Client) -> None:
        author = await person(c)
        urn = (await share(c, author, "mine")).headers["x-restli-id"]
        for path in (f"posts/{encoded(urn)}", f"posts?q=author&author={encoded(author)}"):
            reply = await rest(c, "GET", f"{API}/{path}")
            assert (reply.status, reply.json["code"]) == (403, "ACCESS_DENIED")

    play(story)


def test_an_image_is_put_with_the_token_and_shown_in_the_post(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("linkedin", processing_ms=60_000)
        author = await organization(c)
        value = await begin(c, "images", author)
        assert (await put(c, value["uploadUrl"], c.png, token=None)).status == 401
        assert (await put(c, value["uploadUrl"] + "x", c.png)).status == 404
        path = f"{API}/images/{encoded(value['image'])}"
        assert (await rest(c, "GET", path)).json["status"] == "WAITING_UPLOAD"
        content = {"media": {"id": value["image"], "altText": "dots"}}
        early = await share(c, author, "early", content=content)
        assert (early.status, early.json["code"]) == (400, "MEDIA_ASSET_WAITING_UPLOAD")
        assert (await put(c, value["uploadUrl"], c.png)).status == 201
        assert (await rest(c, "GET", path)).json["status"] == "PROCESSING"
        c.clock.advance(61)
        assert (await rest(c, "GET", path)).json["status"] == "AVAILABLE"
        assert (await share(c, author, "", content=content)).status == 201
        (post,) = (await c.stats("linkedin"))["posts"]
        assert post["media"][0]["alt_text"] == "dots"

    play(story)


def test_the_status_of_a_members_image_is_told_to_nobody(play: Play) -> None:
    async def story(c: Client) -> None:
        urn = await image(c, await person(c))
        reply = await rest(c, "GET", f"{API}/images/{encoded(urn)}")
        assert (reply.status, reply.json["serviceErrorCode"]) == (403, 100)
        assert reply.json["message"] == "Not enough permissions to access: images.GET"

    play(story)


def test_a_post_is_not_seen_while_its_image_is_processed(play: Play) -> None:
    async def story(c: Client) -> None:
        author = await organization(c)
        await c.switch("linkedin", processing_ms=60_000)
        content = {"media": {"id": await image(c, author)}}
        urn = (await share(c, author, "soon", content=content)).headers["x-restli-id"]
        path = f"{API}/posts/{encoded(urn)}"
        assert (await rest(c, "GET", path)).status == 404
        c.clock.advance(61)
        assert (await rest(c, "GET", path)).json["content"] == content

    play(story)


def test_two_to_twenty_images_make_one_post(play: Play) -> None:
    async def story(c: Client) -> None:
        author = await person(c)
        images = [
            {"id": await image(c, author, c.png + bytes([n])), "altText": "a"} for n in (1, 2)
        ]
        content = {"multiImage": {"images": images}}
        reply = await share(c, author, "two", content=content)
        assert reply.headers["x-restli-id"].startswith("urn:li:ugcPost:")
        foreign = {
            "multiImage": {"images": [images[0], {"id": await image(c, await organization(c))}]}
        }
        assert (await share(c, author, "not mine", content=foreign)).status == 403
        again = [{"id": await image(c, author, c.png + bytes([n]))} for n in (1, 2)]
        repeat = await share(c, author, "two", content={"multiImage": {"images": again}})
        assert repeat.status == 422  # the same bytes under new URNs

    play(story)


def test_an_image_that_cannot_be_read_fails_in_processing(play: Play) -> None:
    async def story(c: Client) -> None:
        author = await organization(c)
        urn = await image(c, author, b"no picture")
        c.clock.advance(1)
        status = (await rest(c, "GET", f"{API}/images/{encoded(urn)}")).json
        assert status["status"] == "PROCESSING_FAILED"
        reply = await share(c, author, "a", content={"media": {"id": urn}})
        assert reply.json["code"] == "MEDIA_ASSET_PROCESSING_FAILED"
        await c.switch("linkedin", processing_fails="The disk was full")
        urn = await image(c, author)
        c.clock.advance(1)
        status = (await rest(c, "GET", f"{API}/images/{encoded(urn)}")).json
        assert status["processingFailureReason"] == "The disk was full"

    play(story)


def test_addresses_for_uploads_expire(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("linkedin", handle_life_ms=5000)
        value = await begin(c, "images", await person(c))
        assert abs(value["uploadUrlExpiresAt"] / 1000 - c.clock() - 5) < 2
        c.clock.advance(6)
        late = await put(c, value["uploadUrl"], c.png)
        assert (late.status, late.json["code"]) == (400, "EXPIRED_UPLOAD_URL")

    play(story)


def test_a_video_is_put_in_parts_without_the_token_and_finalized_by_etags(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("linkedin", processing_ms=60_000)
        author = await person(c)
        value = await begin(c, "videos", author, fileSizeBytes=len(VIDEO))
        ranges = [(p["firstByte"], p["lastByte"]) for p in value["uploadInstructions"]]
        assert ranges == [(0, 4194303), (4194304, len(VIDEO) - 1)]
        etags = []
        for part, (first, last) in zip(value["uploadInstructions"], ranges, strict=True):
            data = VIDEO[first : last + 1]
            assert (await put(c, part["uploadUrl"], data)).status == 400  # with a token
            assert (await put(c, part["uploadUrl"], data[1:], token=None)).status == 400
            reply = await put(c, part["uploadUrl"], data, token=None)
            assert reply.status == 200
            assert reply.headers["ETag"].startswith('"/ambry-video/')
            etags.append(reply.headers["ETag"].strip('"'))
        request = {"video": value["video"], "uploadToken": value["uploadToken"]}
        finalize = f"{API}/videos?action=finalizeUpload"
        for wrong in (etags[::-1], etags[:1], [f'"{tag}"' for tag in etags]):
            body = {"finalizeUploadRequest": {**request, "uploadedPartIds": wrong}}
            assert (await rest(c, "POST", finalize, json=body)).status == 400
        body = {"finalizeUploadRequest": {**request, "uploadedPartIds": etags}}
        assert (await rest(c, "POST", finalize, json=body)).status == 200
        content = {"media": {"id": value["video"], "title": "Recap"}}
        early = await share(c, author, "video", content=content)
        assert (early.status, early.json["code"]) == (400, "MEDIA_ASSET_PROCESSING")
        c.clock.advance(61)
        video = await rest(c, "GET", f"{API}/videos/{encoded(value['video'])}")
        assert video.json["status"] == "AVAILABLE"
        posted = await share(c, author, "video", content=content)
        assert posted.headers["x-restli-id"].startswith("urn:li:ugcPost:")
        (post,) = (await c.stats("linkedin"))["posts"]
        assert post["media"][0]["bytes"] == len(VIDEO)

    play(story)


def test_a_video_has_75_kb_to_500_mb(play: Play) -> None:
    async def story(c: Client) -> None:
        path = f"{API}/videos?action=initializeUpload"
        owner = await person(c)
        for size in (75 * 1024 - 1, 500 * 1024**2 + 1, None):
            body = {"initializeUploadRequest": {"owner": owner, "fileSizeBytes": size}}
            assert (await rest(c, "POST", path, json=body)).status in (400, 422)

    play(story)


@pytest.mark.parametrize(("seconds", "status"), [(2, "PROCESSING_FAILED"), (4, "AVAILABLE")])
def test_a_video_lasts_three_seconds_to_half_an_hour(play: Play, seconds: int, status: str) -> None:
    async def story(c: Client) -> None:
        data = mp4(seconds).ljust(75 * 1024, b"\0")
        value = await begin(c, "videos", await person(c), fileSizeBytes=len(data))
        (part,) = value["uploadInstructions"]
        etag = (await put(c, part["uploadUrl"], data, token=None)).headers["ETag"].strip('"')
        request = {"video": value["video"], "uploadToken": "", "uploadedPartIds": [etag]}
        body = {"finalizeUploadRequest": request}
        await rest(c, "POST", f"{API}/videos?action=finalizeUpload", json=body)
        c.clock.advance(1)
        video = await rest(c, "GET", f"{API}/videos/{encoded(value['video'])}")
        assert video.json["status"] == status

    play(story)


def test_a_document_needs_a_title(play: Play) -> None:
    async def story(c: Client) -> None:
        author = await person(c)
        value = await begin(c, "documents", author)
        assert (await put(c, value["uploadUrl"], PDF)).status == 201
        c.clock.advance(1)
        media = {"id": value["document"]}
        assert (await share(c, author, "slides", content={"media": media})).status == 422
        media["title"] = "Slides"
        assert (await share(c, author, "slides", content={"media": media})).status == 201

    play(story)


def test_comments_are_plain_text_below_the_post(play: Play) -> None:
    async def story(c: Client) -> None:
        actor = await organization(c)
        urn = (await share(c, actor, "post")).headers["x-restli-id"]
        path = f"{API}/socialActions/{encoded(urn)}/comments"
        body = {"actor": actor, "object": urn, "message": {"text": "docs (v2) \\_"}}
        reply = await rest(c, "POST", path, json=body)
        assert reply.status == 201
        assert reply.json["$URN"] == f"urn:li:comment:({urn},{reply.headers['x-restli-id']})"
        answer = {**body, "message": {"text": "more"}, "parentComment": reply.json["$URN"]}
        assert (await rest(c, "POST", path, json=answer)).status == 201
        listed = (await rest(c, "GET", path)).json["elements"]
        assert [comment["message"]["text"] for comment in listed] == ["docs (v2) \\_"]
        assert (
            await rest(c, "POST", path, json={**body, "object": "urn:li:share:1"})
        ).status == 400
        nowhere = path.replace(encoded(urn), encoded("urn:li:share:1"))
        assert (await rest(c, "POST", nowhere, json=body)).status == 404
        gone = f"{path}/{reply.headers['x-restli-id']}?actor={encoded(actor)}"
        assert (await rest(c, "DELETE", gone)).status == 204
        assert (await rest(c, "GET", path)).json["elements"] == []

    play(story)


def test_self_serve_applications_share_and_nothing_more(play: Play) -> None:
    async def story(c: Client) -> None:
        order = {"network": "linkedin", "account": "ada", "action": "issue", "scopes": SELF_SERVE}
        reply = await c.call("POST", "/_control/tokens", token=None, json=order)
        token = reply.json["access_token"]
        author, page = await person(c), await organization(c)
        urn = (await share(c, author, "post", token=token)).headers["x-restli-id"]
        denied = await share(c, page, "post", token=token)
        assert (denied.status, denied.json["code"]) == (403, "ACCESS_DENIED")
        body = {"actor": author, "object": urn, "message": {"text": "first"}}
        path = f"{API}/socialActions/{encoded(urn)}/comments"
        assert (await rest(c, "POST", path, json=body, token=token)).status == 403
        acls = f"{API}/organizationAcls?q=roleAssignee"
        assert (await rest(c, "GET", acls, token=token)).status == 403

    play(story)


def test_figures_of_an_organizations_posts_grow(play: Play) -> None:
    async def story(c: Client) -> None:
        author = await organization(c)
        urn = (await share(c, author, "post")).headers["x-restli-id"]
        finder = "q=organizationalEntity&organizationalEntity=" + encoded(author)
        path = f"{API}/organizationalEntityShareStatistics?{finder}"
        one = f"{path}&shares=List({encoded(urn)})"
        assert (await rest(c, "GET", one)).json["elements"] == []  # nobody saw it yet
        seen = 0
        for _ in range(2):
            c.clock.advance(3600)
            (element,) = (await rest(c, "GET", one)).json["elements"]
            assert element["share"] == urn
            assert element["totalShareStatistics"]["impressionCount"] > seen
            seen = element["totalShareStatistics"]["impressionCount"]
        (total,) = (await rest(c, "GET", path)).json["elements"]
        assert total["totalShareStatistics"]["impressionCount"] == seen
        size = f"{API}/networkSizes/{encoded(author)}?edgeType=COMPANY_FOLLOWED_BY_MEMBER"
        followers = (await rest(c, "GET", size)).json["firstDegreeSize"]
        path = path.replace("ShareStatistics", "FollowerStatistics")
        (element,) = (await rest(c, "GET", path)).json["elements"]
        counts = element["followerCountsByAssociationType"][0]["followerCounts"]
        assert counts["organicFollowerCount"] == followers > 0

    play(story)


def test_figures_of_a_members_posts_come_one_by_one(play: Play) -> None:
    async def story(c: Client) -> None:
        urn = (await share(c, await person(c), "post")).headers["x-restli-id"]
        c.clock.advance(3600)
        path = f"{API}/memberCreatorPostAnalytics?aggregation=TOTAL&queryType=IMPRESSION"
        entity = f"{path}&q=entity&entity=(share:{encoded(urn)})"
        (element,) = (await rest(c, "GET", entity)).json["elements"]
        assert element["metricType"] == "IMPRESSION"
        assert element["count"] > 0
        old = {"LinkedIn-Version": "202604"}
        (as_object,) = (await rest(c, "GET", entity, headers=old)).json["elements"]
        assert list(as_object["metricType"].values()) == ["IMPRESSION"]
        (in_all,) = (await rest(c, "GET", f"{path}&q=me")).json["elements"]
        assert in_all["count"] == element["count"]
        wrong = f"{path}&q=entity&entity=(ugc:{encoded(urn)})"
        assert (await rest(c, "GET", wrong)).status == 400

    play(story)


def test_a_day_has_150_shares_and_ends_at_midnight_utc_untold(play: Play) -> None:
    async def story(c: Client) -> None:
        author = await person(c)
        await c.switch("linkedin", rate={"limit": 1})
        assert (await share(c, author, "a")).status == 201
        refused = await share(c, author, "b")
        assert refused.status == 429
        assert refused.json["message"].startswith("Resource level throttle limit")
        assert not [name for name in refused.headers if "limit" in name.lower()]
        assert "Retry-After" not in refused.headers
        c.clock.advance(86_400 - c.clock() % 86_400)
        assert (await share(c, author, "b")).status == 201

    play(story)


def authorize(**changes: str) -> str:
    request = {
        "response_type": "code",
        "client_id": "sandbox-client",
        "redirect_uri": BACK,
        "state": "s1",
        "scope": " ".join(SELF_SERVE),
        **changes,
    }
    return f"/linkedin/oauth/v2/authorization?{urlencode(request)}"


async def agree(c: Client, decision: str = "allow", **changes: str) -> dict[str, str]:
    """Where the consent page sends the browser: its query."""
    form = {"decision": decision, "account": "ada"}
    reply = await c.call("POST", authorize(**changes), token=None, data=form, allow_redirects=False)
    return dict(parse_qsl(urlsplit(reply.headers["Location"]).query))


async def redeem(c: Client, grant_type: str = "authorization_code", **fields: str) -> Reply:
    form = {
        "grant_type": grant_type,
        "client_id": "sandbox-client",
        "client_secret": "sandbox-client-secret",
        "redirect_uri": BACK,
        **fields,
    }
    return await c.call("POST", "/linkedin/oauth/v2/accessToken", token=None, data=form)


def test_consent_brings_sixty_days_and_a_signed_id_token(play: Play) -> None:
    async def story(c: Client) -> None:
        back = await agree(c)
        assert back["state"] == "s1"
        tokens = (await redeem(c, code=back["code"])).json
        assert tokens["expires_in"] == 60 * 86_400
        assert tokens["scope"] == "email,openid,profile,w_member_social"
        assert "refresh_token" not in tokens
        me = await c.call("GET", "/linkedin/v2/userinfo", token=tokens["access_token"])
        assert me.json["email"] == "ada@example.org"
        where = "/linkedin/oauth/.well-known/openid-configuration"
        described = (await c.call("GET", where, token=None)).json
        keys = await c.call("GET", described["jwks_uri"].removeprefix(c.url), token=None)
        claims = verified(tokens["id_token"], keys.json["keys"][0])
        assert claims["sub"] == me.json["sub"]
        assert (claims["iss"], claims["aud"]) == (described["issuer"], "sandbox-client")
        again = await redeem(c, code=back["code"])
        assert (again.status, again.json["error"]) == (400, "invalid_request")

    play(story)


def verified(token: str, key: dict[str, str]) -> dict[str, Any]:
    """The claims of a token whose signature is good."""

    def raw(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    head, body, signature = token.split(".")
    assert json.loads(raw(head))["kid"] == key["kid"]
    numbers = rsa.RSAPublicNumbers(
        int.from_bytes(raw(key["e"]), "big"), int.from_bytes(raw(key["n"]), "big")
    )
    signed = f"{head}.{body}".encode()
    numbers.public_key().verify(raw(signature), signed, padding.PKCS1v15(), hashes.SHA256())
    claims: dict[str, Any] = json.loads(raw(body))
    return claims


def test_approved_applications_refresh_with_a_token_that_stays(play: Play) -> None:
    async def story(c: Client) -> None:
        back = await agree(c, scope="w_organization_social r_organization_social")
        first = (await redeem(c, code=back["code"])).json
        assert first["refresh_token_expires_in"] == 365 * 86_400
        c.clock.advance(86_400)
        second = (await redeem(c, "refresh_token", refresh_token=first["refresh_token"])).json
        assert second["refresh_token"] == first["refresh_token"]
        assert second["refresh_token_expires_in"] < 365 * 86_400
        demo = (await redeem(c, "refresh_token", refresh_token="refresh-ada")).json
        assert demo["refresh_token"] == "refresh-ada"
        form = {"client_id": "sandbox-client", "client_secret": "sandbox-client-secret"}
        form["token"] = second["access_token"]
        revoked = await c.call("POST", "/linkedin/oauth/v2/revoke", token=None, data=form)
        assert revoked.status == 200
        body = post_body(await person(c), "a")
        dead = await rest(c, "POST", f"{API}/posts", json=body, token=second["access_token"])
        assert dead.json["code"] == "REVOKED_ACCESS_TOKEN"

    play(story)


def test_refusals_of_the_token_service(play: Play) -> None:
    async def story(c: Client) -> None:
        wrong = await redeem(c, "refresh_token", refresh_token="nonsense")
        assert (wrong.status, wrong.json["error"]) == (400, "invalid_grant")
        stranger = await redeem(c, code="x", client_secret="no")
        assert (stranger.status, stranger.json["error"]) == (401, "invalid_client")
        assert (await agree(c, "cancel"))["error"] == "user_cancelled_authorize"
        assert (await agree(c, scope="openid r_member_social"))["error"] == (
            "unauthorized_scope_error"
        )
        silent = await c.call("GET", authorize(prompt="none"), token=None)
        assert silent.status == 400

    play(story)
