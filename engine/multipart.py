"""Multipart form bodies with a known length (RFC 7578): some proxies refuse chunked uploads."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from engine.errors import ErrorCategory, ServiceError


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form: a text, some bytes, or a file that is read in chunks when sent.

    `size_bytes` is needed for a file only, and must be its exact size.
    """

    name: str
    content: str | bytes | Callable[[], AsyncIterator[bytes]] = field(repr=False)
    size_bytes: int = 0
    file_name: str = ""
    content_type: str = ""


def encode_multipart(
    parts: Sequence[Part],
) -> tuple[Callable[[], AsyncGenerator[bytes, None]], int, str]:
    """Return how to read the body, its exact size in bytes, and its Content-Type.

    Reading raises MEDIA_ERROR when a file cannot be read.
    """
    boundary = secrets.token_hex(16)
    pieces: list[bytes | Callable[[], AsyncIterator[bytes]]] = []
    size = 0
    for part in parts:
        head = _head(part, boundary)
        content = part.content.encode() if isinstance(part.content, str) else part.content
        pieces += [head, content, b"\r\n"]
        size += len(head) + 2
        size += len(content) if isinstance(content, bytes) else part.size_bytes
    end = f"--{boundary}--\r\n".encode()
    pieces.append(end)

    async def read() -> AsyncGenerator[bytes, None]:
        for piece in pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            async with aclosing(readable(piece)()) as chunks:
                async for chunk in chunks:
                    yield chunk

    return read, size + len(end), f"multipart/form-data; boundary={boundary}"


def readable(
    source: Callable[[], AsyncIterator[bytes]],
) -> Callable[[], AsyncGenerator[bytes, None]]:
    """Return `source` such that a file that cannot be read is a MEDIA_ERROR."""

    async def read() -> AsyncGenerator[bytes, None]:
        content = source()
        try:
            async for chunk in content:
                yield chunk
        except OSError:
            raise ServiceError(
                ErrorCategory.MEDIA_ERROR, "A file of the post could not be read."
            ) from None
        finally:  # also when the request ends before the file does
            if isinstance(content, AsyncGenerator):
                await content.aclose()

    return read


def _head(part: Part, boundary: str) -> bytes:
    lines = [f"--{boundary}", f'Content-Disposition: form-data; name="{_quoted(part.name)}"']
    if part.file_name:
        lines[1] += f'; filename="{_quoted(part.file_name)}"'
    if part.content_type:
        lines.append(f"Content-Type: {_quoted(part.content_type)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _quoted(text: str) -> str:
    """Return `text` fit for a quoted parameter, as browsers write it (WHATWG HTML, 4.10.21.8)."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
