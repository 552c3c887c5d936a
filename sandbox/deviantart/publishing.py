"""`POST /stash/publish`: an item becomes a public work, once."""

from __future__ import annotations

import re
from typing import Any

from sandbox.deviantart import access, errors, stash
from sandbox.deviantart.books import WATCHERS_ONLY, Deviation, Item, books, folder_ids, new_uuid
from sandbox.deviantart.fields import Fields, due_at, posted
from sandbox.exchange import Answer, Call
from sandbox.records import Account, Post

_TAG = re.compile(r"\w{1,50}")
_TAGS = 30
_LEVELS = ("strict", "moderate")
_CLASSES = ("nudity", "sexual", "gore", "language", "ideology")
_SHARING = ("allow", "hide_share_buttons", "hide_and_members_only")
_OPTIONS_CODE = 5  # of a display resolution or licence that will not do


def publish(call: Call) -> Answer:
    """Form-encoded; the answer has the work's id and address."""
    fields = posted(call)
    item = stash.find(call, fields.required("itemid"))
    if item.work_id:
        raise errors.refused(400, "Deviation already published.")
    _check_person(call, fields)
    options = {**mature(fields), **_options(call, fields), "tags": tags(fields)}
    folders = galleries(call, fields)
    _check_item(call, item)
    text = f"{item.title}\n\n{item.comments}" if item.comments else item.title
    post = show(call, text, item)
    work = add(call, post, "art", item.title, item.comments, options, folders)
    item.work_id = work.id
    if WATCHERS_ONLY in (folder_ids(call.account)[f] for f in folders):
        raise errors.refused(500)  # and the work stays published: reported in 2024
    return Answer(200, {"status": "success", "url": work.url, "deviationid": work.id})


def show(call: Call, text: str, item: Item | None = None, parent: Post | None = None) -> Post:
    """Make something visible; its id is a UUID, as for everything here."""
    return call.site.publish(
        new_uuid(),
        call.account,
        text,
        media=(item.media,) if item is not None else (),
        parent=parent,
        received_at=call.received_at,
        due_at=due_at(call),
    )


def add(
    call: Call,
    post: Post,
    kind: str,
    title: str,
    body: str,
    options: dict[str, Any] | None = None,
    folders: tuple[str, ...] = (),
) -> Deviation:
    """Keep the published work under its post's id."""
    book = books(call)
    url = _url(call.account, kind, title, next(book.work_numbers))
    work = Deviation(post.id, kind, post, title, body, url, options or {}, folders)
    book.works[work.id] = work
    post.extra |= _shown(work)
    return work


def mature(fields: Fields, *, default: bool | None = None) -> dict[str, Any]:
    """`is_mature` with its level and classification; a mature work needs a level."""
    is_mature = fields.flag("is_mature", default)
    level = fields.choice("mature_level", _LEVELS)
    classes = fields.several("mature_classification")
    for name in classes:
        if name not in _CLASSES:
            text = f"mature_classification is not one of {', '.join(_CLASSES)}."
            raise errors.invalid("mature_classification", text)
    if is_mature and not level:
        raise errors.invalid("mature_level", "mature_level is required for mature content.")
    return {"is_mature": is_mature, "mature_level": level, "mature_classification": classes}


def tags(fields: Fields) -> list[str]:
    """Letters, digits and underscores; a single parameter `tags` is not a list and is ignored."""
    given = fields.several("tags")
    if len(given) > _TAGS:
        raise errors.invalid("tags", f"tags must have at most {_TAGS} elements.")
    for tag in given:
        if not _TAG.fullmatch(tag):
            raise errors.invalid("tags", "tags may only have letters, numbers and underscores.")
    return given


def galleries(call: Call, fields: Fields) -> tuple[str, ...]:
    given = tuple(folder.upper() for folder in fields.several("galleryids"))
    if not set(given) <= folder_ids(call.account).keys():
        raise errors.invalid("galleryids", "One or more galleries could not be found.")
    return given


def _check_person(call: Call, fields: Fields) -> None:
    if call.account.name.startswith("unverified"):
        text = "You must verify your email address to do this."
        raise errors.refused(403, text, "unverified_account")
    for name in ("agree_submission", "agree_tos"):
        if not fields.flag(name, default=False):
            raise errors.invalid(name, f"You must agree: {name}.")


def _check_item(call: Call, item: Item) -> None:
    now = call.world.now()
    if item.work.has_failed(now):
        raise errors.refused(400, item.work.reason)
    if not item.work.is_over(now):
        raise errors.refused(400, "The submission is still being processed.")
    if not item.media.is_image and not item.media.mime_type.startswith("video/"):
        raise errors.refused(400, "Preview image required.")


def _options(call: Call, fields: Fields) -> dict[str, Any]:
    resolution = fields.text("display_resolution", "0")
    if resolution not in tuple("012345678"):
        text = "Invalid display resolution."
        raise errors.invalid("display_resolution", text, code=_OPTIONS_CODE)
    watermark = fields.flag("add_watermark", default=False)
    if watermark and resolution == "0":
        text = "A watermark needs a display resolution."
        raise errors.invalid("add_watermark", text, code=_OPTIONS_CODE)
    licence = {
        "creative_commons": fields.flag("license_options[creative_commons]", default=False),
        "commercial": fields.flag("license_options[commercial]", default=False),
        "modify": fields.choice(
            "license_options[modify]", ("yes", "no", "share"), code=_OPTIONS_CODE
        ),
    }
    for name in ("is_ai_generated", "noai"):
        if fields.has(name) and access.minor_version(call) < access.NEWEST:
            raise errors.invalid(name, f"{name} is not a known field.")
    return {
        "display_resolution": int(resolution),
        "add_watermark": watermark,
        "license": licence,
        "sharing": fields.choice("sharing", _SHARING) or "allow",
        "feature": fields.flag("feature", default=True),
        "allows_comments": fields.flag("allow_comments", default=True),
        "allow_free_download": fields.flag("allow_free_download", default=True),
        "is_ai_generated": fields.flag("is_ai_generated", default=False),
        "noai": fields.flag("noai", default=False),
    }


def _shown(work: Deviation) -> dict[str, Any]:
    """What the feed page shows of a work, beside its text."""
    names = ("mature_level", "is_ai_generated", "noai", "allow_free_download", "allows_comments")
    options = {n: work.options[n] for n in names if work.options.get(n) not in (None, "")}
    kind = "deviation" if work.kind == "art" else work.kind
    tags = work.options.get("tags", [])
    return {"kind": kind, "title": work.title, "url": work.url, "tags": tags, "options": options}


def _url(account: Account, kind: str, title: str, number: int) -> str:
    base = f"https://www.deviantart.com/{account.name}"
    if kind == "status":
        return f"{base}/status-update/{number}"
    slug = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-") or "Untitled"
    return f"{base}/{'journal' if kind == 'journal' else 'art'}/{slug}-{number}"
