"""Media that requests name by address or id, as attachments of a post."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from accounts.access import Access
from api.base import as_uuid
from api.problems import unknown
from media.models import Asset, AssetKind
from scheduling.drafts import Attachment


def attachments_from(access: Access, media: Sequence[dict[str, Any]]) -> list[Attachment]:
    """Return `media` (validated MediaInput) as attachments.

    Addresses become unsaved assets: the services save them with the post. Raises Problem 404 for
    an asset that the workspace does not have.
    """
    return [
        Attachment(_asset(access, item, number), item["segment"], item["alt_text"])
        for number, item in enumerate(media)
    ]


def _asset(access: Access, item: dict[str, Any], number: int) -> Asset:
    if "url" in item:
        return asset_from_url(access, item["url"])
    key = as_uuid(item["asset"])
    found = Asset.objects.filter(workspace=access.workspace, pk=key).first() if key else None
    if found is None:
        raise unknown(f"media[{number}].asset", "asset")
    return found


def asset_from_url(access: Access, url: str) -> Asset:
    """Return an unsaved asset, to be fetched ahead; its kind follows from the extension."""
    mime_type = mimetypes.guess_type(urlsplit(url).path)[0] or ""
    return Asset(
        workspace=access.workspace,
        source_url=url,
        kind=_kind(mime_type),
        mime_type=mime_type,
        created_by=access.user,
    )


def _kind(mime_type: str) -> AssetKind:
    if mime_type == "image/gif":
        return AssetKind.GIF
    return AssetKind.VIDEO if mime_type.startswith("video/") else AssetKind.IMAGE
