"""Posts read back: only for organizations, since `r_member_social` is closed to everybody."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.linkedin import errors, people, restli
from sandbox.linkedin.posts import KEPT
from sandbox.records import Account, Post


def read_one(call: Call) -> Answer:
    """`GET /rest/posts/{urn}`."""
    urn = restli.key(call)
    people.need(call, "posts.GET", "r_organization_social")
    post = call.site.visible(urn, call.account.name)
    if post is None or not is_shown(post, call):
        raise errors.refused(404, "NOT_FOUND", f"Could not find post {urn}")
    if post.account is not people.organization(call):
        raise errors.denied("posts.GET")
    return Answer(200, _shape(post))


def of_author(call: Call) -> Answer:
    """`GET /rest/posts?q=author&author=<urn>`: newest first, `start`, `count` up to 100."""
    author_urn = restli.parameter(call, "author")
    people.need(call, "posts.FINDER-author", "r_organization_social")
    if call.query.get("q") != "author" or not author_urn:
        raise errors.invalid("ILLEGAL_ARGUMENT", "q", "Only q=author can be asked.")
    if call.query.get("sortBy", "LAST_MODIFIED") not in ("LAST_MODIFIED", "CREATED"):
        raise errors.invalid("ILLEGAL_ARGUMENT", "sortBy", "sortBy: LAST_MODIFIED or CREATED")
    if author_urn != people.urn_of(people.organization(call)):
        raise errors.denied("posts.FINDER-author")
    start, count = restli.number(call, "start", 0, 10**6), restli.number(call, "count", 10, 100)
    shown = shown_posts(call, people.organization(call))
    page = itertools.islice(shown, start, start + count)
    return Answer(
        200, {"paging": people.paging(start, count), "elements": [_shape(post) for post in page]}
    )


def shown_posts(call: Call, account: Account) -> Iterator[Post]:
    """The account's living posts (no comments) that readers see by now, newest first."""
    for post in call.site.newest_first(account, call.account.name):
        if post.parent is None and is_shown(post, call):
            yield post


def is_shown(post: Post, call: Call) -> bool:
    """False while an image of the post is still in work, and for ever when that failed."""
    carried = post.extra.get("carried")
    return carried is None or carried.is_visible(call.world.now())


def _shape(post: Post) -> dict[str, Any]:
    at_ms = int(post.published_at * 1000)
    return {
        "id": post.id,
        "author": people.urn_of(post.account),
        "commentary": post.extra["commentary"],
        "createdAt": at_ms,
        "publishedAt": at_ms,
        "lastModifiedAt": at_ms,
        "lifecycleState": "PUBLISHED",
        "lifecycleStateInfo": {"isEditedByAuthor": False},
        "isReshareDisabledByAuthor": False,
        **{name: post.extra[name] for name in KEPT if name in post.extra},
    }
