"""Comments below a video and answers to them; private videos take none."""

from __future__ import annotations

import itertools
from typing import Any

from sandbox.exchange import Answer, Call, Malformed
from sandbox.records import Post, iso
from sandbox.youtube import channels, errors, parameters, quota, videos
from sandbox.youtube.videos import Videos

_TEXT_CHARS = 10_000
_DOMAIN = "youtube.comment"
_PARTS = ("id", "snippet", "replies")


def create_thread(call: Call) -> Answer:
    """`commentThreads.insert`: a first comment."""
    body = _begin(call)
    video_id = parameters.inner(body, "snippet", "videoId")
    text = parameters.inner(body, "snippet", "topLevelComment", "snippet", "textOriginal")
    video = call.site.books(Videos).get(str(video_id))
    if video is None or video.is_deleted or video.post is None:
        raise errors.video_not_found()
    if video.privacy(call.world.now()) == "private":
        message = (
            "The video identified by the <code>videoId</code> parameter has disabled comments."
        )
        raise errors.refused(403, "commentsDisabled", message, domain="youtube.commentThread")
    comment = _publish(call, "Ug" + call.site.new_id(), text, video.post)
    return Answer(200, _thread(comment))


def create_answer(call: Call) -> Answer:
    """`comments.insert`: an answer to a first comment."""
    body = _begin(call)
    parent_id = str(parameters.inner(body, "snippet", "parentId"))
    parent = call.site.living(parent_id)
    if parent is None or parent.parent is None or parent.parent.parent is not None:
        message = "The specified parent comment could not be found."
        raise errors.refused(404, "parentCommentNotFound", message, domain=_DOMAIN)
    text = parameters.inner(body, "snippet", "textOriginal")
    return Answer(200, _shape(_publish(call, f"{parent_id}.{call.site.new_id()}", text, parent)))


def _begin(call: Call) -> dict[str, Any]:
    parameters.need(call, parameters.COMMENT)
    channels.need_channel(call)
    quota.spend(call, 50)
    parameters.parts(call, _PARTS)
    return parameters.body(call)


def _publish(call: Call, comment_id: str, text: Any, parent: Post) -> Post:
    if not isinstance(text, str) or not text.strip():
        message = "The comment resource that is being inserted must specify a value."
        raise errors.refused(400, "commentTextRequired", message, domain=_DOMAIN)
    if len(text) > _TEXT_CHARS:
        message = "The comment resource that is being inserted contains too many characters."
        raise errors.refused(400, "commentTextTooLong", message, domain=_DOMAIN)
    try:
        due_at = call.due_at()
    except Malformed as malformed:
        raise errors.refused(400, "badRequest", str(malformed), domain="global") from None
    return call.site.publish(
        comment_id,
        call.account,
        text,
        parent=parent,
        received_at=call.received_at,
        due_at=due_at,
        extra={"kind": "comment"},
    )


def threads(call: Call) -> Answer:
    """`commentThreads.list?videoId=`: newest first."""
    parameters.need(call, parameters.COMMENT)
    quota.spend(call, 1)
    parameters.parts(call, _PARTS)
    (video_id,) = parameters.ids(call, "videoId", most=1)
    video = videos.visible(call, video_id)
    if video is None:
        raise errors.video_not_found()
    every = itertools.chain.from_iterable(
        call.site.newest_first(account, call.account.name)
        for account in call.site.accounts.values()
    )
    found = [post for post in every if post.parent is not None and post.parent is video.post]
    found.sort(key=lambda post: post.published_at, reverse=True)
    items = [_thread(post) for post in found]
    return Answer(200, parameters.listing("commentThreadListResponse", items, call))


def delete(call: Call) -> Answer:
    parameters.need(call, parameters.COMMENT)
    quota.spend(call, 50)
    comment = call.site.living(*parameters.ids(call, most=1))
    if comment is None or comment.parent is None:
        message = "The specified comment could not be found."
        raise errors.refused(404, "commentNotFound", message, domain=_DOMAIN)
    if comment.account is not call.account:
        raise errors.refused(403, "forbidden", "Insufficient permissions", domain=_DOMAIN)
    call.site.delete(comment)
    return Answer(204)


def _thread(comment: Post) -> dict[str, Any]:
    return {
        "kind": "youtube#commentThread",
        "etag": "sandbox",
        "id": comment.id,
        "snippet": {
            "videoId": comment.root.id,
            "topLevelComment": _shape(comment),
            "canReply": True,
            "totalReplyCount": 0,
            "isPublic": True,
        },
    }


def _shape(comment: Post) -> dict[str, Any]:
    at = iso(comment.published_at, timespec="seconds")
    snippet = {
        "videoId": comment.root.id,
        "textDisplay": comment.text,
        "textOriginal": comment.text,
        "authorDisplayName": f"@{comment.account.name}",
        "authorChannelId": {"value": channels.channel_id(comment.account)},
        "likeCount": 0,
        "publishedAt": at,
        "updatedAt": at,
    }
    if comment.parent is not None and comment.parent.parent is not None:
        snippet["parentId"] = comment.parent.id
    return {"kind": "youtube#comment", "etag": "sandbox", "id": comment.id, "snippet": snippet}
