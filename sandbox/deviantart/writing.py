"""What has no file: journals, literature, status updates, and comments with their list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.deviantart import errors, publishing
from sandbox.deviantart.books import books
from sandbox.deviantart.fields import Fields, asked, page, posted
from sandbox.deviantart.people import describe
from sandbox.deviantart.stash import TITLE_CHARS
from sandbox.exchange import Answer, Call
from sandbox.records import Post

_BODY_CHARS = 64_000
_COMMENTS = 50  # in one page of their list


def written(kind: str) -> Callable[[Call], Answer]:
    """Return the handler of `POST /deviation/{kind}/create`: a title and an HTML body."""

    def create(call: Call) -> Answer:
        fields = posted(call)
        title, body = fields.required("title"), _body(fields)
        if len(title) > TITLE_CHARS:
            raise errors.invalid("title", f"title must be at most {TITLE_CHARS} characters.")
        options = {
            **publishing.mature(fields, default=False),
            "tags": publishing.tags(fields),
            "allows_comments": fields.flag("allow_comments", default=True),
        }
        folders = publishing.galleries(call, fields) if kind == "literature" else ()
        post = publishing.show(call, f"{title}\n\n{body}")
        work = publishing.add(call, post, kind, title, body, options, folders)
        return Answer(200, {"deviationid": work.id})

    return create


def status(call: Call) -> Answer:
    """`POST /user/statuses/post` `body`; `stashid` attaches nothing here."""
    body = _body(posted(call))
    work = publishing.add(call, publishing.show(call, body), "status", "", body)
    return Answer(200, {"statusid": work.id})


def comment(call: Call) -> Answer:
    """`POST /comments/post/deviation/{deviationid}` `body`, in reply to `commentid` if given."""
    fields, book = posted(call), books(call)
    work = book.works.get(call.params["deviationid"].upper())
    if work is None or work.post.deleted_at is not None:
        raise errors.refused(400, "Deviation not found.")
    if not work.options.get("allows_comments", True):
        raise errors.refused(400, "Comments are disabled for this deviation.")
    above = work.post
    if fields.text("commentid"):
        found = book.comments.get(fields.text("commentid").upper())
        if found is None:
            raise errors.invalid("commentid", "Comment not found.")
        above = found
    body = _body(fields)
    post = publishing.show(call, body, parent=above)
    post.extra["kind"] = "comment"
    book.comments[post.id] = post
    return Answer(200, _shape(call, post, work.post))


def comments(call: Call) -> Answer:
    """`GET /comments/deviation/{deviationid}`: newest first, in pages (recalled: `thread`)."""
    fields, book = asked(call), books(call)
    work = book.works.get(call.params["deviationid"].upper())
    if work is None or work.post.deleted_at is not None:
        raise errors.refused(400, "Deviation not found.")
    offset = fields.number("offset", 0, low=0, high=50_000)
    limit = fields.number("limit", 10, low=1, high=_COMMENTS)
    found = [
        post
        for post in reversed(book.comments.values())
        if post.root is work.post and call.site.visible(post.id, call.account.name) is not None
    ]
    told = page([_shape(call, post, work.post) for post in found], offset, limit)
    return Answer(200, {"thread": told.pop("results"), "total": len(found), **told})


def _shape(call: Call, post: Post, work: Post) -> dict[str, Any]:
    return {
        "commentid": post.id,
        "parentid": post.parent.id if post.parent not in (None, work) else None,
        "posted": str(int(post.published_at)),
        "replies": 0,
        "hidden": None,
        "body": post.text,
        "user": describe(call, post.account),
    }


def _body(fields: Fields) -> str:
    body = fields.required("body")
    if len(body) > _BODY_CHARS:
        raise errors.invalid("body", f"body must be at most {_BODY_CHARS} characters.")
    return body
