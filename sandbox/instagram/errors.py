"""Instagram's subcodes with their codes and words, as its table of errors has them."""

from __future__ import annotations

from sandbox.exchange import Answer, Refusal
from sandbox.graph import errors

SERVER_ERROR, TIMED_OUT, TOO_LARGE, BAD_FORMAT = 2207001, 2207003, 2207004, 2207005
NO_MEDIA, BAD_ASPECT, LONG_CAPTION, EXPIRED = 2207006, 2207009, 2207010, 2207020
BAD_KIND, BAD_VIDEO, NOT_READY, BAD_COUNT = 2207023, 2207026, 2207027, 2207028
CREATE_FAILED, TOO_MANY_TAGS, CAP, NOT_FETCHED = 2207032, 2207040, 2207042, 2207052
UPLOAD_FAILED, BAD_OFFSET, OLD_KIND, BAD_TRIAL = 2207053, 2207057, 2207067, 2207081

_TABLE: dict[int, tuple[int, str]] = {  # subcode -> code, message
    SERVER_ERROR: (-1, "Instagram server error. Try again."),
    TIMED_OUT: (-2, "It takes too long to download the media."),
    TOO_LARGE: (36000, "The image is too large to download. It should be less than 8 MiB."),
    BAD_FORMAT: (36001, "The image format is not supported. Supported format is JPEG."),
    NO_MEDIA: (24, "The requested resource does not exist: Media not found."),
    BAD_ASPECT: (36003, "The aspect ratio is not supported."),
    LONG_CAPTION: (36004, "The caption was too long."),
    EXPIRED: (-2, "The media you are trying to access has expired. Please try to upload again."),
    BAD_KIND: (100, "The media type is unknown."),
    BAD_VIDEO: (352, "The video format is not supported."),
    NOT_READY: (9007, "The media is not ready for publishing, please wait for a moment."),
    BAD_COUNT: (100, "Carousels need at least 2 photos/videos and no more than 10."),
    CREATE_FAILED: (-1, "Create media fail, please try to re-create media."),
    TOO_MANY_TAGS: (100, "Cannot use more than 30 hashtags or 20 mentions."),
    CAP: (9, "You reached maximum number of posts that is allowed to be published."),
    NOT_FETCHED: (9004, "Only photo or video can be accepted as media type."),
    UPLOAD_FAILED: (-1, "Unknown upload error."),
    BAD_OFFSET: (1, "Thumbnail offset must be greater or equal to 0 and less than video duration."),
    OLD_KIND: (100, "The VIDEO value for media_type is no longer supported. Use REELS."),
    BAD_TRIAL: (100, "Trial reels cannot be published with these parameters."),
}
_TITLES = {
    NOT_FETCHED: "Media download has failed. The media URI doesn't meet our requirements.",
    NOT_READY: "Media ID is not available",
    CAP: "Application request limit reached",
}


def refused(subcode: int) -> Refusal:
    """The table's row."""
    code, message = _TABLE[subcode]
    told = f"(#{code}) {message}" if code > 0 else message
    title = _TITLES.get(subcode, "Cannot process the media")
    return errors.refused(told, code, subcode=subcode, title=title, user_message=message)


def refused_as(reason: str) -> Refusal:
    """By a container's `error`: a subcode, or whatever a switch gave as the reason."""
    if reason.isdecimal() and int(reason) in _TABLE:
        return refused(int(reason))
    return refused(CREATE_FAILED)


def failure(status: int) -> Answer:
    message = (
        "(#80002) There have been too many calls to this Instagram account. "
        "Wait a bit and try again."
    )
    return errors.failure(status, throttled=errors.error(message, 80002))
