"""What can be read: a container's status, a media, the lists of media and stories."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.exchange import Answer, Call
from sandbox.graph.comments import Comments
from sandbox.graph.containers import Container, Containers, reason_of, state_of
from sandbox.graph.errors import no_object
from sandbox.graph.fields import Edge, Node, parse_fields, show
from sandbox.graph.growth import counted
from sandbox.graph.paging import graph_time, list_nodes, list_posts
from sandbox.graph.params import Params
from sandbox.instagram import accounts
from sandbox.records import Media, Post

STORY_LIFE_SECONDS = 86_400
_STATUS = {
    "IN_PROGRESS": "In Progress: Media is still being processed.",
    "FINISHED": "Finished: Media has been uploaded and it is ready to be published.",
    "PUBLISHED": "Published: Media has been successfully published.",
    "EXPIRED": "Expired: Media container was not published within 24 hours.",
}


def read(call: Call) -> Answer:
    """`GET /{id}` of whatever kind; other accounts' things are not there."""
    found = _node(call, call.params["id"])
    return Answer(200, show(found, parse_fields(Params.of(call).text("fields"))))


def _node(call: Call, object_id: str) -> Node:
    if object_id == accounts.professional_id(call.account):
        return accounts.node(call, call.account)
    container = call.site.books(Containers).of(object_id, call.account)
    if container is not None:
        return _container_node(call, container)
    post = call.site.visible(object_id, call.account.name)
    if post is not None and post.account is call.account:
        return post_node(call, post)
    item = call.site.media.get(object_id)
    if item is not None and item.account is call.account and item.attached:
        return _item_node(call, item)
    raise no_object("GET", object_id)


def _container_node(call: Call, container: Container) -> Node:
    state, reason = state_of(container, call), reason_of(container)
    words = "Media upload has failed with error code " if reason.isdecimal() else ""
    status = _STATUS.get(state, f"Error: {words}{reason}")
    return Node("IGContainer", {"id": container.id, "status_code": state, "status": status})


def own_post(call: Call) -> Post:
    """The caller's post of the path, as far as it can be seen."""
    post = call.site.visible(call.params["id"], call.account.name)
    if post is None or post.account is not call.account:
        raise no_object(call.method, call.params["id"])
    return post


def post_node(call: Call, post: Post) -> Node:
    is_comment = post.extra["product"] == "COMMENT"
    return comment_node(call, post) if is_comment else _media_node(call, post)


def _media_node(call: Call, post: Post) -> Node:
    age = call.world.now() - post.published_at
    is_album = post.extra["media_type"] == "CAROUSEL_ALBUM"
    comments = call.site.books(Comments).living(post.id)
    first_url = _media_url(call, post.media[0])
    return Node(
        "IGMedia",
        {
            "id": post.id,
            "caption": post.text or None,
            "media_type": post.extra["media_type"],
            "media_product_type": post.extra["product"],
            "media_url": None if is_album else first_url,
            "thumbnail_url": first_url if post.extra["media_type"] == "VIDEO" else None,
            "permalink": permalink(post),
            "shortcode": post.extra["shortcode"],
            "timestamp": graph_time(post.published_at),
            "username": post.account.name,
            "owner": Node("IGUser", {"id": accounts.professional_id(post.account)}),
            "alt_text": post.media[0].alt_text or None,
            "like_count": counted("likes", post.id, age),
            "comments_count": len(comments),
            "is_comment_enabled": True,
            "is_shared_to_feed": post.extra["is_shared_to_feed"],
            "comments": Edge([comment_node(call, c) for c in reversed(comments)]),
            "children": Edge([_item_node(call, m) for m in post.media]) if is_album else None,
        },
    )


def comment_node(call: Call, comment: Post) -> Node:
    author = {"id": accounts.professional_id(comment.account), "username": comment.account.name}
    replies = call.site.books(Comments).living(comment.id)
    return Node(
        "IGComment",
        {
            "id": comment.id,
            "text": comment.text,
            "timestamp": graph_time(comment.published_at),
            "username": comment.account.name,
            "from": author,
            "like_count": 0,
            "hidden": False,
            "parent_id": comment.extra["target"] if comment.extra["is_reply"] else None,
            "media": Node("IGMedia", {"id": comment.root.id}),
            "replies": Edge([comment_node(call, reply) for reply in replies]),
        },
        ("id", "text", "timestamp"),
    )


def _item_node(call: Call, item: Media) -> Node:
    url = _media_url(call, item)
    kind = "IMAGE" if item.is_image else "VIDEO"
    return Node("IGMedia", {"id": item.id, "media_type": kind, "media_url": url})


def media_list(call: Call) -> Answer:
    return _list(call, ("FEED", "REELS"))


def stories(call: Call) -> Answer:
    return _list(call, ("STORY",))


def _list(call: Call, products: tuple[str, ...]) -> Answer:
    account, now = accounts.check_owner(call), call.world.now()

    def wanted() -> Iterator[Post]:
        for post in call.site.newest_first(account, account.name):
            is_over = post.extra["product"] == "STORY" and (
                now - post.published_at > STORY_LIFE_SECONDS
            )
            if post.extra["product"] in products and not is_over:
                yield post

    return list_posts(call, wanted(), lambda post: post_node(call, post))


def children(call: Call) -> Answer:
    post = own_post(call)
    is_album = post.extra.get("media_type") == "CAROUSEL_ALBUM"
    return list_nodes(call, [_item_node(call, item) for item in post.media if is_album])


def permalink(post: Post) -> str:
    base, code = "https://www.instagram.com", post.extra["shortcode"]
    match post.extra["product"]:
        case "REELS":
            return f"{base}/reel/{code}/"
        case "STORY":
            return f"{base}/stories/{post.account.name}/{post.id}"
        case _:
            return f"{base}/p/{code}/"


def _media_url(call: Call, item: Media) -> str:
    return f"{call.base_url}/_media/{call.site.name}/{item.id}"
