"""What a page has published, how it is told, found and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.exchange import Answer, Call, Malformed
from sandbox.facebook.identity import acting_page, check_task, is_person
from sandbox.graph.comments import Comments
from sandbox.graph.errors import bad_parameter, no_object
from sandbox.graph.fields import Edge, Node
from sandbox.graph.growth import counted
from sandbox.graph.paging import graph_time, list_posts
from sandbox.records import Media, Post

FEED, PHOTO, VIDEO, REEL, STORY, COMMENT = "post", "photo", "video", "reel", "story", "comment"
STORY_SECONDS = 86_400
ON_THE_PAGE = (FEED, PHOTO, VIDEO, REEL)
_STATUS_TYPES = {
    FEED: "mobile_status_update",
    PHOTO: "added_photos",
    VIDEO: "added_video",
    REEL: "added_video",
}


def add(
    call: Call,
    kind: str,
    message: str,
    *,
    media: tuple[Media, ...] = (),
    link: str = "",
    title: str = "",
    seen_from: float = 0.0,
    video_id: str = "",
) -> Post:
    """Publish on the caller's page; `seen_from` (epoch seconds) is when a video is ready."""
    try:
        due_at = call.due_at()
    except Malformed as malformed:
        raise bad_parameter(str(malformed)) from None
    post = call.site.publish(
        f"{call.account.id}_{call.site.new_id()}",
        call.account,
        message or link,
        media=media,
        received_at=call.received_at,
        due_at=due_at,
        extra={
            "kind": kind,
            "message": message,
            "link": link,
            "title": title,
            "seen_from": seen_from,
            "video_id": video_id,
            "expires_at": call.world.now() + STORY_SECONDS if kind == STORY else None,
        },
    )
    post.extra["url"] = permalink(post)
    return post


def bare_id(post: Post) -> str:
    """The part behind the page's id."""
    return post.id.rpartition("_")[2]


def is_seen(call: Call, post: Post) -> bool:
    """Ready, and old enough for the lag."""
    ready = post.extra["seen_from"] <= call.world.now()
    return ready and call.site.visible(post.id, call.account.name) is not None


def own_post(call: Call, post_id: str) -> Post | None:
    """The page's living post or comment by its id, with the page's id before it or without."""
    post = call.site.living(post_id) or call.site.living(f"{call.account.id}_{post_id}")
    if post is None or (post.account is not call.account and not is_person(call)):
        return None
    return post


def post_node(call: Call, post: Post) -> Node:
    return comment_node(call, post) if post.extra["kind"] == COMMENT else _post_node(call, post)


def _post_node(call: Call, post: Post) -> Node:
    age = call.world.now() - post.published_at
    comments = call.site.books(Comments).living(post.id)
    shares = counted("shares", post.id, age)
    author = {"id": post.account.id, "name": post.account.display_name}
    counts = {"order": "chronological", "total_count": len(comments), "can_comment": True}
    reactions = {"total_count": counted("likes", post.id, age), "viewer_reaction": "NONE"}
    image = next((item for item in post.media if item.is_image), None)
    values = {
        "id": post.id,
        "message": post.extra["message"] or None,
        "story": None,
        "created_time": graph_time(post.published_at),
        "updated_time": graph_time(post.published_at),
        "permalink_url": permalink(post),
        "is_published": True,
        "is_hidden": False,
        "status_type": "shared_story" if post.extra["link"] else _STATUS_TYPES.get(_kind(post)),
        "from": author,
        "full_picture": None if image is None else _media_url(call, image),
        "shares": {"count": shares} if shares else None,
        "comments": Edge([comment_node(call, c) for c in comments], counts),
        "reactions": Edge([], reactions),
        "likes": Edge([], {"total_count": reactions["total_count"], "can_like": True}),
        "attachments": _attachments(call, post),
    }
    return Node("Post", values, ("id", "created_time", "message"))


def comment_node(call: Call, comment: Post) -> Node:
    values = {
        "id": comment.id,
        "message": comment.extra["message"],
        "created_time": graph_time(comment.published_at),
        "from": {"id": comment.account.id, "name": comment.account.display_name},
        "permalink_url": f"{permalink(comment.root)}?comment_id={bare_id(comment)}",
        "like_count": 0,
        "comment_count": len(call.site.books(Comments).living(comment.id)),
    }
    return Node("Comment", values, ("created_time", "from", "message", "id"))


def permalink(post: Post) -> str:
    base, page, video = "https://www.facebook.com", post.account.id, post.extra["video_id"]
    match _kind(post):
        case "reel":
            return f"{base}/reel/{video}/"
        case "video":
            return f"{base}/{page}/videos/{video}/"
        case "story":
            return f"{base}/stories/{page}/{bare_id(post)}/"
        case _:
            return f"{base}/{page}/posts/{bare_id(post)}"


def _kind(post: Post) -> str:
    return str(post.extra["kind"])


def _attachments(call: Call, post: Post) -> Edge | None:
    if post.extra["link"]:
        target = {"url": post.extra["link"]}
        return Edge([_attachment("share", "link", target, title=post.extra["link"])])
    if not post.media:
        return None
    if post.extra["video_id"]:
        target = {"id": post.extra["video_id"], "url": permalink(post)}
        return Edge([_attachment("video_inline", "video", target)])
    photos = [
        _attachment("photo", "photo", _photo_target(item), url=_media_url(call, item))
        for item in post.media
    ]
    if len(photos) == 1:
        return Edge(photos)
    target = {"id": bare_id(post), "url": permalink(post)}
    return Edge([_attachment("album", "album", target, below=Edge(photos))])


def _attachment(
    kind: str,
    media_type: str,
    target: dict[str, str],
    *,
    title: str | None = None,
    url: str | None = None,
    below: Edge | None = None,
) -> Node:
    values: dict[str, Any] = {
        "type": kind,
        "media_type": media_type,
        "target": target,
        "title": title,
        "description": None,
        "url": url or target.get("url"),
        "subattachments": below,
    }
    return Node("StoryAttachment", values, ("media_type", "target", "title", "type", "url"))


def _photo_target(photo: Media) -> dict[str, str]:
    return {"id": photo.id, "url": f"https://www.facebook.com/photo.php?fbid={photo.id}"}


def published(call: Call) -> Answer:
    """`published_posts`, `posts` and `feed`: no stories, no comments, no video at work."""
    return _list(call, ON_THE_PAGE)


def scheduled(call: Call) -> Answer:
    acting_page(call)
    return Answer(200, {"data": []})


def _list(call: Call, kinds: tuple[str, ...]) -> Answer:
    page = acting_page(call)

    def wanted() -> Iterator[Post]:
        for post in call.site.newest_first(page, page.name):
            if post.extra["kind"] in kinds and post.extra["seen_from"] <= call.world.now():
                yield post

    return list_posts(call, wanted(), lambda post: _post_node(call, post))


def delete_post(call: Call, post: Post) -> None:
    if post.account is not call.account:
        raise no_object("DELETE", post.id)
    check_task(post.account)
    call.site.delete(post)


def _media_url(call: Call, item: Media) -> str:
    return f"{call.base_url}/_media/{call.site.name}/{item.id}"
