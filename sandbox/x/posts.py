"""X's posts: create and delete."""

from __future__ import annotations

import re
from typing import Any

from sandbox.exchange import Answer, Call, Malformed, Refusal
from sandbox.files import look_at
from sandbox.records import Media, Post
from sandbox.text import weighted_length
from sandbox.x import problems
from sandbox.x.schema import check_body
from sandbox.x.shape import shape_post

_EPOCH_MS = 1_288_834_974_657  # of X's ids
_TEXT_LIMIT = 280
_FILM_SECONDS = 140  # more only for accounts that pay
_TOO_LONG = "This user is not allowed to post a video longer than 2 minutes."
_CASHTAG = re.compile(r"(?<![\w$])\$[A-Za-z]{1,6}\b")
_DUPLICATE_MEMORY_SECONDS = 86_400.0  # undocumented; reports say minutes to about a day


def create(call: Call) -> Answer:
    """`POST /2/tweets` -> 201."""
    try:
        body = call.json_object()
        due_at = call.due_at()
    except Malformed as malformed:
        raise problems.invalid("body", "", str(malformed)) from None
    check_body(body)
    text = body.get("text", "").strip()
    media = _media(call, body)
    if not text and not media:
        raise problems.invalid("text", "", "text: must not be empty without media")
    if weighted_length(text) > _TEXT_LIMIT:
        raise problems.invalid("text", text, "Your Tweet text is too long.")
    if len(_CASHTAG.findall(text)) > 1:
        detail = "Posts are limited to a maximum of one cashtag."
        raise Refusal(problems.plain(403, detail))
    parent = _parent(call, body)
    _refuse_duplicate(call, text, media, parent)
    post = call.site.publish(
        new_id(call),
        call.account,
        text,
        media=media,
        parent=parent,
        received_at=call.received_at,
        due_at=due_at,
        extra=_shown(body, media),
    )
    post.extra["url"] = f"https://x.com/{call.account.name}/status/{post.id}"
    return Answer(201, {"data": shape_post(post, set())})


def _shown(body: dict[str, Any], media: tuple[Media, ...]) -> dict[str, Any]:
    """What the feed page tells of the post beside its text."""
    kind = "poll" if "poll" in body else ""
    if media and media[0].category != "tweet_image":
        kind = "gif" if media[0].category == "tweet_gif" else "video"
    options = {
        "replies": body.get("reply_settings"),
        "made with AI": "yes" if body.get("made_with_ai") else None,
        "paid partnership": "yes" if body.get("paid_partnership") else None,
        "poll": " / ".join(body.get("poll", {}).get("options", [])) or None,
    }
    return {"kind": kind, "options": {name: value for name, value in options.items() if value}}


def new_id(call: Call) -> str:
    return call.site.new_id(epoch_ms=_EPOCH_MS, shift=22)


def _media(call: Call, body: dict[str, Any]) -> tuple[Media, ...]:
    ids = body.get("media", {}).get("media_ids", [])
    found = [call.site.usable_media(media_id, call.account) for media_id in ids]
    now = call.world.now()
    media = tuple(m for m in found if m is not None and m.ready_at <= now and not m.failure)
    if len(media) < len(ids):
        raise problems.invalid("media.media_ids", ids, "Your media IDs are invalid.")
    if any((look_at(m.data).seconds or 0) > _FILM_SECONDS for m in media if not m.is_image):
        raise Refusal(problems.plain(403, _TOO_LONG))
    if len(media) > 1 and not all(m.category == "tweet_image" for m in media):
        message = "A post takes up to four images, or one GIF, or one video."
        raise problems.invalid("media.media_ids", ids, message)
    return media


def _parent(call: Call, body: dict[str, Any]) -> Post | None:
    parent_id = body.get("reply", {}).get("in_reply_to_tweet_id")
    if parent_id is None:
        return None
    parent = call.site.living(parent_id)
    if parent is None:
        raise problems.not_found("tweet", parent_id)
    is_mentioned = re.search(rf"@{re.escape(call.account.name)}\b", parent.text, re.IGNORECASE)
    if parent.account is not call.account and not is_mentioned:
        raise Refusal(
            problems.typed(403, "not-authorized-for-resource", "Forbidden", problems.FOREIGN_PARENT)
        )
    return parent


def _refuse_duplicate(call: Call, text: str, media: tuple[Media, ...], parent: Post | None) -> None:
    newest = call.site.newest_copy(call.account, text, media, parent)
    if newest is None:
        return
    memory_ms = call.world.switches.setting(
        "duplicate_forgets_after_ms", call.site.name, call.account.name
    )
    memory_s = _DUPLICATE_MEMORY_SECONDS if memory_ms is None else memory_ms / 1000
    if call.world.now() - newest.published_at <= memory_s:
        raise Refusal(problems.plain(403, problems.DUPLICATE))


def delete(call: Call) -> Answer:
    post = call.site.living(call.params["id"])
    if post is None:
        raise problems.not_found("tweet", call.params["id"])
    if post.account is not call.account:
        raise Refusal(problems.plain(403, "You are not authorized to delete this Tweet."))
    call.site.delete(post)
    return Answer(200, {"data": {"deleted": True}})
