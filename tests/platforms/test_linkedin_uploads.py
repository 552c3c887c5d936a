"""LinkedIn: images and videos on their way, and what a refused address or a failed file means."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import pytest

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from platforms.adapters.base import Draft, Media, Processing, Segment
from platforms.adapters.linkedin import POLL_AGAIN
from platforms.adapters.linkedin_uploads import GRACE, MOST_TRIES, PATIENCE
from tests.contract.linkedin_case import CREATED, IMAGE, LINKEDIN_CASE, MEMBER, ORGANIZATION
from tests.contract.server import Reply, Request
from tests.contract.wire import image, video
from tests.platforms import scenes
from tests.platforms.scenes import Scene

tell = partial(scenes.tell, LINKEDIN_CASE)
MIB = 1024 * 1024
VIDEO = "urn:li:video:C5F10AQGKQg_6y2a4sQ"
AVAILABLE = Reply(200, {"status": "AVAILABLE"})
WORKING = Reply(200, {"status": "PROCESSING"})


def draft(*media: Media, **more: Any) -> Draft:
    segments = (Segment("x", media),)
    return Draft(**{"segments": segments, "account": LINKEDIN_CASE.account, **more})


def answering(*statuses: Reply, parts: int = 3) -> Any:
    """Play LinkedIn: addresses of our own, then these answers to the question how far it is."""
    left = iter(statuses)

    def answer(request: Request) -> Reply:
        path, base = request.path, f"http://{request.headers['host']}/dms-uploads"
        if path == "/rest/images?action=initializeUpload":
            return Reply(200, {"value": {"uploadUrl": f"{base}/i?a=%2F", "image": IMAGE}})
        if path == "/rest/videos?action=initializeUpload":
            size = request.json["initializeUploadRequest"]["fileSizeBytes"]
            step = -(-size // parts)
            orders = [
                {
                    "uploadUrl": f"{base}/v{number}",
                    "firstByte": number * step,
                    "lastByte": min(size, (number + 1) * step) - 1,
                }
                for number in range(parts)
            ]
            value = {"video": VIDEO, "uploadToken": "", "uploadInstructions": orders}
            return Reply(200, {"value": value})
        if request.method == "PUT":
            return Reply(201, b"", {"etag": f'"tag-{path[-1]}"'})
        if request.method == "GET":
            return next(left)
        return CREATED if path == "/rest/posts" else Reply(200)

    return answer


def test_images_are_uploaded_with_the_token_and_shown_with_their_alt_text() -> None:
    what = draft(image(alt_text="a dot"), image())

    async def story(scene: Scene) -> None:
        step = await scene.adapter.prepare(scene.http, what, {})
        assert "dms-uploads" not in json.dumps({**step.progress, "sealed": ""})
        ready = await scene.prepared(what, step.progress)
        begun, sent, asked = scene.requests[:3]
        assert begun.json == {"initializeUploadRequest": {"owner": ORGANIZATION}}
        assert begun.headers["linkedin-version"] == "202607"
        assert begun.headers["x-restli-protocol-version"] == "2.0.0"
        assert (sent.method, sent.path) == ("PUT", "/dms-uploads/i?a=%2F")
        assert sent.headers["authorization"] == "Bearer l-access-token"
        assert (sent.headers["content-type"], len(sent.body)) == ("image/png", 68)
        assert asked.path == "/rest/images/urn%3Ali%3Aimage%3AC4E10AQFoyyAjHPMQuQ"
        await scene.published(what, ready.progress)
        assert scene.requests[-1].json["content"] == {
            "multiImage": {"images": [{"id": IMAGE, "altText": "a dot"}, {"id": IMAGE}]}
        }

    tell(story, always=answering(AVAILABLE, AVAILABLE))


def test_one_image_and_a_gif_are_media_of_their_own() -> None:
    gif = image(kind="gif", mime_type="image/gif")

    async def story(scene: Scene) -> None:
        ready = await scene.prepared(draft(gif))
        await scene.published(draft(gif), ready.progress)
        assert scene.requests[-1].json["content"] == {"media": {"id": IMAGE}}

    tell(story, always=answering(AVAILABLE))


def test_a_video_goes_in_the_parts_linkedin_names_and_resumes_after_a_crash() -> None:
    what = draft(video(9 * MIB), options={"title": "The film"})

    async def story(scene: Scene) -> None:
        step = await scene.adapter.prepare(scene.http, what, {})
        step = await scene.adapter.prepare(scene.http, what, step.progress)
        assert step.progress["media"]["0.0"]["etags"] == ["tag-0"]
        ready = await scene.prepared(what, json.loads(json.dumps(step.progress)))
        puts = [request for request in scene.requests if request.method == "PUT"]
        assert [(r.path[-2:], len(r.body)) for r in puts] == [
            ("v0", 3 * MIB),
            ("v1", 3 * MIB),
            ("v2", 3 * MIB),
        ]
        assert all("authorization" not in r.headers for r in puts)
        assert scene.requests[0].json["initializeUploadRequest"] == {
            "owner": ORGANIZATION,
            "fileSizeBytes": 9 * MIB,
            "uploadCaptions": False,
            "uploadThumbnail": False,
        }
        finished = scene.requests[4]
        assert finished.path == "/rest/videos?action=finalizeUpload"
        assert finished.json["finalizeUploadRequest"] == {
            "video": VIDEO,
            "uploadToken": "",
            "uploadedPartIds": ["tag-0", "tag-1", "tag-2"],
        }
        assert ready.progress["sealed"] == {"0.0": {}}
        await scene.published(what, ready.progress)
        assert scene.requests[-1].json["content"] == {"media": {"id": VIDEO, "title": "The film"}}

    tell(story, always=answering(AVAILABLE))


def test_a_video_that_is_worked_on_is_asked_about_again() -> None:
    async def story(scene: Scene) -> None:
        progress = {"media": {"0.0": sent(0)}}
        step = await scene.adapter.prepare(scene.http, draft(video()), progress)
        assert step == Processing(progress, POLL_AGAIN)

    tell(story, always=answering(WORKING))


def sent(seconds_ago: float) -> dict[str, Any]:
    return {"id": VIDEO, "sent": int(time.time() - seconds_ago)}


def ask(seconds_ago: float, answer: Reply, file: Media | None = None) -> Any:
    async def story(scene: Scene) -> Any:
        what = draft(file or video(), account=LINKEDIN_CASE.account)
        progress = {"media": {"0.0": sent(seconds_ago)}}
        return await scene.adapter.prepare(scene.http, what, progress)

    return tell(story, answer, credentials={"author": MEMBER})


def test_a_member_who_may_not_ask_waits_a_while() -> None:
    forbidden = Reply(403, {"status": 403, "code": "ACCESS_DENIED"})
    for kind, file in (("images", image()), ("videos", video())):
        grace = GRACE[kind].total_seconds()
        assert isinstance(ask(grace - 10, forbidden, file), Processing)
        step = ask(grace + 2, forbidden, file)
        assert step.progress["media"]["0.0"]["ready"]


def test_a_file_that_cannot_be_processed_is_a_media_error() -> None:
    failed = {"status": "PROCESSING_FAILED", "processingFailureReason": "Bad codec."}
    with pytest.raises(ServiceError) as caught:
        ask(0, Reply(200, failed))
    assert caught.value.category is C.MEDIA_ERROR
    assert "Bad codec." in caught.value.detail


def test_patience_has_an_end() -> None:
    with pytest.raises(ServiceError) as caught:
        ask(PATIENCE.total_seconds() + 5, WORKING)
    assert caught.value.category is C.MEDIA_ERROR


def test_an_address_that_is_refused_is_asked_for_anew_but_not_for_ever() -> None:
    async def story(scene: Scene) -> Any:
        secret = {"url": f"{scene.server.url}/dms-uploads/1"}
        progress = {"media": {"0.0": {"id": IMAGE, "tries": tries}}, "sealed": {"0.0": secret}}
        return await scene.adapter.prepare(scene.http, draft(image()), progress)

    tries, expired = 0, Reply(400, {"code": "EXPIRED_UPLOAD_URL"})
    step = tell(story, expired)
    assert step.progress["media"]["0.0"] == {"tries": 1}
    tries = MOST_TRIES - 1
    with pytest.raises(ServiceError) as caught:
        tell(story, expired)
    assert caught.value.category is C.SERVER_ERROR
    tries = 0
    for status, category in ((413, C.MEDIA_ERROR), (503, C.SERVER_ERROR), (429, C.RATE_LIMIT)):
        with pytest.raises(ServiceError) as caught:
            tell(story, Reply(status))
        assert caught.value.category is category


def test_addresses_that_no_key_opens_any_more_are_asked_for_anew() -> None:
    async def story(scene: Scene) -> None:
        progress = {"media": {"0.0": {"id": IMAGE, "tries": 0}}}
        step = await scene.adapter.prepare(scene.http, draft(image()), progress)
        assert step.progress["sealed"]["0.0"]["url"]

    tell(story, always=answering())


def test_the_token_goes_to_linkedins_own_hosts_only() -> None:
    async def story(scene: Scene) -> None:
        for address in ("http://evil.example/1", "https://127.0.0.1/1", "http://xlinkedin.com/"):
            progress = {
                "media": {"0.0": {"id": IMAGE, "tries": 0}},
                "sealed": {"0.0": {"url": address}},
            }
            with pytest.raises(ServiceError) as caught:
                await scene.adapter.prepare(scene.http, draft(image()), progress)
            assert caught.value.category is C.UNKNOWN
        assert scene.requests == []

    tell(story)


@pytest.mark.parametrize(
    "orders",
    [
        [],
        [{"uploadUrl": "u", "firstByte": 0, "lastByte": 100}],
        [{"uploadUrl": "u", "firstByte": 1, "lastByte": 299}],
        [{"uploadUrl": 5, "firstByte": 0, "lastByte": 299}],
        [{"uploadUrl": "u", "firstByte": 0, "lastByte": 299}] * 2,
        [None],
    ],
)
def test_a_plan_that_does_not_cover_the_file_is_not_followed(orders: list[Any]) -> None:
    value = {"video": VIDEO, "uploadToken": "", "uploadInstructions": orders}

    async def story(scene: Scene) -> None:
        await scene.adapter.prepare(scene.http, draft(video(300)), {})

    with pytest.raises(ServiceError) as caught:
        tell(story, Reply(200, {"value": value}))
    assert caught.value.category is C.UNKNOWN
