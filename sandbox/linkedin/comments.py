"""Comments on posts, plain text without little-text: only for the Community Management product."""

from __future__ import annotations

import itertools
from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.linkedin import errors, people, restli
from sandbox.linkedin.posts import due_at
from sandbox.records import Post

_TEXT_CHARS = 1250
_KNOWN = frozenset({"actor", "object", "message", "parentComment", "content"})


def create(call: Call) -> Answer:
    """`POST /rest/socialActions/{urn}/comments` -> 201."""
    target = restli.key(call)
    body = restli.body(call)
    for name in body.keys() - _KNOWN:
        raise errors.unfit(name, "unrecognized field found but not allowed")
    for name in ("actor", "object", "message"):
        if name not in body:
            raise errors.unfit(name, "field is required but not found and has no default value")
    actor = people.acting(call, body["actor"], "actor", "socialActions.CREATE", feed="_feed")
    text = _text(body["message"])
    parent = _parent(call, target, body)
    number = call.site.new_id(shift=22)
    urn = f"urn:li:comment:({parent.root.id},{number})"
    post = call.site.publish(
        urn,
        actor,
        text,
        parent=parent,
        received_at=call.received_at,
        due_at=due_at(call),
        extra={"number": number, "kind": "comment"},
    )
    return Answer(201, _shape(post), headers={"x-restli-id": number})


def _text(message: Any) -> str:
    text = message.get("text") if isinstance(message, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise errors.unfit("message/text", "field is required but not found")
    if len(text) > _TEXT_CHARS:
        raise errors.invalid("FIELD_LENGTH_TOO_LONG", "message/text", "The comment is too long")
    return text


def _parent(call: Call, target: str, body: dict[str, Any]) -> Post:
    """The post, or the comment that is answered; `object` must be the post of the path."""
    post = call.site.living(target)
    if post is None:
        raise errors.refused(404, "NOT_FOUND", f"Could not find {target}")
    if body["object"] != post.root.id:
        raise errors.invalid("INVALID_URN_ID", "object", "object: this is not the post's URN")
    answered = body.get("parentComment")
    if answered is None:
        return post
    comment = call.site.living(answered) if isinstance(answered, str) else None
    if comment is None or comment.root is not post.root:
        raise errors.invalid("INVALID_URN_ID", "parentComment", f"Invalid URN {answered}")
    return comment


def of_post(call: Call) -> Answer:
    """`GET /rest/socialActions/{urn}/comments`: oldest first."""
    target = restli.key(call)
    people.need(call, "socialActions.GET_ALL", "r_organization_social_feed")
    post = call.site.visible(target, call.account.name)
    if post is None:
        raise errors.refused(404, "NOT_FOUND", f"Could not find {target}")
    start, count = restli.number(call, "start", 0, 10**6), restli.number(call, "count", 10, 100)
    page = itertools.islice(_visible_answers(call, post), start, start + count)
    elements = [_shape(comment) for comment in page]
    return Answer(200, {"paging": people.paging(start, count), "elements": elements})


def _visible_answers(call: Call, post: Post) -> list[Post]:
    accounts = call.site.accounts.values()
    found = [
        comment
        for account in accounts
        for comment in call.site.newest_first(account, call.account.name)
        if comment.parent is post
    ]
    return sorted(found, key=lambda comment: comment.published_at)


def delete(call: Call) -> Answer:
    """`DELETE /rest/socialActions/{urn}/comments/{id}?actor=<urn>` -> 204."""
    target = restli.key(call)
    actor = restli.parameter(call, "actor")
    account = people.acting(call, actor, "actor", "socialActions.DELETE", feed="_feed")
    comment = next((p for p in account.posts if p.extra.get("number") == call.params["id"]), None)
    if comment is None or comment.deleted_at is not None or comment.root.id != target:
        raise errors.refused(404, "NOT_FOUND", "Could not find the comment")
    call.site.delete(comment)
    return Answer(204)


def _shape(comment: Post) -> dict[str, Any]:
    at = {"actor": people.urn_of(comment.account), "time": int(comment.published_at * 1000)}
    shape = {
        "$URN": comment.id,
        "id": comment.extra["number"],
        "actor": at["actor"],
        "object": comment.root.id,
        "message": {"attributes": [], "text": comment.text},
        "created": at,
        "lastModified": at,
    }
    if comment.parent is not None and comment.parent is not comment.root:
        shape["parentComment"] = comment.parent.id
    return shape
