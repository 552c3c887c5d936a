"""LinkedIn's posts: create (201, no body, the URN in `x-restli-id`) and delete (always 204)."""

from __future__ import annotations

import json
from typing import Any

from sandbox.exchange import Answer, Call, Malformed
from sandbox.linkedin import content, errors, littletext, people, restli
from sandbox.linkedin.content import Content
from sandbox.records import Account, fingerprint

_TEXT_CHARS = 3000
_DUPLICATE_MEMORY_SECONDS = 600.0
_VISIBILITIES = ("PUBLIC", "CONNECTIONS", "LOGGED_IN", "CONTAINER")
_REQUIRED = ("author", "commentary", "visibility", "distribution", "lifecycleState")
KEPT = ("visibility", "distribution", "content", "reshareContext")
_OPTIONAL = frozenset(
    {
        "content",
        "isReshareDisabledByAuthor",
        "reshareContext",
        "container",
        "contentLandingPage",
        "contentCallToActionLabel",
        "adContext",
    }
)


class RecentPosts(dict[bytes, tuple[str, float]]):
    """What the duplicate detector remembers: content -> URN, when; deleted posts included."""


def create(call: Call) -> Answer:
    """`POST /rest/posts`."""
    body = restli.body(call)
    _check_schema(body)
    author = people.acting(call, body["author"], "author", "posts.CREATE")
    text = littletext.read(body["commentary"])
    carried = content.read(call, body.get("content"), author)
    if not body["commentary"].strip() and not {"content", "reshareContext"} & body.keys():
        raise errors.unfit("commentary", "must not be empty without content")
    if len(text.seen) > _TEXT_CHARS:
        message = f"commentary: {len(text.seen)} characters exceed the maximum of {_TEXT_CHARS}"
        raise errors.invalid("FIELD_LENGTH_TOO_LONG", "commentary", message)
    _check_reshare(call, body.get("reshareContext"))
    print_ = _content_print(author, body, carried)
    _refuse_duplicate(call, print_)
    kind = "share" if carried.is_share else "ugcPost"
    urn = f"urn:li:{kind}:{call.site.new_id(shift=22)}"
    kept: dict[str, Any] = {name: body[name] for name in KEPT if name in body}
    call.site.publish(
        urn,
        author,
        text.seen,
        media=carried.media,
        received_at=call.received_at,
        due_at=due_at(call),
        extra={"commentary": text.kept, "carried": carried, **kept, **_told(urn, body, carried)},
    )
    call.site.books(RecentPosts)[print_] = (urn, call.world.now())
    return Answer(201, headers={"x-restli-id": urn})


def _told(urn: str, body: dict[str, Any], carried: Content) -> dict[str, Any]:
    """What the feed page shows beside the text."""
    told: dict[str, Any] = {"url": f"https://www.linkedin.com/feed/update/{urn}/"}
    if carried.kind:
        told["kind"] = carried.kind
    article = (body.get("content") or {}).get("article")
    if article is not None:
        told["link"] = {"url": article["source"], "title": article["title"]}
    return told


def _check_schema(body: dict[str, Any]) -> None:
    for name in _REQUIRED:
        if name not in body:
            raise errors.unfit(name, "field is required but not found and has no default value")
    for name in body.keys() - _OPTIONAL - set(_REQUIRED):
        raise errors.unfit(name, "unrecognized field found but not allowed")
    if not isinstance(body["commentary"], str):
        raise errors.unfit("commentary", "cannot be coerced to String")
    if body["visibility"] not in _VISIBILITIES:
        raise errors.unfit("visibility", f'"{body["visibility"]}" is not an enum symbol')
    distribution = body["distribution"]
    feed = distribution.get("feedDistribution") if isinstance(distribution, dict) else None
    if feed not in ("MAIN_FEED", "NONE"):
        raise errors.unfit("distribution/feedDistribution", "is not an enum symbol")
    if body["lifecycleState"] != "PUBLISHED":
        message = "lifecycleState: only PUBLISHED is allowed when creating"
        raise errors.invalid("INVALID_VALUE_FOR_FIELD", "lifecycleState", message)
    if not isinstance(body.get("isReshareDisabledByAuthor", False), bool):
        raise errors.unfit("isReshareDisabledByAuthor", "cannot be coerced to Boolean")


def _check_reshare(call: Call, given: Any) -> None:
    if given is None:
        return
    parent = given.get("parent") if isinstance(given, dict) else None
    if not isinstance(parent, str) or call.site.living(parent) is None:
        raise errors.invalid("INVALID_URN_ID", "reshareContext/parent", f"Invalid URN {parent}")


def _content_print(author: Account, body: dict[str, Any], carried: Content) -> bytes:
    """Equal for bodies that show the same; a file that was uploaded again is the same file."""
    rest = {k: body[k] for k in ("reshareContext",) if k in body}
    if not carried.media:
        rest["content"] = body.get("content")
    text = body["commentary"] + "\0" + json.dumps(rest, sort_keys=True)
    return fingerprint(author, text, carried.media, None)


def _refuse_duplicate(call: Call, print_: bytes) -> None:
    urn, at = call.site.books(RecentPosts).get(print_, ("", 0.0))
    memory_ms = call.world.switches.setting(
        "duplicate_forgets_after_ms", call.site.name, call.account.name
    )
    memory_s = _DUPLICATE_MEMORY_SECONDS if memory_ms is None else memory_ms / 1000
    if urn and call.world.now() - at <= memory_s:
        raise errors.duplicate(urn)


def due_at(call: Call) -> float | None:
    try:
        return call.due_at()
    except Malformed as malformed:
        raise errors.refused(400, "ILLEGAL_ARGUMENT", str(malformed)) from None


def delete(call: Call) -> Answer:
    """204 for a post that is gone, too; 403 for somebody else's."""
    post = call.site.living(restli.key(call))
    if post is not None:
        people.acting(call, people.urn_of(post.account), "author", "posts.DELETE")
        call.site.delete(post)
    return Answer(204)
