"""What a file's own bytes say: its kind, its size in pixels, its length in seconds.

A detail that the bytes do not tell is None, and then no rule of a network is held against it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox import recognise


@dataclass(frozen=True, slots=True)
class FileFacts:
    """`mime_type` is empty when the bytes are of no known kind."""

    mime_type: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None

    @property
    def is_image(self) -> bool:
        return self.mime_type.startswith("image/")

    @property
    def is_video(self) -> bool:
        return self.mime_type.startswith("video/")

    @property
    def aspect(self) -> float | None:
        """Width by height."""
        return self.width / self.height if self.width and self.height else None


def look_at(data: bytes) -> FileFacts:
    """Never fails: a broken file has fewer facts."""
    mime_type = recognise.kind(data)
    try:
        if mime_type in ("video/mp4", "video/quicktime"):
            return _movie(data, mime_type)
        size = recognise.picture_size(data)
    except (struct.error, IndexError, ZeroDivisionError):
        return FileFacts(mime_type)
    return FileFacts(mime_type, *(size or (None, None)))


def _movie(data: bytes, mime_type: str) -> FileFacts:
    width = height = seconds = None
    for name, start, end in _boxes(data, 0, len(data)):
        if name != b"moov":
            continue
        for inner, inner_start, inner_end in _boxes(data, start, end):
            if inner == b"mvhd":
                seconds = _movie_seconds(data, inner_start)
            elif inner == b"trak":
                width, height = _track_size(data, inner_start, inner_end) or (width, height)
    return FileFacts(mime_type, width, height, seconds)


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of an ISO file between two positions: name, first and last byte of the content."""
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, start + 8)[0], 16
        elif size == 0:
            size = end - start
        if size < head:
            return
        yield name, start + head, min(end, start + size)
        start += size


def _movie_seconds(data: bytes, start: int) -> float:
    if data[start] == 1:
        scale, duration = struct.unpack_from(">IQ", data, start + 20)
    else:
        scale, duration = struct.unpack_from(">II", data, start + 12)
    return float(duration) / float(scale)


def _track_size(data: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Of a video track; sound has no size."""
    for name, first, last in _boxes(data, start, end):
        if name == b"tkhd":
            width, height = struct.unpack_from(">II", data, last - 8)
            return (width >> 16, height >> 16) if width and height and last > first else None
    return None
