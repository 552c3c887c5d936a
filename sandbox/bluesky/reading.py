"""Reading records from the PDS, and posts and profiles with their counters from the AppView."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from sandbox.bluesky import errors
from sandbox.bluesky.books import Record, books
from sandbox.bluesky.identity import did_of, handle_of, known_account
from sandbox.bluesky.lexicon import POST
from sandbox.exchange import Answer, Call
from sandbox.growth import grown
from sandbox.records import Account, iso

_POSTS_AT_ONCE = 25


def get_record(call: Call) -> Answer:
    """`GET com.atproto.repo.getRecord?repo=&collection=&rkey=[&cid=]`; open to anyone."""
    query = call.query
    for name in ("repo", "collection", "rkey"):
        if not query.get(name):
            raise errors.invalid(f'Error: Params must have the property "{name}"')
    account = known_account(call.site, query["repo"])
    did = did_of(account) if account is not None else query["repo"]
    uri = f"at://{did}/{query['collection']}/{query['rkey']}"
    record = books(call.site).records.get(uri)
    if record is None or _is_hidden(record, call) or query.get("cid", record.cid) != record.cid:
        raise errors.invalid(f"Could not locate record: {uri}", "RecordNotFound")
    return Answer(200, _plain(record))


def list_records(call: Call) -> Answer:
    """`GET com.atproto.repo.listRecords?repo=&collection=[&limit=&cursor=&reverse=]`, by rkey."""
    query = call.query
    account = known_account(call.site, query.get("repo", ""))
    if account is None:
        raise errors.invalid(f"Could not find repo: {query.get('repo', '')}")
    limit = _limit(query)
    is_ascending = query.get("reverse") == "true"
    found = sorted(
        _of_collection(call, account, query.get("collection", "")),
        key=lambda record: record.rkey,
        reverse=not is_ascending,
    )
    cursor = query.get("cursor")
    if cursor is not None:
        found = [r for r in found if (r.rkey > cursor if is_ascending else r.rkey < cursor)]
    page = list(itertools.islice(found, limit))
    answer: dict[str, Any] = {"records": [_plain(record) for record in page]}
    if page:
        answer["cursor"] = page[-1].rkey
    return Answer(200, answer)


def get_posts(call: Call) -> Answer:
    """`GET app.bsky.feed.getPosts?uris=...`: those that are there, in the order asked for."""
    uris = call.queries("uris")
    if not 1 <= len(uris) <= _POSTS_AT_ONCE:
        text = f"Error: uris must have 1 to {_POSTS_AT_ONCE} elements"
        raise errors.invalid(text)
    records = books(call.site).records
    found = [records[uri] for uri in uris if uri in records]
    shown = [r for r in found if r.collection == POST and not _is_hidden(r, call)]
    return Answer(200, {"posts": [_viewed(record, call) for record in shown]})


def get_profile(call: Call) -> Answer:
    """`GET app.bsky.actor.getProfile?actor=`."""
    account = known_account(call.site, call.query.get("actor", ""))
    if account is None:
        raise errors.invalid("Profile not found")
    age_s = call.world.now() - account.posts[0].published_at if account.posts else 0.0
    return Answer(
        200,
        {
            **_author(account, call),
            "description": "",
            "followersCount": 20 + grown(f"{account.id} followers", age_s, most=500),
            "followsCount": 12,
            "postsCount": account.live,
            "indexedAt": iso(call.world.now()),
        },
    )


def _is_hidden(record: Record, call: Call) -> bool:
    """Whether `find_lag_ms` still hides the record; the reader is taken to be its author."""
    lag_ms = call.world.switches.setting("find_lag_ms", call.site.name, record.account.name)
    return bool(lag_ms) and call.world.now() - record.written_at < lag_ms / 1000


def _of_collection(call: Call, account: Account, collection: str) -> Iterator[Record]:
    if not collection:
        raise errors.invalid('Error: Params must have the property "collection"')
    for record in books(call.site).collection(account, collection).values():
        if not _is_hidden(record, call):
            yield record


def _limit(query: dict[str, str]) -> int:
    text = query.get("limit", "50")
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 100:
        raise errors.invalid("Error: limit must be an integer from 1 to 100")
    return int(text)


def _plain(record: Record) -> dict[str, Any]:
    return {"uri": record.uri, "cid": record.cid, "value": record.value}


def _author(account: Account, call: Call) -> dict[str, Any]:
    return {
        "did": did_of(account),
        "handle": handle_of(account),
        "displayName": account.display_name,
        "avatar": f"{call.base_url}/_static/avatar.svg",
        "labels": [],
    }


def _viewed(record: Record, call: Call) -> dict[str, Any]:
    age_s = call.world.now() - record.written_at

    def counted(name: str, most: int) -> int:
        return grown(f"{record.uri} {name}", age_s, most=most)

    return {
        "uri": record.uri,
        "cid": record.cid,
        "author": _author(record.account, call),
        "record": record.value,
        "bookmarkCount": counted("bookmarks", 20),
        "replyCount": books(call.site).replies[record.uri],
        "repostCount": counted("reposts", 60),
        "likeCount": counted("likes", 300),
        "quoteCount": counted("quotes", 15),
        "indexedAt": iso(record.written_at),
        "labels": [],
    }
