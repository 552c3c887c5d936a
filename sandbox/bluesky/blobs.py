"""Uploading files to the PDS: raw bytes; the first bytes decide the type, not the header."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox import recognise
from sandbox.bluesky import errors
from sandbox.bluesky.books import books
from sandbox.exchange import Answer, Call
from sandbox.rates import Allowance, Charge

_BLOB_BYTES = 50 * 1024 * 1024
PER_ADDRESS = Allowance(1000, 86_400)


def charges(call: Call) -> Sequence[Charge]:
    """1000 a day and address, whoever signed in."""
    return [Charge(call.client, "uploadBlob", PER_ADDRESS)]


def upload(call: Call) -> Answer:
    """`POST com.atproto.repo.uploadBlob`: invisible, and forgotten unless a record refers to it."""
    kind = call.content_type.partition(";")[0].strip().lower()
    if "/" not in kind:
        raise errors.invalid("Request encoding (Content-Type) required but not provided")
    if not call.body:
        raise errors.invalid("A request body was expected but none was provided")
    if len(call.body) > _BLOB_BYTES:
        raise errors.refused(413)
    mime_type = recognise.kind(call.body) or kind
    blob = books(call.site).add_blob(call.site, call.account, mime_type, call.body)
    return Answer(200, {"blob": blob.reference()})
