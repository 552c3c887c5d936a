"""YouTube: its error table, uploads that resume, the flip, counting, and finding what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import wall_clock
from engine.answers import Response
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http
from platforms.adapters.base import (
    Adapter,
    Draft,
    Media,
    Processing,
    Progress,
    Published,
    Ready,
    Safety,
    Segment,
)
from platforms.adapters.youtube_post import excess, tags_chars
from platforms.adapters.youtube_reading import ERRORS, FAILURES
from platforms.adapters.youtube_upload import CHUNK_BYTES
from tests.contract.server import Reply, Scripted
from tests.contract.wire import image, video
from tests.contract.youtube_case import (
    CHANNEL,
    CHANNEL_ID,
    CREDENTIALS,
    LIVE,
    PROCESSED,
    VIDEO_ID,
    YOUTUBE_CASE,
    listed,
    make,
)
from tests.platforms.told import kept, tell

ACCOUNT = YOUTUBE_CASE.account
ADAPTER = make("https://youtube.example")
SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SIZE = CHUNK_BYTES * 2 + 1000
UPLOADED = {"video": VIDEO_ID, "uploaded_at": int(wall_clock.now()), "processed": True}
CREATED = Reply(200, {"id": VIDEO_ID, "status": {"privacyStatus": "private"}})


def draft(text: str = "Release\nWhat is new", *files: Media, **more: Any) -> Draft:
    options = {"made_for_kids": False, **more.pop("options", {})}
    segment = Segment(text, files or (video(SIZE, seconds=400.0),))
    return Draft(segments=(segment,), account=ACCOUNT, options=options, **more)


def refusal(status: int, reason: str, message: str = "No.") -> Reply:
    errors = [{"reason": reason, "domain": "youtube"}]
    return Reply(status, {"error": {"code": status, "message": message, "errors": errors}})


# --- errors -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Row:
    """A recorded answer to the flip, and what it must be taken for."""

    status: int
    category: C
    reason: str = ""
    app_wide: bool = False
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reply(self) -> Reply:
        return Reply(self.status, self.body) if self.body else refusal(self.status, self.reason)


SCOPES = {
    "error": {
        "code": 403,
        "message": "Request had insufficient authentication scopes.",
        "status": "PERMISSION_DENIED",
        "details": [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}],
    }
}
ROWS = (
    Row(400, C.VALIDATION_ERROR),
    *(
        Row(400, C.VALIDATION_ERROR, f"invalid{name}")
        for name in ("Title", "Description", "Tags", "CategoryId", "VideoMetadata")
    ),
    Row(400, C.QUOTA_EXCEEDED, "uploadLimitExceeded"),
    Row(401, C.TOKEN_EXPIRED, "authError"),
    Row(401, C.TOKEN_EXPIRED),
    Row(401, C.PERMISSION, "youtubeSignupRequired"),
    Row(401, C.PERMISSION, "authenticatedUserAccountClosed"),
    Row(401, C.PERMISSION, "authenticatedUserAccountSuspended"),
    Row(403, C.PERMISSION),
    Row(403, C.PERMISSION, "youtubeSignupRequired"),
    Row(403, C.PERMISSION, "accountDelegationForbidden"),
    Row(403, C.PERMISSION, "insufficientPermissions"),
    Row(403, C.PERMISSION, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", body=SCOPES),
    Row(403, C.PERMISSION, "accessNotConfigured", app_wide=True),
    Row(403, C.QUOTA_EXCEEDED, "quotaExceeded", app_wide=True),
    Row(403, C.QUOTA_EXCEEDED, "dailyLimitExceeded", app_wide=True),
    Row(403, C.RATE_LIMIT, "rateLimitExceeded"),
    Row(403, C.RATE_LIMIT, "userRateLimitExceeded"),
    Row(403, C.VALIDATION_ERROR, "forbidden"),
    Row(403, C.VALIDATION_ERROR, "forbiddenPrivacySetting"),
    Row(403, C.VALIDATION_ERROR, "forbiddenLicenseSetting"),
    Row(403, C.VALIDATION_ERROR, "commentsDisabled"),
    Row(404, C.UNKNOWN, "videoNotFound"),
    Row(429, C.RATE_LIMIT),
    Row(429, C.RATE_LIMIT, "rateLimitExceeded"),
    Row(500, C.OUTCOME_UNKNOWN, "backendError"),
    Row(503, C.OUTCOME_UNKNOWN),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.status}-{row.reason}")
def test_error_rows(row: Row) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.publish(http, draft(), UPLOADED, key="k")
        error = caught.value
        assert (error.category, error.provider_code) == (row.category, row.reason)
        assert error.app_wide is row.app_wide
        assert error.detail.endswith(".")

    tell(YOUTUBE_CASE, story, row.reply)


def test_every_row_of_the_table_has_a_test() -> None:
    assert set(ERRORS) <= {(row.status, row.reason) for row in ROWS}


@pytest.mark.parametrize(
    ("sent", "wait"),
    [
        ("Wed, 25 Nov 2026 20:00:00 GMT", timedelta(hours=12)),
        ("Thu, 26 Nov 2026 07:59:00 GMT", timedelta(minutes=1)),
    ],
)
def test_a_quota_that_is_used_up_waits_for_midnight_pacific(sent: str, wait: timedelta) -> None:
    body = refusal(403, "quotaExceeded").encode().partition(b"\r\n\r\n")[2]
    answer = Response(403, {"date": sent}, body, "POST", "/youtube/v3/videos")
    told = ADAPTER.error(answer).retry_after
    assert told is not None
    assert (told - wait) % timedelta(days=1) in (timedelta(0), timedelta(hours=1))


def test_a_channel_that_uploaded_too_much_waits_a_day() -> None:
    body = refusal(400, "uploadLimitExceeded").encode().partition(b"\r\n\r\n")[2]
    error = ADAPTER.error(Response(400, {}, body, "POST", "/upload/youtube/v3/videos"))
    assert error.retry_after == timedelta(hours=24)
    assert not error.app_wide


def test_google_s_html_is_not_shown() -> None:
    words = 'Exceeded your <a href="/youtube/v3/getting-started#quota">limit</a>'
    body = refusal(400, "odd", words).encode().partition(b"\r\n\r\n")[2]
    error = ADAPTER.error(Response(400, {}, body))
    assert error.detail == "YouTube answered HTTP 400: Exceeded your limit."


# --- the upload -----------------------------------------------------------------------------------
SESSION = Reply(200, b"", {"location": "http://127.0.0.1:9/upload?upload_id=session-secret"})


def stored(upto: int) -> Reply:
    headers = {"range": f"bytes=0-{upto - 1}"} if upto else {}
    return Reply(308, b"", headers)


async def steps(
    adapter: Adapter, http: Http, what: Draft, progress: Progress, number: int
) -> Progress:
    for _ in range(number):
        step = await adapter.prepare(http, what, progress)
        progress = kept(step.progress)
    return progress


def here(server: Scripted) -> dict[str, Any]:
    """Return the progress of an upload whose session is at this server."""
    session = f"{server.url}/upload?upload_id=session-secret"
    return {
        "sealed": {"session": session},
        "offset": 0,
        "marker": "pid-0123456789ab",
        "started_at": int(wall_clock.now()),
    }


def test_a_session_begins_with_all_that_is_known_and_private() -> None:
    what = draft(
        "Release\nWhat is new\n",
        options={
            "tags": ["recap", "two words"],
            "category_id": "28",
            "synthetic_media": True,
            "license": "creativeCommon",
            "notify_subscribers": False,
            "language": "en",
        },
    )

    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.prepare(http, what, {})
        (request,) = server.requests
        assert request.path == (
            "/upload/youtube/v3/videos?uploadType=resumable&part=snippet,status"
            "&notifySubscribers=false"
        )
        assert request.headers["x-upload-content-type"] == "video/mp4"
        assert request.headers["x-upload-content-length"] == str(SIZE)
        assert request.headers["authorization"] == "Bearer yt-access-token"
        marker = step.progress["marker"]
        assert request.json == {
            "snippet": {
                "title": "Release",
                "description": "What is new",
                "tags": ["recap", "two words", marker],
                "categoryId": "28",
                "defaultLanguage": "en",
            },
            "status": {
                "privacyStatus": "private",
                "selfDeclaredMadeForKids": False,
                "license": "creativeCommon",
                "embeddable": True,
                "containsSyntheticMedia": True,
            },
        }
        assert step.progress["sealed"]["session"].endswith("session-secret")

    tell(YOUTUBE_CASE, story, SESSION)


def test_two_uploads_have_different_markers() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        markers = {(await adapter.prepare(http, draft(), {})).progress["marker"] for _ in "ab"}
        assert len(markers) == 2

    tell(YOUTUBE_CASE, story, SESSION, SESSION)


def test_a_film_is_sent_in_chunks_and_polled() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        progress = await steps(adapter, http, draft(), here(server), 3)
        assert [request.headers["content-range"] for request in server.requests] == [
            f"bytes 0-{CHUNK_BYTES - 1}/{SIZE}",
            f"bytes {CHUNK_BYTES}-{2 * CHUNK_BYTES - 1}/{SIZE}",
            f"bytes {2 * CHUNK_BYTES}-{SIZE - 1}/{SIZE}",
        ]
        assert [len(request.body) for request in server.requests] == [
            CHUNK_BYTES,
            CHUNK_BYTES,
            1000,
        ]
        assert progress["video"] == VIDEO_ID
        assert "sealed" not in progress
        step = await adapter.prepare(http, draft(), progress)
        assert isinstance(step, Processing)
        assert timedelta(seconds=10) <= step.poll_after <= timedelta(minutes=5)
        progress = await steps(adapter, http, draft(), progress, 1)
        assert isinstance(await adapter.prepare(http, draft(), progress), Ready)

    tell(
        YOUTUBE_CASE,
        story,
        stored(CHUNK_BYTES),
        stored(2 * CHUNK_BYTES),
        CREATED,
        listed({"id": VIDEO_ID, "status": {"uploadStatus": "uploaded"}}),
        listed(PROCESSED),
    )


@pytest.mark.parametrize("have", [0, CHUNK_BYTES, CHUNK_BYTES + 256 * 1024])
def test_who_goes_on_asks_first_what_is_stored(have: int) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        resumed = {**here(server), "offset": CHUNK_BYTES, "resumed": True}
        step = await adapter.prepare(http, draft(), resumed)
        assert step.progress["offset"] == have
        (request,) = server.requests
        assert (request.headers["content-range"], request.body) == (f"bytes */{SIZE}", b"")
        assert request.headers["content-length"] == "0"

    tell(YOUTUBE_CASE, story, stored(have))


def test_a_last_chunk_whose_answer_was_lost_is_not_sent_again() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        resumed = {**here(server), "offset": 2 * CHUNK_BYTES, "resumed": True}
        step = await adapter.prepare(http, draft(), resumed)
        assert step.progress["video"] == VIDEO_ID

    tell(YOUTUBE_CASE, story, CREATED)


def test_a_session_that_is_over_is_replaced_when_no_video_has_its_marker() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        resumed = {**here(server), "resumed": True}
        step = await adapter.prepare(http, draft(), resumed)
        assert adapter.call_kind("prepare", draft(), kept(step.progress)) == "insert"
        assert [request.method for request in server.requests] == ["PUT", "GET", "GET"]
        assert f"playlistId=UU{CHANNEL_ID[2:]}" in server.requests[1].path

    other = {"id": "xxxxxxxxxxx", "snippet": {"tags": ["pid-other"]}}
    page = listed({"contentDetails": {"videoId": "xxxxxxxxxxx"}})
    tell(YOUTUBE_CASE, story, Reply(404), page, listed(other))


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_is_over_because_all_had_arrived_leaves_its_video(status: int) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.prepare(http, draft(), {**here(server), "resumed": True})
        assert step.progress["video"] == VIDEO_ID

    ours = {"id": VIDEO_ID, "snippet": {"tags": ["a", "pid-0123456789ab"]}}
    page = listed({"contentDetails": {"videoId": VIDEO_ID}})
    tell(YOUTUBE_CASE, story, Reply(status), page, listed(ours))


def test_a_chunk_of_which_nothing_was_stored_is_not_sent_in_a_circle() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.prepare(http, draft(), here(server))
        assert caught.value.category is C.SERVER_ERROR

    tell(YOUTUBE_CASE, story, stored(0))


def test_the_token_goes_to_google_s_hosts_only_and_the_address_is_never_told() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.prepare(http, draft(), here(server))
        assert server.requests[0].headers["authorization"] == "Bearer yt-access-token"
        assert "session-secret" not in repr(vars(caught.value))
        foreign = {**here(server)}
        foreign["sealed"] = {"session": server.url.replace("127.0.0.1", "localhost") + "/u?id=1"}
        with pytest.raises(ServiceError):
            await adapter.prepare(http, draft(), foreign)
        assert "authorization" not in server.requests[1].headers

    echo = Reply(400, b"bad: http://127.0.0.1/upload?upload_id=session-secret")
    tell(YOUTUBE_CASE, story, echo, echo)


# --- what becomes of it ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "category", "starts_over"),
    [
        *(({"uploadStatus": "failed", "failureReason": r}, C.MEDIA_ERROR, False) for r in FAILURES),
        ({"uploadStatus": "failed", "failureReason": "uploadAborted"}, C.SERVER_ERROR, True),
        ({"uploadStatus": "deleted"}, C.SERVER_ERROR, True),
        ({"uploadStatus": "rejected", "rejectionReason": "duplicate"}, C.DUPLICATE, False),
        ({"uploadStatus": "rejected", "rejectionReason": "length"}, C.MEDIA_ERROR, False),
        ({"uploadStatus": "rejected", "rejectionReason": "copyright"}, C.VALIDATION_ERROR, False),
        (
            {"uploadStatus": "rejected", "rejectionReason": "uploaderAccountSuspended"},
            C.PERMISSION,
            False,
        ),
    ],
)
def test_an_upload_that_youtube_refuses(
    status: dict[str, str], category: C, starts_over: bool
) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        progress = {"video": VIDEO_ID, "uploaded_at": int(wall_clock.now())}
        with pytest.raises(ServiceError) as caught:
            await adapter.prepare(http, draft(), progress)
        assert (caught.value.category, caught.value.starts_over) == (category, starts_over)

    tell(YOUTUBE_CASE, story, listed({"id": VIDEO_ID, "status": status}))


def test_patience_with_processing_ends() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        progress = {"video": VIDEO_ID, "uploaded_at": int(wall_clock.now()) - 4 * 3600}
        with pytest.raises(ServiceError, match="within 3 hours"):
            await adapter.prepare(http, draft(), progress)

    tell(YOUTUBE_CASE, story, listed({"id": VIDEO_ID, "status": {"uploadStatus": "uploaded"}}))


def test_a_thumbnail_never_fails_the_post() -> None:
    what = draft("Release", video(), image(mime_type="image/jpeg"))

    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        progress = {"video": VIDEO_ID, "uploaded_at": int(wall_clock.now())}
        refused = await adapter.prepare(http, what, progress)
        assert refused.progress["thumbnail"] == "refused: 403"
        accepted = await adapter.prepare(http, what, progress)
        assert accepted.progress["thumbnail"] == "set"
        with pytest.raises(ServiceError) as caught:  # a fresh token helps
            await adapter.prepare(http, what, progress)
        assert caught.value.category is C.TOKEN_EXPIRED
        request = server.requests[1]
        assert request.path.startswith(
            f"/upload/youtube/v3/thumbnails/set?videoId={VIDEO_ID}&uploadType=media"
        )
        assert request.headers["content-type"] == "image/jpeg"
        assert request.body.startswith(b"\x89PNG")

    tell(YOUTUBE_CASE, story, refusal(403, "forbidden"), Reply(200, {}), refusal(401, "authError"))


def test_a_playlist_is_looked_up_first_and_gets_the_video_once() -> None:
    what = draft(options={"playlist_id": "PL123"})

    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError, match="no playlist PL123") as caught:
            await adapter.prepare(http, what, {})
        assert caught.value.category is C.VALIDATION_ERROR
        progress = {"video": VIDEO_ID, "uploaded_at": 1}
        added = await adapter.prepare(http, what, progress)
        assert added.progress["playlist"] == "PL123"
        assert server.requests[2].json == {
            "snippet": {
                "playlistId": "PL123",
                "resourceId": {"kind": "youtube#video", "videoId": VIDEO_ID},
            }
        }
        found = await adapter.prepare(http, what, progress)
        assert found.progress["playlist"] == "PL123"
        assert len(server.requests) == 4

    tell(YOUTUBE_CASE, story, listed(), listed(), Reply(200, {}), listed({"id": "item"}))


def test_kinds_of_calls_are_counted_apart() -> None:
    what = draft("Release", video(), image(), options={"playlist_id": "PL1"})
    sealed = {"sealed": {"session": "s"}, "offset": 0}
    stages: list[tuple[Progress, str]] = [
        ({}, "insert"),
        (sealed, "chunk"),
        ({**sealed, "resumed": True}, "probe"),
        ({"video": "v"}, "thumbnail"),
        ({"video": "v", "thumbnail": "set"}, "playlist"),
        ({"video": "v", "thumbnail": "set", "playlist": "PL1"}, "poll"),
    ]
    assert [ADAPTER.call_kind("prepare", what, progress) for progress, _ in stages] == [
        kind for _, kind in stages
    ]
    assert ADAPTER.call_kind("publish", what, UPLOADED) == "publish"
    assert ADAPTER.call_kind("publish", what, {"published": ["v"]}) == "comment"
    units = {bucket.name: bucket.cost for bucket in ADAPTER.buckets if bucket.pool == "units"}
    assert units["publish"] == units["comment"] == units["delete"] == 50
    assert units["poll"] == 1
    (insert,) = [bucket for bucket in ADAPTER.buckets if bucket.name == "insert"]
    assert (insert.calls, insert.refilled_in) == (100, "America/Los_Angeles")


# --- the flip -------------------------------------------------------------------------------------
def test_the_flip_is_one_small_request_with_the_whole_status() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.publish(http, draft(), UPLOADED, key="k")
        assert isinstance(step, Published)
        assert step.permalink == f"https://www.youtube.com/watch?v={VIDEO_ID}"
        (request,) = server.requests
        assert (request.method, request.path) == ("PUT", "/youtube/v3/videos?part=status")
        assert request.json == {
            "id": VIDEO_ID,
            "status": {
                "privacyStatus": "public",
                "selfDeclaredMadeForKids": False,
                "license": "youtube",
                "embeddable": True,
            },
        }

    tell(YOUTUBE_CASE, story, LIVE)


def test_a_project_whose_uploads_are_locked_is_noticed() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError, match="has not audited") as caught:
            await adapter.publish(http, draft(), UPLOADED, key="k")
        error = caught.value
        assert (error.category, error.provider_code) == (C.PERMISSION, "projectLocked")
        assert error.app_wide

    tell(YOUTUBE_CASE, story, CREATED)


def test_a_video_that_vanished_is_uploaded_anew() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.publish(http, draft(), UPLOADED, key="k")
        assert caught.value.starts_over

    tell(YOUTUBE_CASE, story, refusal(404, "videoNotFound"))


def test_a_first_comment_follows_the_flip() -> None:
    what = draft(first_comment="Links: https://example.org")

    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        step = await adapter.publish(http, what, UPLOADED, key="k:0")
        assert adapter.safety(what, step.progress).kind is Safety.FIND
        step = await adapter.publish(http, what, step.progress, key="k:1")
        assert isinstance(step, Published)
        assert step.remote_ids == (VIDEO_ID, "Ugz1")
        assert server.requests[1].path == "/youtube/v3/commentThreads?part=snippet"
        assert server.requests[1].json == {
            "snippet": {
                "videoId": VIDEO_ID,
                "topLevelComment": {"snippet": {"textOriginal": "Links: https://example.org"}},
            }
        }

    assert ADAPTER.safety(what, UPLOADED).kind is Safety.KEY
    tell(YOUTUBE_CASE, story, LIVE, Reply(200, {"id": "Ugz1"}))


def test_what_nobody_wants_any_more_is_deleted_unless_it_is_visible() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        await adapter.discard(http, {"sealed": {}, "offset": 5})
        await adapter.discard(http, {"video": VIDEO_ID})
        assert [request.method for request in server.requests] == ["GET"]
        await adapter.discard(http, {"video": VIDEO_ID})
        assert [request.method for request in server.requests] == ["GET", "GET", "DELETE"]

    public = listed({"id": VIDEO_ID, "status": {"privacyStatus": "public"}})
    private = listed({"id": VIDEO_ID, "status": {"privacyStatus": "private"}})
    tell(YOUTUBE_CASE, story, public, private, Reply(204))


# --- find -----------------------------------------------------------------------------------------
def found(what: Draft, progress: Progress, *pages: Reply, segment: int = 0) -> Any:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> Published | None:
        return await adapter.find(http, what, progress, segment=segment, since=SINCE)

    return tell(YOUTUBE_CASE, story, *pages)


@pytest.mark.parametrize(("privacy", "is_there"), [("public", True), ("private", False)])
def test_the_flip_is_asked_about_by_the_video_s_id(privacy: str, is_there: bool) -> None:
    page = listed({"id": VIDEO_ID, "status": {"privacyStatus": privacy}})
    step = found(draft(), UPLOADED, page)
    assert (step is not None) is is_there


def listing(*videos: dict[str, Any], token: str = "") -> tuple[Reply, Reply]:
    ids = [{"contentDetails": {"videoId": one["id"]}} for one in videos]
    return Reply(200, {"items": ids, "nextPageToken": token}), listed(*videos)


def shown(**more: Any) -> dict[str, Any]:
    snippet = {"title": "Release", "publishedAt": "2026-11-22T09:30:00Z", **more.pop("snippet", {})}
    return {"id": VIDEO_ID, "snippet": snippet, "status": {"privacyStatus": "public"}, **more}


def test_without_an_id_a_video_is_known_by_its_marker_or_its_title() -> None:
    ours = shown(snippet={"title": "Edited since", "tags": ["pid-1"]})
    assert found(draft(), {"marker": "pid-1"}, *listing(ours)).remote_ids == (VIDEO_ID,)
    assert found(draft(), {}, *listing(shown())).remote_ids == (VIDEO_ID,)


@pytest.mark.parametrize(
    ("progress", "video_shown"),
    [
        ({}, shown(snippet={"title": "Another"})),
        ({}, shown(status={"privacyStatus": "private"})),
        ({"taken": [VIDEO_ID]}, shown()),
        ({"marker": "pid-1"}, shown(snippet={"tags": ["pid-2"]})),
    ],
)
def test_another_video_is_not_taken_for_ours(
    progress: dict[str, Any], video_shown: dict[str, Any]
) -> None:
    assert found(draft(), progress, *listing(video_shown)) is None


def test_uploads_are_read_back_to_the_moment_and_not_trusted_when_cut() -> None:
    odd = shown(snippet={"title": "Another"})
    old = shown(snippet={"title": "Old", "publishedAt": "2026-11-22T08:00:00Z"})
    assert found(draft(), {}, *listing(odd, token="2"), *listing(old, token="3")) is None
    with pytest.raises(ServiceError) as caught:
        found(draft(), {}, *listing(odd, token="2") * 4)
    assert caught.value.category is C.OUTCOME_UNKNOWN


def comment(**more: Any) -> dict[str, Any]:
    fields = {
        "textOriginal": "Links",
        "authorChannelId": {"value": CHANNEL_ID},
        "publishedAt": "2026-11-22T09:30:00Z",
        **more,
    }
    return {"id": "Ugz1", "snippet": {"topLevelComment": {"snippet": fields}}}


def test_a_comment_is_found_by_author_and_words() -> None:
    what, progress = draft(first_comment="Links"), {**UPLOADED, "published": [VIDEO_ID]}
    step = found(what, progress, listed(comment()), segment=1)
    assert step.remote_ids == ("Ugz1",)
    assert step.progress["published"] == [VIDEO_ID, "Ugz1"]
    for other in (
        comment(textOriginal="Other"),
        comment(authorChannelId={"value": "UCother"}),
        comment(authorChannelId=None),
    ):
        assert found(what, progress, listed(other), segment=1) is None
    cut = Reply(200, {"items": [comment(textOriginal="Other")], "nextPageToken": "2"})
    with pytest.raises(ServiceError):
        found(what, progress, cut, segment=1)


# --- before publishing ----------------------------------------------------------------------------
def codes(what: Draft) -> set[tuple[str, str]]:
    return {(violation.field, violation.code) for violation in ADAPTER.violations(what)}


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (draft(), set()),
        (draft("x" * 101), {("segments[0].text", "title_too_long")}),
        (draft("x" * 101, options={"title": "Short"}), set()),
        (draft(" \n "), {("segments[0].text", "title_missing")}),
        (draft("", options={"title": "Release"}), set()),
        (draft("a < b"), {("segments[0].text", "angle_brackets")}),
        (draft("fine", options={"title": "a > b"}), {("options.title", "angle_brackets")}),
        (draft("x", options={"title": "x" * 101}), {("options.title", "invalid_option")}),
        (draft("x", image()), {("segments[0].media", "video_missing")}),
        (draft("x", video(), image()), set()),
        (draft(options={"tags": ["a,b"]}), {("options.tags", "invalid_tags")}),
        (draft(options={"tags": ["x" * 99] * 5}), {("options.tags", "tags_too_long")}),
        (draft(options={"privacy": "friends"}), {("options.privacy", "invalid_option")}),
        (draft(first_comment="x" * 10_001), {("first_comment", "text_too_long")}),
        (draft("Title\n" + "ä" * 2497), set()),
        (draft("Title\n" + "ä" * 2498), {("segments[0].text", "text_too_long")}),
    ],
)
def test_what_youtube_would_refuse(what: Draft, expected: set[tuple[str, str]]) -> None:
    assert codes(what) == expected


def test_whether_a_video_is_for_kids_must_be_said() -> None:
    segment = Segment("Release", (video(),))
    silent = Draft(segments=(segment,), account=ACCOUNT)
    assert codes(silent) == {("options.made_for_kids", "option_missing")}
    assert "made for kids" in ADAPTER.violations(silent)[0].message


@given(st.text(max_size=200))
def test_descriptions_are_counted_in_bytes(text: str) -> None:
    length = excess(text, 0)
    assert len(text) <= length <= 4 * len(text)
    assert excess(text, length) == 0
    assert not text or excess(text, length - 1) == 1


def test_tags_are_counted_with_quotes_and_commas() -> None:
    assert tags_chars([]) == 0
    assert tags_chars(["recap"]) == 5
    assert tags_chars(["recap", "two words"]) == 5 + 1 + 11


@pytest.mark.parametrize(
    ("width", "height", "seconds", "is_short"),
    [
        (1080, 1920, 180, True),
        (1080, 1080, 5, True),
        (1920, 1080, 5, False),
        (0, 0, 5, False),
        (1080, 1920, 181, False),
        (1080, 1920, 0, False),
    ],
)
def test_what_becomes_a_short_is_told(
    width: int, height: int, seconds: float, is_short: bool
) -> None:
    film = video(width=width, height=height, seconds=float(seconds))
    what = draft("Release", film, image())
    assert [notice.code for notice in ADAPTER.notices(what)] == ["becomes_a_short"] * is_short
    kind = ADAPTER.call_kind("prepare", what, {"video": "v"})
    assert kind == ("poll" if is_short else "thumbnail")

    async def story(adapter: Adapter, http: Http, server: Scripted) -> str:
        step = await adapter.publish(http, what, UPLOADED, key="k")
        return str(step.permalink)

    address = tell(YOUTUBE_CASE, story, LIVE)
    assert ("/shorts/" in address) is is_short


@pytest.mark.parametrize(
    "address",
    [
        f"https://www.youtube.com/watch?v={VIDEO_ID}",
        f"https://youtube.com/watch?app=desktop&v={VIDEO_ID}&t=5s",
        f"https://m.youtube.com/shorts/{VIDEO_ID}?feature=share",
        f"https://youtu.be/{VIDEO_ID}?si=abc",
    ],
)
def test_addresses_as_people_copy_them(address: str) -> None:
    assert ADAPTER.remote_id_in(address, ACCOUNT) == VIDEO_ID


# --- the account ----------------------------------------------------------------------------------
def test_each_channel_is_a_target() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        first, second = await adapter.targets(http, CREDENTIALS)
        assert (first.account.external_id, first.account.username) == (CHANNEL_ID, "ada")
        assert first.account.display_name == "Ada's films"
        assert second.account.username == "UCother"
        assert first.credentials == CREDENTIALS

    tell(YOUTUBE_CASE, story, listed(CHANNEL, {"id": "UCother"}))


@pytest.mark.parametrize(
    "answer", [listed(), Reply(200, {"kind": "youtube#channelListResponse", "pageInfo": {}})]
)
def test_an_account_without_a_channel_is_told_what_to_do(answer: Reply) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError, match="Create one"):
            await adapter.validate(http)

    tell(YOUTUBE_CASE, story, answer)


@pytest.mark.parametrize(
    ("status", "error", "category", "code"),
    [
        (400, "invalid_grant", C.AUTH_ERROR, "invalid_grant"),
        (401, "invalid_client", C.PERMISSION, "invalid_client"),
        (400, "invalid_request", C.VALIDATION_ERROR, "invalid_request"),
        (429, "rate_limit", C.RATE_LIMIT, "rate_limit"),
        (500, "internal_failure", C.SERVER_ERROR, "internal_failure"),
    ],
)
def test_only_a_dead_grant_ends_a_connection(
    status: int, error: str, category: C, code: str
) -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        with pytest.raises(ServiceError) as caught:
            await adapter.refresh(http, CREDENTIALS)
        assert (caught.value.category, caught.value.provider_code) == (category, code)

    tell(YOUTUBE_CASE, story, Reply(status, {"error": error}))


def test_a_refresh_keeps_the_refresh_token_and_asks_as_google_wants() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        fresh = await adapter.refresh(http, {**CREDENTIALS, "expires_at": "2026-01-01T00:00:00Z"})
        assert (fresh["access_token"], fresh["refresh_token"]) == ("new", "yt-refresh-token")
        assert datetime.fromisoformat(fresh["expires_at"]) > datetime.now(UTC)
        (request,) = server.requests
        assert request.body == (
            b"client_id=yt-client&client_secret=yt-client-secret&grant_type=refresh_token"
            b"&refresh_token=yt-refresh-token"
        )
        assert "authorization" not in request.headers

    tell(YOUTUBE_CASE, story, Reply(200, {"access_token": "new", "expires_in": 3599}))


def test_a_token_that_is_dead_already_counts_as_revoked() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        await adapter.revoke(http)
        await adapter.revoke(http)
        assert server.requests[0].body == b"token=yt-access-token"

    tell(YOUTUBE_CASE, story, Reply(200, {}), Reply(400, {"error": "invalid_token"}))


def test_comments_are_deleted_as_comments_and_not_counted() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        await adapter.delete(http, VIDEO_ID)
        await adapter.delete(http, "UgzDE8zqP1Kv1Xq9cnx4AaABAg")
        assert await adapter.metrics(http, ["UgzDE8zqP1Kv1Xq9cnx4AaABAg"]) == []
        assert [request.path.partition("?")[0] for request in server.requests] == [
            "/youtube/v3/videos",
            "/youtube/v3/comments",
        ]

    tell(YOUTUBE_CASE, story, Reply(204), Reply(404))


def test_counters_are_read_50_at_a_time() -> None:
    async def story(adapter: Adapter, http: Http, server: Scripted) -> None:
        found = await adapter.metrics(http, [str(number) for number in range(60)])
        assert [dict(entry.values) for entry in found] == [{"views": 9}, {"comments": 1}]
        assert len(server.requests) == 2

    tell(
        YOUTUBE_CASE,
        story,
        listed({"id": "1", "statistics": {"viewCount": "9", "likeCount": "many"}}),
        listed({"id": "55", "statistics": {"commentCount": "1", "favoriteCount": "0"}}),
    )
