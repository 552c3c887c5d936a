"""`POST /{user}/threads_publish`, deletion, and how many of each a day are left."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

from sandbox.exchange import Answer, Call, Malformed
from sandbox.graph.comments import Comments
from sandbox.graph.containers import Container, Containers, new_id, shortcode, state_of
from sandbox.graph.errors import no_object
from sandbox.graph.fields import Node, parse_fields, show
from sandbox.graph.params import Params
from sandbox.graph.usage import DAY_SECONDS
from sandbox.records import Account, Post
from sandbox.threads.errors import bad, cap_reached, not_found
from sandbox.threads.reading import permalink
from sandbox.threads.rules import DELETES_PER_DAY, POSTS_PER_DAY, REPLIES_PER_DAY
from sandbox.threads.users import check_owner

_MEDIA_TYPES = {"TEXT": "TEXT_POST", "CAROUSEL": "CAROUSEL_ALBUM"}


class Deletions:
    """When each account deleted something, oldest first."""

    def __init__(self) -> None:
        self.of: defaultdict[str, deque[float]] = defaultdict(deque)

    def within(self, account: Account, since: float) -> int:
        made_at = self.of[account.id]
        while made_at and made_at[0] < since:
            made_at.popleft()
        return len(made_at)


def publish(call: Call) -> Answer:
    account, params = check_owner(call), Params.of(call)
    if "creation_id" not in params:
        raise bad("Param creation_id is required")
    container = call.site.books(Containers).of(params.text("creation_id"), account)
    if container is None or container.is_item:
        raise not_found()
    is_used = any(item.published is not None for item in container.children)
    if state_of(container, call) != "FINISHED" or is_used:
        raise not_found()
    return Answer(200, {"id": publish_container(call, container).id})


def publish_container(call: Call, container: Container) -> Post:
    """Make the post; raises a Refusal when the day's allowance is used up."""
    is_reply = container.parent is not None
    if _used(call, replies=is_reply) >= _quota(call, replies=is_reply):
        raise cap_reached("replies" if is_reply else "posts")
    parent = container.parent
    if parent is not None and parent.deleted_at is not None:
        raise not_found()
    try:
        due_at = call.due_at()
    except Malformed as malformed:
        raise bad(str(malformed)) from None
    post_id = new_id(call.site)
    post = call.site.publish(
        post_id,
        call.account,
        container.text,
        media=container.all_media,
        parent=parent,
        received_at=call.received_at,
        due_at=due_at,
        extra={
            **container.options,
            "kind": "" if container.kind == "TEXT" else container.kind.lower(),
            "media_type": _MEDIA_TYPES.get(container.kind, container.kind),
            "shortcode": shortcode(post_id),
        },
    )
    post.extra["url"] = permalink(post)
    if parent is not None:
        call.site.books(Comments).add(parent.id, post)
    for used in (container, *container.children):
        used.published = post
    return post


def delete(call: Call) -> Answer:
    post = call.site.living(call.params["id"])
    if post is None or post.account is not call.account:
        raise no_object("DELETE", call.params["id"])
    deletions, now = call.site.books(Deletions), call.world.now()
    if deletions.within(call.account, now - DAY_SECONDS) >= DELETES_PER_DAY:
        raise cap_reached("deletions")
    deletions.of[call.account.id].append(now)
    call.site.delete(post)
    return Answer(200, {"success": True, "deleted_id": post.id})


def limit(call: Call) -> Answer:
    """`threads_publishing_limit`: what the last 24 hours have used."""
    account, now = check_owner(call), call.world.now()
    deleted = call.site.books(Deletions).within(account, now - DAY_SECONDS)
    values = {
        "quota_usage": _used(call, replies=False),
        "config": _config(_quota(call, replies=False)),
        "reply_quota_usage": _used(call, replies=True),
        "reply_config": _config(_quota(call, replies=True)),
        "delete_quota_usage": deleted,
        "delete_config": _config(DELETES_PER_DAY),
        "location_search_quota_usage": 0,
        "location_search_config": _config(500),
    }
    node = Node("ThreadsPublishingLimit", values, ("quota_usage", "config"))
    fields = parse_fields(Params.of(call).text("fields"))
    return Answer(200, {"data": [show(node, fields)]})


def _config(total: int) -> dict[str, Any]:
    return {"quota_total": total, "quota_duration": DAY_SECONDS}


def _used(call: Call, *, replies: bool) -> int:
    """Deleted ones count too."""
    count, since = 0, call.world.now() - DAY_SECONDS
    for post in reversed(call.account.posts):
        if post.published_at < since:
            break
        count += (post.parent is not None) == replies
    return count


def _quota(call: Call, *, replies: bool) -> int:
    """A switch that gives `create` another allowance moves the day's quotas too."""
    name = call.account.name
    rate = call.world.switches.setting("rate", call.site.name, name, "create") or {}
    return int(rate.get("limit", REPLIES_PER_DAY if replies else POSTS_PER_DAY))
