"""Reels and video stories: `start`, raw bytes to the upload address, `finish`."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.exchange import Answer, Call
from sandbox.facebook import library
from sandbox.facebook.errors import upload_problem
from sandbox.facebook.identity import publishing_page
from sandbox.facebook.library import Library, Video
from sandbox.facebook.messages import read_message
from sandbox.facebook.posts import REEL, STORY, bare_id
from sandbox.fetching import is_fetchable
from sandbox.graph import rupload
from sandbox.graph.containers import order_video
from sandbox.graph.errors import bad_parameter, no_object, refused
from sandbox.graph.params import Params
from sandbox.graph.usage import DAY_SECONDS
from sandbox.records import Account

REELS_PER_DAY = 30
_NOT_UPLOADED = 1363019


def operation(call: Call) -> str:
    return "create" if Params.of(call).text("upload_phase") == "finish" else "media"


def reel(call: Call) -> Answer:
    return _phase(call, REEL, _finish_reel)


def story(call: Call) -> Answer:
    return _phase(call, STORY, _finish_story)


def _phase(call: Call, kind: str, finish: Callable[[Call, Params, Video], Answer]) -> Answer:
    publishing_page(call)
    params = Params.of(call)
    phase = params.text("upload_phase")
    if phase == "start":
        video = library.start(call, kind)
        version = call.params["version"]
        url = f"{call.base_url}/facebook/video-upload/{version}/{video.id}"
        return Answer(200, {"video_id": video.id, "upload_url": url})
    if phase != "finish":
        raise bad_parameter("Param upload_phase must be one of {start, finish}")
    if "video_id" not in params:
        raise bad_parameter("The parameter video_id is required")
    found = call.site.books(Library).of(params.text("video_id"), call.account)
    if found is None or found.kind != kind:
        raise no_object("POST", params.text("video_id"))
    return finish(call, params, found)


def _finish_reel(call: Call, params: Params, video: Video) -> Answer:
    """`{"success": true}`, whatever becomes of the work; a second time nothing happens."""
    state = params.text("video_state")
    if state != "PUBLISHED":
        known = state in ("DRAFT", "SCHEDULED")
        why = "The sandbox publishes reels at once" if known else "Param video_state is required"
        raise bad_parameter(why)
    if video.is_published:
        return Answer(200, {"success": True})
    video.description = read_message(params, "description")
    video.title = params.text("title")
    _check_uploaded(video, call)
    rate = call.world.switches.setting("rate", call.site.name, call.account.name, "create") or {}
    if _reels_today(call, call.account) >= rate.get("limit", REELS_PER_DAY):
        raise refused("(#341) Feed action request limit reached", 341)
    library.publish(call, video)
    return Answer(200, {"success": True})


def _finish_story(call: Call, _params: Params, video: Video) -> Answer:
    """The post's id comes at once, and names nothing if the work fails."""
    if not video.is_published:
        _check_uploaded(video, call)
        library.publish(call, video)
    post_id = call.site.new_id() if video.post is None else bare_id(video.post)
    return Answer(200, {"success": True, "post_id": post_id})


def _check_uploaded(video: Video, call: Call) -> None:
    if not video.file.complete and not video.is_fetched:
        raise upload_problem("The video has not been uploaded", _NOT_UPLOADED)
    if video.work is not None and video.work.has_failed(call.world.now()):
        raise upload_problem(video.work.reason, _NOT_UPLOADED)


def _reels_today(call: Call, page: Account) -> int:
    since, count = call.world.now() - DAY_SECONDS, 0
    for post in reversed(page.posts):
        if post.published_at < since:
            break
        count += post.extra["kind"] == REEL
    return count


def receive(call: Call) -> Answer:
    """The upload address: raw bytes, or the header `file_url`, which wants `offset` too."""
    rupload.check_scheme(call)
    video = call.site.books(Library).of(call.params["video"], call.account)
    if video is None or library.is_over(call, video):
        raise rupload.refused("ProcessingFailedError", "Request processing failed", status=404)
    if video.file.complete:
        return Answer(200, {"success": True})
    url = call.headers.get("file_url")
    if url is None:
        rupload.receive(call, video.file)
        library.fill(call, video, video.file.data)
        return Answer(200, {"success": True})
    if "offset" not in call.headers or not is_fetchable(url):
        message = "Header Offset not specified or the file_url is not valid"
        raise rupload.refused("ProcessingFailedError", message)
    library.take_from(call, video, order_video(call, url))
    return Answer(200, {"success": True})
