"""Videos, reels and video stories from their first byte to the moment they can be seen.

Bytes come whole, in chunks, through rupload, or from an address. Work begins when they are all
there and ends as the switches say; what `finish` accepted is a post from that moment on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox import working
from sandbox.exchange import Call
from sandbox.facebook.posts import REEL, STORY, VIDEO, add
from sandbox.fetching import Fetch
from sandbox.files import FileFacts, look_at
from sandbox.graph.fields import Node
from sandbox.graph.paging import graph_time
from sandbox.records import Account, Media, Post
from sandbox.working import Work

_WORK_MS = 300.0
_SESSION_SECONDS = 86_400.0
_SECONDS = {REEL: (3, 90), STORY: (3, 60)}
_SMALLEST = (540, 960)


@dataclass(slots=True, eq=False)
class Video:
    """`file` grows until it is complete; then `work` on it begins."""

    id: str
    account: Account
    kind: str
    started_at: float
    file: Media
    size_bytes: int | None = None
    session_id: str = ""
    is_fetched: bool = False  # from an address; the bytes may still be on their way
    work: Work | None = None
    is_published: bool = False  # `finish` was accepted
    title: str = ""
    description: str = ""
    post: Post | None = None
    published_at: float = 0.0


@dataclass(slots=True)
class Library:
    """The videos of one network, by their ids."""

    by_id: dict[str, Video] = field(default_factory=dict)

    def of(self, video_id: str, account: Account) -> Video | None:
        found = self.by_id.get(video_id)
        return found if found is not None and found.account is account else None

    def by_session(self, session_id: str, account: Account) -> Video | None:
        for video in reversed(self.by_id.values()):
            if video.session_id == session_id and video.account is account:
                return video
        return None


def start(call: Call, kind: str) -> Video:
    now = call.world.now()
    video_id = call.site.new_id()
    file = Media(video_id, call.account, "", now, category="video", complete=False)
    video = Video(video_id, call.account, kind, now, file)
    call.site.books(Library).by_id[video_id] = video
    return video


def is_over(call: Call, video: Video) -> bool:
    """Whether the time to bring its bytes has passed."""
    ends_at = video.started_at + working.handle_life_s(call, _SESSION_SECONDS)
    return not video.file.complete and call.world.now() >= ends_at


def fill(call: Call, video: Video, data: bytes) -> None:
    """All bytes are there: work begins, and how it will end is decided."""
    facts = look_at(data)
    video.file.mime_type = facts.mime_type or "application/octet-stream"
    video.file.seal(data)
    reason = _problem(video.kind, facts)
    video.work = working.begin(call, reason=reason, default_ms=_WORK_MS)
    call.site.media[video.file.id] = video.file


def _problem(kind: str, facts: FileFacts) -> str:
    if facts.mime_type not in ("video/mp4", "video/quicktime"):
        return "The video file you selected is in a format that we don't support."
    if kind == VIDEO:
        return ""
    shortest, longest = _SECONDS[kind]
    if facts.seconds is not None and not shortest <= facts.seconds <= longest:
        return f"Video must be {shortest} to {longest} seconds long."
    if facts.width is not None and facts.height is not None:
        if facts.width < _SMALLEST[0] or facts.height < _SMALLEST[1]:
            return "Resolution too low. Video must have a minimum resolution of 540p."
        if abs(facts.width / facts.height - 9 / 16) > 0.01:
            return "Aspect ratio must be 9:16."
    return ""


def publish(call: Call, video: Video) -> None:
    """Accept it: there will be a post, unless its processing fails."""
    video.is_published, video.published_at = True, call.world.now()
    if video.work is not None:
        _make_post(call, video, video.work)


def take_from(call: Call, video: Video, fetch: Fetch) -> None:
    """The file is on its way from an address; it may be published before it has come."""
    video.is_fetched = True
    fetch.when_ended(lambda: _take_fetched(call, video, fetch))


def _take_fetched(call: Call, video: Video, fetch: Fetch) -> None:
    """The file behind an address has come, or has not."""
    if fetch.state != "fetched":
        video.work = Work(call.world.now(), "Unable to fetch video file from URL.")
        return
    fill(call, video, fetch.data)
    if video.is_published:
        publish(call, video)


def _make_post(call: Call, video: Video, work: Work) -> None:
    if work.reason:
        return
    video.post = add(
        call,
        video.kind,
        video.description,
        media=(video.file,),
        title=video.title if video.kind == VIDEO else "",
        seen_from=work.ready_at,
        video_id=video.id,
    )


def living_post(video: Video, now: float) -> Post | None:
    """Its post, once it can be seen and while it is there."""
    if video.post is None or video.post.deleted_at is not None:
        return None
    return video.post if video.post.extra["seen_from"] <= now else None


def node(call: Call, video: Video) -> Node:
    """`post_id` is the bare id, and `permalink_url` has no host, as Meta tells them."""
    now = call.world.now()
    post = living_post(video, now)
    path = f"/reel/{video.id}/" if video.kind == REEL else f"/{video.account.id}/videos/{video.id}/"
    values = {
        "id": video.id,
        "title": video.title or None,
        "description": video.description or None,
        "created_time": graph_time(video.started_at),
        "updated_time": graph_time(video.started_at),
        "permalink_url": path,
        "post_id": None if post is None else post.id.rpartition("_")[2],
        "published": post is not None,
        "length": look_at(video.file.data).seconds if video.file.complete else None,
        "source": (
            f"{call.base_url}/_media/{call.site.name}/{video.id}" if video.file.complete else None
        ),
        "status": _status(video, now),
    }
    return Node("Video", values, ("description", "updated_time", "id"))


def _status(video: Video, now: float) -> dict[str, Any]:
    work, is_uploaded = video.work, video.file.complete
    uploading = {
        "status": "complete" if is_uploaded else "in_progress",
        "bytes_transfered": len(video.file.data),  # spelt as Meta does
    }
    processing: dict[str, Any] = {"status": "in_progress" if is_uploaded else "not_started"}
    publishing: dict[str, Any] = {"status": "not_started"}
    overall = "processing" if is_uploaded or video.is_fetched else "uploading"
    if is_uploaded and not video.is_published:
        overall = "upload_complete"
    if work is not None and work.has_failed(now):
        overall = "error"
        processing = {"status": "error", "error": {"message": work.reason}}
    elif work is not None and work.is_good(now):
        processing = {"status": "complete"}
        if video.is_published:
            overall = "ready"
            publishing = {
                "status": "complete",
                "publish_status": "published",
                "publish_time": int(video.published_at),
            }
    return {
        "video_status": overall,
        "uploading_phase": uploading,
        "processing_phase": processing,
        "publishing_phase": publishing,
    }
