"""X's lookups: one post, many posts, a user's posts, and who one is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.records import Account, Post, parse_instant
from sandbox.x import problems
from sandbox.x.shape import FIELDS, PRIVATE_FIELDS, is_private_told, shape_post


def read_one(call: Call) -> Answer:
    """A post that is not there is a 200 with `errors` and no `data`, as on X."""
    fields = _fields(call.query)
    post = call.site.visible(call.params["id"], call.account.name)
    if post is None:
        return Answer(200, {"errors": [problems.missing("tweet", call.params["id"])]})
    shape, errors = _told(call, post, fields)
    return Answer(200, {"data": shape, **({"errors": errors} if errors else {})})


def read_many(call: Call) -> Answer:
    query = call.query
    fields, ids = _fields(query), query.get("ids", "").split(",")
    if not 1 <= len(ids) <= 100 or not all(i.isdecimal() for i in ids):
        raise problems.invalid("ids", query.get("ids"), "ids: give 1 to 100 ids")
    posts = {i: call.site.visible(i, call.account.name) for i in ids}
    told = [_told(call, post, fields) for post in posts.values() if post is not None]
    errors = [error for _shape, each in told for error in each]
    errors += [problems.missing("tweet", i) for i, post in posts.items() if post is None]
    answer: dict[str, Any] = {"data": [shape for shape, _errors in told]} if told else {}
    return Answer(200, answer | ({"errors": errors} if errors else {}))


def _told(call: Call, post: Post, fields: set[str]) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The post, and one error for each field that this reader may not (or no longer) see."""
    hidden = fields & PRIVATE_FIELDS
    if hidden and is_private_told(post, call.account, call.world.now()):
        hidden = set()
    errors = [problems.hidden_field(post.id, field) for field in sorted(hidden)]
    return shape_post(post, fields - hidden, call.world.now()), errors


def me(call: Call) -> Answer:
    account = call.account
    answer: dict[str, Any] = {
        "id": account.id,
        "name": account.display_name,
        "username": account.name,
    }
    wanted = set(call.query.get("user.fields", "").split(","))
    if "public_metrics" in wanted:
        answer["public_metrics"] = {
            "followers_count": 1000 + int(account.id) % 9000,
            "following_count": int(account.id) % 500,
            "tweet_count": account.live,
            "listed_count": 0,
        }
    if "profile_image_url" in wanted:
        answer["profile_image_url"] = f"{call.base_url}/_static/avatar.svg"
    return Answer(200, {"data": answer})


def of_user(call: Call) -> Answer:
    """`GET /2/users/{id}/tweets`: newest first, paged by `pagination_token`."""
    account = call.site.accounts_by_id.get(call.params["id"])
    if account is None:
        return Answer(200, {"errors": [problems.missing("user", call.params["id"])]})
    query = call.query
    fields, size = _fields(query), _page_size(query)
    found = list(itertools.islice(_listed(call, account, query), size + 1))
    page = found[:size]
    meta: dict[str, Any] = {"result_count": len(page)}
    if not page:
        return Answer(200, {"meta": meta})
    meta |= {"newest_id": page[0].id, "oldest_id": page[-1].id}
    if len(found) > size:
        meta["next_token"] = page[-1].id
    told = [_told(call, post, fields) for post in page]
    errors = [error for _shape, each in told for error in each]
    answer = {"data": [shape for shape, _errors in told], "meta": meta}
    return Answer(200, answer | ({"errors": errors} if errors else {}))


def _listed(call: Call, account: Account, query: dict[str, str]) -> Iterator[Post]:
    start, end = _instant(query, "start_time"), _instant(query, "end_time")
    since_id, until_id = _number(query, "since_id"), _number(query, "until_id")
    below = _number(query, "pagination_token")
    skips_replies = "replies" in query.get("exclude", "").split(",")
    for post in call.site.newest_first(account, call.account.name):
        number = int(post.id)
        if number <= (since_id or 0) or (start is not None and post.published_at < start):
            return
        too_new = (below is not None and number >= below) or (
            until_id is not None and number >= until_id
        )
        if too_new or (end is not None and post.published_at >= end):
            continue
        if not (skips_replies and post.parent is not None):
            yield post


def _fields(query: dict[str, str]) -> set[str]:
    """The fields asked for; X's prose says `tweet.fields`, its specification `post.fields`."""
    wanted: set[str] = set()
    for name in ("tweet.fields", "post.fields"):
        given = {field for field in query.get(name, "").split(",") if field}
        for field in sorted(given - FIELDS):
            raise problems.invalid(name, field, f"The `{name}` value [{field}] is not valid")
        wanted |= given
    return wanted


def _page_size(query: dict[str, str]) -> int:
    text = query.get("max_results", "10")
    if not text.isdecimal() or not 5 <= int(text) <= 100:
        raise problems.invalid(
            "max_results", text, f"max_results [{text}] is not between 5 and 100"
        )
    return int(text)


def _number(query: dict[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise problems.invalid(name, text, f"{name} [{text}] is not an id")
    return int(text)


def _instant(query: dict[str, str], name: str) -> float | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError:
        raise problems.invalid(name, text, f"{name} [{text}] is not an RFC 3339 instant") from None
