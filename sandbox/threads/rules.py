"""What Threads takes, at the reference's figures; a file's details count when it tells them."""

from __future__ import annotations

from typing import Any

from sandbox.fetching import Fetch
from sandbox.files import FileFacts
from sandbox.graph.containers import Container, Judge
from sandbox.graph.params import Params
from sandbox.records import Media
from sandbox.text import threads_length, web_links
from sandbox.threads.errors import bad

TEXT_CHARS = 500
CHILDREN = range(2, 21)
POSTS_PER_DAY, REPLIES_PER_DAY, DELETES_PER_DAY = 250, 1000, 100
_LINKS = 5
_ALT_TEXT_CHARS = 1000
_TOPIC_CHARS = 50
_ATTACHED_TEXT_CHARS = 10_000
_REPLY_CONTROLS = (
    "everyone", "accounts_you_follow", "mentioned_only", "parent_post_author_only",
    "followers_only",
)  # fmt: skip
_MIB = 1024 * 1024
_IMAGE_BYTES, _VIDEO_BYTES = 8 * _MIB, 1024 * _MIB
_WIDEST_ASPECT = 10.0
_LONGEST_SECONDS = 300
_WIDEST_VIDEO = 1920


def check_text(text: str, link: str) -> None:
    if threads_length(text) > TEXT_CHARS:
        raise bad(f"Param text must be at most {TEXT_CHARS} characters long.")
    links = {found.text for found in web_links(text)} | ({link} if link else set())
    if len(links) > _LINKS:
        raise bad(
            "THREADS_API__LINK_LIMIT_EXCEEDED: The post has more than "
            f"{_LINKS} links. Please remove some links and try again."
        )


def read_options(params: Params, kind: str) -> dict[str, Any]:
    """Everything beside text and media, checked."""
    control, topic = params.text("reply_control") or "everyone", params.text("topic_tag")
    if control not in _REPLY_CONTROLS:
        raise bad(f"Param reply_control must be one of {{{', '.join(_REPLY_CONTROLS)}}}")
    if len(topic) > _TOPIC_CHARS or set(topic) & set(".&"):
        raise bad(f"Param topic_tag must be 1 to {_TOPIC_CHARS} characters, without . and &")
    if len(params.text("alt_text")) > _ALT_TEXT_CHARS:
        raise bad(f"Param alt_text must be at most {_ALT_TEXT_CHARS} characters long.")
    for name in ("link_attachment", "text_attachment", "poll_attachment"):
        if name in params and kind != "TEXT":
            raise bad(f"Param {name} is only supported for text-only posts")
    attached = params.object("text_attachment")
    if len(str(attached.get("plaintext", ""))) > _ATTACHED_TEXT_CHARS:
        raise bad(f"Param plaintext must be at most {_ATTACHED_TEXT_CHARS} characters long.")
    poll = params.object("poll_attachment")
    if poll and not (poll.get("option_a") and poll.get("option_b")):
        raise bad("Param poll_attachment needs option_a and option_b")
    return {
        "reply_control": control,
        "topic_tag": topic or None,
        "tags": [topic] if topic else [],
        "alt_text": params.text("alt_text"),
        "link": params.text("link_attachment") or None,
        "poll": poll or None,
    }


def _of_file(container: Container, media: Media, facts: FileFacts) -> str:
    if not container.is_video:
        return _of_image(media.data, facts)
    if facts.mime_type not in ("video/mp4", "video/quicktime"):
        return "FAILED_PROCESSING_VIDEO"
    if len(media.data) > _VIDEO_BYTES or (facts.width or 0) > _WIDEST_VIDEO:
        return "FAILED_PROCESSING_VIDEO"
    if facts.seconds is not None and not 0 < facts.seconds <= _LONGEST_SECONDS:
        return "INVALID_DURATION"
    return ""


def _of_image(data: bytes, facts: FileFacts) -> str:
    if facts.mime_type not in ("image/jpeg", "image/png"):
        return "The image format is not supported. Supported formats are JPEG and PNG."
    if len(data) > _IMAGE_BYTES:
        return "The image is too large. It should be less than 8 MiB."
    aspect = facts.aspect
    if aspect is not None and not 1 / _WIDEST_ASPECT <= aspect <= _WIDEST_ASPECT:
        return "INVALID_ASPEC_RATIO"
    return ""


def _of_fetch(container: Container, fetch: Fetch) -> str:
    if container.is_video:
        return "FAILED_DOWNLOADING_VIDEO"
    return f"The media could not be fetched from this URI: {fetch.url}"


JUDGE = Judge(of_file=_of_file, of_fetch=_of_fetch)
