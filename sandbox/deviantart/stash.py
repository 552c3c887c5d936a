"""Sta.sh: uploading items, looking at them, deleting them, and the space they take."""

from __future__ import annotations

from typing import Any

from sandbox import recognise, working
from sandbox.deviantart import errors
from sandbox.deviantart.books import Item, books
from sandbox.deviantart.fields import Fields, posted, read_parts, texts_of
from sandbox.exchange import Answer, Call, Part, Refusal
from sandbox.records import Media

TITLE_CHARS = 50
_TEXT_PARTS = (
    "title", "artist_comments", "tags", "original_url", "is_dirty", "is_mature", "itemid",
    "stack", "stackid", "is_ai_generated", "noai", "access_token", "mature_content",
)  # fmt: skip
_IMAGE_BYTES, _OTHER_BYTES = 30 * 1024 * 1024, 200 * 1024 * 1024
_SPACE_BYTES = 10_000_000_000
_FOR_EVER = float("inf")


def submit(call: Call) -> Answer:
    """`POST /stash/submit`, multipart: an invisible item, new or (`itemid`) changed.

    Tags and galleries are silently dropped here. Trouble with the file's size or with the space is
    told after the upload, with HTTP 200.
    """
    parts = read_parts(call)
    fields, file = texts_of(parts), _file(parts)
    title = fields.text("title")
    if len(title) > TITLE_CHARS:
        raise errors.invalid("title", f"title must be at most {TITLE_CHARS} characters.")
    if fields.has("itemid"):
        return _change(call, fields, file)
    if file is None:
        raise errors.refused(400, "No file was submitted.")
    _check_size(call, file)
    book, stack = books(call), fields.text("stack") or "Sta.sh Uploads 1"
    stackid = book.stack(call.account, stack)
    if fields.has("stackid"):
        stackid = _number(fields, "stackid")
    now = call.world.now()
    item = Item(
        next(book.item_ids),
        stackid,
        call.account,
        title or (file.filename or "").rpartition(".")[0] or "Untitled",
        fields.text("artist_comments"),
        _media(call, file),
        working.begin(call, default_ms=0),
        now,
    )
    book.items[item.itemid] = item
    told = {"itemid": item.itemid, "stack": stack, "stackid": stackid}
    return Answer(200, {"status": "success", **told})


def read(call: Call) -> Answer:
    """`GET /stash/item/{itemid}`."""
    item = find(call, call.params["itemid"])
    return Answer(
        200,
        {
            "itemid": item.itemid,
            "stackid": item.stackid,
            "title": item.title,
            "artist_comments": item.comments,
            "creation_time": int(item.stored_at),
            "tags": [],
            "size": len(item.media.data),
            "files": [{"src": f"{call.base_url}/_media/{call.site.name}/{item.media.id}"}],
        },
    )


def delete(call: Call) -> Answer:
    """`POST /stash/delete` `itemid`; a published work stays."""
    item = find(call, posted(call).required("itemid"))
    del books(call).items[item.itemid]
    return Answer(200, {"status": "success"})


def space(call: Call) -> Answer:
    used = books(call).used_bytes(call.account)
    available = 0 if _is_full(call) else _SPACE_BYTES - used
    return Answer(200, {"available_space": available, "total_space": _SPACE_BYTES})


def userdata(call: Call) -> Answer:
    """`GET /stash/publish/userdata`: what the account may use and has agreed to."""
    is_new = call.account.name.startswith("unverified")
    agreements = [] if is_new else ["submission_policy", "terms_of_service"]
    return Answer(200, {"features": ["critique", "watermark"], "agreements": agreements})


def find(call: Call, itemid: str) -> Item:
    """The caller's item; drafts vanish under the switch `handle_life_ms` only."""
    digits = itemid if itemid.isascii() and itemid.isdecimal() else "0"
    item = books(call).items.get(int(digits))
    if item is not None and item.account is call.account:
        if call.world.now() - item.stored_at <= working.handle_life_s(call, _FOR_EVER):
            return item
        del books(call).items[item.itemid]
    raise errors.invalid("itemid", "Sta.sh item not found.")


def _file(parts: list[tuple[str, Part]]) -> Part | None:
    """The part with a filename; one that should have it and has not breaks the server."""
    found = None
    for name, part in parts:
        if part.filename:
            found = part
        elif name.partition("[")[0] not in _TEXT_PARTS:
            raise errors.refused(500)
    return found


def _change(call: Call, fields: Fields, file: Part | None) -> Answer:
    item = find(call, fields.text("itemid"))
    if file is not None:
        _check_size(call, file)
        item.media = _media(call, file)
    if fields.has("title"):
        item.title = fields.text("title") or item.title
    if fields.has("artist_comments"):
        item.comments = fields.text("artist_comments")
    told: dict[str, Any] = {"status": "success", "itemid": item.itemid}
    return Answer(200, told if item.work_id else {**told, "stackid": item.stackid})


def _check_size(call: Call, file: Part) -> None:
    kind = recognise.kind(file.data) or file.mime_type
    limit = _IMAGE_BYTES if kind.startswith("image/") else _OTHER_BYTES
    problem = ""
    if not 0 < len(file.data) <= limit:
        problem = f"The file must have 1 byte to {limit // 1024**2} MB."
    elif _is_full(call):
        problem = "Your Sta.sh storage space is used up."
    if problem:
        answer = errors.error(400, problem)
        answer.status = 200
        raise Refusal(answer)


def _is_full(call: Call) -> bool:
    return call.account.name.startswith("full")


def _media(call: Call, file: Part) -> Media:
    kind = recognise.kind(file.data) or file.mime_type
    media = Media(call.site.new_id(), call.account, kind, call.world.now())
    media.seal(file.data)
    call.site.media[media.id] = media
    return media


def _number(fields: Fields, name: str) -> int:
    text = fields.text(name)
    if not (text.isascii() and text.isdecimal()):
        raise errors.invalid(name, f"{name} must be an integer.")
    return int(text)
