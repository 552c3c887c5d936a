"""TikTok: its codes, chunks, the chunk that publishes, what becomes of it, options and counting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import wall_clock
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http
from platforms.adapters.base import (
    Adapter,
    Continue,
    Draft,
    Media,
    Processing,
    Progress,
    Published,
    Ready,
    Safety,
    Segment,
)
from platforms.adapters.tiktok import LAST_CHUNK_TRIES
from platforms.adapters.tiktok_finding import LISTS_LATE
from platforms.adapters.tiktok_post import LEAST_CHUNK_BYTES, chunks_of, excess
from platforms.adapters.tiktok_reading import CODES, ERRORS, FAIL_REASONS, SENTENCES
from tests.contract.server import DROP, Reply, Scripted
from tests.contract.tiktok_case import (
    COMPLETE,
    CREATOR,
    CREDENTIALS,
    OPTIONS,
    PHOTO,
    POST_ID,
    PUBLISH_ID,
    TIKTOK_CASE,
    USER,
    fine,
    make,
    refusal,
)
from tests.contract.wire import image, video
from tests.platforms.told import kept, tell

ACCOUNT = TIKTOK_CASE.account
ADAPTER = make("https://open.tiktok.example")
NOW = int(wall_clock.now())
SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SIZE = 3 * LEAST_CHUNK_BYTES + 7
CREATED = {"asked_at": NOW, "no_comments": False, "no_duet": False, "no_stitch": True}


def draft(text: str = "Launch day #demo", *files: Media, **more: Any) -> Draft:
    options = {**OPTIONS, **more.pop("options", {})}
    segment = Segment(text, files or (video(SIZE),))
    return Draft(segments=(segment,), account=ACCOUNT, options=options, **more)


def photos(text: str = "Autumn", **more: Any) -> Draft:
    return draft(text, PHOTO, PHOTO, **more)


def opened(server: Scripted | None = None, **more: Any) -> dict[str, Any]:
    """Return the progress of an upload that is open at this server."""
    where = server.url if server else "https://upload.example"
    return {
        "creator": CREATED,
        "publish_id": PUBLISH_ID,
        "sealed": {"upload_url": f"{where}/upload?upload_id=tt-upload-secret"},
        "chunk": LEAST_CHUNK_BYTES + 2,
        "count": 3,
        "sent": 2,
        "opened_at": NOW,
        **more,
    }


# --- errors -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Row:
    """A recorded answer to the request that publishes photos, and what it must be taken for."""

    status: int
    code: str
    category: C
    app_wide: bool = False
    wait: timedelta | None = None


MINUTE, DAY = timedelta(minutes=1), timedelta(hours=24)
ROWS = (
    Row(400, "invalid_params", C.VALIDATION_ERROR),
    Row(400, "invalid_file_upload", C.VALIDATION_ERROR),
    Row(400, "app_version_check_failed", C.VALIDATION_ERROR),
    Row(400, "", C.VALIDATION_ERROR),
    Row(400, "invalid_grant", C.AUTH_ERROR),
    Row(401, "access_token_invalid", C.TOKEN_EXPIRED),
    Row(401, "scope_not_authorized", C.PERMISSION),
    Row(401, "scope_permission_missed", C.PERMISSION),
    Row(401, "invalid_client", C.PERMISSION, app_wide=True),
    Row(401, "", C.TOKEN_EXPIRED),
    Row(403, "spam_risk_too_many_posts", C.QUOTA_EXCEEDED, wait=DAY),
    Row(403, "spam_risk_too_many_pending_share", C.QUOTA_EXCEEDED, wait=DAY),
    Row(403, "reached_active_user_cap", C.QUOTA_EXCEEDED, app_wide=True, wait=DAY),
    Row(403, "unaudited_client_can_only_post_to_private_accounts", C.VALIDATION_ERROR),
    Row(403, "privacy_level_option_mismatch", C.VALIDATION_ERROR),
    Row(403, "url_ownership_unverified", C.VALIDATION_ERROR),
    Row(403, "spam_risk_user_banned_from_posting", C.VALIDATION_ERROR),
    Row(403, "spam_risk_text", C.VALIDATION_ERROR),
    Row(403, "spam_risk", C.VALIDATION_ERROR),
    Row(403, "", C.PERMISSION),
    Row(429, "rate_limit_exceeded", C.RATE_LIMIT, wait=MINUTE),
    Row(429, "", C.RATE_LIMIT, wait=MINUTE),
    Row(500, "internal_error", C.OUTCOME_UNKNOWN),
    Row(503, "", C.OUTCOME_UNKNOWN),
    # HTTP 200 proves nothing:
    Row(200, "spam_risk_text", C.VALIDATION_ERROR),
    Row(200, "access_token_invalid", C.TOKEN_EXPIRED),
    Row(200, "rate_limit_exceeded", C.RATE_LIMIT, wait=MINUTE),
    Row(200, "internal_error", C.OUTCOME_UNKNOWN),
    Row(200, "never_heard_of", C.UNKNOWN),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.status}-{row.code}")
def test_error_rows(row: Row) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.publish(http, photos(), {"creator": CREATED}, key="k")
        error = caught.value
        assert (error.category, error.provider_code) == (row.category, row.code)
        assert (error.app_wide, error.retry_after) == (row.app_wide, row.wait)
        assert error.request_id == "2026112509300001"
        assert error.detail.endswith(".")

    tell(TIKTOK_CASE, story, refusal(row.status, row.code))


def test_every_code_has_a_row_and_every_reason_a_sentence() -> None:
    assert set(CODES) <= {row.code for row in ROWS}
    assert {code for _, code in ERRORS} <= {row.code for row in ROWS}
    assert set(FAIL_REASONS) <= set(SENTENCES)


def test_an_unaudited_application_is_told_what_it_may() -> None:
    code = "unaudited_client_can_only_post_to_private_accounts"

    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError, match="only with privacy SELF_ONLY"):
            await adapter.prepare(http, draft(), {"creator": CREATED})

    tell(TIKTOK_CASE, story, refusal(403, code))


# --- before the moment ----------------------------------------------------------------------------
def test_what_the_account_may_do_is_asked_before_each_post() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.prepare(http, draft(), {})
        creator = step.progress["creator"]
        assert creator == {**CREATED, "asked_at": creator["asked_at"]}
        with pytest.raises(ServiceError, match="MUTUAL_FOLLOW_FRIENDS, SELF_ONLY") as caught:
            await adapter.prepare(http, draft(options={"privacy_level": "FOLLOWER_OF_CREATOR"}), {})
        assert caught.value.category is C.VALIDATION_ERROR
        with pytest.raises(ServiceError, match="this account may post 300 s") as caught:
            await adapter.prepare(http, draft("x", video(SIZE, seconds=301.0)), {})
        assert caught.value.category is C.MEDIA_ERROR
        assert {(r.method, r.path, r.body) for r in server.requests} == {
            ("POST", "/v2/post/publish/creator_info/query/", b"{}")
        }

    tell(TIKTOK_CASE, story, *[fine(**CREATOR)] * 3)


def test_an_upload_is_opened_with_all_that_was_chosen() -> None:
    options = {
        "privacy_level": "SELF_ONLY",
        "allow_comments": True,
        "allow_duet": True,
        "allow_stitch": True,  # which the account itself has switched off
        "your_brand": True,
        "ai_generated": True,
        "cover_timestamp_ms": 1500,
    }

    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.prepare(http, draft(options=options), {"creator": CREATED})
        (request,) = server.requests
        assert request.path == "/v2/post/publish/video/init/"
        assert request.json == {
            "post_info": {
                "title": "Launch day #demo",
                "privacy_level": "SELF_ONLY",
                "disable_comment": False,
                "disable_duet": False,
                "disable_stitch": True,
                "brand_content_toggle": False,
                "brand_organic_toggle": True,
                "is_aigc": True,
                "video_cover_timestamp_ms": 1500,
            },
            "source_info": {
                "source": "FILE_UPLOAD",
                "video_size": SIZE,
                "chunk_size": LEAST_CHUNK_BYTES + 2,
                "total_chunk_count": 3,
            },
        }
        assert step.progress["publish_id"] == PUBLISH_ID
        assert step.progress["sealed"] == {"upload_url": "https://u.example/?upload_id=s"}

    opening = fine(publish_id=PUBLISH_ID, upload_url="https://u.example/?upload_id=s")
    tell(TIKTOK_CASE, story, opening)


def test_nothing_is_allowed_that_nobody_chose() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        await adapter.prepare(http, draft(), {"creator": CREATED})
        info = server.requests[0].json["post_info"]
        off = {name for name, value in info.items() if value is True}
        assert off == {"disable_comment", "disable_duet", "disable_stitch"}
        assert "video_cover_timestamp_ms" not in info

    tell(TIKTOK_CASE, story, fine(publish_id=PUBLISH_ID, upload_url="https://u.example/"))


def test_a_draft_for_the_inbox_needs_no_privacy_and_no_creator() -> None:
    inbox = Draft(
        segments=(Segment("x", (video(SIZE),)),), account=ACCOUNT, options={"mode": "draft"}
    )
    assert ADAPTER.violations(inbox) == []
    assert [notice.code for notice in ADAPTER.notices(inbox)] == ["finished_by_hand"]

    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.prepare(http, inbox, {})
        (request,) = server.requests
        assert request.path == "/v2/post/publish/inbox/video/init/"
        assert set(request.json) == {"source_info"}
        done = await adapter.check(http, inbox, step.progress)
        assert isinstance(done, Published)
        assert done.remote_ids == (PUBLISH_ID,)
        assert done.permalink == "https://www.tiktok.com/@ada"

    opening = fine(publish_id=PUBLISH_ID, upload_url="https://u.example/")
    tell(TIKTOK_CASE, story, opening, fine(status="SEND_TO_USER_INBOX"))


def test_all_chunks_but_the_last_are_sent_ahead() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        progress: Progress = opened(server, sent=0)
        for _ in range(2):
            step = await adapter.prepare(http, draft(), progress)
            assert isinstance(step, Continue)
            progress = step.progress
        ready = await adapter.prepare(http, draft(), progress)
        assert isinstance(ready, Ready)
        assert ready.expires_at is not None
        assert ready.expires_at <= datetime.fromtimestamp(NOW, UTC) + timedelta(minutes=55)
        step = await adapter.publish(http, draft(), ready.progress, key="k")
        assert isinstance(step, Processing)
        chunk = LEAST_CHUNK_BYTES + 2
        assert [request.headers["content-range"] for request in server.requests] == [
            f"bytes 0-{chunk - 1}/{SIZE}",
            f"bytes {chunk}-{2 * chunk - 1}/{SIZE}",
            f"bytes {2 * chunk}-{SIZE - 1}/{SIZE}",
        ]
        assert sum(len(request.body) for request in server.requests) == SIZE
        assert all("authorization" not in request.headers for request in server.requests)
        assert {request.headers["content-type"] for request in server.requests} == {"video/mp4"}

    tell(TIKTOK_CASE, story, Reply(206), Reply(206), Reply(201))


@pytest.mark.parametrize(
    ("told", "sent"),
    [
        (fine(status="PROCESSING_UPLOAD", uploaded_bytes=0), 0),
        (fine(status="PROCESSING_UPLOAD", uploaded_bytes=LEAST_CHUNK_BYTES + 2), 1),
        (fine(status="PROCESSING_UPLOAD", uploaded_bytes=2 * LEAST_CHUNK_BYTES + 4), 2),
        (fine(status="PROCESSING_UPLOAD"), 1),
    ],
)
def test_who_goes_on_asks_first_what_has_arrived(told: Reply, sent: int) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.prepare(http, draft(), opened(server, sent=1, resumed=True))
        assert step.progress["sent"] == sent
        assert server.requests[0].json == {"publish_id": PUBLISH_ID}

    tell(TIKTOK_CASE, story, told)


@pytest.mark.parametrize("status", [400, 403, 404, 416])
def test_an_upload_address_that_is_over_is_replaced(status: int) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        for call in (
            adapter.prepare(http, draft(), opened(server, sent=0)),
            adapter.publish(http, draft(), opened(server), key="k"),
        ):
            with pytest.raises(ServiceError) as caught:
                await call
            assert (caught.value.category, caught.value.starts_over) == (C.SERVER_ERROR, True)
            assert "tt-upload-secret" not in repr(vars(caught.value))

    echo = Reply(status, b"no: /upload?upload_id=tt-upload-secret")
    tell(TIKTOK_CASE, story, echo, echo)


def test_kinds_of_calls_are_counted_apart() -> None:
    stages: list[tuple[Progress, str]] = [
        ({}, "creator_info"),
        ({"creator": CREATED}, "init"),
        (opened(sent=0), "chunk"),
        (opened(sent=0, resumed=True), "status"),
        (opened(), "ready"),
    ]
    assert [ADAPTER.call_kind("prepare", draft(), progress) for progress, _ in stages] == [
        kind for _, kind in stages
    ]
    calls = {bucket.name: bucket.calls for bucket in ADAPTER.buckets}
    assert (calls["init"], calls["creator_info"], calls["find"]) == (6, 20, 30)


# --- the moment -----------------------------------------------------------------------------------
def test_a_last_chunk_without_an_answer_is_asked_about_and_not_sent_again() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        progress = opened(server)
        with pytest.raises(ServiceError) as caught:
            await adapter.publish(http, draft(), progress, key="k")
        assert caught.value.category is C.OUTCOME_UNKNOWN
        assert adapter.safety(draft(), progress).kind is Safety.KEY
        step = await adapter.publish(http, draft(), {**progress, "repeated": True}, key="k")
        assert isinstance(step, Processing)
        assert len(server.requests) == 1
        done = await adapter.check(http, draft(), kept(step.progress))
        assert isinstance(done, Published)
        assert done.remote_ids == (str(POST_ID),)
        assert done.permalink == f"https://www.tiktok.com/@ada/video/{POST_ID}"

    tell(TIKTOK_CASE, story, DROP, COMPLETE)  # type: ignore[arg-type]


def test_a_last_chunk_that_never_arrived_is_sent_again_to_the_same_post() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        progress = opened(server, tries=1)
        step = await adapter.check(http, draft(), progress)
        assert isinstance(step, Ready)
        assert step.expires_at is None  # nothing is prepared anew
        assert await adapter.publish(http, draft(), step.progress, key="k")
        assert server.requests[1].method == "PUT"

    missing = fine(status="PROCESSING_UPLOAD", uploaded_bytes=2 * LEAST_CHUNK_BYTES)
    tell(TIKTOK_CASE, story, missing, Reply(201))


def test_a_refusal_after_an_earlier_try_proves_nothing() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.publish(http, draft(), opened(server, tries=1), key="k")
        assert (caught.value.category, caught.value.starts_over) == (C.OUTCOME_UNKNOWN, False)

    tell(TIKTOK_CASE, story, Reply(416))


def test_a_new_upload_is_opened_only_when_the_old_one_can_no_longer_publish() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        tired = opened(server, tries=LAST_CHUNK_TRIES + 1)
        assert isinstance(await adapter.check(http, draft(), tired), Processing)
        late = opened(server, tries=1, opened_at=NOW - 3600)
        assert isinstance(await adapter.check(http, draft(), late), Processing)
        over = opened(server, tries=1, opened_at=NOW - 2 * 3600)
        with pytest.raises(ServiceError) as caught:
            await adapter.check(http, draft(), over)
        assert (caught.value.category, caught.value.starts_over) == (C.SERVER_ERROR, True)

    missing = fine(status="PROCESSING_UPLOAD", uploaded_bytes=5)
    tell(TIKTOK_CASE, story, missing, missing, missing)


@pytest.mark.parametrize(
    "data",
    [
        {"status": "PROCESSING_UPLOAD", "uploaded_bytes": SIZE},
        {"status": "PROCESSING_DOWNLOAD", "downloaded_bytes": 5},
    ],
)
def test_tiktok_at_work_is_asked_less_and_less_often(data: dict[str, Any]) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        pauses = []
        for age in (0, 100, 1000):
            step = await adapter.check(
                http, draft(), opened(server, since=int(wall_clock.now()) - age)
            )
            assert isinstance(step, Processing)
            pauses.append(step.poll_after.total_seconds())
        assert pauses == [5, 15, 60]

    tell(TIKTOK_CASE, story, *[fine(**data)] * 3)


def test_what_was_received_is_not_sent_again_whatever_is_counted() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.check(http, draft(), opened(server, answered=True))
        assert isinstance(step, Processing)

    tell(TIKTOK_CASE, story, fine(status="PROCESSING_UPLOAD", uploaded_bytes=0))


@pytest.mark.parametrize(("reason", "category"), FAIL_REASONS.items())
def test_work_that_failed_left_nothing_behind(reason: str, category: C) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.check(http, draft(), opened(server))
        error = caught.value
        assert (error.category, error.provider_code) == (category, reason)
        assert error.starts_over
        assert error.detail == SENTENCES[reason]

    tell(TIKTOK_CASE, story, fine(status="FAILED", fail_reason=reason))


def test_an_unknown_reason_is_told_as_it_is() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError, match="solar_flare") as caught:
            await adapter.check(http, draft(), opened(server))
        assert caught.value.category is C.UNKNOWN

    tell(TIKTOK_CASE, story, fine(status="FAILED", fail_reason="solar_flare"))


def test_a_post_without_a_public_id_is_published_all_the_same() -> None:
    private = draft(options={"privacy_level": "SELF_ONLY"})

    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        done = await adapter.check(http, private, opened(server))
        assert isinstance(done, Published)
        assert (done.remote_ids, done.permalink) == ((PUBLISH_ID,), "https://www.tiktok.com/@ada")
        step = await adapter.check(http, draft(), opened(server))
        assert isinstance(step, Processing)  # the id may still come
        late = {**step.progress, "complete_at": NOW - 700}
        done = await adapter.check(http, draft(), late)
        assert isinstance(done, Published)
        assert done.remote_ids == (PUBLISH_ID,)

    nothing = fine(status="PUBLISH_COMPLETE", publicaly_available_post_id=[])
    tell(TIKTOK_CASE, story, nothing, nothing, nothing)


@pytest.mark.parametrize("post_id", [POST_ID, str(POST_ID), 2**63 - 1])
def test_ids_beyond_floats_stay_whole(post_id: Any) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        done = await adapter.check(http, draft(), opened(server))
        assert isinstance(done, Published)
        assert done.remote_ids == (str(post_id),)

    data = fine(status="PUBLISH_COMPLETE", publicaly_available_post_id=[post_id])
    tell(TIKTOK_CASE, story, data)


# --- photos ---------------------------------------------------------------------------------------
def test_photos_are_published_by_their_addresses() -> None:
    what = photos(options={"title": "Leaves", "cover_index": 1, "auto_add_music": True})

    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.publish(http, what, {"creator": CREATED}, key="k")
        assert isinstance(step, Processing)
        (request,) = server.requests
        assert request.path == "/v2/post/publish/content/init/"
        assert request.json == {
            "media_type": "PHOTO",
            "post_mode": "DIRECT_POST",
            "post_info": {
                "title": "Leaves",
                "description": "Autumn",
                "privacy_level": "PUBLIC_TO_EVERYONE",
                "disable_comment": True,
                "auto_add_music": True,
                "brand_content_toggle": False,
                "brand_organic_toggle": False,
            },
            "source_info": {
                "source": "PULL_FROM_URL",
                "photo_cover_index": 1,
                "photo_images": ["https://files.example/1.jpg", "https://files.example/1.jpg"],
            },
        }
        again = await adapter.publish(http, what, step.progress, key="k")
        assert isinstance(again, Processing)
        assert len(server.requests) == 1
        done = await adapter.check(http, what, step.progress)
        assert isinstance(done, Published)
        assert done.permalink == f"https://www.tiktok.com/@ada/photo/{POST_ID}"

    tell(TIKTOK_CASE, story, fine(publish_id="p_pub_url~1"), COMPLETE)


def test_photos_for_the_inbox() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        await adapter.publish(http, photos(options={"mode": "draft"}), {}, key="k")
        body = server.requests[0].json
        assert body["post_mode"] == "MEDIA_UPLOAD"
        assert body["post_info"] == {"title": "", "description": "Autumn"}

    tell(TIKTOK_CASE, story, fine(publish_id="p_inbox_url~1"))


# --- find -----------------------------------------------------------------------------------------
def listed(*videos: dict[str, Any], **more: Any) -> Reply:
    return fine(videos=list(videos), **{"cursor": 0, "has_more": False, **more})


def shown(**more: Any) -> dict[str, Any]:
    made = int(SINCE.timestamp()) + 60
    return {"id": str(POST_ID), "create_time": made, "title": "Launch day #demo", **more}


def found(what: Draft, progress: Progress, *pages: Reply, since: datetime = SINCE) -> Any:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> Published | None:
        return await adapter.find(http, what, progress, segment=0, since=since)

    return tell(TIKTOK_CASE, story, *pages)


def test_a_post_is_known_by_its_publish_id_or_its_caption() -> None:
    assert found(draft(), opened(), COMPLETE).remote_ids == (str(POST_ID),)
    assert found(draft(), opened(), fine(status="FAILED")) is None
    with pytest.raises(ServiceError) as caught:
        found(draft(), opened(), fine(status="PROCESSING_DOWNLOAD"))
    assert caught.value.category is C.SERVER_ERROR
    assert found(draft(), {}, listed(shown())).remote_ids == (str(POST_ID),)


def test_a_long_caption_is_known_by_its_beginning() -> None:
    long = "All about autumn leaves, " * 20
    assert found(draft(long), {}, listed(shown(title=long[:150]))) is not None
    assert found(draft(long), {}, listed(shown(title=long[:40]))) is None


@pytest.mark.parametrize(
    ("progress", "listing"),
    [
        ({}, shown(title="Another")),
        ({}, shown(title="")),
        ({}, shown(create_time=int(SINCE.timestamp()) - 1)),
        ({"taken": [str(POST_ID)]}, shown()),
        ({}, shown(id=1.5)),
    ],
)
def test_another_post_is_not_taken_for_ours(
    progress: dict[str, Any], listing: dict[str, Any]
) -> None:
    assert found(draft(), progress, listed(listing)) is None


def test_further_pages_are_asked_for_by_milliseconds() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        assert await adapter.find(http, draft(), {}, segment=0, since=SINCE) is not None
        assert [request.json for request in server.requests] == [
            {"max_count": 20},
            {"max_count": 20, "cursor": 1_795_000_000_123},
        ]

    more = listed(shown(title="Other"), cursor=1_795_000_000_123, has_more=True)
    tell(TIKTOK_CASE, story, more, listed(shown()))
    with pytest.raises(ServiceError):
        found(draft(), {}, *[more] * 5)


def test_photos_that_are_not_listed_may_be_there_all_the_same() -> None:
    assert ADAPTER.safety(photos(), {"creator": CREATED}).kind is Safety.FIND
    assert ADAPTER.safety(photos(), {"publish_id": "p"}).kind is Safety.KEY
    with pytest.raises(ServiceError) as caught:
        found(photos(), {}, listed(), since=wall_clock.instant())
    assert caught.value.category is C.SERVER_ERROR  # asked again
    for what, since in (
        (photos(), wall_clock.instant() - 2 * LISTS_LATE),
        (photos(options={"privacy_level": "SELF_ONLY"}), wall_clock.instant()),
    ):
        with pytest.raises(ServiceError) as caught:
            found(what, {}, listed(), since=since)
        assert caught.value.category is C.OUTCOME_UNKNOWN  # a person looks
    assert found(photos("Launch day #demo"), {}, listed(shown())) is not None


# --- before scheduling ----------------------------------------------------------------------------
def codes(what: Draft) -> set[tuple[str, str]]:
    return {(violation.field, violation.code) for violation in ADAPTER.violations(what)}


FILE = "segments[0].media[0]"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (draft(), set()),
        (photos(), set()),
        (draft("", video()), set()),
        (photos("x" * 4000), set()),
        (photos("x" * 4001), {("segments[0].text", "text_too_long")}),
        (draft("\N{GRINNING FACE}" * 1100), set()),
        (draft("\N{GRINNING FACE}" * 1101), {("segments[0].text", "text_too_long")}),
        (draft("x", video(), PHOTO), {("segments[0].media", "mixed_media")}),
        (draft("x", image(url="https://files.example/1")), {(FILE, "media_unsupported")}),
        (
            draft("x", image(mime_type="image/jpeg")),
            {(FILE, "file_unreachable")},
        ),
        (
            draft(
                "x", image(mime_type="image/jpeg", url="https://x.example", width=2000, height=1081)
            ),
            {(FILE, "image_too_large")},
        ),
        (draft("x", video(width=358, height=640)), {(FILE, "video_size_unsupported")}),
        (draft("x", video(seconds=2.5)), {(FILE, "video_too_short")}),
        (draft("x", video(seconds=601.0)), {(FILE, "video_too_long")}),
        (
            draft(options={"privacy_level": "SELF_ONLY", "branded_content": True}),
            {("options.privacy_level", "branded_content_private")},
        ),
        (
            photos(options={"title": "\N{GRINNING FACE}" * 46}),
            {("options.title", "title_too_long")},
        ),
        (photos(options={"cover_index": 2}), {("options.cover_index", "no_such_photo")}),
        (draft(first_comment="Hi"), {("first_comment", "first_comment_unsupported")}),
    ],
)
def test_what_tiktok_would_refuse(what: Draft, expected: set[tuple[str, str]]) -> None:
    assert codes(what) == expected


def test_privacy_must_be_chosen() -> None:
    silent = Draft(segments=(Segment("x", (video(),)),), account=ACCOUNT)
    assert codes(silent) == {("options.privacy_level", "option_missing")}


@given(st.text(max_size=200))
def test_texts_are_counted_in_utf_16(text: str) -> None:
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    assert excess(text, 0) == units
    assert excess(text, units) == 0


@given(st.integers(1, 4_000_000_000))
def test_chunks_fit_tiktok_s_rules(size: int) -> None:
    chunk, count = chunks_of(size)
    last = size - (count - 1) * chunk
    assert 1 <= count <= 1000
    assert count == max(1, size // chunk)
    assert chunk >= 5_000_000 or count == 1
    assert chunk <= 64_000_000
    assert chunk <= last <= 2 * LEAST_CHUNK_BYTES + 1000


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["policy"]),
        ({"branded_content": True}, ["policy"]),
        ({"privacy_level": "SELF_ONLY"}, ["policy", "private"]),
    ],
)
def test_what_tiktok_wants_people_to_know(options: dict[str, Any], expected: list[str]) -> None:
    found_notices = ADAPTER.notices(draft(options=options))
    assert [notice.code for notice in found_notices] == expected
    assert ("Branded" in found_notices[0].message) is bool(options.get("branded_content"))


# --- the account ----------------------------------------------------------------------------------
def test_an_account_has_its_own_longest_video() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        account = await adapter.validate(http)
        assert (account.external_id, account.username) == (USER["open_id"], "ada")
        assert account.limits == {"video_seconds": 300}
        assert (await adapter.validate(http)).limits == {}  # it may not be asked: no matter

    tell(
        TIKTOK_CASE,
        story,
        fine(user=USER),
        fine(**CREATOR),
        fine(user=USER),
        refusal(401, "scope_not_authorized"),
    )


@pytest.mark.parametrize(
    ("status", "error", "category", "code"),
    [
        (400, "invalid_grant", C.AUTH_ERROR, "invalid_grant"),
        (200, "invalid_grant", C.AUTH_ERROR, "invalid_grant"),
        (401, "invalid_client", C.PERMISSION, "invalid_client"),
        (400, "invalid_request", C.VALIDATION_ERROR, "invalid_request"),
        (429, "rate_limit_exceeded", C.RATE_LIMIT, "rate_limit_exceeded"),
        (500, "server_error", C.SERVER_ERROR, "server_error"),
    ],
)
def test_only_a_dead_grant_ends_a_connection(
    status: int, error: str, category: C, code: str
) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.refresh(http, CREDENTIALS)
        assert (caught.value.category, caught.value.provider_code) == (category, code)

    flat = {"error": error, "error_description": "No.", "log_id": "20261125"}
    tell(TIKTOK_CASE, story, Reply(status, flat))


def test_a_refresh_rotates_and_its_lost_answer_is_unknown() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        fresh = await adapter.refresh(http, CREDENTIALS)
        assert (fresh["access_token"], fresh["refresh_token"]) == ("new-access", "new-refresh")
        ends = datetime.fromisoformat(fresh["refresh_expires_at"]) - datetime.now(UTC)
        assert timedelta(days=179) < ends < timedelta(days=181)
        (request,) = server.requests
        assert request.path == "/v2/oauth/token/"
        assert request.body == (
            b"client_key=tt-client-key&client_secret=tt-secret&grant_type=refresh_token"
            b"&refresh_token=tt-refresh-token"
        )
        with pytest.raises(ServiceError) as caught:
            await adapter.refresh(http, CREDENTIALS)
        assert caught.value.category is C.OUTCOME_UNKNOWN

    tell(TIKTOK_CASE, story, TIKTOK_CASE.other["refresh"], DROP)  # type: ignore[arg-type]


def test_a_token_is_revoked_and_a_refusal_in_an_http_200_is_one() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        await adapter.revoke(http)
        assert server.requests[0].body == (
            b"client_key=tt-client-key&client_secret=tt-secret&token=tt-access-token"
        )
        with pytest.raises(ServiceError):
            await adapter.revoke(http)

    tell(TIKTOK_CASE, story, Reply(200, b""), Reply(200, {"error": "invalid_request"}))


def test_counters_are_read_20_at_a_time_and_only_of_public_posts() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        ids = [str(number) for number in range(25)]
        counted = await adapter.metrics(http, [*ids, PUBLISH_ID])
        assert [entry.remote_id for entry in counted] == ["1", "21"]
        assert [len(r.json["filters"]["video_ids"]) for r in server.requests] == [20, 5]

    tell(
        TIKTOK_CASE,
        story,
        fine(videos=[{"id": "1", "view_count": 2}]),
        fine(videos=[{"id": 21, "like_count": 2}]),
    )


@pytest.mark.parametrize("kind", ["video", "photo"])
def test_addresses_as_people_copy_them(kind: str) -> None:
    address = f"https://www.tiktok.com/@ada.l/{kind}/{POST_ID}?is_from_webapp=1"
    assert ADAPTER.remote_id_in(address, ACCOUNT) == str(POST_ID)
