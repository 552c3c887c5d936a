"""Writing records: putRecord is safe to repeat, createRecord is not, deleteRecord never minds."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sandbox.bluesky import cids, errors, lexicon
from sandbox.bluesky.bodies import due_at, json_body
from sandbox.bluesky.books import Record, books
from sandbox.bluesky.identity import did_of, handle_of
from sandbox.bluesky.rules import Invalid
from sandbox.exchange import Answer, Call
from sandbox.rates import Allowance, Charge
from sandbox.records import Post

PER_HOUR, _PER_DAY = Allowance(5000, 3600), Allowance(35_000, 86_400)
_APPLY, _WRITES_MOST = "com.atproto.repo.applyWrites", 200
_DIGITS = "234567abcdefghijklmnopqrstuvwxyz"
_NSID = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*(\.[a-zA-Z0-9-]+)+\.[a-zA-Z][a-zA-Z0-9]*")
_RECORD_KEY = re.compile(r"[A-Za-z0-9._:~-]{1,512}")


def points(each: int) -> Callable[[Call], Sequence[Charge]]:
    """A write costs points of the account's hour and day."""

    def charges(call: Call) -> Sequence[Charge]:
        who = call.signed_in.id if call.signed_in is not None else call.client
        return [
            Charge(who, "repo-write-hour", PER_HOUR, each),
            Charge(who, "repo-write-day", _PER_DAY, each),
        ]

    return charges


def put(call: Call) -> Answer:
    """`POST com.atproto.repo.putRecord`: the same record again changes nothing and succeeds."""
    body = json_body(call)
    record, is_valid = _prepared(call, body, rkey=body.get("rkey"))
    current = books(call.site).records.get(record.uri)
    if current is not None and current.cid == record.cid:
        return Answer(200, _told(current, is_valid))
    if "swapRecord" in body:
        expected = current.cid if current is not None else None
        if body["swapRecord"] != expected:
            raise errors.invalid(f"Record was at {expected or 'null'}", "InvalidSwap")
    _write(call, record, is_checked=bool(is_valid))
    return Answer(200, {**_told(record, is_valid), **_commit(call)})


def create(call: Call) -> Answer:
    """`POST com.atproto.repo.createRecord`; a record key that is in use is a 500, as on the PDS."""
    body = json_body(call)
    record, is_valid = _prepared(call, body, rkey=body.get("rkey", tid(call.world.now())))
    if record.uri in books(call.site).records:
        raise errors.refused(500)
    _write(call, record, is_checked=bool(is_valid))
    return Answer(200, {**_told(record, is_valid), **_commit(call)})


def apply(call: Call) -> Answer:
    """`POST com.atproto.repo.applyWrites`: all of the writes or none; the sandbox knows #create.

    As with createRecord, a record key that is in use is a 500.
    """
    body = json_body(call)
    writes = body.get("writes")
    if not isinstance(writes, list) or not 1 <= len(writes) <= _WRITES_MOST:
        raise errors.invalid(f"Input/writes must be an array of 1 to {_WRITES_MOST} elements")
    shared: dict[str, Any] = {
        name: value for name, value in body.items() if name in ("repo", "validate")
    }
    prepared: list[tuple[Record, bool | None]] = []
    for write in writes:
        if not isinstance(write, dict) or write.get("$type") != f"{_APPLY}#create":
            raise errors.invalid(f"Input/writes must be of {_APPLY}#create in the sandbox")
        collection, value = write.get("collection"), write.get("value")
        one = {**shared, "collection": collection, "record": value}
        prepared.append(_prepared(call, one, rkey=write.get("rkey", tid(call.world.now()))))
    if any(record.uri in books(call.site).records for record, _ in prepared):
        raise errors.refused(500)
    for record, is_valid in prepared:
        _write(call, record, is_checked=bool(is_valid))
    results = [
        {"$type": f"{_APPLY}#createResult", **_told(record, is_valid)}
        for record, is_valid in prepared
    ]
    return Answer(200, {"results": results, **_commit(call)})


def delete(call: Call) -> Answer:
    """`POST com.atproto.repo.deleteRecord`; without a commit when there was no such record."""
    body = json_body(call)
    uri = _uri(call, body, body.get("rkey"))
    book = books(call.site)
    current = book.records.get(uri)
    if "swapRecord" in body and body["swapRecord"] != (current.cid if current else None):
        raise errors.invalid(f"Record was at {current.cid if current else 'null'}", "InvalidSwap")
    if current is None:
        return Answer(200, {})
    book.forget(uri)
    if current.post is not None:
        call.site.delete(current.post)
    return Answer(200, _commit(call))


def tid(at: float) -> str:
    """A record key of this moment: 53 bits of microseconds, 10 bits of chance."""
    number = int(at * 1_000_000) << 10 | random.getrandbits(10)
    return "".join(_DIGITS[number >> shift & 31] for shift in range(60, -1, -5))


def _uri(call: Call, body: dict[str, Any], rkey: Any) -> str:
    repo, collection = body.get("repo"), body.get("collection")
    for name, value in (("repo", repo), ("collection", collection), ("rkey", rkey)):
        if not isinstance(value, str):
            raise errors.invalid(f'Input must have the property "{name}"')
    if not _NSID.fullmatch(str(collection)):
        raise errors.invalid("Input/collection must be a valid nsid")
    if not _RECORD_KEY.fullmatch(rkey) or rkey in (".", ".."):
        raise errors.invalid("Input/rkey must be a valid record key")
    if repo not in (did_of(call.account), handle_of(call.account)):
        raise errors.refused(401)
    return f"at://{did_of(call.account)}/{collection}/{rkey}"


def _prepared(call: Call, body: dict[str, Any], *, rkey: Any) -> tuple[Record, bool | None]:
    """The record as it would be kept; whether it is valid, None when nobody asked."""
    uri, value, collection = _uri(call, body, rkey), body.get("record"), body.get("collection", "")
    if not isinstance(value, dict):
        raise errors.invalid('Input must have the property "record"')
    value.setdefault("$type", collection)
    if value["$type"] != collection:
        raise errors.invalid(f"Invalid $type: expected {collection}, got {value['$type']}")
    wanted = body.get("validate")
    if not isinstance(wanted, bool | None):
        raise errors.invalid("Input/validate must be a boolean")
    is_valid: bool | None = None
    try:
        if wanted is not False:
            is_valid = lexicon.validate(collection, rkey, value)
        blobs = list(lexicon.blobs(value)) if is_valid else []
        cid = cids.of_record(value)
    except (Invalid, cids.NotData) as invalid:
        raise errors.invalid(str(invalid)) from None
    except RecursionError:
        raise errors.invalid("Input/record is nested too deeply") from None
    if wanted and not is_valid:
        raise errors.invalid(f"Lexicon not found: lex:{collection}")
    if is_valid and collection == lexicon.THREADGATE:
        _check_threadgate(call, rkey, value)
    links = frozenset(blob["ref"]["$link"] for blob in blobs)
    now = call.world.now()
    return Record(call.account, collection, rkey, uri, cid, value, links, now), is_valid


def _check_threadgate(call: Call, rkey: str, value: dict[str, Any]) -> None:
    own = f"at://{did_of(call.account)}/{lexicon.POST}/{rkey}"
    if value["post"] != own:
        raise errors.invalid("A threadgate has the record key of its own post")


def _write(call: Call, record: Record, *, is_checked: bool) -> None:
    """Keep the record, and show it to readers when it is a post that its lexicon allows."""
    book, site, account = books(call.site), call.site, call.account
    if not is_checked or record.collection != lexicon.POST:
        book.keep(record)
        return
    for reference in lexicon.blobs(record.value):
        _check_blob(call, reference)
    parent, due, text = _parent(call, record), due_at(call), record.value["text"]
    pictures = lexicon.pictures(record.value)
    media = tuple(book.media_of(site, account, cid, alt) for cid, alt in pictures)
    current = book.records.get(record.uri)
    post = current.post if current is not None else None
    if post is not None:
        site.rewrite(post, text, media)
        post.extra = _extra(record)
    else:
        _make_room(call, record.uri)
        post = site.publish(
            record.uri,
            account,
            text,
            media=media,
            parent=parent,
            received_at=call.received_at,
            due_at=due,
            extra=_extra(record),
        )
    parent_uri = parent.id if parent is not None else ""
    book.keep(replace(record, post=post, parent_uri=parent_uri))


def _extra(record: Record) -> dict[str, Any]:
    """What the feed page shows of a post, beside its text."""
    url = f"https://bsky.app/profile/{did_of(record.account)}/post/{record.rkey}"
    extra = {"url": url, "tags": record.value.get("tags", [])}
    embed = record.value.get("embed", {})
    if embed.get("$type") == "app.bsky.embed.external":
        external = embed["external"]
        extra["link"] = {
            "url": external["uri"],
            "title": external["title"],
            "description": external["description"],
        }
    return extra


def _make_room(call: Call, uri: str) -> None:
    """Let a deleted post of the same record key stay in the statistics under another name."""
    gone = call.site.posts.pop(uri, None)
    if gone is not None:
        gone.id = f"{uri}#deleted-{gone.deleted_at}"
        call.site.posts[gone.id] = gone


def _check_blob(call: Call, reference: dict[str, Any]) -> None:
    """The blob must be there and, at its first use, be what the reference says."""
    cid = reference["ref"]["$link"]
    blob = books(call.site).blob(call, cid)
    if blob is None:
        raise errors.invalid(f"Could not find blob: {cid}", "BlobNotFound")
    if blob.used_by:
        return
    for name, kind in (("mimeType", "InvalidMimeType"), ("size", "InvalidSize")):
        stored, given = blob.reference()[name], reference[name]
        if stored != given:
            text = f"Referenced {name} does not match stored blob. Expected: {stored}, Got: {given}"
            raise errors.invalid(text, kind)


def _parent(call: Call, record: Record) -> Post | None:
    """The post replied to; every record that is pointed at must exist by its present CID."""
    wrong = f"Invalid {record.collection} record: Record"
    parent, root_uri = None, ""
    for path, reference in lexicon.strong_refs(record.value):
        target = books(call.site).records.get(reference["uri"])
        if target is None or target.cid != reference["cid"]:
            raise errors.invalid(f"{wrong}/{path} was not found")
        if path == "reply/root":
            root_uri = target.uri
        if path == "reply/parent":
            parent = target.post
    if parent is not None and parent.root.id != root_uri:
        raise errors.invalid(f"{wrong}/reply/root is not the root of the thread")
    return parent


def _told(record: Record, is_valid: bool | None) -> dict[str, Any]:
    told: dict[str, Any] = {"uri": record.uri, "cid": record.cid}
    if is_valid is not None:
        told["validationStatus"] = "valid" if is_valid else "unknown"
    return told


def _commit(call: Call) -> dict[str, Any]:
    rev = tid(call.world.now())
    cid = cids.of_record({"rev": rev, "did": did_of(call.account)})
    return {"commit": {"cid": cid, "rev": rev}}
