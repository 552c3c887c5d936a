"""From rows to the frozen data that adapters understand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.core.files import File

from media.models import Asset
from media.public import public_address
from platforms.adapters.base import Account, Draft, Media, Reader, Segment
from platforms.models import SocialConnection

CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Attachment:
    """An asset in its place: which segment, and the alt text used there."""

    asset: Asset
    segment: int = 0
    alt_text: str = ""


def account_of(connection: SocialConnection) -> Account:
    """Return the connection as adapters see it (no secrets inside)."""
    return Account(
        external_id=connection.external_id,
        username=connection.username,
        display_name=connection.display_name,
        avatar_url=connection.avatar_url,
        instance_url=connection.instance_url,
        scopes=tuple(connection.scopes),
        limits=dict(connection.limits),
    )


def draft_of(
    connection: SocialConnection,
    *,
    segments: Sequence[Mapping[str, Any]],
    first_comment: str = "",
    options: Mapping[str, Any] | None = None,
    attachments: Iterable[Attachment] = (),
) -> Draft:
    """Return the draft that the connection's adapter judges and publishes."""
    files: dict[int, list[Media]] = {}
    for item in attachments:
        files.setdefault(item.segment, []).append(media_of(item.asset, item.alt_text))
    return Draft(
        segments=tuple(
            Segment(text=str(segment.get("text", "")), media=tuple(files.get(number, ())))
            for number, segment in enumerate(segments)
        ),
        account=account_of(connection),
        first_comment=first_comment,
        options=dict(options or {}),
        limits=dict(connection.limits),
    )


def media_of(asset: Asset, alt_text: str = "") -> Media:
    """Return one asset as adapters see it; its bytes are read in chunks of 1 MiB when asked for."""
    return Media(
        kind=asset.kind,
        mime_type=asset.mime_type or "application/octet-stream",
        size_bytes=asset.size_bytes,
        alt_text=alt_text or asset.alt_text,
        file_name=(asset.file.name or "").rsplit("/", 1)[-1],
        read=_reader(asset),
        width=asset.width or 0,
        height=asset.height or 0,
        seconds=(asset.duration_ms or 0) / 1000,
        url=public_address(asset),
    )


async def _open(asset: Asset) -> File[bytes]:
    """Open a handle of its own: one file may be read twice at the same time."""
    path = asset.file.name or ""
    opening = asyncio.ensure_future(
        sync_to_async(asset.file.storage.open, thread_sensitive=False)(path, "rb")
    )
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:  # the thread opens it all the same
        opening.add_done_callback(_close_unused)
        raise


def _close_unused(opening: asyncio.Future[File[bytes]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _reader(asset: Asset) -> Reader:
    async def read(start: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
        handle = await _open(asset)
        left = asset.size_bytes - start if size is None else size
        try:
            if start:
                await sync_to_async(handle.seek, thread_sensitive=False)(start)
            take = sync_to_async(handle.read, thread_sensitive=False)
            while left > 0 and (chunk := await take(min(left, CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk
        finally:
            handle.close()  # here and now: an awaited close may be cancelled with the request

    return read


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with what a person sent: where, what (stable code), and what to do."""

    field: str
    code: str
    message: str = ""
