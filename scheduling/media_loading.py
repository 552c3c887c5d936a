"""Loading a post's files for the publisher loop; fetching those that came as a URL."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files import File

from engine.errors import ServiceError
from engine.http import HttpPool
from engine.runner import DatabaseThread
from media.models import Asset
from media.probing import measure
from platforms.adapters.base import Draft
from scheduling.accounts import ConnectedAccount
from scheduling.claims import ClaimedPost
from scheduling.drafts import Attachment, draft_of
from scheduling.models import PostMedia


class MissingMedia(Exception):
    """A file of the post cannot be read; the message says which and what to do."""


async def draft_with_media(
    post: ClaimedPost,
    account: ConnectedAccount,
    database: DatabaseThread,
    pool: HttpPool | None,
) -> Draft:
    """Return the draft of a post with files; with a `pool`, files given as URLs are fetched first.

    Raises MissingMedia, or the ServiceError of the fetch.
    """
    attachments = await database.run(_attachments, post)
    for item in attachments:
        if item.asset.file:
            continue
        if pool is None:
            raise MissingMedia(f"The file from {item.asset.source_url} was never fetched.")
        await _fetch(item.asset, database, pool)
    return draft_of(
        account.connection,
        segments=post.segments,
        first_comment=post.first_comment,
        options=post.options,
        attachments=attachments,
    )


def _attachments(post: ClaimedPost) -> list[Attachment]:
    rows: Iterable[PostMedia] = PostMedia.objects.filter(post_id=post.id).select_related("asset")
    return [Attachment(row.asset, row.segment, row.alt_text) for row in rows]


async def _fetch(asset: Asset, database: DatabaseThread, pool: HttpPool) -> None:
    """Stream the asset's URL into storage, within MEDIA_MAX_BYTES, and note type, size and hash."""
    http = pool.http(
        deadline=settings.MEDIA_FETCH_DEADLINE,
        guard_private=True,
        allow_private=settings.PRIVATE_HOSTS_ALLOWED,
    )
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile() as spool:
        try:
            async with http.download(
                asset.source_url, max_bytes=settings.MEDIA_MAX_BYTES
            ) as download:
                async for chunk in download.chunks:
                    digest.update(chunk)
                    spool.write(chunk)
        except ServiceError as error:
            raise MissingMedia(f"Could not fetch {asset.source_url}: {error.detail}") from None
        asset.mime_type = download.content_type or asset.mime_type
        asset.sha256 = digest.hexdigest()
        spool.flush()
        found = await asyncio.to_thread(measure, Path(spool.name), asset.kind)
        asset.width, asset.height, asset.duration_ms = found.width, found.height, found.duration_ms
        await database.run(_store, asset, spool)


def _store(asset: Asset, spool: IO[bytes]) -> None:
    asset.size_bytes = spool.tell()
    spool.seek(0)
    name = asset.source_url.split("?", 1)[0].rsplit("/", 1)[-1] or "file"
    asset.file.save(name[:100], File(spool), save=True)
