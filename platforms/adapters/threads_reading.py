"""How Threads counts texts, which links and files it takes, and what its errors and reasons mean.

Sources: as in `platforms.adapters.threads`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import regex

from engine.errors import ErrorCategory as C
from platforms.adapters.base import Media, Violation

ROWS: Mapping[str, C] = {
    "24": C.SERVER_ERROR,
    "/4279009": C.SERVER_ERROR,  # a new container is not everywhere yet
    "/4279013": C.PERMISSION,  # the account is restricted
    "/2207051": C.PERMISSION,  # blocked as spam
}
# Reasons of failed containers that say nothing against the file: another one may succeed.
PASSING = frozenset({"", "UNKNOWN", "FAILED_DOWNLOADING_VIDEO"})
REASONS: Mapping[str, str] = {
    "FAILED_PROCESSING_AUDIO": "its sound cannot be read. Use AAC with 48 kHz.",
    "FAILED_PROCESSING_VIDEO": "the video cannot be read. Use MP4 or MOV with H.264 or HEVC.",
    "INVALID_ASPEC_RATIO": "its shape is not accepted. Use 9:16, and nothing wider than 10:1.",
    "INVALID_BIT_RATE": "its bit rate is too high. Compress it.",
    "INVALID_DURATION": "it is too long or too short. Use at most 5 minutes.",
    "INVALID_FRAME_RATE": "its frame rate is not accepted. Use 23 to 60 frames a second.",
    "INVALID_AUDIO_CHANNELS": "its sound is not accepted. Use mono or stereo.",
    "INVALID_AUDIO_CHANNEL_LAYOUT": "its sound is not accepted. Use mono or stereo.",
}
METRICS = ("views", "likes", "replies", "reposts", "quotes", "shares")
LINK = re.compile(r"(?<!\w)https?://[^\s<>\"]+[^\s<>\".,;:!?')\]}]", re.IGNORECASE)
LINKS_MOST = 5
GRAPHEME = regex.compile(r"\X")
# A cluster shown as a picture: by nature, by variation selector 16, or a flag.
EMOJI = regex.compile(
    r"\p{Emoji_Presentation}|\p{Extended_Pictographic}|\uFE0F|\p{Regional_Indicator}"
)
IMAGE_RATIO_MOST = 10
VIDEO_WIDTH_MOST = 1920


# --- counting -------------------------------------------------------------------------------
def excess(text: str, limit: int) -> int:
    """Return by how much `text` is over `limit`, or 0: characters, but emoji count their bytes."""
    if text.isascii():
        return max(0, len(text) - limit)
    if len(text.encode()) <= limit:
        return 0
    length = sum(
        len(cluster.encode()) if EMOJI.search(cluster) else len(cluster)
        for cluster in GRAPHEME.findall(text)
    )
    return max(0, length - limit)


def too_many_links(place: str, text: str, attached: str) -> list[Violation]:
    links = {*LINK.findall(text), *([attached] if attached else [])}
    if len(links) <= LINKS_MOST:
        return []
    message = f"At most {LINKS_MOST} different links are accepted; there are {len(links)}."
    return [Violation(place, "too_many_links", f"{message} Remove some.")]


def file_problems(file: Media) -> list[tuple[str, str]]:
    found = []
    if not file.url:
        message = (
            "Threads fetches files from a public address, and this installation has none: set "
            "PUBLIC_URL."
        )
        found.append(("public_address_missing", message))
    sides = sorted((file.width, file.height))
    if file.kind == "image" and sides[0] and sides[1] > IMAGE_RATIO_MOST * sides[0]:
        message = f"The image is longer than {IMAGE_RATIO_MOST}:1. Crop it."
        found.append(("aspect_ratio", message))
    if file.kind == "video" and file.width > VIDEO_WIDTH_MOST:
        message = f"The video is {file.width} pixels wide; at most {VIDEO_WIDTH_MOST} are accepted."
        found.append(("video_too_wide", f"{message} Scale it down."))
    return found
