"""`POST /{user}/threads`: a container of text, of an address, or of other containers."""

from __future__ import annotations

from sandbox.exchange import Answer, Call
from sandbox.fetching import is_fetchable
from sandbox.graph.containers import (
    Container,
    Containers,
    begin_without_file,
    new_id,
    order_video,
    state_of,
    take_from,
    wait_for_image,
)
from sandbox.graph.errors import missing_permission
from sandbox.graph.params import Params
from sandbox.records import Post
from sandbox.threads.errors import bad
from sandbox.threads.publishing import publish_container
from sandbox.threads.rules import CHILDREN, JUDGE, check_text, read_options
from sandbox.threads.users import check_owner

_KINDS = ("TEXT", "IMAGE", "VIDEO", "CAROUSEL")
_UNFETCHED = 2207052


async def fetch_image(call: Call) -> None:
    url = Params.of(call).text("image_url")
    if is_fetchable(url):
        await wait_for_image(call, url)


def create(call: Call) -> Answer:
    """`{"id"}` of the container; of the post with `auto_publish_text`."""
    account, params = check_owner(call), Params.of(call)
    kind = params.text("media_type").upper()
    if kind not in _KINDS:
        raise bad(f"Param media_type must be one of {{{', '.join(_KINDS)}}}")
    is_item = params.flag("is_carousel_item")
    if is_item and kind not in ("IMAGE", "VIDEO"):
        raise bad("Param is_carousel_item is only supported for images and videos")
    text = params.text("text")
    options = read_options(params, kind)
    check_text(text, options["link"] or "")
    if kind == "TEXT" and not text and "text_attachment" not in params:
        raise bad("Param text is required for text posts")
    now = call.world.now()
    container = Container(new_id(call.site), account, kind, text, now, options=options)
    container.is_item, container.is_video = is_item, kind == "VIDEO"
    container.parent = _post(call, params, "reply_to_id")
    options["quoted"] = _post(call, params, "quote_post_id")
    if kind == "CAROUSEL":
        container.children = _children(call, params.ids("children"))
    if kind in ("TEXT", "CAROUSEL"):
        begin_without_file(container, call)
    else:
        _give_source(call, params, container)
    if kind == "TEXT" and params.flag("auto_publish_text"):
        return Answer(200, {"id": publish_container(call, container).id})
    return Answer(200, {"id": call.site.books(Containers).add(container).id})


def _post(call: Call, params: Params, name: str) -> Post | None:
    """What is replied to or quoted: it must be published and there."""
    if name not in params:
        return None
    if name == "reply_to_id" and call.grant and not call.grant.allows("threads_manage_replies"):
        raise missing_permission("Application does not have permission for this action")
    post = call.site.living(params.text(name))
    if post is None:
        raise bad(f"Param {name} must be the id of a published post")
    return post


def _children(call: Call, ids: list[str]) -> tuple[Container, ...]:
    if len(ids) not in CHILDREN or len(set(ids)) < len(ids):
        raise bad("Param children must have at least 2 and at most 20 elements")
    found = [call.site.books(Containers).of(item_id, call.account) for item_id in ids]
    items = tuple(item for item in found if item is not None and item.is_item)
    if len(items) < len(ids):
        raise bad("Param children must be the ids of carousel items")
    if any(state_of(item, call) != "FINISHED" for item in items):
        raise bad("Param children has items that are not finished", subcode=2207027)
    return items


def _give_source(call: Call, params: Params, container: Container) -> None:
    name = "video_url" if container.is_video else "image_url"
    if name not in params:
        raise bad(f"Param {name} is required for this media_type")
    url = params.text(name)
    if not is_fetchable(url):
        raise bad(f"The media could not be fetched from this URI: {url}", subcode=_UNFETCHED)
    fetch = order_video(call, url) if container.is_video else call.fetched[url]
    take_from(container, fetch, call, JUDGE)
    if container.error:
        is_there = fetch.state == "fetched"
        raise bad(container.error, subcode=None if is_there else _UNFETCHED)
