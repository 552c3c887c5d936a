"""`POST /{page}/feed`: text, a link, or photos that were staged unpublished."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sandbox.exchange import Answer, Call
from sandbox.facebook.errors import duplicate, posted_before
from sandbox.facebook.identity import publishing_page
from sandbox.facebook.messages import is_repeated, read_message, told
from sandbox.facebook.photos import staged_photo
from sandbox.facebook.posts import FEED, add
from sandbox.graph.errors import bad_parameter
from sandbox.graph.params import Params
from sandbox.records import Media

_PRESET_CHARS = 130
_NO_MESSAGE, _BAD_URL, _OWN_LINK, _NO_SCRAPE = 1349125, 2061006, 1609008, 1609005


def create(call: Call) -> Answer:
    """`{"id": "<page>_<post>"}`, and more with `fields`."""
    publishing_page(call)
    params = Params.of(call)
    message, link = read_message(params, "message"), params.text("link")
    media = _attached(call, params.items("attached_media"))
    if not message and not link and not media:
        title = "Missing Message Or Attachment"
        raise bad_parameter("Missing message or attachment", subcode=_NO_MESSAGE, title=title)
    if link:
        _check_link(link)
    _refuse_later(params)
    if "text_format_preset_id" in params and (len(message) > _PRESET_CHARS or media or link):
        raise bad_parameter("text_format_preset_id is only supported for short text posts")
    if is_repeated(call, message, link, media):
        raise duplicate()
    post = add(call, FEED, message, media=media, link=link)
    return told(call, params, post, {"id": post.id})


def _attached(call: Call, items: list[Any]) -> tuple[Media, ...]:
    """`attached_media=[{"media_fbid": "1"}, ...]`: photos that no post has yet."""
    photos = []
    for position, item in enumerate(items):
        photo_id = str(item.get("media_fbid", "")) if isinstance(item, dict) else ""
        photo = staged_photo(call, photo_id)
        if photo is None:
            name = f"attached_media[{position}][media_fbid]"
            raise bad_parameter(f"Param {name} must be a valid photo id")
        if photo.attached or photo in photos:
            raise posted_before()
        photos.append(photo)
    return tuple(photos)


def _check_link(link: str) -> None:
    """The page behind a link is not fetched here; hosts of `.invalid` stand for dead ones."""
    try:
        parts = urlsplit(link)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https"):
        raise bad_parameter("The url you supplied is invalid", subcode=_BAD_URL)
    if host == "facebook.com" or host.endswith(".facebook.com"):
        raise bad_parameter("A link to facebook.com cannot be shared", subcode=_OWN_LINK)
    if host.endswith(".invalid"):
        raise bad_parameter("There was a problem scraping the link", subcode=_NO_SCRAPE)


def _refuse_later(params: Params) -> None:
    if "scheduled_publish_time" in params or not params.flag("published", default=True):
        raise bad_parameter("The sandbox keeps no posts for later: publish them when they are due")
