"""Sending a video to Meta's upload host, chunk by chunk, resumed from what was committed.

Sources: developers.facebook.com (Reels publishing, Instagram resumable uploads), read 2026-11: a
body that ends before `file_size` is a partial request; its bytes are kept, and `offset` goes on
from there. That the host takes chunks on purpose is seen with public clients of the same host
(HTTP 206, PartialRequestError), not documented for Instagram and reels: where it refuses them,
the upload begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.http import Bearer, Http, Stream
from platforms.adapters.base import Media
from platforms.adapters.graph import GraphAdapter

CHUNK_BYTES = 8 * 1024 * 1024


async def send_chunk(
    adapter: GraphAdapter, http: Http, address: str, file: Media, sent: int
) -> int | None:
    """Send the next chunk after `sent` bytes; returns how many are there now.

    None: the host has another count than we do, or lost what it had; ask it.
    """
    size = min(CHUNK_BYTES, file.size_bytes - sent)
    token = http.auth.token if isinstance(http.auth, Bearer) else ""
    response = await http.post(
        address,
        stream=Stream(file.part(sent, size), size),
        headers={"offset": str(sent), "file_size": str(file.size_bytes)},
        auth=Bearer(token, scheme="OAuth"),
    )
    kind = adapter.provider_code(response)
    if kind == "PartialRequestError" and sent + size < file.size_bytes:
        return sent + size
    if kind in {"OffsetInvalidError", "PartialRequestError"}:
        return None
    if not response.ok:
        raise adapter.error(response, upload=True)
    if response.json_object().get("success") is not True:
        raise adapter.unreadable(response)
    return sent + size


def bytes_received(phases: Any) -> int | None:
    """Return how many bytes the network says it has, out of a video's status; None: not told."""
    phase = phases.get("uploading_phase") if isinstance(phases, Mapping) else None
    if not isinstance(phase, Mapping):
        return None
    for name in ("bytes_transfered", "bytes_transferred"):  # the first is Meta's own spelling
        if type(count := phase.get(name)) is int and count >= 0:
            return count
    return None
