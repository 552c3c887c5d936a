"""Mastodon's attachments: images are ready at once (200), the rest is processed first (202, 206).

The bytes say what a file is, not its name or header. An animated GIF becomes a `gifv`. Work that
failed is a 422 when asked for, and at once a 500 for images.
"""

from __future__ import annotations

from typing import Any

from sandbox import working
from sandbox.exchange import Answer, Call, Malformed
from sandbox.files import look_at
from sandbox.mastodon import errors
from sandbox.mastodon.instance import (
    DESCRIPTION_LIMIT,
    IMAGE_BYTES_LIMIT,
    IMAGE_TYPES,
    VIDEO_BYTES_LIMIT,
    VIDEO_TYPES,
)
from sandbox.records import Media

_FAILED = "Error processing thumbnail for uploaded media"
_FRAME = b"\x21\xf9\x04"  # a GIF has one such block before each frame


def upload(call: Call) -> Answer:
    """`POST /api/v2/media`, multipart `file` and optional `description`."""
    try:
        parts = call.multipart()
    except Malformed as malformed:
        raise errors.refused(422, str(malformed)) from None
    if "file" not in parts:
        raise errors.failed_validation("File can't be blank")
    file = parts["file"]
    mime_type = look_at(file.data).mime_type or file.mime_type
    if mime_type not in (*IMAGE_TYPES, *VIDEO_TYPES):
        raise errors.failed_validation("File content type is invalid, File is invalid")
    is_still = mime_type in IMAGE_TYPES and not _is_animated(file.data)
    limit = IMAGE_BYTES_LIMIT if mime_type in IMAGE_TYPES else VIDEO_BYTES_LIMIT
    if not 0 < len(file.data) <= limit:
        raise errors.failed_validation(f"File size must be less than {limit // 1024**2} MB")
    is_broken = mime_type.startswith("video/") and not look_at(file.data).mime_type
    work = working.begin(call, reason=_FAILED if is_broken else "")
    if is_still and work.reason:
        raise errors.refused(500, work.reason)
    media = Media(call.site.new_id(), call.account, mime_type, call.world.now())
    media.seal(file.data)
    if "description" in parts:
        _describe(media, parts["description"].data.decode("utf-8", "replace"))
    if not is_still:
        media.ready_at, media.failure = work.ready_at, work.reason
        media.category = "gifv" if mime_type in IMAGE_TYPES else ""
    call.site.media[media.id] = media
    return Answer(200 if is_still else 202, shape(media, call))


def _is_animated(data: bytes) -> bool:
    return data.startswith(b"GIF8") and data.count(_FRAME) > 1


def read(call: Call) -> Answer:
    media = _own(call)
    if media.failure and call.world.now() >= media.ready_at:
        raise errors.refused(422, media.failure)
    return Answer(200 if is_ready(media, call) else 206, shape(media, call))


def describe(call: Call) -> Answer:
    """`PUT /api/v1/media/{id}`: the alt text, before the status exists."""
    media = _own(call)
    try:
        body = call.json_object() if not call.form() else dict(call.form())
    except Malformed as malformed:
        raise errors.refused(422, str(malformed)) from None
    if isinstance(body.get("description"), str):
        _describe(media, body["description"])
    return Answer(200, shape(media, call))


def is_ready(media: Media, call: Call) -> bool:
    return not media.failure and media.ready_at <= call.world.now()


def shape(media: Media, call: Call) -> dict[str, Any]:
    url = f"{call.base_url}/_media/{call.site.name}/{media.id}" if is_ready(media, call) else None
    kind = media.category or media.mime_type.partition("/")[0]
    return {
        "id": media.id,
        "type": kind,
        "url": url,
        "preview_url": url,
        "remote_url": None,
        "meta": {},
        "description": media.alt_text or None,
        "blurhash": None,
    }


def _own(call: Call) -> Media:
    """The caller's unattached media; an attached one is a 404, as on Mastodon."""
    media = call.site.usable_media(call.params["id"], call.account)
    if media is None or media.attached:
        raise errors.refused(404)
    return media


def _describe(media: Media, text: str) -> None:
    if len(text) > DESCRIPTION_LIMIT:
        raise errors.failed_validation(
            f"Description is too long (maximum is {DESCRIPTION_LIMIT} characters)"
        )
    media.alt_text = text
