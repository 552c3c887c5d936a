"""Photos and videos: uploaded with the call, fetched from an address, or known by `file_id`."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox import recognise
from sandbox.exchange import Call, Refusal
from sandbox.fetching import Fetch
from sandbox.records import Media
from sandbox.telegram import errors
from sandbox.telegram.params import Params, read

_PHOTO_BYTES, _UPLOAD_BYTES = 10 * 1024 * 1024, 50 * 1024 * 1024
_FETCHED_PHOTO_BYTES, _FETCHED_BYTES = 5 * 1024 * 1024, 20 * 1024 * 1024
_FETCH_SECONDS = 10.0
_ATTACH = "attach://"
_WRONG_FILE = "wrong file identifier/HTTP URL specified"
_SIDES_SUM, _SIDES_RATIO = 10_000, 20


@dataclass(slots=True)
class _Files:
    by_id: dict[str, Media] = field(default_factory=dict)


async def fetch(call: Call) -> None:
    """Get the files that the call names by address, before it is answered."""
    try:
        params = read(call)
        media = params.decoded("media", list) or []
    except Refusal:
        return  # the handler says what is wrong
    named = [params.text("photo"), params.text("video")]
    named += [str(item.get("media", "")) for item in media if isinstance(item, dict)]
    for url in named:
        if url.startswith(("http://", "https://")):
            call.fetched[url] = call.world.fetcher.order(url, limit_bytes=_FETCHED_BYTES)
    for under_way in call.fetched.values():
        await under_way.wait(_FETCH_SECONDS)


def find(call: Call, params: Params, kind: str, given: str) -> Media:
    """The file for a photo or video; `given` is what the parameter says. Raises Refusal."""
    if not given:
        raise errors.bad_request(f"there is no {kind} in the request")
    if given.startswith(_ATTACH):
        part = params.files.get(given.removeprefix(_ATTACH))
        if part is None:
            raise errors.bad_request(_WRONG_FILE)
        return _keep(call, kind, part.data, part.mime_type, _limit(kind, fetched=False))
    if given.startswith(("http://", "https://")):
        return _of_address(call, kind, call.fetched.get(given))
    known = call.site.books(_Files).by_id.get(given)
    if known is None:
        raise errors.bad_request(_WRONG_FILE)
    return known


def file_id(media: Media) -> str:
    return f"{'AgACAgQAAx' if media.is_image else 'BAACAgQAAx'}{media.id}"


def _limit(kind: str, *, fetched: bool) -> int:
    if kind == "photo":
        return _FETCHED_PHOTO_BYTES if fetched else _PHOTO_BYTES
    return _FETCHED_BYTES if fetched else _UPLOAD_BYTES


def _of_address(call: Call, kind: str, fetch: Fetch | None) -> Media:
    if fetch is None or fetch.state != "fetched":
        is_bad = fetch is not None and fetch.reason == "bad url"
        text = "wrong HTTP URL specified" if is_bad else "failed to get HTTP URL content"
        raise errors.bad_request(text)
    if not (recognise.kind(fetch.data) or fetch.mime_type).startswith(("image/", "video/")):
        raise errors.bad_request("wrong type of the web page content")
    return _keep(call, kind, fetch.data, fetch.mime_type, _limit(kind, fetched=True))


def _keep(call: Call, kind: str, data: bytes, told_type: str, limit: int) -> Media:
    if len(data) > _UPLOAD_BYTES:
        raise Refusal(errors.error(413))
    if not data:
        raise errors.bad_request("file must be non-empty")
    if len(data) > limit:
        raise errors.bad_request(
            f"file of size {len(data)} bytes is too big for a {kind};"
            f" the maximum size is {limit} bytes"
        )
    mime_type = recognise.kind(data) or told_type
    if kind == "photo":
        _check_photo(data, mime_type)
    media = Media(call.site.new_id(), call.account, mime_type, call.world.now(), category=kind)
    media.seal(data)
    call.site.media[media.id] = media
    call.site.books(_Files).by_id[file_id(media)] = media
    return media


def _check_photo(data: bytes, mime_type: str) -> None:
    if not mime_type.startswith("image/"):
        raise errors.bad_request("IMAGE_PROCESS_FAILED")
    size = recognise.picture_size(data)
    if size and (sum(size) > _SIDES_SUM or max(size) > _SIDES_RATIO * min(size)):
        raise errors.bad_request("PHOTO_INVALID_DIMENSIONS")
