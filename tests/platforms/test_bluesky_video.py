"""Bluesky: videos on their way through its video service."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from platforms.adapters.base import Draft, Processing, Segment
from platforms.adapters.bluesky_video import MOST_TRIES, PATIENCE, POLL_AGAIN
from tests.contract.bluesky_case import BLOB, DID
from tests.contract.server import Reply
from tests.contract.wire import video
from tests.platforms.bluesky_scene import WRITTEN, draft, records, refusal, tell
from tests.platforms.scenes import Scene


def film(size_bytes: int, **more: Any) -> Draft:
    return draft(segments=(Segment("", (video(size_bytes, **more),)),))


def job(**fields: Any) -> Reply:
    return Reply(200, {"jobStatus": {"jobId": "job-1", "did": DID, "state": "JOB_STATE", **fields}})


TICKET = Reply(200, {"token": "s-ticket"})
DONE = job(state="JOB_STATE_COMPLETED", blob={**BLOB, "mimeType": "video/mp4"})


def test_a_small_video_is_sent_whole_and_waited_for() -> None:
    post = film(300, alt_text="a film", width=1280, height=720)

    async def story(scene: Scene) -> None:
        step = await scene.adapter.prepare(scene.http, post, {})
        busy = await scene.adapter.prepare(scene.http, post, step.progress)
        assert busy == Processing(step.progress, POLL_AGAIN)
        ready = await scene.prepared(post, step.progress)
        asked, sent, *_ = scene.requests
        query = parse_qs(urlsplit(asked.path).query)
        assert query["aud"] == [f"did:web:127.0.0.1%3A{urlsplit(scene.server.url).port}"]
        assert query["lxm"] == ["com.atproto.repo.uploadBlob"]
        assert sent.path.startswith("/video/xrpc/app.bsky.video.uploadVideo?did=did:plc")
        assert sent.headers["authorization"] == "Bearer s-ticket"
        assert (sent.headers["content-type"], len(sent.body)) == ("video/mp4", 300)
        assert "authorization" not in scene.requests[2].headers
        assert "s-ticket" not in json.dumps(ready.progress)
        await scene.published(post, ready.progress)
        assert records(scene)[0]["embed"] == {
            "$type": "app.bsky.embed.video",
            "video": {**BLOB, "mimeType": "video/mp4"},
            "aspectRatio": {"width": 1280, "height": 720},
            "alt": "a film",
        }

    tell(story, TICKET, job(), job(), DONE, WRITTEN)


def test_a_video_that_is_there_already_is_not_waited_for_twice() -> None:
    async def story(scene: Scene) -> None:
        ready = await scene.prepared(film(300))
        assert "blob" in ready.progress["media"]["0.0"]

    answer = {"error": "already_exists", "jobId": "job-1", "state": "JOB_STATE_COMPLETED"}
    tell(story, TICKET, Reply(409, answer), DONE)


MIB = 1024 * 1024
PLAN = Reply(200, {"jobId": "up-1", "partSizeBytes": 8 * MIB, "partCount": 2, "expiresAt": ""})
PART = Reply(200, {"partNumber": 1, "sizeBytes": 8 * MIB})
FINISHED = Reply(200, {"completedJobId": "job-1", "jobStatus": {}})


def test_a_large_video_goes_in_parts_and_goes_on_where_it_stopped() -> None:
    post = film(9 * MIB, seconds=61.5)

    async def story(scene: Scene) -> None:
        step = await scene.adapter.prepare(scene.http, post, {})
        assert scene.requests[1].json == {
            "sizeBytes": 9 * MIB,
            "mimeType": "video/mp4",
            "durationMs": 61_500,
        }
        step = await scene.adapter.prepare(scene.http, post, step.progress)
        assert step.progress["media"]["0.0"]["sent"] == 1
        after_a_crash = json.loads(json.dumps(step.progress))
        await scene.prepared(post, after_a_crash)
        calls = [r for r in scene.requests if "/video/" in r.path]
        assert [(urlsplit(r.path).query, len(r.body)) for r in calls[1:3]] == [
            ("jobId=up-1&partNumber=1", 8 * MIB),
            ("jobId=up-1&partNumber=2", MIB),
        ]
        assert calls[3].json == {"jobId": "up-1"}
        assert calls[4].path.endswith("getJobStatus?jobId=job-1")

    tell(story, TICKET, PLAN, TICKET, PART, TICKET, PART, TICKET, FINISHED, DONE)


def test_a_service_that_takes_no_parts_gets_a_large_video_whole() -> None:
    async def story(scene: Scene) -> None:
        await scene.prepared(film(9 * MIB))
        sent = scene.requests[3]
        assert urlsplit(sent.path).path == "/video/xrpc/app.bsky.video.uploadVideo"
        assert len(sent.body) == 9 * MIB

    tell(story, TICKET, refusal(501, "MethodNotImplemented"), TICKET, job(), DONE)


def advance(entry: dict[str, Any], *answers: Reply) -> dict[str, Any]:
    """Return what is known of a large video after the next step."""

    async def story(scene: Scene) -> Any:
        step = await scene.adapter.prepare(scene.http, film(9 * MIB), {"media": {"0.0": entry}})
        return step.progress["media"]["0.0"]

    return tell(story, *answers)  # type: ignore[no-any-return]


SENDING = {"upload": "up-1", "part_bytes": 8 * MIB, "parts": 2, "sent": 1, "tries": 1}


def test_an_upload_that_the_service_lost_begins_anew_but_not_for_ever() -> None:
    for name in ("UploadExpired", "UploadNotFound", "UploadFailed", "UploadAborted"):
        assert advance(SENDING, TICKET, refusal(400, name)) == {"tries": 2}
    tried = {**SENDING, "tries": MOST_TRIES - 1}
    with pytest.raises(ServiceError) as caught:
        advance(tried, TICKET, refusal(400, "UploadExpired"))
    assert caught.value.category is C.MEDIA_ERROR


def test_an_upload_that_is_complete_is_finished_and_missing_parts_are_sent_again() -> None:
    sent = {**SENDING, "sent": 2}
    assert advance(SENDING, TICKET, refusal(400, "UploadAlreadyCompleted")) == sent
    missing = advance(sent, TICKET, refusal(400, "MissingParts", "Missing parts: 1"))
    assert missing == {**SENDING, "sent": 0, "tries": 2}


@pytest.mark.parametrize(
    ("status", "name", "category"),
    [
        (400, "UnsupportedContentType", C.MEDIA_ERROR),
        (400, "VideoTooLarge", C.MEDIA_ERROR),
        (400, "DailyLimitExceeded", C.MEDIA_ERROR),
        (400, "UploadForbidden", C.PERMISSION),
        (400, "ServiceOverloaded", C.SERVER_ERROR),
        (503, "", C.SERVER_ERROR),
    ],
)
def test_a_video_that_may_not_be_uploaded(status: int, name: str, category: C) -> None:
    with pytest.raises(ServiceError) as caught:
        advance({}, TICKET, refusal(status, name))
    assert caught.value.category is category


@pytest.mark.parametrize("plan", [{"partCount": 3}, {"partSizeBytes": 0}, {"jobId": 7}])
def test_a_plan_that_does_not_add_up_is_not_followed(plan: dict[str, Any]) -> None:
    with pytest.raises(ServiceError) as caught:
        advance({}, TICKET, Reply(200, {**PLAN.body, **plan}))
    assert caught.value.category is C.UNKNOWN


WORKING = {"job": "job-1", "since": int(datetime.now(UTC).timestamp()), "tries": 0}


@pytest.mark.parametrize("code", ["validation_failure", "encoding_failure"])
def test_a_video_that_cannot_be_processed_is_a_media_error(code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        advance(WORKING, job(state="JOB_STATE_FAILED", failureCode=code, message="Too long."))
    assert (caught.value.category, caught.value.provider_code) == (C.MEDIA_ERROR, code)
    assert "Too long." in caught.value.detail


def test_the_services_own_trouble_begins_anew() -> None:
    failed = job(state="JOB_STATE_FAILED", failureCode="pds_upload_failure")
    assert advance(WORKING, failed) == {"tries": 1}


def test_patience_with_the_service_has_an_end() -> None:
    long_ago = {**WORKING, "since": WORKING["since"] - int(PATIENCE.total_seconds()) - 1}
    with pytest.raises(ServiceError) as caught:
        advance(long_ago, job())
    assert caught.value.category is C.MEDIA_ERROR
