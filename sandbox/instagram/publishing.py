"""`POST /{account}/media_publish`, once per container, and how many a day are left."""

from __future__ import annotations

from typing import Any

from sandbox.exchange import Answer, Call, Malformed
from sandbox.graph.containers import Container, Containers, new_id, reason_of, shortcode, state_of
from sandbox.graph.errors import bad_parameter
from sandbox.graph.fields import Node, parse_fields, show
from sandbox.graph.params import Params
from sandbox.graph.usage import DAY_SECONDS
from sandbox.instagram import errors
from sandbox.instagram.accounts import check_owner
from sandbox.instagram.reading import STORY_LIFE_SECONDS, permalink
from sandbox.instagram.rules import PUBLISHED_PER_DAY
from sandbox.records import Account, Post

_REFUSED = {
    "PUBLISHED": errors.NO_MEDIA,
    "EXPIRED": errors.EXPIRED,
    "IN_PROGRESS": errors.NOT_READY,
}


def publish(call: Call) -> Answer:
    account, params = check_owner(call), Params.of(call)
    if "creation_id" not in params:
        raise bad_parameter("The parameter creation_id is required.")
    container = call.site.books(Containers).of(params.text("creation_id"), account)
    if container is None or container.is_item:
        raise errors.refused(errors.NO_MEDIA)
    state = state_of(container, call)
    if state == "ERROR":
        raise errors.refused_as(reason_of(container))
    if state != "FINISHED":
        raise errors.refused(_REFUSED[state])
    if any(item.published is not None for item in container.children):
        raise errors.refused(errors.NO_MEDIA)
    if published_within(call, account, DAY_SECONDS) >= _quota(call, account):
        raise errors.refused(errors.CAP)
    return Answer(200, {"id": _publish(call, container).id})


def _publish(call: Call, container: Container) -> Post:
    try:
        due_at = call.due_at()
    except Malformed as malformed:
        raise bad_parameter(str(malformed)) from None
    post_id = new_id(call.site)
    post = call.site.publish(
        post_id,
        call.account,
        container.text,
        media=container.all_media,
        received_at=call.received_at,
        due_at=due_at,
        extra=_extra(call, container, post_id),
    )
    post.extra["url"] = permalink(post)
    for used in (container, *container.children):
        used.published = post
    return post


def _extra(call: Call, container: Container, post_id: str) -> dict[str, Any]:
    product = {"REELS": "REELS", "STORIES": "STORY"}.get(container.kind, "FEED")
    media_type = "VIDEO" if container.is_video else "IMAGE"
    kind = {"REELS": "reel", "STORY": "story"}.get(product, media_type.lower())
    story_ends = call.world.now() + STORY_LIFE_SECONDS if product == "STORY" else None
    return {
        "kind": "carousel" if container.children else kind,
        "expires_at": story_ends,
        "product": product,
        "media_type": "CAROUSEL_ALBUM" if container.children else media_type,
        "shortcode": shortcode(post_id),
        "is_shared_to_feed": container.options.get("share_to_feed") if product == "REELS" else None,
    }


def limit(call: Call) -> Answer:
    """`content_publishing_limit`; `since` must lie within the last 24 hours."""
    account, params, now = check_owner(call), Params.of(call), call.world.now()
    since = params.instant("since")
    if since is not None and not now - DAY_SECONDS <= since <= now:
        raise bad_parameter("Param since must be a Unix timestamp within the last 24 hours")
    within = DAY_SECONDS if since is None else now - since
    values = {
        "quota_usage": published_within(call, account, within),
        "config": {"quota_total": _quota(call, account), "quota_duration": DAY_SECONDS},
    }
    node = Node("ContentPublishingLimitResponse", values, ("quota_usage",))
    return Answer(200, {"data": [show(node, parse_fields(params.text("fields")))]})


def published_within(call: Call, account: Account, seconds: float) -> int:
    """Deleted ones count too; comments do not."""
    count, now = 0, call.world.now()
    for post in reversed(account.posts):
        if post.published_at < now - seconds:
            break
        count += post.extra["product"] != "COMMENT"
    return count


def _quota(call: Call, account: Account) -> int:
    """A switch that gives `create` another allowance moves the day's quota too."""
    rate = call.world.switches.setting("rate", call.site.name, account.name, "create") or {}
    return int(rate.get("limit", PUBLISHED_PER_DAY))
