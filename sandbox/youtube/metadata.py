"""The snippet and status that a video is given, checked as YouTube checks them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from sandbox.records import parse_instant
from sandbox.youtube import errors

_TITLE_CHARS = 100
_DESCRIPTION_BYTES = 5000
_TAGS_CHARS = 500
CATEGORIES = {
    "1": "Film & Animation",
    "2": "Autos & Vehicles",
    "10": "Music",
    "15": "Pets & Animals",
    "17": "Sports",
    "19": "Travel & Events",
    "20": "Gaming",
    "22": "People & Blogs",
    "23": "Comedy",
    "24": "Entertainment",
    "25": "News & Politics",
    "26": "Howto & Style",
    "27": "Education",
    "28": "Science & Technology",
    "29": "Nonprofits & Activism",
}
_KNOWN: Mapping[str, Mapping[str, type]] = {
    "snippet": {
        "title": str,
        "description": str,
        "tags": list,
        "categoryId": str,
        "defaultLanguage": str,
        "defaultAudioLanguage": str,
    },
    "status": {
        "privacyStatus": str,
        "publishAt": str,
        "license": str,
        "embeddable": bool,
        "publicStatsViewable": bool,
        "selfDeclaredMadeForKids": bool,
        "containsSyntheticMedia": bool,
    },
}
_READ_ONLY: Mapping[str, AbstractSet[str]] = {
    "snippet": {"publishedAt", "channelId", "thumbnails", "channelTitle", "localized"},
    "status": {"uploadStatus", "failureReason", "rejectionReason", "madeForKids"},
}


def check(body: dict[str, Any], parts: list[str]) -> dict[str, dict[str, Any]]:
    """Return the given snippet and status; raises 400 for whatever YouTube would not take.

    Parts that the body has and `part` does not name are a 400, too.
    """
    for name in body.keys() - {"snippet", "status", "id", "kind", "etag", "recordingDetails"}:
        raise errors.unknown_field(name, "video")
    for name in body.keys() & {"snippet", "status"} - set(parts):
        message = f"'{name}'"
        raise errors.refused(400, "unexpectedPart", message, domain="youtube.part")
    given = {name: _typed(name, body.get(name, {})) for name in ("snippet", "status")}
    if "snippet" in parts:
        _check_snippet(given["snippet"])
    if "status" in parts:
        _check_status(given["status"])
    return given


def _typed(part: str, values: Any) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise errors.refused(400, "badRequest", f"Invalid value at '{part}'", domain="global")
    for name, value in values.items():
        kind = _KNOWN[part].get(name)
        if kind is None and name not in _READ_ONLY[part]:
            raise errors.unknown_field(name, f"video.{part}")
        if kind is not None and not isinstance(value, kind):
            message = f"Invalid value at 'video.{part}.{name}'"
            raise errors.refused(400, "badRequest", message, domain="global")
    return {name: value for name, value in values.items() if name in _KNOWN[part]}


def _check_snippet(snippet: dict[str, Any]) -> None:
    title, description = snippet.get("title", ""), snippet.get("description", "")
    if not title.strip() or len(title) > _TITLE_CHARS or _has_angle(title):
        raise _invalid("Title", "The request metadata specifies an invalid or empty video title.")
    if len(description.encode()) > _DESCRIPTION_BYTES or _has_angle(description):
        raise _invalid("Description", "The request metadata specifies an invalid description.")
    tags = snippet.get("tags", [])
    if not all(isinstance(tag, str) for tag in tags) or tags_length(tags) > _TAGS_CHARS:
        raise _invalid("Tags", "The request metadata specifies invalid video keywords.")
    if snippet.setdefault("categoryId", "22") not in CATEGORIES:
        raise _invalid("CategoryId", "The snippet.categoryId specifies an invalid category ID.")


def tags_length(tags: list[str]) -> int:
    """With the commas between tags, and two quotes around each that has a space."""
    quotes = sum(2 for tag in tags if " " in tag)
    return sum(map(len, tags)) + quotes + max(0, len(tags) - 1)


def _check_status(status: dict[str, Any]) -> None:
    privacy = status.setdefault("privacyStatus", "public")
    if privacy not in ("public", "unlisted", "private"):
        message = f"Invalid value at 'video.status.privacy_status': \"{privacy}\""
        raise errors.refused(400, "badRequest", message, domain="global")
    if status.setdefault("license", "youtube") not in ("youtube", "creativeCommon"):
        raise errors.refused(403, "forbiddenLicenseSetting", "The license is invalid.")
    if "publishAt" not in status:
        return
    try:
        parse_instant(status["publishAt"])
    except ValueError:
        privacy = "unreadable"
    if privacy != "private":
        message = "The request metadata specifies an invalid scheduled publishing time."
        raise _invalid("PublishAt", message)


def _has_angle(text: str) -> bool:
    return "<" in text or ">" in text


def _invalid(field: str, message: str) -> Exception:
    part = "status" if field == "PublishAt" else "snippet"
    location = f"body.{part}.{field[0].lower()}{field[1:]}"
    return errors.refused(400, f"invalid{field}", message, location=location, locationType="other")
