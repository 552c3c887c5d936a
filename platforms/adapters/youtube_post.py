"""What a draft becomes on YouTube: title, description, tags, declarations, and what does not fit.

Sources: as in `platforms.adapters.youtube`. That descriptions are counted in bytes, that comments
have at most 10,000 characters and that thumbnails of more than 2 MB are often refused is recalled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from platforms.adapters.base import Draft, Media, Notice, Violation

TITLE_CHARS = 100
TAGS_CHARS = 500
MARKER_CHARS = 17  # "pid-", 12 hexadecimal digits, and the comma before them
COMMENT_CHARS = 10_000
SHORT_SECONDS = 180
DEFAULT_CATEGORY = "22"  # People & Blogs
POST_ADDRESS = re.compile(
    r"https?://(?:www\.|m\.)?(?:youtube\.com/(?:watch\?(?:[^#\s]*&)?v=|shorts/|live/)|youtu\.be/)"
    r"(?P<id>[\w-]{11})(?:[?&#/].*)?",
    re.IGNORECASE | re.ASCII,
)

OPTIONS: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["made_for_kids"],
    "properties": {
        "title": {
            "type": "string",
            "maxLength": TITLE_CHARS,
            "description": "the title; without it, the text's first line is taken",
        },
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 100}},
        "category_id": {"type": "string", "pattern": "[0-9]{1,4}", "example": "28"},
        "playlist_id": {
            "type": "string",
            "pattern": "[A-Za-z0-9_-]{2,64}",
            "example": "PLrAXtmErZgOeiKm4sgNOknGvNjby9efdf",
        },
        "privacy": {"type": "string", "enum": ["public", "unlisted", "private"]},
        "made_for_kids": {
            "type": "boolean",
            "description": "whether the video is made for kids; YouTube asks this of every video",
        },
        "synthetic_media": {
            "type": "boolean",
            "description": "whether it shows altered or generated content that looks real",
        },
        "license": {"type": "string", "enum": ["youtube", "creativeCommon"]},
        "embeddable": {"type": "boolean"},
        "notify_subscribers": {"type": "boolean"},
        "language": {"type": "string", "pattern": "[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*"},
    },
}


def excess(text: str, limit: int) -> int:
    """Return by how many bytes (UTF-8) `text` is over `limit`, or 0."""
    return max(0, len(text.encode("utf-8", "surrogatepass")) - limit)


def title_of(draft: Draft) -> str:
    """Return the title: the option, or else the first line of the text."""
    chosen = draft.options.get("title")
    return (chosen if isinstance(chosen, str) else _lines(draft)[0]).strip()


def description_of(draft: Draft) -> str:
    """Return the description: the text, without the line that is the title."""
    first, rest = _lines(draft)
    return (f"{first}\n{rest}" if "title" in draft.options else rest).strip()


def _lines(draft: Draft) -> tuple[str, str]:
    text = draft.segments[0].text.strip() if draft.segments else ""
    first, _, rest = text.partition("\n")
    return first, rest


def video_of(draft: Draft) -> Media | None:
    """Return the video of the post."""
    return next((file for _, file in draft.files if file.kind == "video"), None)


def thumbnail_of(draft: Draft) -> Media | None:
    """Return the image beside the video."""
    return next((file for _, file in draft.files if file.kind == "image"), None)


def privacy_of(draft: Draft) -> str:
    """Return who is to see the video at its moment."""
    return str(draft.options.get("privacy") or "public")


def metadata(draft: Draft, marker: str) -> dict[str, Any]:
    """Return the resource that an upload begins with: private, with our marker among its tags."""
    snippet = {
        "title": title_of(draft),
        "description": description_of(draft),
        "tags": [*draft.options.get("tags", ()), marker],
        "categoryId": draft.options.get("category_id") or DEFAULT_CATEGORY,
    }
    if draft.options.get("language"):
        snippet["defaultLanguage"] = draft.options["language"]
    return {"snippet": snippet, "status": status_of(draft, "private")}


def status_of(draft: Draft, privacy: str) -> dict[str, Any]:
    """Return the whole status part: an update replaces all of it."""
    options = draft.options
    status = {
        "privacyStatus": privacy,
        "selfDeclaredMadeForKids": bool(options.get("made_for_kids")),
        "license": options.get("license", "youtube"),
        "embeddable": options.get("embeddable", True),
    }
    if "synthetic_media" in options:
        status["containsSyntheticMedia"] = options["synthetic_media"]
    return status


def is_short(draft: Draft) -> bool:
    """Say whether YouTube will show the video among Shorts, as far as its shape is known."""
    video = video_of(draft)
    return (
        video is not None and 0 < video.width <= video.height and 0 < video.seconds <= SHORT_SECONDS
    )


def permalink(draft: Draft, video_id: str) -> str:
    """Return the video's public address."""
    kind = "shorts/" if is_short(draft) else "watch?v="
    return f"https://www.youtube.com/{kind}{video_id}"


def violations(draft: Draft) -> Iterator[Violation]:
    """Yield what is wrong beyond counts and sizes."""
    title, place = title_of(draft), "segments[0].text"
    if draft.files and video_of(draft) is None:
        message = "An image is only the thumbnail here. Add the video it belongs to."
        yield Violation("segments[0].media", "video_missing", message)
    if draft.files and not title:
        message = "A video needs a title: write a first line, or set the option title."
        yield Violation(place, "title_missing", message)
    if "title" not in draft.options and len(title) > TITLE_CHARS:
        message = (
            f"The first line is the title and has {len(title)} characters; at most {TITLE_CHARS} "
            "are accepted. Shorten it, or set the option title."
        )
        yield Violation(place, "title_too_long", message)
    texts = {place: draft.segments[0].text if draft.segments else ""}
    if "title" in draft.options:
        texts["options.title"] = title
    for where, text in texts.items():
        if "<" in text or ">" in text:
            message = "YouTube accepts no < and no > in titles and descriptions. Remove them."
            yield Violation(where, "angle_brackets", message)
    yield from _tags(draft.options.get("tags"))


def _tags(tags: Any) -> Iterator[Violation]:
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        return  # the schema has said so
    if any("<" in tag or ">" in tag or "," in tag or not tag.strip() for tag in tags):
        message = "Tags are words or phrases without commas, < and >. Change them."
        yield Violation("options.tags", "invalid_tags", message)
    most = TAGS_CHARS - MARKER_CHARS
    if (length := tags_chars(tags)) > most:
        message = f"All tags together have {length} characters; at most {most} fit. Remove some."
        yield Violation("options.tags", "tags_too_long", message)


def tags_chars(tags: list[str]) -> int:
    """Return the length of tags as YouTube counts: commas between, quotes around phrases."""
    return sum(len(tag) + 2 * (" " in tag) for tag in tags) + max(0, len(tags) - 1)


def notices(draft: Draft) -> list[Notice]:
    """Return what YouTube will make of the video."""
    if not is_short(draft):
        return []
    message = "YouTube will show this video among Shorts: it is not wide, and 3 minutes or less."
    if thumbnail_of(draft):
        message += " Shorts have no thumbnail of their own; the image is left out."
    return [Notice("becomes_a_short", message)]
