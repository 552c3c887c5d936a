"""Photos: published at once, or staged for a post or a story; and the story made of one."""

from __future__ import annotations

import math

from sandbox import working
from sandbox.exchange import Answer, Call
from sandbox.facebook.errors import bad_image, posted_before
from sandbox.facebook.identity import publishing_page
from sandbox.facebook.messages import is_repeated, read_message, told
from sandbox.facebook.posts import PHOTO, STORY, add, bare_id
from sandbox.fetching import is_fetchable
from sandbox.files import look_at
from sandbox.graph.containers import wait_for_image
from sandbox.graph.errors import bad_parameter, no_object
from sandbox.graph.fields import Node
from sandbox.graph.paging import graph_time
from sandbox.graph.params import Params
from sandbox.records import Media

_KINDS = ("image/jpeg", "image/png", "image/gif", "image/webp", "image/heic")
_BYTES = 10 * 1024 * 1024
_TOO_LARGE, _BAD_FILE = 1366046, 2069019
_CATEGORY = "photo"


async def fetch(call: Call) -> None:
    params = Params.of(call)
    for name in ("url", "attachment_url"):
        if is_fetchable(params.text(name)):
            await wait_for_image(call, params.text(name))


def operation(call: Call) -> str:
    return "create" if Params.of(call).flag("published", default=True) else "media"


def create(call: Call) -> Answer:
    """`POST /{page}/photos` -> `{"id", "post_id"}`, or `{"id"}` of an unpublished one."""
    publishing_page(call)
    params = Params.of(call)
    caption = read_message(params, "caption", "message")
    photo = read_photo(call, params, "source", "url")
    photo.alt_text = params.text("alt_text_custom")
    if not params.flag("published", default=True):
        call.site.media[photo.id] = photo
        return Answer(200, {"id": photo.id})
    if is_repeated(call, caption, "", (photo,)):
        raise posted_before()
    call.site.media[photo.id] = photo
    post = add(call, PHOTO, caption, media=(photo,))
    return told(call, params, post, {"id": photo.id, "post_id": post.id})


def read_photo(call: Call, params: Params, file_name: str, url_name: str) -> Media:
    """The image of a multipart part or behind an address, checked."""
    part, url = params.file(file_name), params.text(url_name)
    if part is not None:
        data = part.data
    elif url:
        data = _fetched(call, url)
    else:
        raise bad_image("Requires upload file", _BAD_FILE)
    facts = look_at(data)
    if facts.mime_type not in _KINDS:
        raise bad_image("Missing or invalid image file", _BAD_FILE)
    if len(data) > _BYTES:
        message = "Your photos couldn't be uploaded. Photos should be less than 10 MB."
        raise bad_image(message, _TOO_LARGE)
    photo = Media(call.site.new_id(), call.account, facts.mime_type, call.world.now())
    photo.category = _CATEGORY
    photo.seal(data)
    return photo


def _fetched(call: Call, url: str) -> bytes:
    fetch = call.fetched.get(url)
    if fetch is None or fetch.state != "fetched":
        raise bad_image("Missing or invalid image file: the url could not be fetched")
    return fetch.data


def staged_photo(call: Call, photo_id: str) -> Media | None:
    """The caller's photo; an unpublished one ends with the switch `handle_life_ms`."""
    photo = call.site.media.get(photo_id)
    if photo is None or photo.account is not call.account or photo.category != _CATEGORY:
        return None
    is_over = call.world.now() - photo.uploaded_at >= working.handle_life_s(call, math.inf)
    return None if is_over and not photo.attached else photo


def photo_node(call: Call, photo: Media) -> Node:
    url = f"{call.base_url}/_media/{call.site.name}/{photo.id}"
    holder = next((p for p in reversed(photo.account.posts) if photo in p.media), None)
    values = {
        "id": photo.id,
        "link": f"https://www.facebook.com/photo.php?fbid={photo.id}",
        "images": [{"source": url}],
        "picture": url,
        "name": None if holder is None else holder.extra["message"] or None,
        "page_story_id": None if holder is None else holder.id,
        "alt_text_custom": photo.alt_text or None,
        "created_time": graph_time(photo.uploaded_at),
    }
    return Node("Photo", values, ("created_time", "id"))


def make_story(call: Call) -> Answer:
    """`POST /{page}/photo_stories`: of a photo that was not published."""
    publishing_page(call)
    params = Params.of(call)
    if "photo_id" not in params:
        raise bad_parameter("The parameter photo_id is required")
    photo = staged_photo(call, params.text("photo_id"))
    if photo is None:
        raise no_object("POST", params.text("photo_id"))
    if photo.attached:
        raise posted_before()
    post = add(call, STORY, "", media=(photo,))
    return Answer(200, {"success": True, "post_id": bare_id(post)})
