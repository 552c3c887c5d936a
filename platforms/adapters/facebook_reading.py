"""Facebook's error codes and what they ask of people, its posts and videos as it tells of them.

Sources: developers.facebook.com (Graph API: handling errors, Page feed, photos, videos, reels
publishing), read 2026-11. Several numbers come as a code and as a subcode: rows hold for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from platforms.adapters.base import Account, Draft, Media, Notice, Violation, is_id
from platforms.adapters.graph_reading import (
    BLOCKED,
    QUOTA_AGAIN,
    object_of,
)
from platforms.adapters.texts import comparable


def _either(category: C, *codes: str) -> dict[str, C]:
    """Return rows for numbers that come as a code and as a subcode."""
    return {key: category for code in codes for key in (code, f"/{code}")}


BLOCKS = ("1346003", "1404006", "1404102", "1404112")
ROWS: Mapping[str, C] = {
    **_either(C.PERMISSION, "1404078", "4854002", "1363042", *BLOCKS),
    **_either(C.DUPLICATE, "506", "1366051"),
    **_either(C.VALIDATION_ERROR, "1609005", "1609008", "2061006", "1349125", "2069019"),
    **_either(C.MEDIA_ERROR, "1366046", "1363022", "1363023", "324"),
    **_either(C.SERVER_ERROR, "1363019", "1363030", "1363037", "1363047", "1609010"),
    **_either(C.RATE_LIMIT, "1390008"),
    "341": C.QUOTA_EXCEEDED,
    "80001": C.RATE_LIMIT,
    "803": C.VALIDATION_ERROR,
}
WAITS: Mapping[str, timedelta] = {
    "368": BLOCKED,
    **{key: BLOCKED for code in BLOCKS for key in (code, f"/{code}")},
    "1390008": timedelta(hours=1),
    "/1390008": timedelta(hours=1),
    "341": QUOTA_AGAIN,
}
REMEDIES: Mapping[str, str] = {
    "/1404078": "Confirm your identity for this Page: Page settings, Page publishing.",
    "/4854002": "Confirm your identity in the Facebook app.",
    "/1609005": "Facebook cannot read the link: check that it opens without a login.",
    "/1609008": "Links to Facebook itself cannot be shared: leave it out.",
    "/2061006": "Correct the link.",
    "/1366046": "Use a JPEG or PNG of less than 4 MB.",
    "506": "Change the text: the same cannot be published twice in a row.",
}
POST, REEL, STORY = "post", "reel", "story"
REEL_SECONDS_LEAST, REEL_SECONDS_MOST, STORY_SECONDS_MOST = 3, 90, 60
REEL_SIDES_LEAST = (540, 960)
PRESET_CHARS = 130
EASY_IMAGE_BYTES = 4 * 1000 * 1000  # some larger ones are refused
COUNTERS = "shares,comments.limit(0).summary(true),reactions.limit(0).summary(true)"
INSIGHTS: Mapping[str, str] = {  # Facebook's -> ours
    "post_media_view": "views",
    "post_total_media_view_unique": "reach",
    "post_clicks": "clicks",
}
ADDRESS = re.compile(
    r"https?://(?:www\.|m\.|web\.)?facebook\.com/(?:"
    r"(?P<whole>\d+_\d+)|"
    r"[\w.]+/posts/(?:[\w.%-]+/)?(?P<post>\d+)|"
    r"permalink\.php\?story_fbid=(?P<story>\d+)&id=\d+|"
    r"(?:reel|[\w.]+/videos(?:/[\w.%-]+)?)/(?P<video>\d+)"
    r")/?(?:[?#&].*)?"
)


def kind_of(draft: Draft) -> str:
    """Return what the draft becomes: a post, a reel or a story."""
    return str(draft.options.get("kind") or POST)


def film_of(draft: Draft) -> Media | None:
    """Return the draft's video, if it has one."""
    files = draft.segments[0].media if draft.segments else ()
    return next((file for file in files if file.kind == "video"), None)


def kind_problems(draft: Draft) -> Iterator[Violation]:
    """Yield what a post, reel or story must have and may not have."""
    files, kind = draft.segments[0].media if draft.segments else (), kind_of(draft)
    film, options = film_of(draft), draft.options
    place = "segments[0].media"
    if kind == REEL and (len(files) != 1 or film is None):
        yield Violation(place, "file_missing", "A reel is one video. Add it, and nothing else.")
    if kind == STORY and len(files) != 1:
        message = "A story is one image or one video. Add it, and nothing else."
        yield Violation(place, "file_missing", message)
    if kind == STORY and draft.first_comment:
        message = "A story takes no first comment. Leave it empty."
        yield Violation("first_comment", "first_comment_unsupported", message)
    if film is not None and kind != POST:
        yield from _film_problems(film, kind)
    if "link" in options and files:
        message = "A link is attached to texts only. Leave it out, or remove the files."
        yield Violation("options.link", "link_with_files", message)
    if "text_format_preset_id" in options:
        text = draft.segments[0].text if draft.segments else ""
        if files or "link" in options or len(text) > PRESET_CHARS:
            message = f"A background needs a text alone, of at most {PRESET_CHARS} characters."
            yield Violation("options.text_format_preset_id", "background_unsuitable", message)


def _film_problems(film: Media, kind: str) -> Iterator[Violation]:
    place = "segments[0].media[0]"
    most = REEL_SECONDS_MOST if kind == REEL else STORY_SECONDS_MOST
    if film.seconds > most:
        message = f"As a {kind}, a video lasts at most {most} seconds. Cut it."
        yield Violation(place, "video_too_long", message)
    if 0 < film.seconds < REEL_SECONDS_LEAST:
        message = f"As a {kind}, a video lasts at least {REEL_SECONDS_LEAST} seconds."
        yield Violation(place, "video_too_short", f"{message} Use a longer one.")
    if film.width and film.height:
        sides = (film.width, film.height)
        if sides[0] < REEL_SIDES_LEAST[0] or sides[1] < REEL_SIDES_LEAST[1]:
            message = f"The video is {sides[0]} x {sides[1]}; a {kind} needs at least 540 x 960."
            yield Violation(place, "video_too_small", f"{message} Use an upright one (9:16).")


def notices_of(draft: Draft) -> list[Notice]:
    """Return what is worth knowing of a draft that is in order."""
    found = []
    if kind_of(draft) == STORY and any(segment.text for segment in draft.segments):
        message = "A story shows no text: it is not sent to Facebook."
        found.append(Notice("text_not_shown", message))
    images = [file for _, file in draft.files if file.kind == "image"]
    if any(file.size_bytes > EASY_IMAGE_BYTES for file in images):
        message = (
            "Facebook refuses some images of more than 4 MB; whether it takes these shows soon."
        )
        found.append(Notice("large_image", message))
    return found


# --- posts as Facebook lists them ---------------------------------------------------------------
def is_same(post: Mapping[str, Any], draft: Draft, staged: Sequence[str]) -> bool:
    """Say whether a listed post is this draft with the photos that were staged for it."""
    if comparable(str(post.get("message") or "")) != comparable(draft.segments[0].text):
        return False
    data = object_of(post.get("attachments")).get("data")
    attached = [object_of(entry) for entry in data] if isinstance(data, list) else []
    kinds = {str(entry.get("type")) for entry in attached}
    pictured = bool(kinds & {"photo", "album"}) or any("video" in kind for kind in kinds)
    if len(draft.segments[0].media) != 1 or not staged:
        return pictured is bool(draft.segments[0].media)
    targets = {object_of(entry.get("target")).get("id") for entry in attached} - {None}
    return pictured and (not targets or staged[0] in targets)


# --- videos -------------------------------------------------------------------------------------
WORKING, UPLOADED, LIVE, BROKEN = "working", "uploaded", "live", "broken"
DONE = ("complete", "completed")
UNFINISHED = ("uploading", "upload_complete", "upload_failed", "expired")


def state_of_upload(video: Mapping[str, Any]) -> str:
    """Return whether a video that is not published yet is all there: WORKING, UPLOADED, BROKEN."""
    status = object_of(video.get("status"))
    phase = object_of(status.get("uploading_phase")).get("status")
    told = status.get("video_status")
    if told in {"error", "upload_failed", "expired"} or phase == "error":
        return BROKEN
    is_whole = told in {"upload_complete", "processing", "ready"}
    return UPLOADED if is_whole or phase in DONE else WORKING


def state_of_video(video: Mapping[str, Any]) -> str:
    """Return how far a video is whose upload was finished: WORKING, LIVE, BROKEN."""
    told, processing, publishing = _phases(video)
    if told == "error" or "error" in (processing, publishing):
        return BROKEN
    if publishing in DONE or (publishing is None and told == "ready"):
        return LIVE
    return WORKING


def outcome_for_video(video: Mapping[str, Any]) -> str:
    """Return whether a video's upload was finished: LIVE, UPLOADED (it was not), or WORKING.

    WORKING is doubt: Facebook processes a video before and after, and its publishing shows only
    when that is over. A broken one is not live, and may be finished once more to hear why.
    """
    state = state_of_video(video)
    if state == LIVE:
        return LIVE
    told, processing, publishing = _phases(video)
    is_over = processing in DONE or told == "ready"
    if state == BROKEN or told in UNFINISHED or (is_over and publishing == "not_started"):
        return UPLOADED
    return WORKING


def _phases(video: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return what a video's status says of itself, of its processing and of its publishing."""
    status = object_of(video.get("status"))
    processing, publishing = status.get("processing_phase"), status.get("publishing_phase")
    phases = (object_of(processing).get("status"), object_of(publishing).get("status"))
    return status.get("video_status"), *phases


def reason_of_video(video: Mapping[str, Any]) -> str:
    """Return why a video is broken, as far as Facebook says."""
    status = object_of(video.get("status"))
    for name in ("uploading_phase", "processing_phase", "publishing_phase"):
        phase = object_of(status.get(name))
        errors = phase.get("errors") or phase.get("error")
        first = errors[0] if isinstance(errors, list) and errors else errors
        message = object_of(first).get("message")
        if isinstance(message, str) and message:
            return message
    return "it gave no reason"


# --- pages and counters ---------------------------------------------------------------------------
def account_of(page: Mapping[str, Any], scopes: tuple[str, ...] = ()) -> Account:
    """Return the Page that an object with its id describes."""
    name = str(page.get("name") or "")
    picture = object_of(object_of(page.get("picture")).get("data")).get("url")
    return Account(
        external_id=str(page["id"]),
        username=str(page.get("username") or name or page["id"]),
        display_name=name,
        avatar_url=picture if isinstance(picture, str) else "",
        scopes=scopes,
    )


def granted(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the permissions that a person gave, out of /me/permissions."""
    data = answer.get("data")
    entries = [object_of(entry) for entry in data] if isinstance(data, list) else []
    return tuple(
        entry["permission"]
        for entry in entries
        if entry.get("status") == "granted" and is_id(entry.get("permission"))
    )


def counters_of(answer: Mapping[str, Any]) -> dict[str, int]:
    """Return the counters that a post carries itself."""
    found: dict[str, Any] = {"shares": object_of(answer.get("shares")).get("count")}
    for name, ours in (("comments", "comments"), ("reactions", "likes"), ("likes", "likes")):
        summary = object_of(object_of(answer.get(name)).get("summary"))
        if "total_count" in summary:
            found[ours] = summary["total_count"]
    return {name: value for name, value in found.items() if type(value) is int}
