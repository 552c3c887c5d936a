"""X's uploads: an image in one request, a GIF or video in chunks, then processing.

Source: docs.x.com/x-api/media (initialize, append, finalize, status), read 2026-11. Chunks are
1 MiB as in its samples; that one may be sent again under its index is its "retried individually".

What is known of a file, in the adapter's progress, is {"id", "expires_at" (epoch seconds)}, with
"next" (index of the next chunk) while it is sent and "since" (epoch seconds) while X works on it;
"tries" counts how often X lost it and we began again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, Part, Response
from platforms.adapters.base import Media, is_id
from platforms.adapters.x_reading import data_of

CHUNK_BYTES = 1024 * 1024
DAY = timedelta(hours=24)
POLL_LEAST, POLL_MOST = timedelta(seconds=1), timedelta(seconds=60)
PATIENCE = timedelta(minutes=30)  # ours: videos of two minutes take one or two
MOST_TRIES = 3
LOST = frozenset({400, 404, 410})  # what X answers about an upload it no longer knows

Known = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Upload:
    """One file; `refused` and `unreadable` turn bad answers into errors."""

    http: Http
    file: Media
    refused: Callable[[Response], ServiceError]
    unreadable: Callable[[Response], ServiceError]

    async def advance(self, known: Mapping[str, Any]) -> Known | timedelta:
        """Do the next step; returns what is then known, or how long to wait for X."""
        if "since" in known:
            return await self._ask(known)
        if "id" not in known:
            return await (self._send_whole() if self.file.kind == "image" else self._begin(known))
        if known["next"] * CHUNK_BYTES < self.file.size_bytes:
            return await self._send_chunk(known)
        return await self._finish(known)

    async def describe(self, known: Mapping[str, Any]) -> Known:
        """Give an uploaded file its alt text."""
        text = {"text": self.file.alt_text}
        body = {"id": known["id"], "metadata": {"alt_text": text}}
        response = await self.http.post("/2/media/metadata", json=body)
        if not response.ok:
            raise self.refused(response)
        return {**known, "described": True}

    async def _send_whole(self) -> Known:
        file = self.file
        parts = [
            Part("media_category", "tweet_image"),
            Part("media_type", file.mime_type),
            Part("media", file.read, file.size_bytes, file.file_name or "image", file.mime_type),
        ]
        response = await self.http.post("/2/media/upload", multipart=parts)
        return self._uploaded(response)

    async def _begin(self, known: Mapping[str, Any]) -> Known:
        body = {
            "media_type": self.file.mime_type,
            "total_bytes": self.file.size_bytes,
            "media_category": f"tweet_{self.file.kind}",
        }
        response = await self.http.post("/2/media/upload/initialize", json=body)
        return {**self._uploaded(response), "next": 0, "tries": known.get("tries", 0)}

    async def _send_chunk(self, known: Mapping[str, Any]) -> Known:
        start = known["next"] * CHUNK_BYTES
        size = min(CHUNK_BYTES, self.file.size_bytes - start)
        parts = [
            Part("segment_index", str(known["next"])),
            Part("media", self.file.part(start, size), size, "chunk", "application/octet-stream"),
        ]
        path = f"/2/media/upload/{known['id']}/append"
        response = await self.http.post(path, multipart=parts)
        if not response.ok:
            return self._begin_again(known, response)
        return {**known, "next": known["next"] + 1}

    async def _finish(self, known: Mapping[str, Any]) -> Known:
        response = await self.http.post(f"/2/media/upload/{known['id']}/finalize")
        if not response.ok:
            return self._begin_again(known, response)
        done = self._uploaded(response)
        if "processing_info" not in data_of(response):
            return done
        since = int(response.received_at.timestamp())
        return {**done, "since": since, "tries": known.get("tries", 0)}

    async def _ask(self, known: Mapping[str, Any]) -> Known | timedelta:
        params = {"command": "STATUS", "media_id": known["id"]}
        response = await self.http.get("/2/media/upload", params=params)
        if not response.ok:
            return self._begin_again(known, response)
        data = data_of(response)
        info = data.get("processing_info")
        if not is_id(data.get("id")) or not isinstance(info, dict | None):
            raise self.unreadable(response)
        state = "succeeded" if info is None else info.get("state")
        if state == "succeeded":
            return {name: known[name] for name in ("id", "expires_at")}
        if info is None or state == "failed":
            raise _failed(response, info or {})
        if response.received_at.timestamp() - known["since"] > PATIENCE.total_seconds():
            minutes = PATIENCE.total_seconds() / 60
            detail = f"X has worked on the file for more than {minutes:.0f} minutes."
            raise ServiceError(C.MEDIA_ERROR, detail)
        wait = info.get("check_after_secs")
        seconds = timedelta(seconds=wait) if type(wait) is int and 0 < wait < 3600 else POLL_LEAST
        return min(max(seconds, POLL_LEAST), POLL_MOST)

    def _uploaded(self, response: Response) -> Known:
        if not response.ok:
            raise self.refused(response)
        data = data_of(response)
        if not is_id(data.get("id")):
            raise self.unreadable(response)
        life = data.get("expires_after_secs")
        rest = timedelta(seconds=life) if type(life) is int and 0 < life < 10**7 else DAY
        return {"id": data["id"], "expires_at": int((response.received_at + rest).timestamp())}

    def _begin_again(self, known: Mapping[str, Any], response: Response) -> Known:
        tries = known.get("tries", 0) + 1
        if response.status not in LOST or tries >= MOST_TRIES:
            raise self.refused(response)
        return {"tries": tries}


def _failed(response: Response, info: Mapping[str, Any]) -> ServiceError:
    error = info.get("error")
    error = error if isinstance(error, dict) else {}
    reason = str(error.get("message") or error.get("name") or "it does not say why")
    detail = response.redact(f"X could not process the file: {reason}").rstrip(".")
    return ServiceError(C.MEDIA_ERROR, f"{detail}.", provider_code=str(error.get("name") or ""))
