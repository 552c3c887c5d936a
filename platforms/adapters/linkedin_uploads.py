"""LinkedIn's uploads: an address for an image, one per part for a video, then processing.

Source: learn.microsoft.com/linkedin, "Images API" and "Videos API", read 2026-11. Assumed: that an
asset waits for its post for MEDIA_LIFE. Tokens of members may not ask how far a file is (403, seen
in public projects): then we wait GRACE.

What is known of a file is {"id", "tries"} and, while it is sent, "etags" (a video's finished
parts); then {"id", "sent" (epoch seconds)}; then {"id", "ready", "expires_at" (epoch seconds)}.
Beside it, sealed: {"url"} of an image, {"parts": [[url, first byte, last byte], ...], "token"} of a
video. Whoever has such an address can send bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from engine import wall_clock
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Response, Stream
from platforms.adapters.base import Adapter, Media, is_id
from platforms.adapters.linkedin_client import Client, encoded

Known = dict[str, Any]

MEDIA_LIFE = timedelta(hours=20)
PUT_DEADLINE = timedelta(seconds=60)
PATIENCE = timedelta(minutes=60)
GRACE = {"images": timedelta(seconds=20), "videos": timedelta(seconds=90)}
MOST_TRIES = 3
MOST_PARTS = 1000


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of one author. GIFs go the way of images."""

    adapter: Adapter
    client: Client
    owner: str
    file: Media

    @property
    def kind(self) -> str:
        """Return the name of the API."""
        return "videos" if self.file.kind == "video" else "images"

    async def advance(
        self, known: Mapping[str, Any], sealed: Mapping[str, Any]
    ) -> tuple[Known, Known] | None:
        """Do the next step; returns what is then known and sealed, None while LinkedIn works."""
        if "sent" in known:
            return await self._ask(known)
        if "id" not in known or not sealed:
            return await self._begin(known)
        if "url" in sealed:
            return await self._send_image(known, sealed)
        if len(known["etags"]) < len(sealed["parts"]):
            return await self._send_part(known, sealed)
        return await self._finish(known, sealed)

    # --- uploading ------------------------------------------------------------------------------
    async def _begin(self, known: Mapping[str, Any]) -> tuple[Known, Known]:
        wish: dict[str, Any] = {"owner": self.owner}
        if self.kind == "videos":
            wish["fileSizeBytes"] = self.file.size_bytes
            wish |= {"uploadCaptions": False, "uploadThumbnail": False}
        response = await self._action("initializeUpload", wish)
        value = response.json_object().get("value")
        value = value if isinstance(value, dict) else {}
        urn = value.get("video" if self.kind == "videos" else "image")
        sealed = self._addresses(value)
        if not is_id(urn) or sealed is None:
            raise self.adapter.unreadable(response)
        started = {"id": urn, "tries": known.get("tries", 0)}
        return ({**started, "etags": []} if "parts" in sealed else started), sealed

    def _addresses(self, value: Mapping[str, Any]) -> Known | None:
        """Return where the bytes go, None unless that covers the whole file."""
        if self.kind == "images":
            return {"url": value["uploadUrl"]} if is_id(value.get("uploadUrl")) else None
        orders = value.get("uploadInstructions")
        orders = orders if isinstance(orders, list) else []
        if not all(isinstance(order, dict) for order in orders) or len(orders) > MOST_PARTS:
            return None
        parts = [[o.get("uploadUrl"), o.get("firstByte"), o.get("lastByte")] for o in orders]
        expected = 0
        for url, first, last in parts:
            if not is_id(url) or first != expected or type(last) is not int or last < first:
                return None
            expected = last + 1
        if expected != self.file.size_bytes:
            return None
        return {"parts": parts, "token": str(value.get("uploadToken") or "")}

    async def _send_image(
        self, known: Mapping[str, Any], sealed: Mapping[str, Any]
    ) -> tuple[Known, Known]:
        stream = Stream(self.file.read, self.file.size_bytes, self.file.mime_type)
        own = self.client.http.auth
        response = await self.client.put(
            sealed["url"], stream=stream, auth=own, timeout=PUT_DEADLINE
        )
        if not response.ok:
            return self._begin_again(known, response)
        return _sent(known), {}

    async def _send_part(
        self, known: Mapping[str, Any], sealed: Mapping[str, Any]
    ) -> tuple[Known, Known]:
        url, first, last = sealed["parts"][len(known["etags"])]
        size = last - first + 1
        response = await self.client.put(
            url, stream=Stream(self.file.part(first, size), size), auth=None, timeout=PUT_DEADLINE
        )
        if not response.ok:
            return self._begin_again(known, response)
        etag = response.headers.get("etag", "").strip('"')
        if not etag:
            raise self.adapter.unreadable(response)
        return {**known, "etags": [*known["etags"], etag]}, dict(sealed)

    async def _finish(
        self, known: Mapping[str, Any], sealed: Mapping[str, Any]
    ) -> tuple[Known, Known]:
        wish = {
            "video": known["id"],
            "uploadToken": sealed["token"],
            "uploadedPartIds": known["etags"],
        }
        await self._action("finalizeUpload", wish)
        return _sent(known), {}

    async def _action(self, action: str, wish: Mapping[str, Any]) -> Response:
        path = f"/rest/{self.kind}?action={action}"
        response = await self.client.call("POST", path, json={f"{action}Request": wish})
        if not response.ok:
            raise self.adapter.error(response, upload=True)
        return response

    def _begin_again(self, known: Mapping[str, Any], response: Response) -> tuple[Known, Known]:
        """Ask for new addresses when these are refused: they expire."""
        error = self.adapter.error(response, upload=True)
        tries = known.get("tries", 0) + 1
        is_refusal = 400 <= response.status < 500 and response.status not in {408, 413, 415, 429}
        if not is_refusal or tries >= MOST_TRIES:
            raise error
        return {"tries": tries}, {}

    # --- processing -----------------------------------------------------------------------------
    async def _ask(self, known: Mapping[str, Any]) -> tuple[Known, Known] | None:
        response = await self.client.call("GET", f"/rest/{self.kind}/{encoded(known['id'])}")
        waited = timedelta(seconds=wall_clock.now() - known["sent"])
        if response.status == 403:
            return _ready(known) if waited >= GRACE[self.kind] else None
        if not response.ok:
            raise self.adapter.error(response, upload=True)
        answer = response.json_object()
        status = answer.get("status")
        if status == "AVAILABLE":
            return _ready(known)
        if status == "PROCESSING_FAILED":
            reason = str(answer.get("processingFailureReason") or "it does not say why")
            detail = response.redact(f"LinkedIn could not process the file: {reason}")
            raise ServiceError(C.MEDIA_ERROR, f"{detail.rstrip('.')}.")
        if not is_id(status):
            raise self.adapter.unreadable(response)
        if waited > PATIENCE:
            detail = "LinkedIn has worked on the file for more than an hour."
            raise ServiceError(C.MEDIA_ERROR, detail)
        return None


def _sent(known: Mapping[str, Any]) -> Known:
    return {"id": known["id"], "sent": int(wall_clock.now())}


def _ready(known: Mapping[str, Any]) -> tuple[Known, Known]:
    ends = int(wall_clock.now() + MEDIA_LIFE.total_seconds())
    return {"id": known["id"], "ready": True, "expires_at": ends}, {}
