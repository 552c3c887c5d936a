"""Instagram's error codes, what they ask of people, its rules for files and tags, and its answers.

Source: developers.facebook.com, Instagram platform (error codes, IG user media, media insights),
read 2026-11. Aspect ratios are told for images of posts; stories take others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from platforms.adapters.base import Account, Media, Violation, is_id
from platforms.adapters.graph_reading import (
    BLOCKED,
    QUOTA_AGAIN,
    object_of,
    page_problem,
)

ROWS: Mapping[str, C] = {
    "25": C.PERMISSION,
    "/2207050": C.PERMISSION,  # the account is restricted or inactive
    "/2207051": C.PERMISSION,  # blocked as spam, under the code of a rate limit
    "9": C.QUOTA_EXCEEDED,
    "/2207042": C.QUOTA_EXCEEDED,  # as many posts in 24 hours as are allowed
    "80002": C.RATE_LIMIT,
    "9007": C.SERVER_ERROR,
    "/2207027": C.SERVER_ERROR,  # the container is not ready yet
    "24": C.SERVER_ERROR,
    "/2207006": C.SERVER_ERROR,  # the container is not there, or not any more
    "/2207008": C.SERVER_ERROR,
    "/2207020": C.SERVER_ERROR,
    "-1": C.SERVER_ERROR,
    "-2": C.SERVER_ERROR,
    "/2207001": C.SERVER_ERROR,
    "/2207003": C.SERVER_ERROR,  # fetching the file took too long
    "/2207032": C.SERVER_ERROR,
    "/2207053": C.SERVER_ERROR,
    "/2207082": C.SERVER_ERROR,
    "9004": C.MEDIA_ERROR,
    "/2207052": C.MEDIA_ERROR,  # the file's address cannot be fetched
    "/2207077": C.MEDIA_ERROR,
    "/2207010": C.VALIDATION_ERROR,
    "/2207028": C.VALIDATION_ERROR,
    "/2207040": C.VALIDATION_ERROR,
    "/2207081": C.VALIDATION_ERROR,
    "352": C.MEDIA_ERROR,
    "/2207026": C.MEDIA_ERROR,
    "36000": C.MEDIA_ERROR,
    "/2207004": C.MEDIA_ERROR,
    "36001": C.MEDIA_ERROR,
    "/2207005": C.MEDIA_ERROR,
    "36003": C.MEDIA_ERROR,
    "/2207009": C.MEDIA_ERROR,
    "/2207023": C.MEDIA_ERROR,
    "/2207057": C.VALIDATION_ERROR,
}
LATER_CODES = frozenset({"9007/2207027", "9007"})
LOST_CODES = frozenset({"24/2207006", "24/2207008", "-2/2207020", "-2/2207008"})
FETCH_CODES = frozenset({"9004/2207052", "9004", "/2207077"})
# Codes in a failed container's status: another one, made anew, may succeed.
PASSING = frozenset(
    {"2207001", "2207003", "2207020", "2207032", "2207052", "2207053", "2207077", "2207082"}
)
REMEDIES: Mapping[str, str] = {
    "/2207004": "Use an image of at most 8 MB.",
    "/2207005": "Use a JPEG.",
    "/2207009": "Use an image between 4:5 (upright) and 1.91:1 (wide).",
    "/2207023": "Use a JPEG, or a video as MP4 or MOV.",
    "/2207026": "Use MP4 or MOV with H.264 or HEVC and AAC sound.",
    "/2207028": "A carousel has 2 to 10 images and videos.",
    "/2207042": "Wait: the account has published as often as Instagram allows in 24 hours.",
    "/2207050": "Open the Instagram app and follow what it asks of you.",
    "/2207051": "Instagram took this for spam: publish nothing for a day.",
    "/2207052": "Check that PUBLIC_URL can be reached from the internet.",
    "/2207077": "Check that PUBLIC_URL can be reached from the internet.",
}
METRIC_NAMES: Mapping[str, str] = {  # Instagram's -> ours
    "views": "views",
    "reach": "reach",
    "likes": "likes",
    "comments": "comments",
    "saved": "saves",
    "shares": "shares",
    "total_interactions": "interactions",
}
LINKED = "instagram_business_account{id,username,name,profile_picture_url}"
WIDEST, TALLEST = 1.91, 4 / 5  # width / height of an image in a post
STORY_SECONDS, STORY_VIDEO_BYTES = 60, 100 * 1000 * 1000
VIDEO_SECONDS_LEAST = 3
VIDEO_WIDTH_MOST = 1920
ROUNDING = 0.005
HASHTAG = re.compile(r"(?<![\w&])#\w+")
MENTION = re.compile(r"(?<![\w/.])@[\w.]+")
HASHTAGS_SHOWN = 5  # since 2025-12 the app counts no more of them
MENTIONS_MOST = 20
WAITS: Mapping[str, timedelta] = {
    "368": BLOCKED,
    "/2207050": BLOCKED,
    "/2207051": BLOCKED,
    "/2207042": QUOTA_AGAIN,
}


def file_problems(file: Media, *, is_story: bool, is_first: bool) -> Iterator[tuple[str, str]]:
    """Yield (code, message) for what Instagram would refuse in a file, as far as it is known.

    The other files of a carousel are cropped to the shape of the first.
    """
    if file.kind == "image" and not file.url:
        message = (
            "Instagram fetches images from a public address, and this installation has none: "
            "set PUBLIC_URL."
        )
        yield "public_address_missing", message
    if file.kind == "image" and is_first and not is_story and file.width and file.height:
        ratio = file.width / file.height
        if not TALLEST - ROUNDING <= ratio <= WIDEST + ROUNDING:
            message = (
                f"The image is {file.width} x {file.height}; between 4:5 (upright) and 1.91:1 "
                "(wide) are accepted. Crop it."
            )
            yield "aspect_ratio", message
    if file.kind == "video":
        yield from _video_problems(file, is_story=is_story)


def _video_problems(file: Media, *, is_story: bool) -> Iterator[tuple[str, str]]:
    if file.seconds and file.seconds < VIDEO_SECONDS_LEAST:
        least = VIDEO_SECONDS_LEAST
        yield "video_too_short", f"The video must last at least {least} seconds. Use a longer one."
    if file.width > VIDEO_WIDTH_MOST:
        message = f"The video is {file.width} pixels wide; at most {VIDEO_WIDTH_MOST} are accepted."
        yield "video_too_wide", f"{message} Scale it down."
    if not is_story:
        return
    if file.seconds > STORY_SECONDS:
        message = f"A story's video lasts at most {STORY_SECONDS} seconds. Cut it."
        yield "video_too_long", message
    if file.size_bytes > STORY_VIDEO_BYTES:
        yield "video_too_large", "A story's video may have at most 100 MB. Compress it."


def account_of(found: Mapping[str, Any]) -> Account:
    """Return the account that an object with its id describes."""
    return Account(
        external_id=str(found["id"]),
        username=str(found.get("username") or ""),
        display_name=str(found.get("name") or ""),
        avatar_url=str(found.get("profile_picture_url") or ""),
    )


def linked_account(page: Mapping[str, Any]) -> Iterator[tuple[Account, str, str]]:
    """Yield a Page's Instagram account, the Page's token, and why it cannot be chosen, or "".

    Pages without one yield nothing.
    """
    linked = object_of(page.get("instagram_business_account"))
    if not is_id(linked.get("id")):
        return
    token = page.get("access_token")
    yield account_of(linked), token if is_id(token) else "", page_problem(page)


def too_many_tags(place: str, text: str, max_hashtags: int) -> list[Violation]:
    found = []
    if (hashtags := len(HASHTAG.findall(text))) > max_hashtags:
        message = (
            f"At most {max_hashtags} hashtags are accepted; there are {hashtags}. Remove some."
        )
        found.append(Violation(place, "too_many_hashtags", message))
    if (mentions := len(MENTION.findall(text))) > MENTIONS_MOST:
        message = f"At most {MENTIONS_MOST} mentions are accepted; there are {mentions}."
        found.append(Violation(place, "too_many_mentions", f"{message} Remove some."))
    return found
