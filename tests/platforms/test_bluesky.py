"""Bluesky: frozen records, gates, mentions, doubts, errors and allowances."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import regex

from engine.answers import Response
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from platforms.adapters.base import Continue, Media, Published, Segment
from platforms.adapters.bluesky import BLOB_LIFE, Bluesky
from platforms.adapters.bluesky_reading import ERRORS
from platforms.adapters.bluesky_records import new_tid, tid_instant
from tests.contract.bluesky_case import (
    BLOB,
    BLUESKY_CASE,
    CID,
    DID,
    RECORD,
    RKEY,
    URI,
    make_bluesky,
)
from tests.contract.server import Reply, Request
from tests.contract.wire import image, video
from tests.platforms.bluesky_scene import (
    ACCOUNT,
    PUT,
    WRITTEN,
    draft,
    failure,
    methods,
    records,
    refusal,
    tell,
)
from tests.platforms.scenes import Scene

SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
FROZEN = BLUESKY_CASE.progress["record"]


# --- errors -------------------------------------------------------------------------------------
ROWS = (
    (400, "", C.VALIDATION_ERROR),
    (400, "InvalidRequest", C.VALIDATION_ERROR),
    (400, "ExpiredToken", C.TOKEN_EXPIRED),
    (400, "InvalidToken", C.TOKEN_EXPIRED),
    (400, "InvalidMimeType", C.MEDIA_ERROR),
    (400, "InvalidSize", C.MEDIA_ERROR),
    (400, "BlobNotFound", C.SERVER_ERROR),
    (400, "InvalidSwap", C.DUPLICATE),
    (400, "AccountTakedown", C.AUTH_ERROR),
    (400, "AccountDeactivated", C.AUTH_ERROR),
    (400, "DailyLimitExceeded", C.MEDIA_ERROR),
    (429, "DailyLimitExceeded", C.MEDIA_ERROR),
    (400, "UploadForbidden", C.PERMISSION),
    (400, "TooManyOpenUploads", C.SERVER_ERROR),
    (400, "UploadNotReady", C.SERVER_ERROR),
    (400, "ServiceOverloaded", C.SERVER_ERROR),
    (401, "", C.AUTH_ERROR),
    (401, "AuthenticationRequired", C.AUTH_ERROR),
    (401, "AuthMissing", C.AUTH_ERROR),
    (401, "AccountTakedown", C.AUTH_ERROR),
    (403, "", C.PERMISSION),
    (413, "", C.VALIDATION_ERROR),
    (413, "PayloadTooLarge", C.VALIDATION_ERROR),
    (429, "", C.RATE_LIMIT),
    (429, "RateLimitExceeded", C.RATE_LIMIT),
    (500, "InternalServerError", C.OUTCOME_UNKNOWN),
    (502, "UpstreamFailure", C.OUTCOME_UNKNOWN),
    (503, "NotEnoughResources", C.SERVER_ERROR),
    (503, "", C.OUTCOME_UNKNOWN),
    (504, "UpstreamTimeout", C.OUTCOME_UNKNOWN),
)


@pytest.mark.parametrize(("status", "name", "category"), ROWS)
def test_error_rows(status: int, name: str, category: C) -> None:
    body = json.dumps({"error": name, "message": "The reason"}).encode()
    answer = Response(status, {}, body, "POST", PUT)
    error = make_bluesky("").error(answer, wrote=True)
    assert (error.category, error.provider_code) == (category, name)
    assert "The reason." in error.detail


def test_every_row_of_the_table_has_a_test() -> None:
    assert set(ERRORS) <= {(status, name) for status, name, _ in ROWS}


def test_a_refused_file_is_a_media_error() -> None:
    answer = Response(413, {}, b'{"error": "PayloadTooLarge"}', "POST", "")
    assert make_bluesky("").error(answer, upload=True).category is C.MEDIA_ERROR


# --- allowances ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "policy", "bucket", "limit", "left"),
    [
        ("repo.putRecord", "5000;w=3600", ("publish", "connection"), 2500, 1249),
        ("repo.putRecord", "35000;w=86400", ("publish.24h", "connection"), 2500, 1249),
        ("repo.putRecord", "3000;w=300", ("other", "host"), 2500, 1249),
        ("repo.deleteRecord", "5000;w=3600", ("delete", "connection"), 5000, 2499),
        ("repo.uploadBlob", "1000;w=86400", ("prepare", "host"), 5000, 2499),
        ("repo.getRecord", "3000;w=300", ("other", "host"), 5000, 2499),
        ("server.refreshSession", "30;w=300", ("refresh", "connection"), 5000, 2499),
    ],
)
def test_points_are_told_as_calls(
    method: str, policy: str, bucket: tuple[str, str], limit: int, left: int
) -> None:
    headers = {
        "ratelimit-limit": "5000",
        "ratelimit-remaining": "2499",
        "ratelimit-reset": "1795340000",
        "ratelimit-policy": policy,
    }
    answer = Response(200, headers, b"", "POST", f"/xrpc/com.atproto.{method}")
    (hint,) = make_bluesky("").rate_hints(answer)
    assert (hint.bucket, hint.scope) == bucket
    assert (hint.limit, hint.remaining) == (limit, left)
    assert hint.resets_at == datetime.fromtimestamp(1795340000, UTC)


def test_a_429_waits_until_the_allowance_is_refilled() -> None:
    headers = {
        "date": "Sun, 22 Nov 2026 09:40:00 GMT",
        "ratelimit-limit": "5000",
        "ratelimit-remaining": "0",
        "ratelimit-reset": str(int(datetime(2026, 11, 22, 9, 41, 30, tzinfo=UTC).timestamp())),
    }
    answer = Response(429, headers, b"", "POST", PUT)
    assert make_bluesky("").error(answer).retry_after == timedelta(seconds=90)


# --- records ------------------------------------------------------------------------------------
def test_a_post_is_frozen_before_it_is_sent_and_repeated_byte_for_byte() -> None:
    async def story(scene: Scene) -> None:
        post = draft("Olá 👩‍🚀 see https://example.org/x", options={"languages": ["pt"]})
        frozen = await scene.adapter.publish(scene.http, post, {}, key="k")
        assert isinstance(frozen, Continue)
        assert scene.requests == []
        record = frozen.progress["record"]
        assert abs(tid_instant(record["rkey"]) - datetime.now(UTC)) < timedelta(minutes=1)
        kept = json.loads(json.dumps(frozen.progress))
        for _ in range(2):
            step = await scene.adapter.publish(scene.http, post, kept, key="k")
        assert isinstance(step, Published)
        assert step.remote_ids == (URI,)
        assert step.permalink == f"https://bsky.app/profile/{DID}/post/{RKEY}"
        first, second = scene.requests
        assert first.body == second.body
        assert first.json == {
            "repo": DID,
            "collection": "app.bsky.feed.post",
            "rkey": record["rkey"],
            "validate": True,
            "record": {
                "$type": "app.bsky.feed.post",
                "text": "Olá 👩‍🚀 see https://example.org/x",
                "createdAt": record["value"]["createdAt"],
                "langs": ["pt"],
                "facets": [
                    {
                        "index": {"byteStart": 21, "byteEnd": 42},
                        "features": [
                            {
                                "$type": "app.bsky.richtext.facet#link",
                                "uri": "https://example.org/x",
                            }
                        ],
                    }
                ],
            },
            "swapRecord": None,
        }
        assert regex.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["value"]["createdAt"]
        )

    tell(story, WRITTEN, WRITTEN)


def test_images_keep_alt_text_and_shape_and_the_blob_as_it_came() -> None:
    files = (image(alt_text="Rocket", width=1200, height=800), image())
    post = draft(segments=(Segment("", files),), options={"labels": ["nudity", "porn"]})

    async def story(scene: Scene) -> None:
        ready = await scene.prepared(post)
        upload = scene.requests[0]
        assert (upload.path, upload.headers["content-type"]) == (
            "/xrpc/com.atproto.repo.uploadBlob",
            "image/png",
        )
        assert len(upload.body) == 68
        assert ready.expires_at is not None
        assert ready.expires_at - datetime.now(UTC) <= BLOB_LIFE
        await scene.published(post, ready.progress)
        (record,) = records(scene)
        assert record["embed"] == {
            "$type": "app.bsky.embed.images",
            "images": [
                {
                    "alt": "Rocket",
                    "image": BLOB,
                    "aspectRatio": {"width": 1200, "height": 800},
                },
                {"alt": "", "image": BLOB},
            ],
        }
        assert record["labels"] == {
            "$type": "com.atproto.label.defs#selfLabels",
            "values": [{"val": "nudity"}, {"val": "porn"}],
        }

    tell(story, Reply(200, {"blob": BLOB}), Reply(200, {"blob": BLOB}), WRITTEN)


def answering(*cids: str) -> Callable[[Request], Reply]:
    """Write whatever is put, under the key it names, with these hashes in turn."""
    left = iter(cids)

    def answer(request: Request) -> Reply:
        uri = f"at://{DID}/app.bsky.feed.post/{request.json['rkey']}"
        return Reply(200, {"uri": uri, "cid": next(left)})

    return answer


def test_a_thread_refers_to_its_root_and_its_parent() -> None:
    async def story(scene: Scene) -> None:
        step = await scene.published(draft("one", "two", first_comment="three"))
        assert len(set(step.remote_ids)) == 3
        first, second, third = step.remote_ids
        root = {"uri": first, "cid": "cid-1"}
        assert [record.get("reply") for record in records(scene)] == [
            None,
            {"root": root, "parent": root},
            {"root": root, "parent": {"uri": second, "cid": "cid-2"}},
        ]
        assert records(scene)[2]["text"] == "three"
        assert third.startswith(f"at://{DID}/app.bsky.feed.post/")

    tell(story, always=answering("cid-1", "cid-2", "cid-3"))


def test_a_parent_whose_hash_is_not_known_is_asked_for() -> None:
    async def story(scene: Scene) -> None:
        await scene.published(draft("one", "two"), {"published": [URI]})
        asked = urlsplit(scene.requests[0].path)
        assert asked.path == "/xrpc/com.atproto.repo.getRecord"
        assert parse_qs(asked.query) == {
            "repo": [DID],
            "collection": ["app.bsky.feed.post"],
            "rkey": [RKEY],
        }
        assert records(scene)[0]["reply"]["parent"] == {"uri": URI, "cid": CID}

    tell(story, *[Reply(200, {"uri": URI, "cid": CID, "value": RECORD})] * 2, WRITTEN)


def test_a_links_card_says_what_the_draft_says() -> None:
    options = {"card_url": "https://example.org/", "card_title": "Example"}
    external = {"uri": "https://example.org/", "title": "Example", "description": ""}

    async def story(scene: Scene) -> None:
        await scene.published(draft("see", "more", options=options))
        assert [record.get("embed") for record in records(scene)] == [
            {"$type": "app.bsky.embed.external", "external": external},
            None,
        ]

    tell(story, WRITTEN, WRITTEN)


@pytest.mark.parametrize(
    ("options", "media", "field", "code"),
    [
        ({"card_url": "https://e.org"}, (), "options.card_title", "card_without_title"),
        ({"card_title": "x"}, (), "options.card_title", "card_without_link"),
        (
            {"card_url": "https://e.org", "card_title": "x"},
            (image(),),
            "options.card_url",
            "card_and_files",
        ),
        ({"card_url": "e.org", "card_title": "x"}, (), "options.card_url", "invalid_option"),
        ({"languages": ["english"]}, (), "options.languages", "invalid_option"),
        ({"labels": ["rude"]}, (), "options.labels", "invalid_option"),
        ({"replies_from": ["everybody"]}, (), "options.replies_from", "invalid_option"),
    ],
)
def test_options_that_make_no_sense_are_named(
    options: dict[str, Any], media: tuple[Media, ...], field: str, code: str
) -> None:
    post = draft(segments=(Segment("x", media),), options=options)
    assert [(v.field, v.code) for v in Bluesky().violations(post)] == [(field, code)]


def test_bytes_and_the_alt_text_of_videos_have_limits_of_their_own() -> None:
    families = "👨‍👩‍👧‍👦" * 130
    assert Bluesky().violations(draft("é" * 300)) == []
    found = Bluesky().violations(draft(families))
    assert [(v.field, v.code) for v in found] == [("segments[0].text", "text_too_many_bytes")]
    film = Segment("", (video(alt_text="x" * 1001),))
    found = Bluesky().violations(draft(segments=(film,)))
    assert [(v.field, v.code) for v in found] == [("segments[0].media[0]", "alt_text_too_long")]


def test_a_record_that_waited_too_long_is_dated_anew_unless_it_may_be_live() -> None:
    long_ago = new_tid(datetime.now(UTC).timestamp() - 3600)
    progress = {"record": {**FROZEN, "rkey": long_ago}}

    async def story(scene: Scene) -> None:
        post = draft("Release 1.4 is out")
        await scene.published(post, progress)
        await scene.published(post, {**progress, "repeated": True})
        anew, repeated = (request.json for request in scene.requests)
        assert anew["rkey"] > long_ago
        assert anew["record"]["createdAt"] != RECORD["createdAt"]
        assert (repeated["rkey"], repeated["record"]) == (long_ago, RECORD)

    tell(story, WRITTEN, WRITTEN)


# --- who may reply ------------------------------------------------------------------------------
GATED = draft("Release 1.4 is out", options={"replies_from": ["mention", "following"]})
CREATED = Reply(200, {"results": [{"uri": URI, "cid": CID}, {"uri": "at://gate", "cid": "g"}]})


def test_a_post_and_its_gate_are_made_in_one_go() -> None:
    async def story(scene: Scene) -> None:
        step = await scene.published(GATED, {"record": FROZEN})
        assert step.remote_ids == (URI,)
        (request,) = scene.requests
        assert request.path == "/xrpc/com.atproto.repo.applyWrites"
        create = {"$type": "com.atproto.repo.applyWrites#create", "rkey": FROZEN["rkey"]}
        rules = ["mentionRule", "followingRule"]
        gate = {
            "$type": "app.bsky.feed.threadgate",
            "post": f"at://{DID}/app.bsky.feed.post/{FROZEN['rkey']}",
            "allow": [{"$type": f"app.bsky.feed.threadgate#{rule}"} for rule in rules],
            "createdAt": RECORD["createdAt"],
        }
        assert request.json == {
            "repo": DID,
            "validate": True,
            "writes": [
                {**create, "collection": "app.bsky.feed.post", "value": RECORD},
                {**create, "collection": "app.bsky.feed.threadgate", "value": gate},
            ],
        }

    tell(story, CREATED)


def test_nobody_may_reply_when_the_list_is_empty() -> None:
    async def story(scene: Scene) -> None:
        await scene.published(draft("a", "b", options={"replies_from": []}))
        first, second = scene.requests
        assert first.json["writes"][1]["value"]["allow"] == []
        assert second.path == PUT

    tell(story, CREATED, WRITTEN)


LIVE = Reply(200, {"uri": URI, "cid": CID, "value": RECORD})
MISSING = refusal(400, "RecordNotFound", "Could not locate record")


def test_a_repeat_of_a_gated_post_looks_first() -> None:
    async def story(scene: Scene) -> None:
        progress = {"record": FROZEN, "repeated": True, "taken": []}
        step = await scene.published(GATED, progress)
        assert step.remote_ids == (URI,)
        assert methods(scene) == ["getRecord"]
        await scene.published(GATED, progress)
        assert methods(scene)[1:] == ["getRecord", "applyWrites"]

    tell(story, LIVE, MISSING, CREATED)


# --- doubts -------------------------------------------------------------------------------------
def test_what_is_live_under_our_key_is_adopted() -> None:
    async def story(scene: Scene) -> None:
        post = draft("Release 1.4 is out")
        step = await scene.published(post, {"record": FROZEN})
        assert step.remote_ids == (URI,)
        assert methods(scene) == ["putRecord", "getRecord"]

    tell(story, refusal(400, "InvalidSwap", "Record was at bafy"), LIVE)


def test_a_key_that_is_taken_by_other_words_stays_in_doubt() -> None:
    async def story(scene: Scene) -> None:
        await scene.published(draft("Release 1.4 is out"), {"record": FROZEN})

    other = {"uri": URI, "cid": CID, "value": {**RECORD, "text": "else"}}
    error = failure(story, refusal(400, "InvalidSwap"), Reply(200, other))
    assert error.category is C.OUTCOME_UNKNOWN


def test_collected_blobs_are_sent_again_for_the_same_record() -> None:
    post = draft(segments=(Segment("x", (image(), image())),))
    entry = {"blob": BLOB, "expires_at": 1}
    uploaded = {"media": {"0.0": entry, "0.1": entry}}

    async def story(scene: Scene) -> None:
        await scene.published(post, uploaded)
        assert methods(scene) == ["putRecord", "uploadBlob", "uploadBlob", "putRecord"]
        assert scene.requests[0].body == scene.requests[3].body

    gone = refusal(400, "BlobNotFound", "Could not find blob")
    again = [Reply(200, {"blob": BLOB})] * 2
    tell(story, gone, *again, WRITTEN)
    error = failure(story, gone, *again, gone)
    assert (error.category, error.starts_over) == (C.SERVER_ERROR, True)


def test_a_video_that_was_collected_begins_anew() -> None:
    entry = {"blob": BLOB, "expires_at": 1}

    async def story(scene: Scene) -> None:
        post = draft(segments=(Segment("x", (video(),)),))
        await scene.published(post, {"media": {"0.0": entry}})

    error = failure(story, refusal(400, "BlobNotFound"))
    assert (error.category, error.starts_over) == (C.SERVER_ERROR, True)


def found(progress: dict[str, Any], *answers: Reply, **more: Any) -> Any:
    async def story(scene: Scene) -> Published | None:
        post, segment = more.get("post", draft("hi")), more.get("segment", 0)
        return await scene.adapter.find(scene.http, post, progress, segment=segment, since=SINCE)

    return tell(story, *answers)


def test_a_frozen_record_is_looked_for_under_its_key() -> None:
    post = draft("Release 1.4 is out")
    step = found({"record": FROZEN}, LIVE, post=post)
    assert step.remote_ids == (URI,)
    assert step.progress["cids"] == {URI: CID}
    assert found({"record": FROZEN}, MISSING, post=post) is None


def listed(text: str, at: datetime = SINCE, **more: Any) -> dict[str, Any]:
    uri = f"at://{DID}/app.bsky.feed.post/{new_tid(at.timestamp() + 1)}"
    return {"uri": uri, "cid": CID, "value": {**RECORD, "text": text}, **more}


OURS = listed("hi")
PARENT = {"reply": {"root": {"uri": "at://x"}, "parent": {"uri": "at://x"}}}


def test_without_a_frozen_record_the_latest_posts_are_looked_through() -> None:
    step = found({}, Reply(200, {"records": [listed("else"), OURS]}))
    assert step.remote_ids == (OURS["uri"],)
    reply = listed("hi", value={**RECORD, "text": "hi", **PARENT})
    step = found(
        {"published": ["at://x"]},
        Reply(200, {"records": [OURS, reply]}),
        post=draft("a", "hi"),
        segment=1,
    )
    assert step.progress["published"] == ["at://x", reply["uri"]]


@pytest.mark.parametrize(
    "entry",
    [
        listed("hi there"),
        listed("hi", value={**RECORD, "text": "hi", **PARENT}),
        listed("hi", value={**RECORD, "text": "hi", "embed": {"images": [{}]}}),
        listed("hi", value={**RECORD, "text": "hi", "embed": {"video": {}}}),
        listed("hi", at=SINCE - timedelta(minutes=1)),
        OURS,
    ],
)
def test_another_post_is_not_taken_for_ours(entry: dict[str, Any]) -> None:
    assert found({"taken": [OURS["uri"]]}, Reply(200, {"records": [entry]})) is None


def test_a_list_that_does_not_reach_the_moment_is_not_trusted() -> None:
    page = Reply(200, {"records": [listed("x")], "cursor": "more"})
    with pytest.raises(ServiceError) as caught:
        found({}, *[page] * 5)
    assert caught.value.category is C.OUTCOME_UNKNOWN
    old = listed("y", at=SINCE - timedelta(hours=1))
    assert found({}, page, Reply(200, {"records": [old], "cursor": "more"})) is None


# --- mentions -----------------------------------------------------------------------------------
def test_mentions_are_looked_up_ahead_and_strangers_stay_plain_text() -> None:
    post = draft("hi @Bob.test and @nobody.test", first_comment="and @bob.test")

    async def story(scene: Scene) -> None:
        assert scene.adapter.needs_preparation(post)
        ready = await scene.prepared(post)
        assert ready.expires_at is None
        assert ready.progress == {"dids": {"bob.test": "did:plc:bob", "nobody.test": ""}}
        assert methods(scene) == ["resolveHandle"] * 2
        await scene.published(post, ready.progress)
        first, second = records(scene)
        assert [facet["index"] for facet in first["facets"]] == [{"byteStart": 3, "byteEnd": 12}]
        assert first["facets"][0]["features"] == [
            {"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:bob"}
        ]
        assert second["facets"][0]["index"] == {"byteStart": 4, "byteEnd": 13}

    unknown = refusal(400, "InvalidRequest", "Unable to resolve handle")
    tell(story, Reply(200, {"did": "did:plc:bob"}), unknown, WRITTEN, WRITTEN)


def test_a_post_that_was_not_prepared_looks_its_mentions_up_itself() -> None:
    async def story(scene: Scene) -> None:
        await scene.published(draft("hi @bob.test"))
        assert methods(scene) == ["resolveHandle", "putRecord"]
        assert "facets" in records(scene)[0]

    tell(story, Reply(200, {"did": "did:plc:bob"}), WRITTEN)


def test_a_handle_that_cannot_be_looked_up_now_is_asked_for_again() -> None:
    async def story(scene: Scene) -> None:
        await scene.adapter.prepare(scene.http, draft("hi @bob.test"), {})

    assert failure(story, refusal(502, "UpstreamFailure")).category is C.SERVER_ERROR
    assert failure(story, refusal(400, "ExpiredToken")).category is C.TOKEN_EXPIRED


# --- afterwards ---------------------------------------------------------------------------------
def test_a_post_is_deleted_by_its_key() -> None:
    async def story(scene: Scene) -> None:
        await scene.adapter.delete(scene.http, URI)
        assert scene.requests[0].json == {
            "repo": DID,
            "collection": "app.bsky.feed.post",
            "rkey": RKEY,
        }

    tell(story, Reply(200, {}))


def test_metrics_are_asked_for_25_at_a_time_without_the_accounts_token() -> None:
    async def story(scene: Scene) -> None:
        await scene.adapter.metrics(scene.http, [URI] * 26)
        sizes = [len(parse_qs(urlsplit(r.path).query)["uris"]) for r in scene.requests]
        assert sizes == [25, 1]
        assert all("authorization" not in r.headers for r in scene.requests)

    tell(story, Reply(200, {"posts": []}), Reply(200, {"posts": []}))


@pytest.mark.parametrize(
    ("address", "remote_id"),
    [
        (f"https://bsky.app/profile/ada.bsky.social/post/{RKEY}", URI),
        (f" https://bsky.app/profile/{DID}/post/{RKEY}?ref=share ", URI),
        (f"https://bsky.app/profile/bob.bsky.social/post/{RKEY}", ""),
        ("https://bsky.app/profile/ada.bsky.social", ""),
    ],
)
def test_a_posts_address_tells_its_id(address: str, remote_id: str) -> None:
    assert Bluesky().remote_id_in(address, ACCOUNT) == remote_id
