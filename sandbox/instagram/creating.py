"""`POST /{account}/media`: a container from an address, for an upload, or from other containers."""

from __future__ import annotations

from typing import Any

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
from sandbox.graph.errors import bad_parameter, refused
from sandbox.graph.params import Params
from sandbox.instagram import errors
from sandbox.instagram.accounts import check_owner, is_via_facebook
from sandbox.instagram.rules import (
    ALT_TEXT_CHARS,
    CHILDREN,
    COLLABORATORS,
    CONTAINERS_PER_DAY,
    JUDGE,
    check_caption,
    check_cover,
)
from sandbox.records import Media

_KINDS = ("IMAGE", "VIDEO", "REELS", "STORIES", "CAROUSEL")
_TRIALS = ("MANUAL", "SS_PERFORMANCE")


async def fetch_images(call: Call) -> None:
    """Meta answers when it has the picture, or has given up."""
    params = Params.of(call)
    for name in ("image_url", "cover_url"):
        if is_fetchable(params.text(name)):
            await wait_for_image(call, params.text(name))


def create(call: Call) -> Answer:
    """`{"id"}`, with `uri` when the bytes will be uploaded."""
    account, containers = check_owner(call), call.site.books(Containers)
    cap = call.world.switches.setting("rate", call.site.name, account.name, "media") or {}
    made = containers.made_within_a_day(account, call.world.now())
    if made >= cap.get("limit", CONTAINERS_PER_DAY):
        raise refused("(#4) Application request limit reached", 4, status=403)
    params = Params.of(call)
    container = _container(call, params)
    if params.text("upload_type") == "resumable":
        return _for_upload(call, containers.add(container))
    if container.kind == "CAROUSEL":
        begin_without_file(container, call)
    else:
        _give_source(call, params, container)
    return Answer(200, {"id": containers.add(container).id})


def _container(call: Call, params: Params) -> Container:
    """All but the bytes, checked."""
    is_item = params.flag("is_carousel_item")
    kind = _kind(params, is_item=is_item)
    options = _options(call, params, kind)
    text = "" if is_item or kind == "STORIES" else params.text("caption")
    check_caption(text)
    now = call.world.now()
    container = Container(new_id(call.site), call.account, kind, text, now, options=options)
    container.is_item = is_item
    container.is_video = kind in ("REELS", "VIDEO") or (
        kind == "STORIES" and "image_url" not in params
    )
    if kind == "CAROUSEL":
        container.children = _children(call, params.ids("children"))
    return container


def _kind(params: Params, *, is_item: bool) -> str:
    kind = params.text("media_type").upper() or "IMAGE"
    if kind not in _KINDS:
        raise errors.refused(errors.BAD_KIND)
    if kind == "VIDEO" and not is_item:
        raise errors.refused(errors.OLD_KIND)
    if is_item and kind not in ("IMAGE", "VIDEO"):
        raise errors.refused(errors.BAD_KIND)
    return kind


def _options(call: Call, params: Params, kind: str) -> dict[str, Any]:
    if len(params.text("alt_text")) > ALT_TEXT_CHARS:
        raise bad_parameter(f"Param alt_text must be at most {ALT_TEXT_CHARS} characters long")
    if len(params.ids("collaborators")) > COLLABORATORS:
        raise bad_parameter(f"Param collaborators takes at most {COLLABORATORS} accounts")
    for tag in params.items("user_tags"):
        _check_tag(tag, needs_place=kind == "IMAGE")
    if "location_id" in params and not is_via_facebook(call):
        raise bad_parameter("Param location_id is not supported with Instagram Login")
    if params.object("trial_params").get("graduation_strategy", "MANUAL") not in _TRIALS:
        raise errors.refused(errors.BAD_TRIAL)
    thumb_offset = params.number("thumb_offset")
    if thumb_offset is not None and thumb_offset < 0:
        raise errors.refused(errors.BAD_OFFSET)
    if kind == "REELS" and "cover_url" in params:
        url = params.text("cover_url")
        if url not in call.fetched:
            raise errors.refused(errors.NOT_FETCHED)
        check_cover(call.fetched[url])
    return {
        "alt_text": params.text("alt_text") if kind == "IMAGE" else "",
        "thumb_offset": thumb_offset,
        "share_to_feed": params.flag("share_to_feed", default=True),
        "is_ai_generated": params.flag("is_ai_generated"),
    }


def _check_tag(tag: Any, *, needs_place: bool) -> None:
    if not isinstance(tag, dict) or not tag.get("username"):
        raise bad_parameter("Param user_tags must be an array of objects with username")
    if needs_place and not all(isinstance(tag.get(axis), int | float) for axis in ("x", "y")):
        raise bad_parameter("Param user_tags needs x and y between 0.0 and 1.0 for images")


def _children(call: Call, ids: list[str]) -> tuple[Container, ...]:
    """The finished items of a carousel, each used once."""
    if len(ids) not in CHILDREN or len(set(ids)) < len(ids):
        raise errors.refused(errors.BAD_COUNT)
    found = [call.site.books(Containers).of(item_id, call.account) for item_id in ids]
    items = tuple(item for item in found if item is not None and item.is_item)
    if len(items) < len(ids):
        raise errors.refused(errors.NO_MEDIA)
    for item in items:
        state = state_of(item, call)
        if state == "IN_PROGRESS":
            raise errors.refused(errors.NOT_READY)
        if state == "EXPIRED":
            raise errors.refused(errors.EXPIRED)
        if state != "FINISHED":
            raise errors.refused(errors.NO_MEDIA)
    return items


def _give_source(call: Call, params: Params, container: Container) -> None:
    """The picture that was fetched for this call, or the order of a video."""
    given = [name for name in ("image_url", "video_url") if name in params]
    wanted = "video_url" if container.is_video else "image_url"
    if wanted not in given:
        raise bad_parameter(f"The parameter {wanted} is required.")
    if len(given) > 1:
        raise bad_parameter("Only one of image_url and video_url can be given.")
    url = params.text(wanted)
    if not is_fetchable(url):
        raise errors.refused(errors.NOT_FETCHED)
    fetch = order_video(call, url) if container.is_video else call.fetched[url]
    take_from(container, fetch, call, JUDGE)
    if container.error:
        raise errors.refused_as(container.error)


def _for_upload(call: Call, container: Container) -> Answer:
    if not container.is_video:
        raise bad_parameter("Param upload_type=resumable is only supported for videos")
    container.upload = Media(
        container.id, call.account, "", call.world.now(), category="upload", complete=False
    )
    base = call.base_url + ("/facebook" if is_via_facebook(call) else "/instagram")
    version = call.params["version"]
    uri = f"{base}/ig-api-upload/{version}/{container.id}"
    return Answer(200, {"id": container.id, "uri": uri})
