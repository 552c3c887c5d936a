"""Reading Mastodon's answers: codes, instants, limits and counters; and counting as it counts.

Sources: as in `platforms.adapters.mastodon`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import regex

from engine.errors import ErrorCategory as C
from engine.http import Response
from platforms.adapters.base import ErrorTable, is_id
from platforms.adapters.texts import comparable

ERRORS: ErrorTable = {  # (status, our code for the words) -> category; Mastodon has no codes
    (401, ""): C.AUTH_ERROR,  # tokens do not expire here: 401 means revoked
    (403, ""): C.PERMISSION,  # scope missing, login disabled, account suspended
    (404, ""): C.VALIDATION_ERROR,  # the status replied to is gone
    (410, ""): C.VALIDATION_ERROR,
    (413, ""): C.MEDIA_ERROR,  # from a proxy in front of the server
    (422, ""): C.VALIDATION_ERROR,
    (422, "media-processing"): C.SERVER_ERROR,  # nothing was made; it passes
    (422, "media-attached"): C.DUPLICATE,  # our files are in a status already: which one?
    (429, ""): C.RATE_LIMIT,
}
# Last resort: (part of the error's text, our code). Samples: Mastodon's config/locales/en.yml.
TEXTS = (
    ("have not finished processing", "media-processing"),
    ("already attached to another", "media-attached"),
)
LINK = re.compile(r"(?<!\w)https?://[^\s<>\"]+[^\s<>\".,;:!?')\]}]", re.IGNORECASE)
REMOTE_MENTION = re.compile(r"(?<![=/\w])@(\w+(?:[\w.-]*\w)?)@[\w.-]+\w")
GRAPHEME = regex.compile(r"\X")
LINK_CHARS = 23
LIMIT_NAMES = (  # (where in `configuration`, name there, our name)
    ("statuses", "max_characters", "text_chars"),
    ("statuses", "max_media_attachments", "images"),
    ("media_attachments", "image_size_limit", "image_bytes"),
    ("media_attachments", "image_size_limit", "gif_bytes"),
    ("media_attachments", "image_matrix_limit", "image_pixels"),
    ("media_attachments", "video_size_limit", "video_bytes"),
    ("media_attachments", "video_matrix_limit", "video_pixels"),
    ("media_attachments", "description_limit", "alt_text_chars"),
)
METRIC_NAMES = {
    "replies_count": "replies",
    "reblogs_count": "reposts",
    "favourites_count": "likes",
    "quotes_count": "quotes",
}


def excess(text: str, limit: int) -> int:
    """Return by how much `text` is over `limit`, or 0.

    Counted are grapheme clusters; a link counts 23, a remote mention without its server.
    """
    if len(text) + LINK_CHARS * text.count("://") <= limit:
        return 0
    rest, links = LINK.subn("", text)
    rest = REMOTE_MENTION.sub(r"@\1", rest)
    return max(0, len(GRAPHEME.findall(rest)) + LINK_CHARS * links - limit)


def comparable_status(text: str) -> str:
    return comparable(REMOTE_MENTION.sub(r"@\1", text))  # shown without the server


def operation_of(response: Response) -> str:
    if response.method == "POST" and response.path.endswith("/api/v1/statuses"):
        return "publish"
    if response.method == "POST" and response.path.endswith("/media"):
        return "prepare"
    return "delete" if response.method == "DELETE" else "other"


def reset_of(response: Response) -> datetime | None:
    return instant(response.headers.get("x-ratelimit-reset", ""))


def instant(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def is_status(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and is_id(entry.get("id"))
        and instant(entry.get("created_at")) is not None
    )


def limits_of(instance: Mapping[str, Any]) -> dict[str, int]:
    """Return the server's own limits, as far as it tells them."""
    configuration = instance.get("configuration")
    groups: dict[str, Any] = configuration if isinstance(configuration, dict) else {}
    found: dict[str, int] = {}
    for group, name, ours in LIMIT_NAMES:
        values = groups.get(group)
        value = values.get(name) if isinstance(values, dict) else None
        if isinstance(value, int) and value > 0:
            found[ours] = value
    return found


def counters_of(status: Mapping[str, Any]) -> dict[str, int]:
    return {
        ours: status[name]
        for name, ours in METRIC_NAMES.items()
        if isinstance(status.get(name), int)
    }
