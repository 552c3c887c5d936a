"""The creator's public posts with their counters; what is private or a draft is never listed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.growth import grown
from sandbox.records import Post
from sandbox.tiktok import envelopes
from sandbox.tiktok.publications import is_public

_TITLE_CHARS = 150
_IDS = 20
_COUNTERS = {"like_count": 60, "comment_count": 12, "share_count": 9, "view_count": 1000}
_FIELDS = frozenset(
    {
        "id",
        "create_time",
        "cover_image_url",
        "share_url",
        "video_description",
        "duration",
        "height",
        "width",
        "title",
        "embed_html",
        "embed_link",
        *_COUNTERS,
    }
)


def listed(call: Call) -> Answer:
    """`POST /v2/video/list/`: newest first, older than `cursor` (UTC milliseconds)."""
    wanted, body = _fields(call), envelopes.body(call)
    count, cursor = body.get("max_count", 10), body.get("cursor")
    if not isinstance(count, int) or not 1 <= count <= _IDS:
        raise envelopes.invalid(f"max_count must be 1 to {_IDS}")
    if cursor is not None and not isinstance(cursor, int):
        raise envelopes.invalid("cursor must be UTC milliseconds")
    found = list(itertools.islice(_older(call, cursor), count + 1))
    page = found[:count]
    return envelopes.ok(
        {
            "videos": [_shape(post, wanted, call) for post in page],
            "cursor": _milliseconds(page[-1]) if page else cursor or 0,
            "has_more": len(found) > count,
        }
    )


def _older(call: Call, cursor: int | None) -> Iterator[Post]:
    for post in call.site.newest_first(call.account, call.account.name):
        if is_public(call, post) and (not cursor or _milliseconds(post) < cursor):
            yield post


def query(call: Call) -> Answer:
    """`POST /v2/video/query/` `{"filters": {"video_ids": [...]}}`: of the caller's own."""
    wanted, filters = _fields(call), envelopes.body(call).get("filters")
    ids = filters.get("video_ids") if isinstance(filters, dict) else None
    if not isinstance(ids, list) or not 1 <= len(ids) <= _IDS:
        raise envelopes.invalid(f"filters.video_ids must have 1 to {_IDS} ids")
    posts = (call.site.visible(str(each), call.account.name) for each in ids)
    mine = [post for post in posts if post is not None and post.account is call.account]
    shapes = [_shape(post, wanted, call) for post in mine if is_public(call, post)]
    return envelopes.ok({"videos": shapes})


def _fields(call: Call) -> list[str]:
    wanted = [name for name in call.query.get("fields", "").split(",") if name]
    if not wanted or not set(wanted) <= _FIELDS:
        raise envelopes.invalid("Fields is required and must name fields of a video.")
    return wanted


def _shape(post: Post, wanted: list[str], call: Call) -> dict[str, Any]:
    age_s = call.world.now() - post.extra["public_at"]
    picture = post.media[0] if post.media else None
    has_picture = picture is not None and picture.is_image
    told: dict[str, Any] = {
        "id": post.id,
        "create_time": int(post.published_at),
        "cover_image_url": (
            f"{call.base_url}/_media/{call.site.name}/{picture.id}"
            if picture is not None and has_picture
            else f"{call.base_url}/_static/icon.svg"
        ),
        "share_url": post.extra["url"],
        "title": post.extra["video_title"][:_TITLE_CHARS],
        "video_description": post.text[:_TITLE_CHARS],
        "duration": 0 if has_picture else 15,
        "height": 1920,
        "width": 1080,
        "embed_html": f'<blockquote class="tiktok-embed" data-video-id="{post.id}"></blockquote>',
        "embed_link": f"https://www.tiktok.com/player/v1/{post.id}",
    }
    for name, most in _COUNTERS.items():
        told[name] = grown(f"{post.id}{name}", age_s, most=most)
    return {name: told[name] for name in wanted}


def _milliseconds(post: Post) -> int:
    return int(post.published_at * 1000)
