"""The rules that records obey: posts with facets and embeds, and threadgates.

`validate` raises Invalid with the lexicon's own words ("Record/text must not be longer than 300
graphemes").
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.bluesky.rules import Check, Invalid, array, blob, fields, integer, text, union

POST, THREADGATE = "app.bsky.feed.post", "app.bsky.feed.threadgate"
TID = re.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")
_IMAGE_BYTES, _THUMB_BYTES, _VIDEO_BYTES, _CAPTION_BYTES = 2_000_000, 1_000_000, 300_000_000, 20_000
_THREADGATE_RULES = ("mentionRule", "followerRule", "followingRule", "listRule")


def validate(collection: str, rkey: str, record: Mapping[str, Any]) -> bool:
    """Check a record of a known collection; False for a collection without rules here."""
    check = _RECORDS.get(collection)
    if check is None:
        return False
    if not TID.fullmatch(rkey):
        raise Invalid(f"Invalid record key for {collection}: expected a tid")
    try:
        check("Record", record)
    except Invalid as invalid:
        raise Invalid(f"Invalid {collection} record: {invalid}") from None
    return True


def strong_refs(record: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The records a valid post points at, each with its path."""
    for name in ("root", "parent") if "reply" in record else ():
        yield f"reply/{name}", record["reply"][name]
    embed = record.get("embed", {})
    kind = embed.get("$type")
    if kind == "app.bsky.embed.record":
        yield "embed/record", embed["record"]
    if kind == "app.bsky.embed.recordWithMedia":
        yield "embed/record/record", embed["record"]["record"]


def pictures(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The media that a valid post shows: CID and alt text."""
    embed = record.get("embed", {})
    if embed.get("$type") == "app.bsky.embed.recordWithMedia":
        embed = embed["media"]
    match embed.get("$type"):
        case "app.bsky.embed.images":
            shown = embed["images"]
        case "app.bsky.embed.gallery":
            shown = [item for item in embed["items"] if "image" in item]
        case "app.bsky.embed.video":
            return [(embed["video"]["ref"]["$link"], embed.get("alt", ""))]
        case _:
            return []
    return [(item["image"]["ref"]["$link"], item["alt"]) for item in shown]


def card(record: Mapping[str, Any]) -> dict[str, str] | None:
    """The link that a valid post shows as a card."""
    embed = record.get("embed", {})
    if embed.get("$type") != "app.bsky.embed.external":
        return None
    external = embed["external"]
    return {
        "url": external["uri"],
        "title": external["title"],
        "description": external["description"],
    }


def blobs(value: Any) -> Iterator[dict[str, Any]]:
    """Every blob reference anywhere in a record; raises Invalid for a malformed one."""
    if isinstance(value, dict):
        if value.get("$type") == "blob":
            _ANY_BLOB("Record", value)
            yield value
        else:
            for inner in value.values():
                yield from blobs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from blobs(inner)


_STRONG_REF = fields({"uri": text(form="at-uri"), "cid": text(form="cid string")})
_RATIO = fields({"width": integer(1), "height": integer(1)})
_ANY_BLOB = blob("", sys.maxsize)
_IMAGE = blob("image/", _IMAGE_BYTES)
_PICTURE = fields({"image": _IMAGE, "alt": text()}, {"aspectRatio": _RATIO})
_GALLERY_ITEM = union(
    {
        "app.bsky.embed.gallery#image": fields(
            {"image": _IMAGE, "alt": text(), "aspectRatio": _RATIO}
        )
    },
    closed=True,
)
_CAPTION = fields({"lang": text(form="language"), "file": blob("text/vtt", _CAPTION_BYTES)})
_MEDIA: Mapping[str, Check] = {
    "app.bsky.embed.images": fields({"images": array(_PICTURE, longest=4)}),
    "app.bsky.embed.gallery": fields({"items": array(_GALLERY_ITEM, longest=20)}),
    "app.bsky.embed.video": fields(
        {"video": blob("video/mp4", _VIDEO_BYTES)},
        {
            "alt": text(longest_bytes=10_000, longest=1000),
            "aspectRatio": _RATIO,
            "captions": array(_CAPTION, longest=20),
        },
    ),
    "app.bsky.embed.external": fields(
        {
            "external": fields(
                {"uri": text(form="uri"), "title": text(), "description": text()},
                {"thumb": blob("image/", _THUMB_BYTES)},
            )
        }
    ),
}
_QUOTE = fields({"record": _STRONG_REF})
_EMBEDS: Mapping[str, Check] = {
    **_MEDIA,
    "app.bsky.embed.record": _QUOTE,
    "app.bsky.embed.recordWithMedia": fields({"record": _QUOTE, "media": union(_MEDIA)}),
}
_TAG = text(longest_bytes=640, longest=64)
_FEATURES: Mapping[str, Check] = {
    "app.bsky.richtext.facet#link": fields({"uri": text(form="uri")}),
    "app.bsky.richtext.facet#mention": fields({"did": text(form="did")}),
    "app.bsky.richtext.facet#tag": fields({"tag": _TAG}),
}
_FACET = fields(
    {
        "index": fields({"byteStart": integer(0), "byteEnd": integer(0)}),
        "features": array(union(_FEATURES)),
    }
)
_LABELS = union(
    {
        "com.atproto.label.defs#selfLabels": fields(
            {"values": array(fields({"val": text(longest_bytes=128)}), longest=10)}
        )
    }
)
_POST_FIELDS = fields(
    {
        "text": text(longest_bytes=3000, longest=300),
        "createdAt": text(form="atproto datetime"),
    },
    {
        "facets": array(_FACET),
        "reply": fields({"root": _STRONG_REF, "parent": _STRONG_REF}),
        "embed": union(_EMBEDS),
        "langs": array(text(form="language"), longest=3),
        "labels": _LABELS,
        "tags": array(_TAG, longest=8),
    },
)


def _check_post(path: str, record: Any) -> None:
    _POST_FIELDS(path, record)
    written: bytes = record["text"].encode(errors="surrogatepass")
    for index, facet in enumerate(record.get("facets", [])):
        start, end = facet["index"]["byteStart"], facet["index"]["byteEnd"]
        if not start < end <= len(written) or not _cuts_cleanly(written, start, end):
            raise Invalid(f"{path}/facets/{index}/index must be bytes of whole characters of text")


def _cuts_cleanly(written: bytes, *offsets: int) -> bool:
    """Whether no offset lies inside a character, that is before a UTF-8 continuation byte."""
    return all(at == len(written) or written[at] & 0xC0 != 0x80 for at in offsets)


_RECORDS: Mapping[str, Check] = {
    POST: _check_post,
    THREADGATE: fields(
        {"post": text(form="at-uri"), "createdAt": text(form="atproto datetime")},
        {
            "allow": array(
                union({f"{THREADGATE}#{rule}": fields({}) for rule in _THREADGATE_RULES}),
                longest=5,
            ),
            "hiddenReplies": array(text(form="at-uri"), longest=300),
        },
    ),
}
