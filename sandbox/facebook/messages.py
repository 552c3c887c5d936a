"""What a page says: how it is read, when it counts as said before, how its post is told."""

from __future__ import annotations

from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.facebook.posts import COMMENT, STORY, post_node
from sandbox.graph.errors import bad_parameter
from sandbox.graph.fields import parse_fields, show
from sandbox.graph.params import Params
from sandbox.records import Media, Post, fingerprint

_CHARS = 63_206
_MEMORY_SECONDS = 86_400.0  # undocumented; X's detector is believed to remember as long


def read_message(params: Params, *names: str) -> str:
    """The first of the parameters that is there, as Facebook keeps it: with plain line breaks."""
    message = next((params.text(name) for name in names if name in params), "")
    if len(message) > _CHARS:
        raise bad_parameter(f"Param message must be at most {_CHARS} characters long")
    return message.replace("\r\n", "\n")


def is_repeated(call: Call, message: str, link: str, media: tuple[Media, ...]) -> bool:
    """Whether the page's newest post says the same; the switch ends the network's memory."""
    page = call.account
    newest = next(
        (
            post
            for post in reversed(page.posts)
            if post.deleted_at is None and post.extra["kind"] not in (COMMENT, STORY)
        ),
        None,
    )
    if newest is None:
        return False
    memory_ms = call.world.switches.setting("duplicate_forgets_after_ms", call.site.name, page.name)
    memory_s = _MEMORY_SECONDS if memory_ms is None else memory_ms / 1000
    is_fresh = call.world.now() - newest.published_at <= memory_s
    says_same = newest.fingerprint == fingerprint(page, message or link, media, None)
    return is_fresh and says_same and newest.extra["link"] == link


def told(call: Call, params: Params, post: Post, body: dict[str, Any]) -> Answer:
    """The answer of a create; with `fields` also what was asked of the new post."""
    fields = parse_fields(params.text("fields"))
    return Answer(200, {**show(post_node(call, post), fields), **body} if fields else body)
