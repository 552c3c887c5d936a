"""What the contract suite must know of an adapter's network, and files to try it with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from platforms.adapters.base import Account, Adapter, Media, Segment
from tests.contract.server import Reply, Request

TEXT = "Release 1.4 is out"
PIXELS = b"\x89PNG\r\n\x1a\n" + b"\x00" * 60


async def _read(start: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
    yield PIXELS[start:][:size]


def image(*, alt_text: str = "", kind: str = "image", **more: Any) -> Media:
    """Return a small PNG."""
    fields = {"mime_type": "image/png", "size_bytes": len(PIXELS), "file_name": "dot.png", **more}
    return Media(kind=kind, alt_text=alt_text, read=_read, **fields)


def video(size_bytes: int = 300, **more: Any) -> Media:
    """Return something that calls itself an MP4; `size_bytes` zeros long."""

    async def read(start: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
        left = min(size_bytes - start, size_bytes if size is None else size)
        while left > 0:
            yield bytes(min(left, 1 << 20))
            left -= 1 << 20

    fields = {"mime_type": "video/mp4", "file_name": "film.mp4", "alt_text": "", **more}
    return Media(kind="video", size_bytes=size_bytes, read=read, **fields)


SIMPLEST = Segment(TEXT)
PICTURED = Segment(TEXT, (image(alt_text="a dot"), image()))


@dataclass(frozen=True)
class Case:
    """How to run one adapter against a server at an address, and what that server says.

    `created` is the answer to the request that publishes, `success_id` the id in it; the other
    answers go with the operation of their name. `too_long` is the shortest text that is too long.
    `segment` and `options` make the simplest post, `pictured` one with files. `progress` is what
    stands in the row before the request that publishes the simplest post. `network` answers every
    request of a whole preparation and publication well (default: `uploaded` to paths with "media",
    else `created`). Where `goes_live` is false, the network works on the post and `check` asks.
    """

    make: Callable[[str], Adapter]
    credentials: Callable[[str], Mapping[str, Any]]
    secrets: tuple[str, ...]
    created: Reply
    success_id: str
    too_long: str
    me: tuple[Reply, ...]
    account: Account
    uploaded: Reply | None = None
    listed_nothing: Reply | None = None
    other: Mapping[str, Reply] = field(default_factory=dict)
    segment: Segment = SIMPLEST
    pictured: Segment = PICTURED
    beside: tuple[Media, ...] = ()  # a file without which files of other kinds do not fit
    options: Mapping[str, Any] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)
    network: Callable[[Request], Reply] | None = None
    goes_live: bool = True
    uploads_ahead: bool = True  # else files travel in the request that publishes
    body_matters: bool = True  # whether a 2xx without its documented body leaves doubt
    check_progress: Mapping[str, Any] = field(default_factory=lambda: {"processing": "4711"})
    counters: Mapping[str, int] = field(default_factory=lambda: {"likes": 3, "reposts": 2})
    rotates: bool = True  # whether a refresh brings a new refresh token

    def answer(self, request: Request) -> Reply:
        """Answer as the network would when all is well."""
        if self.network is not None:
            return self.network(request)
        is_upload = self.uploaded is not None and "media" in request.path
        return self.uploaded if is_upload and self.uploaded is not None else self.created
