"""A post as X tells it. Texts come back with t.co links and `&amp;`, as on X."""

from __future__ import annotations

import hashlib
import html
import re
from typing import Any

from sandbox.growth import grown
from sandbox.records import Account, Media, Post, iso
from sandbox.text import x_links

FIELDS = frozenset(
    {
        "id",
        "text",
        "edit_history_post_ids",
        "edit_history_tweet_ids",
        "attachments",
        "author_id",
        "conversation_id",
        "created_at",
        "entities",
        "in_reply_to_user_id",
        "lang",
        "non_public_metrics",
        "organic_metrics",
        "public_metrics",
        "referenced_tweets",
        "referenced_posts",
    }
)


PRIVATE_FIELDS = frozenset({"non_public_metrics", "organic_metrics"})
_PRIVATE_FOR_SECONDS = 30 * 86_400.0
_COUNTERS = {
    "retweet_count": 40,
    "reply_count": 15,
    "like_count": 300,
    "quote_count": 8,
    "bookmark_count": 20,
    "impression_count": 9000,
}


def is_private_told(post: Post, reader: Account, now: float) -> bool:
    """Non-public and organic metrics: of one's own posts, for 30 days."""
    return post.account is reader and now - post.published_at <= _PRIVATE_FOR_SECONDS


def shape_post(post: Post, fields: set[str], now: float = 0.0) -> dict[str, Any]:
    """Id and text, and of FIELDS what was asked for; `now` is for the counters."""
    text, urls = _wrapped(post)
    shape: dict[str, Any] = {"id": post.id, "text": text}
    if "edit_history_tweet_ids" in fields:
        shape["edit_history_tweet_ids"] = [post.id]
    else:
        shape["edit_history_post_ids"] = [post.id]
    optional: dict[str, Any] = {
        "author_id": post.account.id,
        "created_at": iso(int(post.published_at)),
        "conversation_id": post.root.id,
        "lang": "en",
    }
    if fields & {"public_metrics", *PRIVATE_FIELDS}:
        optional |= _metrics(post, now - post.published_at)
    if urls:
        optional["entities"] = {"urls": urls}
    if post.media:
        optional["attachments"] = {"media_keys": [media_key(m) for m in post.media]}
    if post.parent is not None:
        optional["in_reply_to_user_id"] = post.parent.account.id
        replied = [{"type": "replied_to", "id": post.parent.id}]
        optional["referenced_tweets"] = optional["referenced_posts"] = replied
    return shape | {name: value for name, value in optional.items() if name in fields}


def _metrics(post: Post, age_s: float) -> dict[str, dict[str, int]]:
    public = {
        name: grown(f"{post.id} {name}", age_s, most=most) for name, most in _COUNTERS.items()
    }
    clicks = {
        "url_link_clicks": grown(f"{post.id} clicks", age_s, most=120),
        "user_profile_clicks": grown(f"{post.id} profile", age_s, most=60),
    }
    private = {"impression_count": public["impression_count"], **clicks}
    return {
        "public_metrics": public,
        "non_public_metrics": {**private, "engagements": sum(public.values()) // 20},
        "organic_metrics": {
            **private,
            **{name: public[name] for name in ("retweet_count", "reply_count", "like_count")},
        },
    }


def media_key(media: Media) -> str:
    prefix = {"tweet_gif": 16, "tweet_video": 7, "amplify_video": 13}.get(media.category, 3)
    return f"{prefix}_{media.id}"


def _wrapped(post: Post) -> tuple[str, list[dict[str, Any]]]:
    """The text with links as https://t.co/..., media as one more link, and `&<>` escaped."""
    pieces: list[str] = []
    urls: list[dict[str, Any]] = []
    length, position = 0, 0

    def add(piece: str) -> None:
        nonlocal length
        pieces.append(piece)
        length += len(piece)

    def add_link(expanded: str, display: str, **more: str) -> None:
        short = (
            "https://t.co/"
            + hashlib.blake2b(expanded.encode(errors="surrogatepass"), digest_size=5).hexdigest()
        )
        start = length
        add(short)
        entry = {"start": start, "end": length, "url": short, "expanded_url": expanded}
        urls.append({**entry, "display_url": display, **more})

    for link in x_links(post.text):
        add(html.escape(post.text[position : link.start], quote=False))
        add_link(link.url, re.sub(r"^https?://(www\.)?", "", link.url)[:26])
        position = link.end
    add(html.escape(post.text[position:], quote=False))
    if post.media:
        if post.text:
            add(" ")
        kind = "photo" if post.media[0].category == "tweet_image" else "video"
        page = f"https://x.com/{post.account.name}/status/{post.id}/{kind}/1"
        add_link(page, f"pic.x.com/{post.id[-10:]}", media_key=media_key(post.media[0]))
    return "".join(pieces), urls
