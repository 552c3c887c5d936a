"""`POST /{page}/videos`: whole, from an address, or in chunks between `start` and `finish`."""

from __future__ import annotations

from sandbox.exchange import Answer, Call
from sandbox.facebook import library
from sandbox.facebook.errors import upload_problem
from sandbox.facebook.identity import acting_page, publishing_page
from sandbox.facebook.library import Library, Video
from sandbox.facebook.messages import read_message
from sandbox.facebook.posts import REEL, VIDEO
from sandbox.fetching import is_fetchable
from sandbox.graph.containers import order_video
from sandbox.graph.errors import bad_parameter, no_object, refused
from sandbox.graph.paging import list_nodes
from sandbox.graph.params import Params

_CHUNK_BYTES = 4 * 1024 * 1024
_NAME_CHARS = 255
_BAD_FORMAT, _BAD_OFFSET, _INTERRUPTED, _TOO_LATE = 1363024, 1363037, 1363019, 1363030
_MOST_BYTES, _TOO_LARGE = 10 * 1024**3, 1363023


def operation(call: Call) -> str:
    params = Params.of(call)
    phase = params.text("upload_phase")
    is_final = phase in ("", "finish") and params.flag("published", default=True)
    return "create" if is_final else "media"


def upload(call: Call) -> Answer:
    publishing_page(call)
    params = Params.of(call)
    match params.text("upload_phase"):
        case "":
            return _whole(call, params)
        case "start":
            return _start(call, params)
        case "transfer":
            return _transfer(call, params)
        case "finish":
            return _finish(call, params)
        case _:
            raise bad_parameter("Param upload_phase must be one of {start, transfer, finish}")


def _whole(call: Call, params: Params) -> Answer:
    part, url = params.file("source"), params.text("file_url")
    title, description = _words(params)
    if part is None and not is_fetchable(url):
        raise refused("(#351) There was a problem with your video file. Please try again.", 351)
    video = library.start(call, VIDEO)
    video.title, video.description = title, description
    if part is not None:
        library.fill(call, video, part.data)
        if not video.file.mime_type.startswith("video/"):
            del call.site.books(Library).by_id[video.id]
            message = "(#352) The video file you selected is in a format that we don't support."
            raise refused(message, 352, subcode=_BAD_FORMAT)
    else:
        library.take_from(call, video, order_video(call, url))
    if params.flag("published", default=True):
        library.publish(call, video)
    return Answer(200, {"id": video.id})


def _start(call: Call, params: Params) -> Answer:
    size = params.number("file_size")
    if size is None or size < 1:
        raise bad_parameter("The parameter file_size is required")
    if size > _MOST_BYTES:
        raise upload_problem("The video file is too large", _TOO_LARGE)
    video = library.start(call, VIDEO)
    video.size_bytes, video.session_id = size, call.site.new_id()
    return Answer(
        200,
        {
            "upload_session_id": video.session_id,
            "video_id": video.id,
            **_wanted(video),
        },
    )


def _wanted(video: Video) -> dict[str, str]:
    """The next chunk, as text; nothing more is wanted when both are the same."""
    start = len(video.file.data)
    end = min(start + _CHUNK_BYTES, video.size_bytes or 0)
    return {"start_offset": str(start), "end_offset": str(end)}


def _transfer(call: Call, params: Params) -> Answer:
    video = _session(call, params)
    chunk, offset = params.file("video_file_chunk"), params.number("start_offset")
    if chunk is None or offset is None:
        raise bad_parameter("start_offset and video_file_chunk are required")
    received = video.file.data
    if offset != len(received) or len(received) + len(chunk.data) > (video.size_bytes or 0):
        message = "start_offset does not fit; go on as this says"
        raise upload_problem(message, _BAD_OFFSET, _wanted(video))
    video.file.data = received + chunk.data
    return Answer(200, _wanted(video))


def _finish(call: Call, params: Params) -> Answer:
    """The session ends here: a second `finish` meets nothing."""
    video = _session(call, params)
    title, description = _words(params)
    if len(video.file.data) < (video.size_bytes or 0):
        raise upload_problem("The upload was interrupted before all bytes came", _INTERRUPTED)
    video.title, video.description, video.session_id = title, description, ""
    library.fill(call, video, video.file.data)
    if params.flag("published", default=True):
        library.publish(call, video)
    return Answer(200, {"success": True})


def _session(call: Call, params: Params) -> Video:
    session_id = params.text("upload_session_id")
    video = call.site.books(Library).by_session(session_id, call.account) if session_id else None
    if video is None:
        raise no_object("POST", session_id)
    if library.is_over(call, video):
        raise upload_problem("Your video upload timed out before it was complete", _TOO_LATE)
    return video


def _words(params: Params) -> tuple[str, str]:
    title = params.text("title")
    if len(title) > _NAME_CHARS:
        raise bad_parameter("Name parameter too long")
    return title, read_message(params, "description")


def listed(call: Call) -> Answer:
    return _list(call, (VIDEO, REEL))


def listed_reels(call: Call) -> Answer:
    return _list(call, (REEL,))


def _list(call: Call, kinds: tuple[str, ...]) -> Answer:
    """Newest first; what is at work, failed, deleted or lagging is left out."""
    page, now = acting_page(call), call.world.now()
    videos = [
        video
        for video in reversed(call.site.books(Library).by_id.values())
        if video.account is page
        and video.kind in kinds
        and (post := library.living_post(video, now)) is not None
        and call.site.visible(post.id, page.name) is not None
    ]
    return list_nodes(call, [library.node(call, video) for video in videos])
