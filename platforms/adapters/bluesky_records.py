"""Bluesky's records: what a post looks like in a repository, facets counted in UTF-8 bytes, keys.

Sources: the lexicons app.bsky.feed.post, app.bsky.feed.threadgate, app.bsky.richtext.facet and
app.bsky.embed.*; atproto.com/specs/tid and /specs/handle; read 2026-11. What counts as a link, a
mention or a tag in a text follows the official client's detection, except that links need https://.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import regex

from platforms.adapters.base import Draft, Media, is_id

POSTS = "app.bsky.feed.post"
GATES = "app.bsky.feed.threadgate"
FACET = "app.bsky.richtext.facet"
TAG_GRAPHEMES, TAG_BYTES = 64, 640
TID_DIGITS = "234567abcdefghijklmnopqrstuvwxyz"

_GRAPHEME = regex.compile(r"\X")
_LINK = regex.compile(r"(?<![^\s(])https?://\S+", regex.IGNORECASE)
_LINK_WITH_HOST = regex.compile(r"https?://[^\s/?#].*", regex.IGNORECASE)
_MENTION = regex.compile(r"(?<![^\s(])@([A-Za-z0-9._-]+)")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HANDLE = regex.compile(rf"(?=.{{4,253}}$)(?:{_LABEL}\.)+(?=[A-Za-z]){_LABEL}")
_TAG = regex.compile(r"(?<!\S)[#\uff03](?!\ufe0f)([^\s\u00ad\u2060\u200a-\u200d\u20e2]+)")
_SUBSTANCE = regex.compile(r"[^\d\p{P}]")
_TRAILING = regex.compile(r"\p{P}+$")
_TID = regex.compile(r"[2-7a-j][2-7a-z]{12}")


# --- counting -----------------------------------------------------------------------------------
def count_graphemes(text: str) -> int:
    """Return how many characters people see in `text`."""
    return len(text) if text.isascii() and "\r" not in text else len(_GRAPHEME.findall(text))


def count_bytes(text: str) -> int:
    """Return the length of `text` in UTF-8."""
    return len(text.encode(errors="surrogatepass"))


# --- facets -------------------------------------------------------------------------------------
def facets_of(text: str, dids: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return links, mentions and tags with their places in bytes, in order, none in another.

    `dids` maps handles in lower case to DIDs; a handle without one stays plain text.
    """
    facets: list[dict[str, Any]] = []
    end_before = 0
    for start, end, feature in sorted(_features(text, dids), key=lambda found: found[0]):
        if start < end_before:
            continue
        end_before = end
        first = count_bytes(text[:start])
        index = {"byteStart": first, "byteEnd": first + count_bytes(text[start:end])}
        facets.append({"index": index, "features": [feature]})
    return facets


def handles_in(text: str) -> list[str]:
    """Return the handles that `text` mentions, in lower case, each once."""
    return list(dict.fromkeys(handle for _, _, handle in _mentions(text)))


def _features(text: str, dids: Mapping[str, str]) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Yield (start, end, feature), in characters; links first: they win over what they hold."""
    for found in _LINK.finditer(text):
        uri = _without_punctuation(found[0])
        if _LINK_WITH_HOST.fullmatch(uri):
            yield found.start(), found.start() + len(uri), {"$type": f"{FACET}#link", "uri": uri}
    for start, end, handle in _mentions(text):
        if did := dids.get(handle):
            yield start, end, {"$type": f"{FACET}#mention", "did": did}
    for found in _TAG.finditer(text):
        tag = _TRAILING.sub("", found[1])
        fits = count_graphemes(tag) <= TAG_GRAPHEMES and count_bytes(tag) <= TAG_BYTES
        if fits and _SUBSTANCE.search(tag):
            yield found.start(), found.start(1) + len(tag), {"$type": f"{FACET}#tag", "tag": tag}


def _mentions(text: str) -> Iterator[tuple[int, int, str]]:
    for found in _MENTION.finditer(text):
        handle = found[1].rstrip("._-")
        if _HANDLE.fullmatch(handle):
            yield found.start(), found.start(1) + len(handle), handle.lower()


def _without_punctuation(uri: str) -> str:
    """Return a link without what ends the sentence around it."""
    while uri and (uri[-1] in ".,;:!?'\"" or (uri[-1] == ")" and "(" not in uri)):
        uri = uri[:-1]
    return uri


# --- keys ---------------------------------------------------------------------------------------
def new_tid(now: float) -> str:
    """Return a fresh record key for the instant `now` (epoch seconds): it sorts by time."""
    number = int(now * 1_000_000) << 10 | secrets.randbits(10)
    return "".join(TID_DIGITS[number >> shift & 31] for shift in range(60, -1, -5))


def tid_instant(rkey: str) -> datetime | None:
    """Return when a record key was made, None if it is not one of a time."""
    if not _TID.fullmatch(rkey):
        return None
    number = 0
    for digit in rkey:
        number = number << 5 | TID_DIGITS.index(digit)
    return datetime.fromtimestamp((number >> 10) / 1_000_000, UTC)


# --- records ------------------------------------------------------------------------------------
def post_record(
    draft: Draft,
    number: int,
    blobs: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
    dids: Mapping[str, str],
    reply: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the record of part `number`; `blobs` are those of its files, as the server named them.

    Whole numbers and strings only: anything else would change the record's hash.
    """
    part, options = draft.parts[number], draft.options
    record: dict[str, Any] = {"$type": POSTS, "text": part.text, "createdAt": timestamp(now)}
    if languages := options.get("languages"):
        record["langs"] = list(languages)
    if facets := facets_of(part.text, dids):
        record["facets"] = facets
    if part.media:
        record["embed"] = _media_embed(part.media, blobs)
    elif number == 0 and options.get("card_url"):
        record["embed"] = _card(options)
    if options.get("labels"):
        values = [{"val": label} for label in options["labels"]]
        record["labels"] = {"$type": "com.atproto.label.defs#selfLabels", "values": values}
    if reply:
        record["reply"] = dict(reply)
    return record


def gate_record(uri: str, allowed: Sequence[str], *, created_at: str) -> dict[str, Any]:
    """Return who may reply to the post at `uri`: the `allowed` groups, nobody if there is none."""
    rules = [{"$type": f"{GATES}#{group}Rule"} for group in allowed]
    return {"$type": GATES, "post": uri, "allow": rules, "createdAt": created_at}


def timestamp(moment: datetime) -> str:
    """Return an instant as records hold it: UTC, milliseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def is_same(value: Any, text: str, files: int, parent: str | None) -> bool:
    """Say whether a listed record is the one we sent: text, number of files, what it replies to."""
    if not isinstance(value, dict) or value.get("text") != text:
        return False
    reply = value.get("reply")
    above = reply.get("parent") if isinstance(reply, dict) else None
    if (above.get("uri") if isinstance(above, dict) else None) != parent:
        return False
    embed = value.get("embed")
    embed = embed if isinstance(embed, dict) else {}
    images = embed.get("images")
    return files == (len(images) if isinstance(images, list) else int("video" in embed))


def is_blob(value: Any) -> bool:
    """Say whether something out of an answer can be referred to as a file."""
    reference = value.get("ref") if isinstance(value, dict) else None
    return isinstance(reference, dict) and is_id(reference.get("$link"))


def _media_embed(media: Sequence[Media], blobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if media[0].kind == "video":
        video = {"$type": "app.bsky.embed.video", "video": blobs[0], **_shape(media[0])}
        return {**video, "alt": media[0].alt_text} if media[0].alt_text else video
    images = [
        {"alt": file.alt_text, "image": blob, **_shape(file)}
        for file, blob in zip(media, blobs, strict=True)
    ]
    return {"$type": "app.bsky.embed.images", "images": images}


def _shape(file: Media) -> dict[str, Any]:
    if not (file.width and file.height):
        return {}
    return {"aspectRatio": {"width": file.width, "height": file.height}}


def _card(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a link's card from what the draft says: nothing is fetched from the link."""
    external = {
        "uri": options["card_url"],
        "title": options.get("card_title", ""),
        "description": options.get("card_description", ""),
    }
    return {"$type": "app.bsky.embed.external", "external": external}
