"""Small files whose first bytes tell what a network looks at, and a place that serves them."""

from __future__ import annotations

import io
import struct

import aiohttp

from tests.sandbox.conftest import Client


def jpeg(width: int = 1080, height: int = 1080, *, of_bytes: int = 0) -> bytes:
    """A JPEG's head, filled up to a length."""
    app0 = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + b"\0" * 9
    frame = b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + b"\0" * 10
    return (b"\xff\xd8" + app0 + frame).ljust(of_bytes, b"\0")


def mp4(
    seconds: float = 10, width: int = 1080, height: int = 1920, brand: bytes = b"isom"
) -> bytes:
    """A film of one track without pictures."""
    header = b"\0" * 12 + struct.pack(">II", 1000, int(seconds * 1000)) + b"\0" * 80
    track = b"\0" * 76 + struct.pack(">II", width << 16, height << 16)
    moov = _box(b"mvhd", header) + _box(b"trak", _box(b"tkhd", track))
    return _box(b"ftyp", brand + b"\0" * 4) + _box(b"moov", moov) + _box(b"mdat", b"\0" * 64)


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


async def hosted(c: Client, data: bytes, mime_type: str = "image/jpeg") -> str:
    """An address that serves the file: media of the imitated Mastodon."""
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(data), filename="a", content_type=mime_type)
    reply = await c.call("POST", "/mastodon/files/api/v2/media", data=form)
    return f"{c.url}/_media/mastodon/files/{reply.json['id']}"
