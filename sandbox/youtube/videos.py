"""Videos: what became of an upload, told part by part, changed and deleted.

A video exists from its last byte on. One whose processing fails is in the list of uploads and is
no post. A channel whose name begins with `unaudited` is served by a project without an audit: its
uploads are locked private.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.growth import grown
from sandbox.records import Account, Media, Post, iso, parse_instant
from sandbox.working import Work
from sandbox.youtube import channels, errors, metadata, parameters, quota

PARTS = ("id", "snippet", "status", "statistics", "processingDetails", "contentDetails", "player")
_REJECTIONS = frozenset(
    {
        "claim",
        "copyright",
        "duplicate",
        "inappropriate",
        "legal",
        "length",
        "termsOfUse",
        "trademark",
        "uploaderAccountClosed",
        "uploaderAccountSuspended",
    }
)


@dataclass(slots=True, eq=False)
class Video:
    """One uploaded file; `post` is None where processing fails."""

    id: str
    account: Account
    media: Media
    snippet: dict[str, Any]
    status: dict[str, Any]
    uploaded_at: float
    work: Work
    post: Post | None = None
    is_deleted: bool = False
    thumbnail: Media | None = None

    @property
    def text(self) -> str:
        title, description = str(self.snippet["title"]), self.snippet.get("description", "")
        return f"{title}\n\n{description}" if description else title

    @property
    def is_locked(self) -> bool:
        return self.account.name.startswith("unaudited")

    @property
    def scheduled_at(self) -> float | None:
        """The moment of its native schedule."""
        at = self.status.get("publishAt")
        return None if at is None else parse_instant(at)

    def privacy(self, now: float) -> str:
        """As it was set, until the native schedule makes it public."""
        if self.is_locked:
            return "private"
        at = self.scheduled_at
        return "public" if at is not None and now >= at else str(self.status["privacyStatus"])

    def published_at(self, now: float) -> float:
        at = self.scheduled_at
        return self.uploaded_at if at is None or now < at else max(self.uploaded_at, at)

    def state(self, now: float) -> dict[str, str]:
        """The upload's status, with the reason when it failed."""
        if not self.work.is_over(now):
            return {"uploadStatus": "uploaded"}
        if not self.work.reason:
            return {"uploadStatus": "processed"}
        if self.work.reason in _REJECTIONS:
            return {"uploadStatus": "rejected", "rejectionReason": self.work.reason}
        return {"uploadStatus": "failed", "failureReason": self.work.reason}


class Videos(dict[str, Video]):
    """By id, deleted ones included; `uploads` has each account's, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads: dict[str, list[Video]] = {}

    def add(self, video: Video) -> None:
        self[video.id] = video
        self.uploads.setdefault(video.account.id, []).append(video)


def visible(call: Call, video_id: str) -> Video | None:
    """The video as the caller sees it: not deleted, not lagging, and not another's private one."""
    video = call.site.books(Videos).get(video_id)
    if video is None or video.is_deleted:
        return None
    is_hidden = video.account is not call.account and (
        video.post is None or video.privacy(call.world.now()) == "private"
    )
    lags = video.post is not None and call.site.visible(video.id, call.account.name) is None
    return None if is_hidden or lags else video


def own(call: Call, video_id: str) -> Video:
    """The caller's living video; raises 404, or 403 for somebody else's."""
    video = call.site.books(Videos).get(video_id)
    if video is None or video.is_deleted:
        raise errors.video_not_found()
    if video.account is not call.account:
        raise errors.refused(403, "forbidden", "The request might not be properly authorized.")
    return video


def of_account(call: Call, account: Account) -> list[Video]:
    """The account's visible videos, newest first."""
    uploads = call.site.books(Videos).uploads.get(account.id, [])
    return [video for video in reversed(uploads) if visible(call, video.id) is not None]


def read(call: Call) -> Answer:
    """`videos.list?id=a,b`; an id that is not there is left out."""
    parameters.need(call, parameters.READ)
    quota.spend(call, 1)
    wanted, given = parameters.parts(call, PARTS), parameters.ids(call)
    found = [video for each in given if (video := visible(call, each)) is not None]
    return Answer(
        200,
        {
            "kind": "youtube#videoListResponse",
            "etag": "sandbox",
            "items": [shape(video, wanted, call) for video in found],
            "pageInfo": {"totalResults": len(found), "resultsPerPage": len(found)},
        },
    )


def update(call: Call) -> Answer:
    """`videos.update`: replaces the parts whole; a snippet needs title and category."""
    parameters.need(call, parameters.WRITE)
    quota.spend(call, 50)
    wanted, body = parameters.parts(call, PARTS), parameters.body(call)
    video = own(call, str(body.get("id", "")))
    if "snippet" in wanted and not parameters.inner(body, "snippet", "categoryId"):
        message = "The snippet.categoryId specifies an invalid category ID."
        raise errors.refused(400, "invalidCategoryId", message)
    given = metadata.check(body, wanted)
    if "snippet" in wanted:
        video.snippet = given["snippet"]
    if "status" in wanted:
        video.status = given["status"]
    if video.post is not None:
        video.post.extra |= told(video, call)
        call.site.rewrite(video.post, video.text, video.post.media)
    return Answer(200, shape(video, wanted, call))


def told(video: Video, call: Call) -> dict[str, Any]:
    """What the feed page shows beside the text."""
    return {
        "kind": "video",
        "title": video.snippet.get("title"),
        "visibility": video.privacy(call.world.now()),
        "url": f"https://www.youtube.com/watch?v={video.id}",
        "tags": video.snippet.get("tags", []),
    }


def delete(call: Call) -> Answer:
    parameters.need(call, parameters.WRITE)
    quota.spend(call, 50)
    video = own(call, *parameters.ids(call, most=1))
    video.is_deleted = True
    if video.post is not None:
        call.site.delete(video.post)
    return Answer(204)


def categories(call: Call) -> Answer:
    """`videoCategories.list`."""
    parameters.need(call, parameters.READ)
    quota.spend(call, 1)
    parameters.parts(call, ("id", "snippet"))
    items = [
        {
            "kind": "youtube#videoCategory",
            "id": number,
            "snippet": {"title": title, "assignable": True},
        }
        for number, title in metadata.CATEGORIES.items()
    ]
    return Answer(
        200, {"kind": "youtube#videoCategoryListResponse", "etag": "sandbox", "items": items}
    )


def shape(video: Video, wanted: list[str], call: Call) -> dict[str, Any]:
    now = call.world.now()
    state = video.state(now)
    parts: dict[str, Any] = {
        "snippet": {
            **video.snippet,
            "publishedAt": iso(video.published_at(now), timespec="seconds"),
            "channelId": channels.channel_id(video.account),
            "channelTitle": video.account.display_name,
            "description": video.snippet.get("description", ""),
            "thumbnails": thumbnails(video, call),
            "liveBroadcastContent": "none",
        },
        "status": {
            "embeddable": True,
            "publicStatsViewable": True,
            "madeForKids": video.status.get("selfDeclaredMadeForKids", False),
            **video.status,
            **state,
            "privacyStatus": video.privacy(now),
        },
        "statistics": statistics(video, now),
        "contentDetails": {"definition": "hd", "caption": "false", "licensedContent": False},
        "player": {"embedHtml": f'<iframe src="//www.youtube.com/embed/{video.id}"></iframe>'},
    }
    if parts["status"]["privacyStatus"] == "public":
        parts["status"].pop("publishAt", None)
    if video.account is call.account:
        parts["processingDetails"] = {"processingStatus": _processing_status(state)}
    head = {"kind": "youtube#video", "etag": "sandbox", "id": video.id}
    return head | {name: part for name, part in parts.items() if name in wanted}


def _processing_status(state: dict[str, str]) -> str:
    match state["uploadStatus"]:
        case "uploaded":
            return "processing"
        case "processed":
            return "succeeded"
        case "rejected":
            return "terminated"
    return "failed"


def statistics(video: Video, now: float) -> dict[str, str]:
    """Counters as strings; a private video has no audience."""
    age_s = now - video.published_at(now) if video.privacy(now) != "private" else 0.0
    most = {"viewCount": 1000, "likeCount": 60, "commentCount": 12, "favoriteCount": 0}
    return {name: str(grown(f"{video.id}{name}", age_s, most=n)) for name, n in most.items()}


def thumbnails(video: Video, call: Call) -> dict[str, Any]:
    url = f"https://i.ytimg.com/vi/{video.id}/default.jpg"
    if video.thumbnail is not None:
        url = f"{call.base_url}/_media/{call.site.name}/{video.thumbnail.id}"
    return {"default": {"url": url, "width": 120, "height": 90}}
