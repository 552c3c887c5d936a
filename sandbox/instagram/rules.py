"""What Instagram takes: lengths, tags, and what a file must be. Checked at the reference's figures.

Pixel sizes and lengths are only held against files that tell them.
"""

from __future__ import annotations

import re

from sandbox.fetching import Fetch
from sandbox.files import FileFacts, look_at
from sandbox.graph.containers import Container, Judge
from sandbox.graph.errors import bad_parameter
from sandbox.instagram import errors
from sandbox.records import Media

CAPTION_CHARS = 2200
COMMENT_CHARS = 300
CHILDREN = range(2, 11)
COLLABORATORS = 3
ALT_TEXT_CHARS = 1000
PUBLISHED_PER_DAY = 50
CONTAINERS_PER_DAY = 400
_HASHTAGS, _MENTIONS = 30, 20
_HASHTAG, _MENTION = re.compile(r"#\w+"), re.compile(r"(?<![\w.])@\w[\w.]*")
_MIB = 1024 * 1024
_IMAGE_BYTES = 8 * _MIB
_VIDEO_BYTES = {"STORIES": 100 * _MIB}
_REEL_BYTES = 300 * _MIB
_ASPECTS = (0.8, 1.91)  # of images in the feed: 4:5 to 1.91:1
_VIDEO_ASPECTS = (0.01, 10.0)
_SECONDS = {"STORIES": (3, 60), "VIDEO": (3, 60)}
_REEL_SECONDS = (3, 900)
_WIDEST_VIDEO = 1920
_ROUNDING = 0.01


def check_caption(text: str) -> None:
    if len(text) > CAPTION_CHARS:
        raise errors.refused(errors.LONG_CAPTION)
    if len(_HASHTAG.findall(text)) > _HASHTAGS or len(_MENTION.findall(text)) > _MENTIONS:
        raise errors.refused(errors.TOO_MANY_TAGS)


def check_comment(text: str) -> None:
    if not text:
        raise bad_parameter("The parameter message is required")
    if len(text) > COMMENT_CHARS:
        raise bad_parameter(f"The comment must be at most {COMMENT_CHARS} characters long")


def check_cover(fetch: Fetch) -> None:
    """A reel's cover is an image like any other."""
    reason = _of_fetch_reason(fetch) or _of_image(fetch.data, look_at(fetch.data))
    if reason:
        raise errors.refused(reason)


def _of_file(container: Container, media: Media, facts: FileFacts) -> str:
    if container.is_video:
        reason = _of_video(container.kind, media.data, facts, container.options.get("thumb_offset"))
    else:
        is_story = container.kind == "STORIES"
        reason = _of_image(media.data, facts, aspects=None if is_story else _ASPECTS)
    return str(reason or "")


def _of_image(
    data: bytes, facts: FileFacts, aspects: tuple[float, float] | None = None
) -> int | None:
    if not facts.is_image:
        return errors.NOT_FETCHED
    if facts.mime_type != "image/jpeg":
        return errors.BAD_FORMAT
    if len(data) > _IMAGE_BYTES:
        return errors.TOO_LARGE
    if aspects and facts.aspect and not _is_within(facts.aspect, aspects):
        return errors.BAD_ASPECT
    return None


def _of_video(kind: str, data: bytes, facts: FileFacts, thumb_offset: int | None) -> int | None:
    if facts.mime_type not in ("video/mp4", "video/quicktime"):
        return errors.BAD_VIDEO
    if len(data) > _VIDEO_BYTES.get(kind, _REEL_BYTES) or (facts.width or 0) > _WIDEST_VIDEO:
        return errors.BAD_VIDEO
    if facts.aspect and not _is_within(facts.aspect, _VIDEO_ASPECTS):
        return errors.BAD_VIDEO
    if facts.seconds is not None:
        shortest, longest = _SECONDS.get(kind, _REEL_SECONDS)
        if not shortest <= facts.seconds <= longest:
            return errors.BAD_VIDEO
        if thumb_offset is not None and thumb_offset >= facts.seconds * 1000:
            return errors.BAD_OFFSET
    return None


def _is_within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] - _ROUNDING <= value <= bounds[1] + _ROUNDING


def _of_fetch(_container: Container, fetch: Fetch) -> str:
    return str(_of_fetch_reason(fetch) or "")


def _of_fetch_reason(fetch: Fetch) -> int | None:
    """An image that is still on its way when Meta's patience ends counts as too slow."""
    if fetch.state == "fetched":
        return None
    if fetch.state == "pending" or fetch.reason == "timeout":
        return errors.TIMED_OUT
    return errors.TOO_LARGE if fetch.reason == "too large" else errors.NOT_FETCHED


JUDGE = Judge(of_file=_of_file, of_fetch=_of_fetch)
