"""Comments on one's own media, replies to comments, and what can be deleted."""

from __future__ import annotations

from sandbox.exchange import Answer, Call
from sandbox.graph.comments import Comments
from sandbox.graph.containers import new_id
from sandbox.graph.errors import bad_parameter, no_object
from sandbox.graph.paging import list_nodes
from sandbox.graph.params import Params
from sandbox.instagram.accounts import is_via_facebook
from sandbox.instagram.reading import comment_node, own_post
from sandbox.instagram.rules import check_comment
from sandbox.records import Post


def comment(call: Call) -> Answer:
    """`POST /{media}/comments`; `fields` does not belong here."""
    if "fields" in Params.of(call):
        raise bad_parameter("Param fields is not supported when a comment is created")
    target = own_post(call)
    if target.extra["product"] in ("COMMENT", "STORY"):
        raise no_object("POST", target.id)
    return _add(call, target)


def reply(call: Call) -> Answer:
    """`POST /{comment}/replies`."""
    target = own_post(call)
    if target.extra["product"] != "COMMENT":
        raise no_object("POST", target.id)
    return _add(call, target)


def _add(call: Call, target: Post) -> Answer:
    text = Params.of(call).text("message")
    check_comment(text)
    is_reply = target.extra["product"] == "COMMENT"
    added = call.site.publish(
        new_id(call.site),
        call.account,
        text,
        parent=target,
        received_at=call.received_at,
        extra={"kind": "comment", "product": "COMMENT", "target": target.id, "is_reply": is_reply},
    )
    call.site.books(Comments).add(target.id, added)
    return Answer(200, {"id": added.id})


def comments(call: Call) -> Answer:
    """`GET /{media}/comments`: newest first, younger ones than the lag left out."""
    below = call.site.books(Comments).living(own_post(call).id)
    seen = [c for c in reversed(below) if call.site.visible(c.id, call.account.name)]
    return list_nodes(call, [comment_node(call, c) for c in seen])


def delete(call: Call) -> Answer:
    """Comments always; media only with Facebook Login."""
    post = call.site.living(call.params["id"])
    if post is None or post.account is not call.account:
        raise no_object("DELETE", call.params["id"])
    if post.extra["product"] != "COMMENT" and not is_via_facebook(call):
        raise no_object("DELETE", post.id)
    call.site.delete(post)
    return Answer(200, {"success": True})
