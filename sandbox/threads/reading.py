"""What can be read: a container's status, one's own posts, and the replies below them."""

from __future__ import annotations

from sandbox.exchange import Answer, Call
from sandbox.graph.comments import Comments
from sandbox.graph.containers import Container, Containers, reason_of, state_of
from sandbox.graph.errors import missing_permission, no_object
from sandbox.graph.fields import Edge, Node, parse_fields, show
from sandbox.graph.paging import graph_time, list_nodes, list_posts
from sandbox.graph.params import Params
from sandbox.records import Media, Post
from sandbox.threads import users


def read(call: Call) -> Answer:
    """`GET /{id}` of a container, a post, an item of a carousel, or oneself."""
    object_id = call.params["id"]
    fields = parse_fields(Params.of(call).text("fields"))
    if object_id == call.account.id:
        return users.me(call)
    container = call.site.books(Containers).of(object_id, call.account)
    if container is not None:
        return Answer(200, show(_container_node(call, container), fields))
    item = call.site.media.get(object_id)
    if item is not None and item.account is call.account and item.attached:
        return Answer(200, show(_item_node(call, item), fields))
    return Answer(200, show(post_node(call, own_post(call)), fields))


def _container_node(call: Call, container: Container) -> Node:
    state = state_of(container, call)
    error = reason_of(container) if state == "ERROR" else None
    values = {"id": container.id, "status": state, "error_message": error}
    return Node("ThreadsMediaContainer", values, ("id", "status", "error_message"))


def own_post(call: Call) -> Post:
    post = call.site.visible(call.params["id"], call.account.name)
    if post is None or post.account is not call.account:
        raise no_object(call.method, call.params["id"])
    return post


def permalink(post: Post) -> str:
    return f"https://www.threads.com/@{post.account.name}/post/{post.extra['shortcode']}"


def post_node(call: Call, post: Post) -> Node:
    kind = post.extra["media_type"]
    first = post.media[0] if post.media and kind != "CAROUSEL_ALBUM" else None
    url = None if first is None else _media_url(call, first)
    parent, quoted = post.parent, post.extra["quoted"]
    return Node(
        "ThreadsMedia",
        {
            "id": post.id,
            "media_product_type": "THREADS",
            "media_type": kind,
            "media_url": url,
            "thumbnail_url": url if kind == "VIDEO" else None,
            "permalink": permalink(post),
            "owner": Node("ThreadsUser", {"id": post.account.id}),
            "username": post.account.name,
            "text": post.text or None,
            "timestamp": graph_time(post.published_at),
            "shortcode": post.extra["shortcode"],
            "is_quote_post": quoted is not None,
            "quoted_post": None if quoted is None else _id_node(quoted),
            "alt_text": (first.alt_text or None) if first else None,
            "link_attachment_url": post.extra["link"],
            "topic_tag": post.extra["topic_tag"],
            "reply_audience": post.extra["reply_control"].upper(),
            "has_replies": bool(call.site.books(Comments).living(post.id)),
            "is_reply": parent is not None,
            "replied_to": None if parent is None else _id_node(parent),
            "root_post": None if parent is None else _id_node(post.root),
            "is_reply_owned_by_me": post.account is call.account,
            "hide_status": "NOT_HUSHED" if parent is not None else None,
            "poll_attachment": post.extra["poll"],
            "children": (
                Edge([_item_node(call, item) for item in post.media])
                if kind == "CAROUSEL_ALBUM"
                else None
            ),
        },
    )


def _id_node(post: Post) -> Node:
    return Node("ThreadsMedia", {"id": post.id})


def _item_node(call: Call, item: Media) -> Node:
    kind = "IMAGE" if item.is_image else "VIDEO"
    url = _media_url(call, item)
    return Node("ThreadsMedia", {"id": item.id, "media_type": kind, "media_url": url})


def posts(call: Call) -> Answer:
    """`GET /{user}/threads`: without replies."""
    return _of_user(call, replies=False)


def replies(call: Call) -> Answer:
    """`GET /{user}/replies`, or `GET /{media}/replies`: what was answered directly."""
    if call.params["id"] in ("me", call.account.id):
        return _of_user(call, replies=True)
    grant = call.grant
    if grant and not (
        grant.allows("threads_read_replies") or grant.allows("threads_manage_replies")
    ):
        raise missing_permission("Application does not have permission for this action")
    below = call.site.books(Comments).living(own_post(call).id)
    seen = [p for p in reversed(below) if call.site.visible(p.id, call.account.name)]
    return list_nodes(call, [post_node(call, post) for post in seen])


def _of_user(call: Call, *, replies: bool) -> Answer:
    account = users.check_owner(call)
    found = (
        post
        for post in call.site.newest_first(account, account.name)
        if (post.parent is not None) == replies
    )
    return list_posts(call, found, lambda post: post_node(call, post))


def _media_url(call: Call, item: Media) -> str:
    return f"{call.base_url}/_media/{call.site.name}/{item.id}"
