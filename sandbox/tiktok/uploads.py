"""The bytes of a video: chunk after chunk in order, 206 each, and 201 for the last."""

from __future__ import annotations

import re

from sandbox.exchange import Answer, Call
from sandbox.tiktok import envelopes, publications
from sandbox.tiktok.publications import Publication, Publications

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_TYPES = ("video/mp4", "video/quicktime", "video/webm")


def of_call(call: Call) -> Publication | None:
    """The publication whose address was called."""
    return call.site.books(Publications).by_secret.get(call.query.get("upload_token", ""))


def operation(call: Call) -> str:
    """To switches the last chunk is the `create`, all others are `media`."""
    match = _RANGE.fullmatch(call.headers.get("Content-Range", ""))
    return "create" if match and int(match[2]) + 1 >= int(match[3]) else "media"


def put(call: Call) -> Answer:
    upload = of_call(call)
    if upload is None:
        raise envelopes.refused(404, "invalid_upload", "There is no such upload.")
    if call.world.now() >= upload.expires_at:
        raise envelopes.refused(403, "upload_url_expired", "The upload_url has expired.")
    if "Authorization" in call.headers:
        raise envelopes.invalid("The upload takes no Authorization header.")
    if call.content_type not in _TYPES:
        raise envelopes.invalid(f"Content-Type must be one of {', '.join(_TYPES)}.")
    match = _RANGE.fullmatch(call.headers.get("Content-Range", ""))
    if match is None:
        raise envelopes.invalid("Content-Range must be bytes first-last/total.")
    first, last, total = (int(number) for number in match.groups())
    if last - first + 1 != len(call.body):
        raise envelopes.invalid("Content-Range does not fit the body.")
    request = upload.request
    is_last = upload.chunks == request.chunk_count - 1
    expected = request.size_bytes - 1 if is_last else (upload.chunks + 1) * request.chunk_bytes - 1
    begins = upload.chunks * request.chunk_bytes
    if upload.is_complete or (first, last, total) != (begins, expected, request.size_bytes):
        raise _not_satisfiable(upload)
    upload.data += call.body
    upload.chunks += 1
    if not is_last:
        return Answer(206, headers=_stored(upload))
    upload.due_at = envelopes.due_at(call) or upload.due_at
    publications.complete(upload, call, [bytes(upload.data)])
    headers = _stored(upload)
    upload.data.clear()
    return Answer(201, headers=headers)


def _not_satisfiable(upload: Publication) -> Exception:
    refusal = envelopes.refused(416, "invalid_range", "This is not the chunk that comes next.")
    refusal.answer.headers |= _stored(upload)
    return refusal


def _stored(upload: Publication) -> dict[str, str]:
    """What is stored so far."""
    size = upload.request.size_bytes
    stored = size if upload.is_complete else len(upload.data)
    return {"Content-Range": f"bytes 0-{stored - 1}/{size}" if stored else f"bytes */{size}"}
