"""What a draft becomes on TikTok: a video in chunks or photos by address, and what does not fit.

Sources: as in `platforms.adapters.tiktok`. Recalled: that photos' texts are counted in UTF-16 too,
and that "1080p" bounds a photo's shorter side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from platforms.adapters.base import Draft, Media, Notice, Violation

MIB = 1024 * 1024
LEAST_CHUNK_BYTES = 5 * MIB
MOST_CHUNKS = 1000
PHOTO_TITLE_UNITS, PHOTO_TEXT_UNITS = 90, 4000
SHORTEST_SECONDS = 3
LEAST_SIDE, MOST_SIDE, MOST_PHOTO_SIDE = 360, 4096, 1080
POST_ADDRESS = re.compile(
    r"https?://(?:www\.|m\.)?tiktok\.com/@[\w.-]+/(?:video|photo)/(?P<id>\d{1,25})(?:[/?#].*)?",
    re.IGNORECASE,
)
PRIVACY = ("PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY")
MUSIC = "By publishing you agree to TikTok's Music Usage Confirmation."
BRANDED = "By publishing you agree to TikTok's Branded Content Policy and Music Usage Confirmation."

# TikTok's content sharing guidelines: no privacy and no interaction is chosen for the person, so
# what is not allowed here is off. An account's own settings may switch more of it off.
OPTIONS: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["privacy_level"],
    "properties": {
        "mode": {"type": "string", "enum": ["direct", "draft"]},
        "privacy_level": {
            "type": "string",
            "enum": list(PRIVACY),
            "description": "who may see the post (privacy_level)",
        },
        "allow_comments": {"type": "boolean"},
        "allow_duet": {"type": "boolean", "description": "videos only"},
        "allow_stitch": {"type": "boolean", "description": "videos only"},
        "your_brand": {"type": "boolean", "description": "it promotes the account's own business"},
        "branded_content": {"type": "boolean", "description": "it is a paid partnership"},
        "ai_generated": {"type": "boolean", "description": "videos only"},
        "cover_timestamp_ms": {"type": "integer", "minimum": 0, "maximum": 600_000},
        "title": {"type": "string", "maxLength": PHOTO_TITLE_UNITS, "description": "photos only"},
        "cover_index": {"type": "integer", "minimum": 0, "maximum": 34},
        "auto_add_music": {"type": "boolean", "description": "photos only"},
    },
}


def excess(text: str, limit: int) -> int:
    """Return by how many UTF-16 code units `text` is over `limit`, or 0."""
    return max(0, len(text) + sum(1 for character in text if ord(character) > 0xFFFF) - limit)


def video_of(draft: Draft) -> Media | None:
    """Return the video, None for a post of photos."""
    return next((file for _, file in draft.files if file.kind == "video"), None)


def is_draft_mode(draft: Draft) -> bool:
    """Say whether the post only goes to the person's inbox in TikTok, to be finished there."""
    return draft.options.get("mode") == "draft"


def chunks_of(size_bytes: int) -> tuple[int, int]:
    """Return (bytes of a chunk, number of chunks); the last takes the remainder.

    As many as fit, so that the last one, which publishes, is small: the number of chunks must be
    size // chunk, each of at least 5 MB unless there is only one.
    """
    count = min(MOST_CHUNKS, max(1, size_bytes // LEAST_CHUNK_BYTES))
    return size_bytes // count, count


def post_info(draft: Draft, creator: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a direct post says of itself; `creator` has what the account switched off."""
    options = draft.options
    info = {
        "privacy_level": options.get("privacy_level"),
        "disable_comment": not options.get("allow_comments") or bool(creator.get("no_comments")),
        "brand_content_toggle": bool(options.get("branded_content")),
        "brand_organic_toggle": bool(options.get("your_brand")),
    }
    text = draft.segments[0].text
    if video_of(draft) is None:
        return {
            **info,
            **_photo_texts(draft),
            "auto_add_music": bool(options.get("auto_add_music")),
        }
    info |= {
        "title": text,
        "disable_duet": not options.get("allow_duet") or bool(creator.get("no_duet")),
        "disable_stitch": not options.get("allow_stitch") or bool(creator.get("no_stitch")),
        "is_aigc": bool(options.get("ai_generated")),
    }
    if "cover_timestamp_ms" in options:
        info["video_cover_timestamp_ms"] = options["cover_timestamp_ms"]
    return info


def _photo_texts(draft: Draft) -> dict[str, str]:
    return {"title": str(draft.options.get("title") or ""), "description": draft.segments[0].text}


def video_init(draft: Draft, creator: Mapping[str, Any], size_bytes: int) -> dict[str, Any]:
    """Return the body that opens the upload of a video."""
    chunk, count = chunks_of(size_bytes)
    source = {
        "source": "FILE_UPLOAD",
        "video_size": size_bytes,
        "chunk_size": chunk,
        "total_chunk_count": count,
    }
    if is_draft_mode(draft):
        return {"source_info": source}
    return {"post_info": post_info(draft, creator), "source_info": source}


def photo_init(draft: Draft, creator: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that publishes photos, which TikTok fetches itself."""
    in_inbox = is_draft_mode(draft)
    return {
        "media_type": "PHOTO",
        "post_mode": "MEDIA_UPLOAD" if in_inbox else "DIRECT_POST",
        "post_info": _photo_texts(draft) if in_inbox else post_info(draft, creator),
        "source_info": {
            "source": "PULL_FROM_URL",
            "photo_cover_index": draft.options.get("cover_index", 0),
            "photo_images": [file.url for _, file in draft.files],
        },
    }


def violations(draft: Draft) -> Iterator[Violation]:
    """Yield what is wrong beyond counts, sizes and options one by one."""
    for place, file in draft.files:
        where = f"segments[0].media[{place.partition('.')[2]}]"
        for code, message in _file(file):
            yield Violation(where, code, message)
    options, photos = draft.options, [file for _, file in draft.files if file.kind == "image"]
    if options.get("branded_content") and options.get("privacy_level") == "SELF_ONLY":
        message = "Branded content cannot be private on TikTok. Choose another privacy_level."
        yield Violation("options.privacy_level", "branded_content_private", message)
    if isinstance(title := options.get("title"), str) and excess(title, PHOTO_TITLE_UNITS):
        message = f"A photo title has at most {PHOTO_TITLE_UNITS} characters. Shorten it."
        yield Violation("options.title", "title_too_long", message)
    index = options.get("cover_index")
    if photos and isinstance(index, int) and index >= len(photos):
        message = f"There is no photo {index}: the first is 0, the last {len(photos) - 1}."
        yield Violation("options.cover_index", "no_such_photo", message)


def _file(file: Media) -> Iterator[tuple[str, str]]:
    if file.kind == "image" and not file.url:
        yield (
            "file_unreachable",
            "TikTok fetches photos itself, and this installation has no public address. Set "
            "MEDIA_PUBLIC_URL, and verify that address in TikTok's developer portal.",
        )
    sides = [side for side in (file.width, file.height) if side]
    if file.kind == "image" and len(sides) == 2 and min(sides) > MOST_PHOTO_SIDE:
        yield (
            "image_too_large",
            f"TikTok takes photos of up to {MOST_PHOTO_SIDE} pixels; this one has "
            f"{file.width} x {file.height}. Make it smaller.",
        )
    if file.kind == "video" and any(not LEAST_SIDE <= side <= MOST_SIDE for side in sides):
        yield (
            "video_size_unsupported",
            f"TikTok takes videos of {LEAST_SIDE} to {MOST_SIDE} pixels on each side; this one has "
            f"{file.width} x {file.height}.",
        )
    if file.kind == "video" and 0 < file.seconds < SHORTEST_SECONDS:
        yield "video_too_short", f"TikTok takes videos from {SHORTEST_SECONDS} seconds on."


def notices(draft: Draft) -> list[Notice]:
    """Return what TikTok wants people to know before they publish."""
    if is_draft_mode(draft):
        message = (
            "The post goes to the account's inbox in TikTok, where it is finished by hand within "
            "TikTok's app; Carillon does not see what becomes of it."
        )
        return [Notice("finished_by_hand", message)]
    policy = BRANDED if draft.options.get("branded_content") else MUSIC
    found = [Notice("policy", policy)]
    if draft.options.get("privacy_level") == "SELF_ONLY":
        message = "Only the account itself will see the post: it gets no public address."
        found.append(Notice("private", message))
    return found
