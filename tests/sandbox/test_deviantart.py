"""DeviantArt's imitation answers as its API's documentation and its clients' reports say."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import pytest

from sandbox.codes import challenge_of
from tests.sandbox.conftest import ADA, Client, Play, Reply

API = "/deviantart/api/v1/oauth2"
BACK = "http://127.0.0.1:9/oauth/complete/deviantart/"
VERIFIER = "v" * 43
AGREED = {"is_mature": "0", "agree_submission": "1", "agree_tos": "1"}


async def get(c: Client, path: str, **options: Any) -> Reply:
    return await c.call("GET", API + path, **options)


async def post(c: Client, path: str, token: str = ADA, **fields: Any) -> Reply:
    """Post a form; a list becomes `name[]` several times."""
    headers = fields.pop("headers", {})
    pairs = [
        (f"{name}[]" if isinstance(value, list) else name, str(item))
        for name, value in fields.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    return await c.call("POST", API + path, token=token, data=pairs, headers=headers)


async def submit(
    c: Client, token: str = ADA, data: bytes | None = None, name: str = "a.png", **fields: str
) -> Reply:
    form = aiohttp.FormData()
    for key, value in fields.items():
        form.add_field(key, value)
    form.add_field("file", io.BytesIO(data or c.png), filename=name, content_type="image/png")
    return await c.call("POST", f"{API}/stash/submit", token=token, data=form)


async def publish(c: Client, itemid: int, token: str = ADA, **fields: Any) -> Reply:
    return await post(c, "/stash/publish", token, itemid=itemid, **{**AGREED, **fields})


async def published(c: Client, title: str = "Dawn", token: str = ADA, **fields: Any) -> Any:
    itemid = (await submit(c, token, title=title)).json["itemid"]
    return (await publish(c, itemid, token, **fields)).json


async def token_call(c: Client, **form: str) -> Reply:
    client = {"client_id": "sandbox-client", "client_secret": "sandbox-client-secret"}
    data = {**client, **form}
    return await c.call("POST", "/deviantart/oauth2/token", token=None, data=data)


async def refresh(c: Client, token: str) -> Reply:
    return await token_call(c, grant_type="refresh_token", refresh_token=token)


async def consent(c: Client, *scopes: str) -> str:
    """Agree as ada; the code."""
    asked = {
        "response_type": "code",
        "client_id": "sandbox-client",
        "redirect_uri": BACK,
        "scope": " ".join(scopes),
        "state": "s",
        "code_challenge": challenge_of(VERIFIER, "S256"),
        "code_challenge_method": "S256",
    }
    form = [("decision", "allow"), ("account", "ada"), *(("scope", s) for s in scopes)]
    path = f"/deviantart/oauth2/authorize?{urlencode(asked)}"
    reply = await c.call("POST", path, token=None, data=form, allow_redirects=False)
    return dict(parse_qsl(urlsplit(reply.headers["Location"]).query))["code"]


async def redeem(c: Client, code: str, **changes: str) -> Reply:
    form = {"code": code, "redirect_uri": BACK, "code_verifier": VERIFIER, **changes}
    return await token_call(c, grant_type="authorization_code", **form)


def test_an_upload_is_invisible_and_its_id_exceeds_what_floats_hold(play: Play) -> None:
    async def story(c: Client) -> None:
        reply = await submit(c, title="Dawn", artist_comments="<b>Hello</b>")
        assert reply.status == 200
        item = reply.json
        assert (item["status"], item["stack"]) == ("success", "Sta.sh Uploads 1")
        assert item["itemid"] > 2**53
        stored = (await get(c, f"/stash/item/{item['itemid']}")).json
        assert (stored["title"], stored["artist_comments"]) == ("Dawn", "<b>Hello</b>")
        assert (await c.stats("deviantart"))["count"] == 0
        assert (await get(c, f"/stash/item/{item['itemid']}", token="demo-eve")).status == 400

    play(story)


def test_a_published_item_has_an_address_and_cannot_be_published_again(play: Play) -> None:
    async def story(c: Client) -> None:
        itemid = (await submit(c, title="Dawn & Dusk")).json["itemid"]
        work = (await publish(c, itemid)).json
        assert work["status"] == "success"
        assert work["url"].startswith("https://www.deviantart.com/ada/art/Dawn-Dusk-")
        again = await publish(c, itemid)
        assert (again.status, again.json["error"]) == (400, "invalid_request")
        assert again.json["error_description"] == "Deviation already published."
        read = (await get(c, f"/deviation/{work['deviationid']}")).json
        assert (read["url"], read["is_published"]) == (work["url"], True)
        assert read["published_time"].isdecimal()
        stats = await c.stats("deviantart")
        assert (stats["count"], stats["posts"][0]["media"][0]["bytes"]) == (1, len(c.png))

    play(story)


def test_a_file_without_a_filename_breaks_the_server(play: Play) -> None:
    async def story(c: Client) -> None:
        body = (
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n'
            b"Content-Type: image/png\r\n\r\n" + c.png + b"\r\n--b--\r\n"
        )
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        reply = await c.call("POST", f"{API}/stash/submit", data=body, headers=headers)
        assert (reply.status, reply.json["error"]) == (500, "server_error")

    play(story)


def test_trouble_with_a_large_upload_comes_with_http_200(play: Play) -> None:
    async def story(c: Client) -> None:
        large = await submit(c, data=c.png + b"\0" * (30 * 1024 * 1024))
        assert (large.status, large.json["status"]) == (200, "error")
        full = await submit(c, token="demo-full")
        assert (full.status, full.json["status"]) == (200, "error")
        space = (await get(c, "/stash/space", token="demo-full")).json
        assert space["available_space"] == 0

    play(story)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"agree_tos": "0"}, "agree_tos"),
        ({"agree_submission": ""}, "agree_submission"),
        ({"is_mature": "1"}, "mature_level"),
        ({"is_mature": "maybe"}, "is_mature"),
        ({"is_mature": "1", "mature_level": "very"}, "mature_level"),
        ({"mature_classification": ["boring"]}, "mature_classification"),
        ({"display_resolution": "400"}, "display_resolution"),
        ({"add_watermark": "1"}, "add_watermark"),
        ({"tags": ["two words"]}, "tags"),
        ({"tags": ["t"] * 31}, "tags"),
        ({"galleryids": ["1f0c2a44-5b1e-4f6e-9d0a-3a1b2c3d4e5f"]}, "galleryids"),
        ({"sharing": "never"}, "sharing"),
        ({"itemid": "7"}, "itemid"),
    ],
)
def test_what_does_not_fit_is_a_400_that_names_the_field(
    play: Play, fields: dict[str, Any], field: str
) -> None:
    async def story(c: Client) -> None:
        itemid = (await submit(c)).json["itemid"]
        reply = await post(c, "/stash/publish", **{"itemid": itemid, **AGREED, **fields})
        assert (reply.status, reply.json["error"]) == (400, "invalid_request")
        assert reply.json["error_details"].keys() == {field}
        assert (await c.stats("deviantart"))["count"] == 0

    play(story)


def test_a_title_has_at_most_50_characters(play: Play) -> None:
    async def story(c: Client) -> None:
        assert (await submit(c, title="t" * 50)).status == 200
        long = await submit(c, title="t" * 51)
        assert long.json["error_details"].keys() == {"title"}

    play(story)


def test_options_are_kept_with_free_downloads_unless_declined(play: Play) -> None:
    async def story(c: Client) -> None:
        folders = (await get(c, "/gallery/folders")).json["results"]
        featured = next(f["folderid"] for f in folders if f["name"] == "Featured")
        mature = {"is_mature": "1", "mature_level": "moderate", "mature_classification": ["gore"]}
        more = {**mature, "tags": ["dawn", "sky_1"], "galleryids": [featured]}
        work = await published(c, **more, allow_free_download="0", display_resolution="8")
        assert (await get(c, f"/deviation/{work['deviationid']}")).json["is_downloadable"] is False
        query = f"deviationids[]={work['deviationid']}&ext_submission=1"
        (told,) = (await get(c, f"/deviation/metadata?{query}")).json["metadata"]
        assert [tag["tag_name"] for tag in told["tags"]] == ["dawn", "sky_1"]
        assert told["submission"]["galleries"] == [featured]
        assert told["submission"]["mature_level"] == "moderate"
        open_work = await published(c)
        read = await get(c, f"/deviation/{open_work['deviationid']}")
        assert read.json["is_downloadable"] is True

    play(story)


def test_the_feed_page_knows_kind_address_and_options(play: Play) -> None:
    async def story(c: Client) -> None:
        work = await published(c, tags=["dawn"], noai="1")
        (thread,) = (await c.call("GET", "/_feed.json", token=None)).json["threads"]
        shown = thread["posts"][0]
        assert (shown["kind"], shown["url"]) == ("deviation", work["url"])
        assert (shown["tags"], shown["options"]["noai"]) == (["dawn"], True)

    play(story)


def test_publishing_for_watchers_only_is_a_500_that_publishes(play: Play) -> None:
    async def story(c: Client) -> None:
        folders = (await get(c, "/gallery/folders")).json["results"]
        watchers = next(f["folderid"] for f in folders if f["name"] == "Watchers Only")
        itemid = (await submit(c)).json["itemid"]
        reply = await publish(c, itemid, galleryids=[watchers])
        assert (reply.status, reply.json["error"]) == (500, "server_error")
        assert (await c.stats("deviantart"))["count"] == 1

    play(story)


def test_works_in_process_and_files_without_a_preview_are_not_published(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("deviantart", processing_ms=5000)
        itemid = (await submit(c)).json["itemid"]
        early = await publish(c, itemid)
        assert (early.status, early.json["error"]) == (400, "invalid_request")
        c.clock.advance(6)
        assert (await publish(c, itemid)).status == 200
        await c.switch("deviantart", processing_ms=0)
        text = (await submit(c, data=b"%PDF-1.7", name="a.pdf")).json["itemid"]
        refused = await publish(c, text)
        assert refused.json["error_description"] == "Preview image required."

    play(story)


def test_an_item_can_be_changed_until_it_is_deleted(play: Play) -> None:
    async def story(c: Client) -> None:
        itemid = (await submit(c, title="Dawn")).json["itemid"]
        assert (await submit(c, title="Dusk", itemid=str(itemid))).json["itemid"] == itemid
        path = f"/stash/item/{itemid}"
        assert (await get(c, path)).json["title"] == "Dusk"
        assert (await post(c, "/stash/delete", itemid=itemid)).status == 200
        assert (await get(c, path)).status == 400
        assert (await publish(c, itemid)).json["error_details"].keys() == {"itemid"}

    play(story)


def test_suspended_authors_publish_into_the_void(play: Play) -> None:
    async def story(c: Client) -> None:
        work = await published(c, token="demo-suspended-eve")
        assert work["status"] == "success"
        assert (await get(c, f"/deviation/{work['deviationid']}")).status == 400

    play(story)


def test_accounts_that_are_not_verified_may_not_publish(play: Play) -> None:
    async def story(c: Client) -> None:
        itemid = (await submit(c, "demo-unverified")).json["itemid"]
        refused = await publish(c, itemid, "demo-unverified")
        assert (refused.status, refused.json["error"]) == (403, "unverified_account")
        told = (await get(c, "/stash/publish/userdata", token="demo-unverified")).json
        assert told["agreements"] == []
        told = (await get(c, "/stash/publish/userdata")).json
        assert "terms_of_service" in told["agreements"]

    play(story)


def test_journals_literature_and_statuses_are_published(play: Play) -> None:
    async def story(c: Client) -> None:
        journal = await post(c, "/deviation/journal/create", title="News", body="<p>All well</p>")
        assert journal.json.keys() == {"deviationid"}
        read = (await get(c, f"/deviation/{journal.json['deviationid']}")).json
        assert read["url"].startswith("https://www.deviantart.com/ada/journal/News-")
        poem = await post(c, "/deviation/literature/create", title="Poem", body="Roses")
        status = await post(c, "/user/statuses/post", body="Hello")
        listed = (await get(c, "/user/profile/posts?username=ada")).json
        ids = [work["deviationid"] for work in listed["results"]]
        assert ids == [status.json["statusid"], journal.json["deviationid"]]
        assert (listed["has_more"], listed["next_cursor"]) == (False, None)
        works = (await get(c, "/gallery/all?username=ada")).json["results"]
        assert [work["deviationid"] for work in works] == [poem.json["deviationid"]]
        empty = await post(c, "/user/statuses/post", body=" ")
        assert empty.json["error_details"].keys() == {"body"}

    play(story)


def test_comments_hang_below_a_work(play: Play) -> None:
    async def story(c: Client) -> None:
        work = await published(c)
        path = f"/comments/post/deviation/{work['deviationid']}"
        first = (await post(c, path, body="First!")).json
        assert (first["body"], first["user"]["username"]) == ("First!", "ada")
        reply = await post(c, path, body="Thanks", commentid=first["commentid"])
        assert reply.json["parentid"] == first["commentid"]
        read = (await get(c, f"/deviation/{work['deviationid']}")).json
        assert read["stats"]["comments"] == 2
        listed = (await get(c, f"/comments/deviation/{work['deviationid']}?limit=1")).json
        assert [one["body"] for one in listed["thread"]] == ["Thanks"]
        assert (listed["has_more"], listed["next_offset"], listed["total"]) == (True, 1, 2)
        assert (await c.stats("deviantart"))["posts"][1]["reply_to"] == work["deviationid"]
        quiet = await published(c, "Quiet", allow_comments="0")
        closed = await post(c, f"/comments/post/deviation/{quiet['deviationid']}", body="x")
        assert closed.status == 400

    play(story)


def test_a_gallery_is_listed_newest_first_in_pages_and_hides_mature_works(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("deviantart", on="all", rate={"limit": 10_000})
        works = [await published(c, f"Work {n}") for n in range(3)]
        await published(c, "Night", is_mature="1", mature_level="strict")

        async def listed(query: str) -> Any:
            return (await get(c, f"/gallery/all?username=Ada&{query}")).json

        page = await listed("limit=2")
        assert [w["title"] for w in page["results"]] == ["Work 2", "Work 1"]
        assert (page["has_more"], page["next_offset"]) == (True, 2)
        assert page["results"][0]["url"] == works[2]["url"]
        rest = await listed("limit=2&offset=2")
        assert ([w["title"] for w in rest["results"]], rest["has_more"]) == (["Work 0"], False)
        everything = await listed("limit=24&mature_content=true")
        assert everything["results"][0]["title"] == "Night"
        assert (await get(c, "/gallery/all?limit=25")).status == 400
        assert (await get(c, "/gallery/all?username=ghost")).status == 400
        await c.switch("deviantart", find_lag_ms=5000)
        assert (await listed("limit=24"))["results"] == []

    play(story)


def test_figures_grow_and_extras_are_for_ten_works_at_most(play: Play) -> None:
    async def story(c: Client) -> None:
        work = await published(c)
        query = f"/deviation/metadata?ext_stats=1&deviationids[0]={work['deviationid']}"
        young = (await get(c, query)).json["metadata"][0]["stats"]
        assert young["views"] == 0
        c.clock.advance(2 * 86_400)
        old = (await get(c, query)).json["metadata"][0]["stats"]
        assert old["views"] > 100
        assert old["views"] > old["views_today"]
        many = query + "".join(f"&deviationids[]={work['deviationid']}" for _ in range(10))
        assert (await get(c, many)).status == 400
        profile = (await get(c, "/user/profile/ada?expand=user.stats")).json
        assert profile["stats"]["user_deviations"] == 1
        assert profile["user"]["stats"]["watchers"] > 10

    play(story)


def test_whoami_and_placebo_prove_a_token(play: Play) -> None:
    async def story(c: Client) -> None:
        me = (await get(c, "/user/whoami")).json
        assert (me["username"], me["type"], len(me["userid"])) == ("ada", "regular", 36)
        assert (await get(c, "/placebo")).json == {"status": "success"}
        body = await c.call("POST", f"{API}/placebo", token=None, data={"access_token": ADA})
        assert body.json == {"status": "success"}
        query = await get(c, f"/placebo?access_token={ADA}", token=None)
        assert (query.status, query.json["error"]) == (401, "invalid_request")
        dead = await get(c, "/placebo", token="nonsense")
        assert (dead.status, dead.json["error"]) == (401, "invalid_token")

    play(story)


@pytest.mark.parametrize("missing", ["User-Agent", "Accept-Encoding"])
def test_robots_meet_a_wall_of_html(play: Play, missing: str) -> None:
    async def story(c: Client) -> None:
        for path in (f"{API}/placebo", "/deviantart/oauth2/token"):
            headers = {"Authorization": f"Bearer {ADA}"}
            async with c.session.post(
                c.url + path, headers=headers, skip_auto_headers=[missing]
            ) as response:
                assert (response.status, response.content_type) == (403, "text/html")
                assert "Request blocked" in await response.text()

    play(story)


def test_older_minor_versions_know_no_flags_for_ai(play: Play) -> None:
    async def story(c: Client) -> None:
        itemid = (await submit(c)).json["itemid"]
        old = {"headers": {"dA-minor-version": "20210526"}}
        refused = await publish(c, itemid, noai="1", **old)
        assert refused.json["error_details"].keys() == {"noai"}
        unknown = await get(c, "/placebo", headers={"dA-minor-version": "20990101"})
        assert (unknown.status, unknown.json["error"]) == (400, "version_error")
        assert (await publish(c, itemid, noai="1")).status == 200

    play(story)


def test_bursts_end_in_a_tarpit_that_only_doubling_waits_leave(play: Play) -> None:
    async def story(c: Client) -> None:
        replies = [await post(c, "/user/statuses/post", body=f"n {n}") for n in range(12)]
        assert [r.status for r in replies[:10]] == [200] * 10
        refused = replies[-1]
        assert (refused.status, refused.json["error"]) == (429, "user_api_threshold")
        named = {name.lower() for name in refused.headers}
        assert not any("limit" in name or name == "retry-after" for name in named)
        assert (await get(c, "/placebo", token="demo-grace")).status == 200
        for n in range(8):
            c.clock.advance(n)
            assert (await get(c, "/placebo")).status == 429
        waits = [2**n for n in range(11)]
        while (await get(c, "/placebo")).status == 429:
            c.clock.advance(waits.pop(0))
        assert waits

    play(story)


def test_a_switched_rate_stands_in_the_place_of_the_secret_limits(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("deviantart", rate={"limit": 20, "window_s": 60})
        codes = [(await post(c, "/user/statuses/post", body=f"n {n}")).status for n in range(21)]
        assert codes == [200] * 20 + [429]

    play(story)


def test_refresh_tokens_work_once_and_a_replay_burns_what_they_brought(play: Play) -> None:
    async def story(c: Client) -> None:
        pair = (await refresh(c, "refresh-ada")).json
        assert (pair["expires_in"], pair["token_type"]) == (3600, "Bearer")
        assert (await get(c, "/placebo", token=pair["access_token"])).status == 200
        replay = await refresh(c, "refresh-ada")
        assert replay.status == 400
        assert replay.json["error"] == "invalid_request"
        assert replay.json["error_description"] == "The refresh_token is invalid."
        assert (await get(c, "/placebo", token=pair["access_token"])).status == 401
        assert (await refresh(c, pair["refresh_token"])).status == 400

    play(story)


def test_a_lost_answer_costs_the_refresh_token(play: Play) -> None:
    async def story(c: Client) -> None:
        await c.switch("deviantart", on="token", accept_then_drop=1)
        with pytest.raises(aiohttp.ClientError):
            await refresh(c, "refresh-ada")
        assert (await refresh(c, "refresh-ada")).json["error"] == "invalid_request"

    play(story)


def test_tokens_expire_after_an_hour(play: Play) -> None:
    async def story(c: Client) -> None:
        token = (await refresh(c, "refresh-ada")).json["access_token"]
        c.clock.advance(3601)
        dead = await get(c, "/placebo", token=token)
        assert (dead.status, dead.json["error"]) == (401, "invalid_token")
        assert dead.json["error_description"].startswith("Expired oAuth2 user token")

    play(story)


def test_a_consent_with_pkce_brings_tokens_for_the_granted_scopes_only(play: Play) -> None:
    async def story(c: Client) -> None:
        code = await consent(c, "user", "browse", "stash")
        wrong = await redeem(c, code, code_verifier="w" * 43)
        assert (wrong.status, wrong.json["error"]) == (400, "invalid_request")
        pair = (await redeem(c, code)).json
        assert pair["scope"] == "browse stash user"
        token = pair["access_token"]
        assert (await get(c, "/user/whoami", token=token)).json["username"] == "ada"
        itemid = (await submit(c, token)).json["itemid"]
        refused = await publish(c, itemid, token)
        assert (refused.status, refused.json["error"]) == (403, "insufficient_scope")
        renewed = (await refresh(c, pair["refresh_token"])).json
        assert renewed["scope"] == "browse stash user"

    play(story)


def test_wrong_clients_and_foreign_grants_are_refused(play: Play) -> None:
    async def story(c: Client) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": "refresh-ada"}
        wrong = await token_call(c, **form, client_secret="no")
        assert (wrong.status, wrong.json["error"]) == (401, "invalid_client")
        odd = await token_call(c, grant_type="password")
        assert (odd.status, odd.json["error"]) == (400, "unsupported_grant_type")

    play(story)


def test_revoking_kills_access_tokens_too_unless_they_are_spared(play: Play) -> None:
    async def story(c: Client) -> None:
        async def revoke(**form: str) -> Reply:
            return await c.call("POST", "/deviantart/oauth2/revoke", token=None, data=form)

        pair = (await refresh(c, "refresh-ada")).json
        spared = await revoke(token=pair["refresh_token"], revoke_refresh_only="true")
        assert spared.status == 200
        assert (await get(c, "/placebo", token=pair["access_token"])).status == 200
        assert (await refresh(c, pair["refresh_token"])).status == 400
        other = (await refresh(c, "refresh-eve")).json
        assert (await revoke(token=other["access_token"])).status == 200
        assert (await get(c, "/placebo", token=other["access_token"])).status == 401

    play(story)
