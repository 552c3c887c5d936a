"""Comments of the page on its posts, and the one handler for `GET` and `DELETE /{id}`."""

from __future__ import annotations

from sandbox.exchange import Answer, Call
from sandbox.facebook import identity, library
from sandbox.facebook.errors import wants_page_token
from sandbox.facebook.library import Library
from sandbox.facebook.photos import photo_node, read_photo, staged_photo
from sandbox.facebook.posts import (
    COMMENT,
    STORY,
    bare_id,
    comment_node,
    delete_post,
    is_seen,
    own_post,
    post_node,
)
from sandbox.graph.comments import Comments
from sandbox.graph.errors import bad_parameter, no_object, refused
from sandbox.graph.fields import Node, parse_fields, show
from sandbox.graph.paging import list_nodes
from sandbox.graph.params import Params
from sandbox.records import Media, Post

_CHARS = 8000


def comment(call: Call) -> Answer:
    """`POST /{post}/comments`; a video's id stands for its post."""
    if identity.is_person(call):
        raise wants_page_token()
    target, params = _target(call), Params.of(call)
    message = params.text("message")
    if len(message) > _CHARS:
        raise bad_parameter(f"Param message must be at most {_CHARS} characters long")
    media: tuple[Media, ...] = ()
    if "attachment_url" in params:
        photo = read_photo(call, params, "", "attachment_url")
        call.site.media[photo.id] = photo
        media = (photo,)
    if not message and not media:
        raise bad_parameter("Param message must be a non-empty string")
    added = call.site.publish(
        f"{bare_id(target)}_{call.site.new_id()}",
        call.account,
        message,
        media=media,
        parent=target,
        received_at=call.received_at,
        extra={"kind": COMMENT, "message": message, "seen_from": 0.0, "video_id": ""},
    )
    call.site.books(Comments).add(target.id, added)
    return Answer(200, {"id": added.id})


def comments(call: Call) -> Answer:
    below = call.site.books(Comments).living(_target(call).id)
    return list_nodes(call, [comment_node(call, c) for c in below if is_seen(call, c)])


def _target(call: Call) -> Post:
    wanted = call.params["id"]
    video = call.site.books(Library).of(wanted, call.account)
    post = own_post(call, wanted)
    if video is not None:
        post = library.living_post(video, call.world.now())
    if post is None or post.extra["kind"] == STORY or not is_seen(call, post):
        raise no_object(call.method, wanted)
    return post


def read(call: Call) -> Answer:
    found = _node(call, call.params["id"])
    return Answer(200, show(found, parse_fields(Params.of(call).text("fields"))))


def _node(call: Call, object_id: str) -> Node:
    if not object_id.replace("_", "").isdecimal():
        message = f"(#803) Some of the aliases you requested do not exist: {object_id}"
        raise refused(message, 803, status=404)
    if object_id == call.account.id and identity.is_person(call):
        return identity.person_node(call)
    page = identity.own_page(call, object_id)
    if page is not None:
        return identity.page_node(call, page)
    video = call.site.books(Library).of(object_id, call.account)
    if video is not None:
        return library.node(call, video)
    photo = staged_photo(call, object_id)
    if photo is not None:
        return photo_node(call, photo)
    post = own_post(call, object_id)
    if post is None or not is_seen(call, post):
        raise no_object("GET", object_id)
    return post_node(call, post)


def delete(call: Call) -> Answer:
    """A post, a comment, a photo or a video; with a photo or video goes the post it made."""
    if identity.is_person(call):
        raise wants_page_token()
    wanted = call.params["id"]
    post, video = own_post(call, wanted), call.site.books(Library).of(wanted, call.account)
    photo = staged_photo(call, wanted)
    if post is not None:
        delete_post(call, post)
    elif video is not None:
        del call.site.books(Library).by_id[video.id]
        _delete_living(call, video.post)
    elif photo is not None:
        del call.site.media[photo.id]
        for holder in [p for p in call.account.posts if p.media == (photo,)]:
            _delete_living(call, holder)
    else:
        raise no_object("DELETE", wanted)
    return Answer(200, {"success": True})


def _delete_living(call: Call, post: Post | None) -> None:
    if post is not None and post.deleted_at is None:
        delete_post(call, post)
