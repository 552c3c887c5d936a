"""X's uploads: one shot for images, initialize/append/finalize for everything, alt text.

GIFs and films are processed after finalize: pending, in_progress, then succeeded or failed. The
bytes decide: a film that is none, or too short, fails with InvalidMedia; one that is too long is
refused when it is posted. Guesses: the percentages on the way, and 404 for an upload that was not
finished within its life. The picture's size is not looked at.
"""

from __future__ import annotations

import math
from typing import Any

from sandbox import working
from sandbox.exchange import Answer, Call, Malformed, Part
from sandbox.files import look_at
from sandbox.records import Media
from sandbox.world import MEDIA_LIFE_SECONDS
from sandbox.x import problems
from sandbox.x.posts import new_id
from sandbox.x.shape import media_key

_MIB = 1024 * 1024
_SIZE_LIMITS = {"tweet_image": 5 * _MIB, "tweet_gif": 15 * _MIB, "tweet_video": 512 * _MIB}
_SIZE_LIMITS["amplify_video"] = _SIZE_LIMITS["tweet_video"]
_IMAGE_TYPES = frozenset(
    f"image/{kind}" for kind in ("jpeg", "png", "webp", "bmp", "tiff", "pjpeg", "gif")
)
_VIDEO_TYPES = frozenset(f"video/{kind}" for kind in ("mp4", "webm", "mp2t", "quicktime"))
_GAPS = "Segments do not add up to the media file."
_UNREADABLE = "Unsupported file format"
_TOO_SHORT = "The video is shorter than half a second"
_SHORTEST_SECONDS = 0.5
_SEGMENT_BYTES = 5 * _MIB
_STARTS_AT_PERCENT = 25
_ALT_TEXT_CHARS = 1000


def upload(call: Call) -> Answer:
    """One shot: multipart `media` and `media_category`; images only."""
    parts = _parts(call)
    category = _text(parts, "media_category")
    if "media" not in parts or not category:
        raise problems.invalid("media", "", "`media` and `media_category` are required.")
    if category != "tweet_image":
        raise problems.invalid("media_category", category, "One-shot uploads take tweet_image.")
    file = parts["media"]
    declared = _text(parts, "media_type") or file.mime_type
    mime_type = look_at(file.data).mime_type or declared
    _check_kind(category, mime_type, len(file.data))
    media = _new(call, mime_type, category)
    media.seal(file.data)
    return Answer(200, {"data": _described(media, call)})


def initialize(call: Call) -> Answer:
    body = _json(call)
    unknown = body.keys() - {
        "media_type", "total_bytes", "media_category", "additional_owners", "shared"
    }  # fmt: skip
    for name in sorted(unknown):
        raise problems.invalid(name, body[name], f"The field `{name}` is not known.")
    category, size = body.get("media_category", "tweet_image"), body.get("total_bytes")
    if not isinstance(size, int) or size < 1:
        raise problems.invalid("total_bytes", size, "`total_bytes` must be a positive integer.")
    _check_kind(category, body.get("media_type"), size)
    media = _new(call, body["media_type"], category)
    media.complete, media.promised_bytes = False, size
    return Answer(200, {"data": _described(media, call)})


def append(call: Call) -> Answer:
    media = _unfinished(call)
    parts = _parts(call)
    index = _text(parts, "segment_index")
    if not index.isdecimal() or int(index) > 999:
        raise problems.invalid("segment_index", index, "`segment_index` must be 0 to 999.")
    if "media" not in parts or len(parts["media"].data) > _SEGMENT_BYTES:
        raise problems.invalid("media", "", "`media` must be a segment of at most 5 MB.")
    media.chunks[int(index)] = parts["media"].data
    return Answer(200, {"data": {"expires_at": int(media.uploaded_at + _life_s(call))}})


def finalize(call: Call) -> Answer:
    media = _unfinished(call)
    if sorted(media.chunks) != list(range(len(media.chunks))) or not media.chunks:
        raise problems.invalid("id", media.id, _GAPS)
    data = b"".join(media.chunks[index] for index in sorted(media.chunks))
    if len(data) != media.promised_bytes:
        raise problems.invalid("id", media.id, _GAPS)
    media.seal(data)
    if media.category != "tweet_image":
        work = working.begin(call, reason=_fault(media))
        media.processed_from = call.world.now()
        media.ready_at, media.failure = work.ready_at, work.reason
    return Answer(200, {"data": _described(media, call)})


def status(call: Call) -> Answer:
    query = call.query
    if query.get("command", "STATUS") != "STATUS":
        raise problems.invalid("command", query.get("command"), "Only STATUS can be asked.")
    media_id = query.get("media_id", "")
    media = call.site.media.get(media_id)
    if media is None or media.account is not call.account:
        raise problems.not_found("media", media_id)
    return Answer(200, {"data": _described(media, call)})


def metadata(call: Call) -> Answer:
    """`{"id", "metadata": {"alt_text": {"text"}}}`: alt text for a finished upload."""
    body = _json(call)
    media = call.site.usable_media(str(body.get("id")), call.account)
    if media is None:
        raise problems.invalid("id", body.get("id"), "Your media IDs are invalid.")
    try:
        text = body["metadata"]["alt_text"]["text"]
    except (KeyError, TypeError):
        text = None
    if not isinstance(text, str) or not 0 < len(text) <= _ALT_TEXT_CHARS:
        raise problems.invalid("metadata.alt_text.text", text, "Give 1 to 1000 characters.")
    media.alt_text = text
    answer = {"id": media.id, "associated_metadata": {"alt_text": {"text": text}}}
    return Answer(200, {"data": answer})


def _new(call: Call, mime_type: str, category: str) -> Media:
    media = Media(new_id(call), call.account, mime_type, call.world.now(), category=category)
    call.site.media[media.id] = media
    return media


def _unfinished(call: Call) -> Media:
    media = call.site.media.get(call.params["id"])
    if media is None or media.account is not call.account or media.complete:
        raise problems.not_found("media", call.params["id"])
    if call.world.now() - media.uploaded_at > _life_s(call):
        raise problems.not_found("media", call.params["id"])
    return media


def _life_s(call: Call) -> float:
    return working.handle_life_s(call, MEDIA_LIFE_SECONDS)


def _described(media: Media, call: Call) -> dict[str, Any]:
    left_s = media.uploaded_at + _life_s(call) - call.world.now()
    answer: dict[str, Any] = {
        "id": media.id,
        "media_key": media_key(media),
        "expires_after_secs": max(0, int(left_s)),
    }
    if media.complete:
        answer["size"] = len(media.data)
    if media.complete and media.ready_at:
        answer["processing_info"] = _processing_info(media, call.world.now())
    return answer


def _processing_info(media: Media, now: float) -> dict[str, Any]:
    if now < media.ready_at:
        whole = media.ready_at - media.processed_from
        percent = int(100 * (now - media.processed_from) / whole)
        seconds = max(1, min(10, math.ceil(media.ready_at - now)))
        if percent < _STARTS_AT_PERCENT:
            return {"state": "pending", "check_after_secs": seconds}
        return {
            "state": "in_progress",
            "check_after_secs": seconds,
            "progress_percent": percent,
        }
    if media.failure:
        error = {"code": 1, "name": "InvalidMedia", "message": media.failure}
        return {"state": "failed", "progress_percent": 100, "error": error}
    return {"state": "succeeded", "progress_percent": 100}


def _fault(media: Media) -> str:
    """What the file's bytes have against them, "" when nothing."""
    facts = look_at(media.data)
    if media.category == "tweet_gif":
        return "" if facts.mime_type == "image/gif" else _UNREADABLE
    is_stream = media.data.startswith(b"G") and media.mime_type == "video/mp2t"  # its sync byte
    if not facts.is_video and not is_stream:
        return _UNREADABLE
    return _TOO_SHORT if facts.seconds is not None and facts.seconds < _SHORTEST_SECONDS else ""


def _check_kind(category: Any, mime_type: Any, size: int) -> None:
    if category not in _SIZE_LIMITS:
        raise problems.invalid("media_category", category, "The media category is not known.")
    types = _VIDEO_TYPES if category.endswith("video") else _IMAGE_TYPES
    if mime_type not in types or (category == "tweet_gif" and mime_type != "image/gif"):
        raise problems.invalid("media_type", mime_type, "The media type does not fit the category.")
    if not 0 < size <= _SIZE_LIMITS[category]:
        raise problems.invalid("media", size, "The media file is empty or too large.")


def _parts(call: Call) -> dict[str, Part]:
    try:
        return call.multipart()
    except Malformed as malformed:
        raise problems.invalid("body", "", str(malformed)) from None


def _json(call: Call) -> dict[str, Any]:
    try:
        return call.json_object()
    except Malformed as malformed:
        raise problems.invalid("body", "", str(malformed)) from None


def _text(parts: dict[str, Part], name: str) -> str:
    return parts[name].data.decode("utf-8", "replace").strip() if name in parts else ""
