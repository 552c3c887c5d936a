"""rupload.facebook.com: raw bytes with `offset` and `file_size`; its errors are `debug_info`.

The reference tells little of the errors. Taken here: the rest of the file must come in one
request, what came of it is kept, and an upload begun again at offset 0 starts afresh.
"""

from __future__ import annotations

from sandbox.exchange import Answer, Call, Refusal
from sandbox.records import Media


def refused(kind: str, message: str, *, status: int = 400, retriable: bool = False) -> Refusal:
    info = {"retriable": retriable, "type": kind, "message": message}
    return Refusal(Answer(status, {"debug_info": info}))


def check_scheme(call: Call) -> None:
    """Uploads are signed with `Authorization: OAuth <token>`, and nothing else."""
    if not call.headers.get("Authorization", "").startswith("OAuth "):
        message = "User not authorized to perform this request"
        raise refused("NotAuthorizedError", message, status=401)


def receive(call: Call, media: Media) -> None:
    """Take bytes in; `media` is complete then, or a Refusal is raised."""
    offset, size = (_number(call, name) for name in ("offset", "file_size"))
    if offset == 0:
        media.data, media.complete = b"", False
    if offset != len(media.data):
        raise refused("OffsetInvalidError", "Request processing failed", retriable=True)
    if offset + len(call.body) > size:
        raise refused("PartialRequestError", "Partial request (did not match length of file)")
    media.data += call.body
    if len(media.data) < size:
        message = "Partial request (did not match length of file)"
        raise refused("PartialRequestError", message, retriable=True)
    if not media.data:
        raise refused("ProcessingFailedError", "Request processing failed")
    media.seal(media.data)
    media.ready_at = call.world.now()


def _number(call: Call, name: str) -> int:
    text = call.headers.get(name, "")
    if not text.isdecimal():
        raise refused("ProcessingFailedError", f"Header {name} not specified or invalid")
    return int(text)
