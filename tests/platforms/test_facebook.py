"""Facebook Pages: posts, staged photos, videos, reels, stories, errors, lost answers, Pages."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine import wall_clock
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from platforms.adapters.base import Continue, Draft, Processing, Published, Ready, Segment
from platforms.adapters.facebook import Facebook
from platforms.adapters.facebook_account import FacebookConfig
from platforms.adapters.facebook_reading import (
    BROKEN,
    LIVE,
    UPLOADED,
    WORKING,
    outcome_for_video,
    state_of_upload,
    state_of_video,
)
from platforms.adapters.graph_reading import (
    ANY,
)
from tests.contract.facebook_case import ACCOUNT, PERMALINK, SUCCESS, make_facebook
from tests.contract.facebook_case import network as friendly
from tests.contract.server import Reply, Request
from tests.contract.wire import image, video
from tests.platforms.graph_scene import Scene, bare, failure, refused, tell

PAGE = {"access_token": "fb-page-token"}
SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NOW = int(wall_clock.now())
PROOF = hmac.new(b"fb-app-secret", b"fb-page-token", hashlib.sha256).hexdigest()
FACEBOOK = Facebook()
MIB = 1024 * 1024
TEXT = "Version 2.4 is out"


def draft(*media: Any, text: str = TEXT, **more: Any) -> Draft:
    return Draft(**{"segments": (Segment(text, media),), "account": ACCOUNT, **more})


def run(story: Any, *answers: Reply, login: Mapping[str, Any] | None = PAGE, **more: Any) -> Any:
    return tell(make_facebook, login, story, *answers, **more)


def reel(**more: Any) -> Draft:
    return draft(video(**more), options={"kind": "reel", "title": "2.4"})


def on_facebook(**more: Any) -> dict[str, Any]:
    """Return the progress of a draft whose one file is on the Page."""
    return {"media": {"0.0": {"id": "v1", "at": NOW, "sent": 300, "ready": True, **more}}}


# --- posts --------------------------------------------------------------------------------------
def test_a_text_with_a_link_is_one_call_that_brings_its_address() -> None:
    async def story(scene: Scene) -> None:
        post = draft(options={"link": "https://example.org/24", "place": "17"})
        assert not scene.adapter.needs_preparation(post)
        step = await scene.adapter.publish(scene.http, post, {}, key="k")
        assert isinstance(step, Published)
        assert (step.remote_ids, step.permalink) == ((SUCCESS,), PERMALINK)
        assert scene.calls == ["POST /1010/feed"]
        assert scene.bodies == [
            {"message": TEXT, "link": "https://example.org/24", "place": "17", "published": True}
        ]
        assert scene.query() == {"fields": "id,permalink_url", "appsecret_proof": PROOF}

    run(story, script=friendly)


def test_photos_are_staged_ahead_and_attached_at_the_moment() -> None:
    async def story(scene: Scene) -> None:
        post = draft(image(alt_text="A dot"), image())
        ready = await scene.prepare(post)
        assert ready.expires_at is not None
        assert scene.calls == ["POST /1010/photos"] * 2
        first, second = (request.body for request in scene.server.requests)
        assert b'name="published"\r\n\r\nfalse' in first
        assert b'name="alt_text_custom"\r\n\r\nA dot' in first
        assert b'name="source"; filename="dot.png"\r\nContent-Type: image/png' in first
        assert b"alt_text_custom" not in second
        assert scene.query(0) == scene.query(1) == {"appsecret_proof": PROOF}
        scene.server.requests.clear()
        step = await scene.adapter.publish(scene.http, post, ready.progress, key="k")
        assert isinstance(step, Published)
        assert scene.bodies == [
            {
                "message": TEXT,
                "attached_media": [{"media_fbid": "777"}, {"media_fbid": "777"}],
                "published": True,
            }
        ]

    run(story, script=friendly)


def test_an_address_that_is_not_told_is_made_up() -> None:
    async def story(scene: Scene) -> None:
        step = await scene.adapter.publish(scene.http, draft(), {}, key="k")
        assert step.permalink == f"https://www.facebook.com/{SUCCESS}"

    run(story, Reply(200, {"id": SUCCESS}))


def test_the_first_comment_comes_after_the_post() -> None:
    async def story(scene: Scene) -> None:
        step = await scene.publish(draft(first_comment="More"), {})
        assert step.remote_ids == (SUCCESS, f"{SUCCESS}_1")
        assert scene.calls == ["POST /1010/feed", f"POST /{SUCCESS}/comments"]
        assert scene.bodies[1] == {"message": "More"}

    run(story, script=friendly)


def test_a_fresh_video_takes_its_comment_under_its_own_id() -> None:
    post = draft(video(), first_comment="More")
    progress = {**on_facebook(), "published": ["1010_55"]}

    async def story(scene: Scene) -> None:
        step = await scene.adapter.publish(scene.http, post, progress, key="k")
        assert isinstance(step, Continue)
        step = await scene.adapter.publish(scene.http, post, step.progress, key="k")
        assert isinstance(step, Published)
        assert scene.calls == ["POST /1010_55/comments", "POST /v1/comments"]
        error = await failure(scene.adapter.publish(scene.http, post, progress, key="k"))
        assert error.category is C.OUTCOME_UNKNOWN

    run(story, refused(400, 100, 33), Reply(200, {"id": "v1_1"}), refused(500, 2))


# --- videos -------------------------------------------------------------------------------------
def chunked(size: int, piece: int) -> Any:
    """Answer the chunked protocol as if the network wanted pieces of `piece` bytes."""

    def network(request: Request) -> Reply:
        if b"start\r\n" in request.body[:200]:
            ends = {"start_offset": "0", "end_offset": str(min(piece, size))}
            return Reply(200, {"upload_session_id": "s1", "video_id": "v1", **ends})
        if b"transfer\r\n" in request.body[:200]:
            head = request.body.partition(b'name="start_offset"\r\n\r\n')[2]
            start = int(head.partition(b"\r\n")[0]) + sent_bytes(request)
            ends = {"start_offset": str(start), "end_offset": str(min(start + piece, size))}
            return Reply(200, ends)
        if request.method == "POST":
            return Reply(200, {"success": True})
        ready = {"status": {"video_status": "ready"}}
        return Reply(200, {**ready, "post_id": "55", "permalink_url": "/1010/videos/v1/"})

    return network


def sent_bytes(request: Request) -> int:
    """Return how long the chunk in a multipart body is."""
    rest = request.body.partition(b'name="video_file_chunk"')[2]
    return len(rest.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0])


def test_a_video_goes_up_in_chunks_and_is_finished_at_the_moment() -> None:
    size = 20 * MIB

    async def story(scene: Scene) -> None:
        post = draft(video(size), options={"title": "2.4"})
        ready = await scene.prepare(post)
        assert [sent_bytes(r) for r in scene.server.requests[1:]] == [8 * MIB, 8 * MIB, 4 * MIB]
        assert set(scene.calls) == {"POST /1010/videos"}
        scene.server.requests.clear()
        step = await scene.adapter.publish(scene.http, post, ready.progress, key="k")
        assert isinstance(step, Processing)
        assert scene.bodies == [
            {
                "upload_phase": "finish",
                "upload_session_id": "s1",
                "published": True,
                "description": TEXT,
                "title": "2.4",
            }
        ]
        assert scene.query() == {"appsecret_proof": PROOF}
        step = await scene.adapter.check(scene.http, post, step.progress)
        assert isinstance(step, Published)
        assert step.remote_ids == ("1010_55",)
        assert step.permalink == "https://www.facebook.com/1010/videos/v1/"

    run(story, script=chunked(size, 10 * MIB))


def test_pieces_are_no_longer_than_the_network_wants_them() -> None:
    async def story(scene: Scene) -> None:
        await scene.prepare(draft(video(3 * MIB)))
        assert [sent_bytes(r) for r in scene.server.requests[1:]] == [MIB] * 3

    run(story, script=chunked(3 * MIB, MIB))


def test_a_refused_piece_is_sent_from_where_the_network_says() -> None:
    progress = {"media": {"0.0": {
        "id": "v1", "at": NOW, "sent": 0, "ready": False, "session": "s1", "upto": MIB,
    }}}  # fmt: skip

    async def story(scene: Scene) -> None:
        post = draft(video(2 * MIB))
        step = await scene.adapter.prepare(scene.http, post, progress)
        assert step.progress["media"]["0.0"]["sent"] == MIB
        step = await scene.adapter.prepare(scene.http, post, progress)  # it does not say which
        assert step.progress["media"]["0.0"]["sent"] == 2 * MIB
        assert step.progress["media"]["0.0"]["ready"]
        assert scene.calls[-1] == "GET /v1"
        twice, thrice = {**progress, "restarts": 2}, {**progress, "restarts": 3}
        step = await scene.adapter.prepare(scene.http, post, twice)
        assert step.progress == {"media": {}, "restarts": 3}  # nor what it has: begin anew
        error = await failure(scene.adapter.prepare(scene.http, post, thrice))
        assert error.category is C.MEDIA_ERROR  # but not for ever

    wants = {"error_data": {"start_offset": MIB, "end_offset": 2 * MIB}}
    silent, nothing = refused(400, 6001, 1363037), Reply(200, {"id": "v1"})
    has_all = Reply(200, {"status": {"uploading_phase": {"bytes_transfered": 2 * MIB}}})
    said = refused(400, 6001, 1363037, **wants)
    run(story, said, silent, has_all, silent, nothing, silent, nothing)


def test_videos_go_to_their_own_host() -> None:
    with_hosts = Facebook(FacebookConfig())
    assert with_hosts.config.video_base == "https://graph-video.facebook.com"
    assert with_hosts.base_url({}) == "https://graph.facebook.com/v26.0"


# --- reels and stories ----------------------------------------------------------------------------
def reels(size: int, *, told: Mapping[str, Any]) -> Any:
    def network(request: Request) -> Reply:
        path = bare(request.path)
        if path.startswith("/video-upload/"):
            end = int(request.headers["offset"]) + len(request.body)
            partial = {"debug_info": {"retriable": True, "type": "PartialRequestError"}}
            return Reply(200, {"success": True}) if end == size else Reply(206, partial)
        if request.method == "GET":
            return Reply(200, told)
        if b'"start"' in request.body:
            return Reply(200, {"video_id": "v1"})  # without an address: the documented one
        return Reply(200, {"success": True, "post_id": "1010_77"})

    return network


UPLOADED_VIDEO = {"status": {
    "video_status": "upload_complete",
    "uploading_phase": {"status": "complete"},
    "processing_phase": {"status": "not_started"},
    "publishing_phase": {"status": "not_started"},
}}  # fmt: skip


def test_a_reel_is_uploaded_ahead_and_finished_at_the_moment() -> None:
    size = 9 * MIB

    async def story(scene: Scene) -> None:
        post = reel(size_bytes=size)
        ready = await scene.prepare(post)
        assert scene.calls == [
            "POST /1010/video_reels",
            "POST /video-upload/v26.0/v1",
            "POST /video-upload/v26.0/v1",
            "GET /v1",
        ]
        scene.server.requests.clear()
        step = await scene.adapter.publish(scene.http, post, ready.progress, key="k")
        assert isinstance(step, Processing)
        assert scene.bodies == [
            {
                "upload_phase": "finish",
                "video_id": "v1",
                "video_state": "PUBLISHED",
                "description": TEXT,
                "title": "2.4",
            }
        ]
        again = await scene.adapter.check(scene.http, post, step.progress)
        assert isinstance(again, Processing)

    run(story, script=reels(size, told=UPLOADED_VIDEO))


def test_a_reel_is_live_when_its_publishing_is_complete() -> None:
    live = {"status": {"video_status": "ready", "publishing_phase": {"status": "complete"}}}

    async def story(scene: Scene) -> None:
        step = await scene.adapter.check(scene.http, reel(), {"processing": "v1"})
        assert isinstance(step, Published)
        assert step.remote_ids == ("v1",)
        assert step.permalink == "https://www.facebook.com/reel/v1"

    run(story, Reply(200, live))


def test_a_video_that_breaks_afterwards_fails_with_the_reason() -> None:
    broken = {"status": {
        "video_status": "error",
        "processing_phase": {"status": "error", "errors": [{"message": "Bad codec."}]},
    }}  # fmt: skip

    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.check(scene.http, reel(), {"processing": "v1"}))
        assert error.category is C.MEDIA_ERROR
        assert error.detail == "Facebook could not use the video: Bad codec."

    run(story, Reply(200, broken))


@pytest.mark.parametrize("media", [image(), video(300)])
def test_a_story_has_no_text(media: Any) -> None:
    post = draft(media, options={"kind": "story"})

    def network(request: Request) -> Reply:
        if request.path.partition("?")[0].endswith("/photos"):
            return Reply(200, {"id": "777"})
        return reels(300, told=UPLOADED_VIDEO)(request)

    async def story(scene: Scene) -> None:
        ready = await scene.prepare(post)
        scene.server.requests.clear()
        step = await scene.adapter.publish(scene.http, post, ready.progress, key="k")
        assert isinstance(step, Published)
        assert step.remote_ids == ("1010_77",)
        if media.kind == "image":
            assert scene.calls == ["POST /1010/photo_stories"]
            assert scene.bodies == [{"photo_id": "777"}]
        else:
            assert scene.calls == ["POST /1010/video_stories"]
            assert scene.bodies == [{"upload_phase": "finish", "video_id": "v1"}]

    run(story, script=network)


def uploading(sent: int, url: str, **more: Any) -> dict[str, Any]:
    address = f"{url}/video-upload/v26.0/v1"
    entry = {"id": "v1", "at": NOW, "sent": sent, "ready": False, "address": address, **more}
    return {"media": {"0.0": entry}}


OFFSET = Reply(412, {"debug_info": {"retriable": True, "type": "OffsetInvalidError"}})


@pytest.mark.parametrize(("told", "sent"), [(8 * MIB, 8 * MIB), (0, None), (None, None)])
def test_an_interrupted_upload_goes_on_or_begins_anew(told: int | None, sent: int | None) -> None:
    async def story(scene: Scene) -> None:
        post = reel(size_bytes=10 * MIB)
        step = await scene.adapter.prepare(scene.http, post, uploading(0, scene.server.url))
        media = step.progress["media"]
        assert media["0.0"]["sent"] == sent if sent else media == {}

    status = {"status": {"uploading_phase": {"bytes_transfered": told}}}
    run(story, OFFSET, Reply(200, status))


def test_patience_with_an_upload_ends() -> None:
    async def story(scene: Scene) -> None:
        post = reel()
        fresh = uploading(300, scene.server.url, at=int(wall_clock.now()) - 30)
        step = await scene.adapter.prepare(scene.http, post, fresh)
        assert isinstance(step, Processing)
        assert 29 <= step.poll_after.total_seconds() <= 32
        old = uploading(300, scene.server.url, at=int(wall_clock.now()) - 1000)
        error = await failure(scene.adapter.prepare(scene.http, post, old))
        assert error.category is C.MEDIA_ERROR

    still = Reply(200, {"status": {"video_status": "uploading"}})
    run(story, still, still)


def phases(told: str, processing: str, publishing: str) -> dict[str, Any]:
    return {
        "video_status": told,
        "processing_phase": {"status": processing},
        "publishing_phase": {"status": publishing},
    }


@pytest.mark.parametrize(
    ("status", "upload", "checked", "found"),
    [
        ({"video_status": "uploading"}, WORKING, WORKING, UPLOADED),
        ({"video_status": "upload_complete"}, UPLOADED, WORKING, UPLOADED),
        ({"video_status": "processing"}, UPLOADED, WORKING, WORKING),
        ({"video_status": "ready"}, UPLOADED, LIVE, LIVE),
        ({"video_status": "error"}, BROKEN, BROKEN, UPLOADED),
        ({"video_status": "upload_failed"}, BROKEN, WORKING, UPLOADED),
        (phases("upload_complete", "in_progress", "not_started"), UPLOADED, WORKING, UPLOADED),
        (phases("processing", "in_progress", "not_started"), UPLOADED, WORKING, WORKING),
        (phases("processing", "complete", "not_started"), UPLOADED, WORKING, UPLOADED),
        (phases("ready", "complete", "not_started"), UPLOADED, WORKING, UPLOADED),
        (phases("processing", "complete", "in_progress"), UPLOADED, WORKING, WORKING),
        (phases("ready", "complete", "complete"), UPLOADED, LIVE, LIVE),
        (phases("ready", "error", "not_started"), UPLOADED, BROKEN, UPLOADED),
        ({"uploading_phase": {"status": "complete"}}, UPLOADED, WORKING, WORKING),
        ({"uploading_phase": {"status": "error"}}, BROKEN, WORKING, WORKING),
        ({}, WORKING, WORKING, WORKING),
    ],
)
def test_states_of_videos(status: Mapping[str, Any], upload: str, checked: str, found: str) -> None:
    told = {"status": status}
    assert state_of_upload(told) == upload
    assert state_of_video(told) == checked
    assert outcome_for_video(told) == found


# --- resuming -------------------------------------------------------------------------------------
def test_a_crash_after_any_step_repeats_no_finished_one() -> None:
    """Every committed progress is a good place to go on from."""

    async def story(scene: Scene) -> None:
        post = draft(video(3 * MIB))
        progress: Mapping[str, Any] = {}
        committed = [progress]
        while not isinstance(
            step := await scene.adapter.prepare(scene.http, post, progress), Ready
        ):
            progress = step.progress
            committed.append(progress)
        whole = len(scene.server.requests)
        for number, start in enumerate(committed):
            scene.server.requests.clear()
            await scene.prepare(post, start)
            assert len(scene.server.requests) == whole - number

    run(story, script=chunked(3 * MIB, MIB))


@pytest.mark.parametrize("progress", [{}, on_facebook(ready=False, session="s1")])
@pytest.mark.parametrize("post", [draft(image()), draft(video()), reel()])
def test_files_that_were_not_prepared_are_not_left_out(
    post: Draft, progress: Mapping[str, Any]
) -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.publish(scene.http, post, progress, key="k"))
        assert error.category is C.UNKNOWN
        assert scene.server.requests == []

    run(story)


# --- errors -------------------------------------------------------------------------------------
ROWS = (
    (190, 458, C.AUTH_ERROR),
    (190, 459, C.AUTH_ERROR),
    (190, 460, C.AUTH_ERROR),
    (190, 463, C.TOKEN_EXPIRED),
    (190, 464, C.AUTH_ERROR),
    (190, 467, C.AUTH_ERROR),
    (190, 492, C.AUTH_ERROR),
    (102, 0, C.AUTH_ERROR),
    (10, 0, C.PERMISSION),
    (200, 0, C.PERMISSION),
    (3, 0, C.PERMISSION),
    (200, 1404078, C.PERMISSION),
    (4854002, 0, C.PERMISSION),
    (100, 1363042, C.PERMISSION),
    (4, 0, C.RATE_LIMIT),
    (17, 0, C.RATE_LIMIT),
    (32, 0, C.RATE_LIMIT),
    (613, 0, C.RATE_LIMIT),
    (80001, 0, C.RATE_LIMIT),
    (341, 0, C.QUOTA_EXCEEDED),
    (368, 1390008, C.RATE_LIMIT),
    (368, 0, C.PERMISSION),
    (1346003, 0, C.PERMISSION),
    (100, 1404102, C.PERMISSION),
    (1404006, 0, C.PERMISSION),
    (1404112, 0, C.PERMISSION),
    (506, 0, C.DUPLICATE),
    (100, 1366051, C.DUPLICATE),
    (100, 0, C.VALIDATION_ERROR),
    (100, 1609005, C.VALIDATION_ERROR),
    (100, 1609008, C.VALIDATION_ERROR),
    (100, 2061006, C.VALIDATION_ERROR),
    (100, 1349125, C.VALIDATION_ERROR),
    (1, 1366046, C.MEDIA_ERROR),
    (2069019, 0, C.VALIDATION_ERROR),
    (100, 1363022, C.MEDIA_ERROR),
    (1363023, 0, C.MEDIA_ERROR),
    (324, 0, C.MEDIA_ERROR),
    (6000, 1363030, C.OUTCOME_UNKNOWN),
    (6000, 1363019, C.OUTCOME_UNKNOWN),
    (100, 1363047, C.OUTCOME_UNKNOWN),
    (1609010, 0, C.OUTCOME_UNKNOWN),
    (1, 0, C.OUTCOME_UNKNOWN),
    (2, 0, C.OUTCOME_UNKNOWN),
    (803, 0, C.VALIDATION_ERROR),
    (100, 33, C.VALIDATION_ERROR),
)


@pytest.mark.parametrize(("code", "subcode", "category"), ROWS)
def test_error_rows(code: int, subcode: int, category: C) -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.publish(scene.http, draft(), {}, key="k"))
        assert error.category is category
        assert error.provider_code == (f"{code}/{subcode}" if subcode else str(code))

    run(story, refused(400, code, subcode))


def test_all_rows_hold_for_every_status() -> None:
    assert {status for status, _ in FACEBOOK.errors} == {ANY}


@pytest.mark.parametrize(
    ("code", "subcode", "wait"),
    [
        (368, 0, timedelta(hours=24)),
        (100, 1404102, timedelta(hours=24)),
        (368, 1390008, timedelta(hours=1)),
        (341, 0, timedelta(hours=12)),
    ],
)
def test_blocks_are_waited_out(code: int, subcode: int, wait: timedelta) -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.publish(scene.http, draft(), {}, key="k"))
        assert error.retry_after == wait

    run(story, refused(400, code, subcode))


def test_a_duplicate_says_what_to_change() -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.publish(scene.http, draft(), {}, key="k"))
        assert error.detail.endswith("the same cannot be published twice in a row.")

    run(story, refused(400, 506, message="(#506) Duplicate status message"))


# --- after a lost answer --------------------------------------------------------------------------
def found(post: Draft, progress: Mapping[str, Any], *answers: Reply, segment: int = 0) -> Any:
    async def story(scene: Scene) -> Any:
        step = await scene.adapter.find(scene.http, post, progress, segment=segment, since=SINCE)
        return step, scene.calls[-1], scene.query()

    return run(story, *answers)


def listed(*posts: Mapping[str, Any]) -> Reply:
    plain = {
        "id": SUCCESS,
        "message": TEXT,
        "created_time": "2026-11-22T09:30:00+0000",
        "permalink_url": PERMALINK,
    }
    return Reply(200, {"data": [{**plain, **post} for post in posts]})


def attached(kind: str, target: str | None = None) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": kind}
    if target:
        entry["target"] = {"id": target}
    return {"attachments": {"data": [entry]}}


def test_a_post_is_found_by_its_text() -> None:
    step, call, query = found(draft(), {}, listed({"message": "Another", "id": "9"}, {}))
    assert step.remote_ids == (SUCCESS,)
    assert step.permalink == PERMALINK
    assert call == "GET /1010/published_posts"
    assert query["since"] == str(int(SINCE.timestamp()))


PHOTO = on_facebook(id="777")


@pytest.mark.parametrize(
    ("post", "progress", "entry", "is_ours"),
    [
        (draft(), {}, attached("share"), True),
        (draft(), {}, attached("photo", "777"), False),
        (draft(image()), PHOTO, attached("photo", "777"), True),
        (draft(image()), PHOTO, attached("photo", "778"), False),
        (draft(image()), PHOTO, attached("photo"), True),
        (draft(image()), PHOTO, {}, False),
        (draft(image(), image()), {}, attached("album"), True),
        (draft(image(), image()), {}, {}, False),
        (draft(image(), text=""), PHOTO, {**attached("photo", "777"), "message": None}, True),
        (draft(), {}, {"created_time": "2026-11-22T08:59:59+0000"}, False),
        (draft(), {"taken": [SUCCESS]}, {}, False),
    ],
)
def test_a_post_is_told_by_its_photos(
    post: Draft, progress: Mapping[str, Any], entry: Mapping[str, Any], *, is_ours: bool
) -> None:
    step, _, _ = found(post, progress, listed(entry))
    assert (step is not None) is is_ours


@pytest.mark.parametrize(
    ("post", "answer", "remote_id"),
    [
        (draft(video()), {"status": {"video_status": "ready"}, "post_id": "1010_5"}, "1010_5"),
        (draft(video()), {"status": {"video_status": "upload_complete"}}, None),
        (draft(video()), {"status": {"video_status": "uploading"}}, None),
        (draft(video()), {"status": {"video_status": "error"}}, None),
        (reel(), {"status": {"publishing_phase": {"status": "complete"}}}, "v1"),
        (reel(), {"status": phases("processing", "complete", "not_started")}, None),
    ],
)
def test_a_video_says_itself_whether_it_was_finished(
    post: Draft, answer: Mapping[str, Any], remote_id: str | None
) -> None:
    step, call, _ = found(post, on_facebook(session="s1"), Reply(200, answer))
    assert call == "GET /v1"
    assert (step and step.remote_ids[0]) == remote_id


@pytest.mark.parametrize("told", ["processing", "ready"])
def test_a_video_that_does_not_name_its_post_must_be_listed(told: str) -> None:
    answer = Reply(200, {"status": {"video_status": told}})
    post, progress = draft(video()), on_facebook(session="s1")
    step, call, _ = found(post, progress, answer, listed(attached("video_inline", "v1")))
    assert step.remote_ids == (SUCCESS,)
    assert call == "GET /1010/published_posts"
    with pytest.raises(ServiceError, match="does not show yet") as caught:
        found(post, progress, answer, listed(attached("video_inline", "v2")))
    assert caught.value.category is C.SERVER_ERROR


def test_a_story_is_never_looked_for_among_posts() -> None:
    post = draft(video(), options={"kind": "story"})
    working = Reply(200, {"status": phases("processing", "in_progress", "not_started")})
    with pytest.raises(ServiceError, match="does not show yet"):
        found(post, on_facebook(), working)
    live = {"status": phases("ready", "complete", "complete"), "post_id": "77"}
    assert found(post, on_facebook(), Reply(200, live))[0].remote_ids == ("77",)


def test_nobody_tells_whether_a_photo_story_is_live() -> None:
    with pytest.raises(ServiceError) as caught:
        found(draft(image(), options={"kind": "story"}), PHOTO)
    assert caught.value.category is C.OUTCOME_UNKNOWN


def test_a_comment_is_found_below_its_post() -> None:
    post, done = draft(first_comment="More"), {"published": [SUCCESS]}
    comments = Reply(
        200, {"data": [{"id": "1", "message": "other"}, {"id": "2", "message": "More"}]}
    )
    step, call, _ = found(post, done, comments, segment=1)
    assert step.remote_ids == ("2",)
    assert call == f"GET /{SUCCESS}/comments"
    assert found(post, {**done, "taken": ["2"]}, comments, segment=1)[0] is None


# --- pages --------------------------------------------------------------------------------------
def test_every_page_that_was_ticked_is_offered_with_its_own_token() -> None:
    permissions = {"data": [
        {"permission": "pages_show_list", "status": "granted"},
        {"permission": "pages_manage_posts", "status": "granted"},
        {"permission": "read_insights", "status": "declined"},
    ]}  # fmt: skip
    pages = {"data": [
        {"id": "1", "name": "Works", "username": "works", "access_token": "page-1",
         "tasks": ["ANALYZE", "CREATE_CONTENT"], "picture": {"data": {"url": "https://x/1.jpg"}}},
        {"id": "2", "name": "Read only", "access_token": "page-2", "tasks": ["ANALYZE"]},
        {"id": "3", "name": "Hidden"},
    ]}  # fmt: skip

    async def story(scene: Scene) -> None:
        works, read_only, hidden = await scene.adapter.targets(scene.http, PAGE)
        assert works.problem == ""
        assert works.account.username == "works"
        assert works.account.avatar_url == "https://x/1.jpg"
        assert works.account.scopes == ("pages_show_list", "pages_manage_posts")
        assert works.credentials == {"access_token": "page-1"}
        assert read_only.account.username == "Read only"
        assert "may not create content on Read only" in read_only.problem
        assert "tick this Page" in hidden.problem
        assert "page-1" not in repr(works)

    run(story, Reply(200, permissions), Reply(200, pages))


def test_pages_are_offered_even_if_the_permissions_are_not_told() -> None:
    async def story(scene: Scene) -> None:
        (page,) = await scene.adapter.targets(scene.http, PAGE)
        assert page.account.scopes == ()

    run(story, Reply(500), Reply(200, {"data": [{"id": "1", "access_token": "page-1"}]}))


def test_a_persons_token_is_swapped_and_a_pages_is_kept() -> None:
    async def story(scene: Scene) -> None:
        kept = await scene.adapter.sign_in(scene.http, {"access_token": "short"})
        assert kept["access_token"] == "long"
        assert scene.query() == {
            "grant_type": "fb_exchange_token",
            "client_id": "fb-app",
            "client_secret": "fb-app-secret",
            "fb_exchange_token": "short",
        }
        page = {"access_token": "own", "page_id": "1"}
        assert await scene.adapter.sign_in(scene.http, page) == page
        assert await Facebook().sign_in(scene.http, PAGE) == PAGE
        assert not scene.adapter.renewable(kept)

    run(story, Reply(200, {"access_token": "long", "expires_in": 5_184_000}), login=None)


def test_a_persons_token_is_not_taken_for_a_pages() -> None:
    async def story(scene: Scene) -> None:
        error = await failure(scene.adapter.validate(scene.http))
        assert error.category is C.VALIDATION_ERROR
        assert "choose a Page" in error.detail

    run(story, refused(400, 100, message="(#100) Tried accessing nonexisting field (username)"))


# --- figures --------------------------------------------------------------------------------------
def test_figures_without_the_permission_for_insights_are_what_the_post_tells() -> None:
    counted = {"shares": {"count": 2}, "reactions": {"summary": {"total_count": 3}}}

    async def story(scene: Scene) -> None:
        (metrics,) = await scene.adapter.metrics(scene.http, [SUCCESS])
        assert dict(metrics.values) == {"shares": 2, "likes": 3}

    run(story, Reply(200, counted), refused(403, 200))


def test_videos_have_other_counters_and_posts_that_are_gone_none() -> None:
    counted = {
        "likes": {"summary": {"total_count": 3}},
        "comments": {"summary": {"total_count": 1}},
    }

    async def story(scene: Scene) -> None:
        (metrics,) = await scene.adapter.metrics(scene.http, ["v1", "gone"])
        assert dict(metrics.values) == {"likes": 3, "comments": 1, "views": 9}

    views = {"data": [{"name": "post_media_view", "values": [{"value": 9}]}]}
    run(
        story,
        refused(400, 100, message="nonexisting field (shares)"),
        Reply(200, counted),
        Reply(200, views),
        refused(400, 100, 33),
    )


# --- what people see ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "remote_id"),
    [
        ("https://www.facebook.com/1010_2020", "1010_2020"),
        ("https://www.facebook.com/ada.works/posts/2020", "1010_2020"),
        ("https://m.facebook.com/ada/posts/a-title/2020/?ref=share", "1010_2020"),
        ("https://www.facebook.com/permalink.php?story_fbid=2020&id=1010", "1010_2020"),
        ("https://www.facebook.com/reel/55", "55"),
        ("https://www.facebook.com/1010/videos/a-title/55/", "55"),
        ("https://www.facebook.com/ada/posts/pfbid0abc", ""),
        ("https://evil.example/1010_2020", ""),
    ],
)
def test_addresses_tell_ids(address: str, remote_id: str) -> None:
    assert FACEBOOK.remote_id_in(address, ACCOUNT) == remote_id


# --- before scheduling ----------------------------------------------------------------------------
FIRST = "segments[0].media[0]"


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        (draft(), set()),
        (draft(video()), set()),
        (draft(image(), video()), {("segments[0].media", "mixed_media")}),
        (draft(options={"kind": "reel"}), {("segments[0].media", "file_missing")}),
        (draft(image(), options={"kind": "reel"}), {("segments[0].media", "file_missing")}),
        (reel(seconds=90), set()),
        (reel(seconds=91), {(FIRST, "video_too_long")}),
        (reel(seconds=2), {(FIRST, "video_too_short")}),
        (reel(width=539, height=960), {(FIRST, "video_too_small")}),
        (reel(width=1080, height=1920), set()),
        (draft(options={"kind": "story"}), {("segments[0].media", "file_missing")}),
        (
            draft(image(), first_comment="x", options={"kind": "story"}),
            {("first_comment", "first_comment_unsupported")},
        ),
        (draft(video(seconds=61), options={"kind": "story"}), {(FIRST, "video_too_long")}),
        (
            draft(image(), options={"link": "https://example.org"}),
            {("options.link", "link_with_files")},
        ),
        (draft(options={"link": "example.org"}), {("options.link", "invalid_option")}),
        (draft(options={"text_format_preset_id": "5"}), set()),
        (
            draft(text="x" * 131, options={"text_format_preset_id": "5"}),
            {("options.text_format_preset_id", "background_unsuitable")},
        ),
        (draft(image(mime_type="image/webp")), {(FIRST, "media_unsupported")}),
    ],
)
def test_what_facebook_refuses_is_named_before_scheduling(
    post: Draft, expected: set[tuple[str, str]]
) -> None:
    assert {(v.field, v.code) for v in FACEBOOK.violations(post)} == expected


def test_what_is_in_order_but_worth_knowing_is_told() -> None:
    assert FACEBOOK.notices(draft()) == []
    large = draft(image(size_bytes=5_000_000))
    assert [notice.code for notice in FACEBOOK.notices(large)] == ["large_image"]
    story = draft(image(), options={"kind": "story"})
    assert [notice.code for notice in FACEBOOK.notices(story)] == ["text_not_shown"]
