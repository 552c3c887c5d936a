"""Putting a post's files on Facebook ahead of the moment: nobody sees them until it is finished.

Photos are staged unpublished; videos go in chunks, on the address of their kind: `videos` (chunks
as long as the answers say), `video_reels` and `video_stories` (one address at the upload host).
Progress: `media` maps "segment.position" to {"id", "at" (epoch seconds), "sent" (bytes), "ready",
and of videos "session" and "upto", or "address"}; `restarts` counts uploads that broke off.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, Part, Response
from platforms.adapters.base import Draft, Media, Processing, Progress, is_id
from platforms.adapters.facebook_reading import (
    BROKEN,
    POST,
    REEL,
    UPLOADED,
    kind_of,
    reason_of_video,
    state_of_upload,
)
from platforms.adapters.graph import GraphAdapter, proof_of
from platforms.adapters.graph_reading import (
    object_of,
)
from platforms.adapters.graph_uploads import CHUNK_BYTES, bytes_received, send_chunk

LIFE = timedelta(hours=20)  # ours: what is never finished is forgotten after about a day (recalled)
OUT_OF_STEP = ("/1363037", "/1363030", "/1363019")  # the session cannot go on from where we are
RESTARTS_MOST = 3
PATIENCE = timedelta(minutes=15)
POLL_LEAST, POLL_MOST = timedelta(seconds=5), timedelta(seconds=60)
EDGES = {REEL: "video_reels", "story": "video_stories"}

Entry = Mapping[str, Any]


class Uploads:
    """The steps of one Page's uploads; made for each call, keeps nothing."""

    def __init__(
        self, adapter: GraphAdapter, http: Http, draft: Draft, *, video_base: str, upload_base: str
    ) -> None:
        self._adapter, self._http, self._draft = adapter, http, draft
        self._video_base, self._upload_base = video_base, upload_base
        self._page = f"/{draft.account.external_id}"

    async def step(self, progress: Progress) -> Progress | Processing | None:
        """Take one step; None: all files are there."""
        media = progress.get("media", {})
        for place, file in self._draft.files:
            known = media.get(place)
            if known is not None and known["ready"]:
                continue
            if known is None:
                begin = self._stage if file.kind == "image" else self._start
                entry: Entry | Processing = await begin(file)
            elif known["sent"] < file.size_bytes:
                entry = await self._send(file, known)
            else:
                entry = await self._watch(progress, known)
            if isinstance(entry, Processing):
                return entry
            if not entry:
                return begun_anew(progress, place)
            return {**progress, "media": {**media, place: entry}}
        return None

    async def _stage(self, file: Media) -> Entry:
        """Put a photo on the Page without publishing it."""
        parts = [
            Part("published", "false"),
            Part("source", file.read, file.size_bytes, file.file_name or "image", file.mime_type),
        ]
        if file.alt_text:
            parts.insert(1, Part("alt_text_custom", file.alt_text))
        response = await self._http.post(
            f"{self._page}/photos", multipart=parts, params=proof_of(self._http) or None
        )
        if not response.ok:
            raise self._adapter.error(response, upload=True)
        photo = response.json_object().get("id")
        if not is_id(photo):
            raise self._adapter.unreadable(response)
        return {"id": photo, "at": _epoch(response), "sent": file.size_bytes, "ready": True}

    async def _start(self, file: Media) -> Entry:
        """Begin a video's upload; its id is known from here on."""
        kind = kind_of(self._draft)
        if kind == POST:
            form = {"upload_phase": "start", "file_size": str(file.size_bytes)}
            response = await self._videos([Part(name, value) for name, value in form.items()])
        else:
            body = {"upload_phase": "start"}
            response = await self._adapter.tell(self._http, f"{self._page}/{EDGES[kind]}", body)
        if not response.ok:
            raise self._adapter.error(response, upload=True)
        answer = response.json_object()
        session, address = answer.get("upload_session_id"), answer.get("upload_url")
        if not is_id(answer.get("video_id")) or (kind == POST and not is_id(session)):
            raise self._adapter.unreadable(response)
        entry = {"id": answer["video_id"], "at": _epoch(response), "sent": 0, "ready": False}
        if kind == POST:
            return {**entry, "session": session, "upto": _number(answer.get("end_offset"))}
        version = self._http.base_url.rpartition("/")[2]
        known = f"{self._upload_base}/video-upload/{version}/{answer['video_id']}"
        return {**entry, "address": address if is_id(address) else known}

    async def _send(self, file: Media, entry: Entry) -> Entry:
        """Send the next chunk; an empty entry says that the upload must begin anew."""
        if "session" in entry:
            return await self._transfer(file, entry)
        sent = await send_chunk(self._adapter, self._http, entry["address"], file, entry["sent"])
        return {**entry, "sent": sent} if sent is not None else await self._corrected(file, entry)

    async def _corrected(self, file: Media, entry: Entry) -> Entry:
        """Go on from what Facebook has, or begin anew when it does not tell."""
        video = await self._adapter.ask(self._http, f"/{entry['id']}", {"fields": "status"})
        sent = bytes_received(video.json_object().get("status"))
        if sent is None or sent == entry["sent"] or sent > file.size_bytes:
            return {}
        is_whole = "session" in entry and sent == file.size_bytes
        return {**entry, "sent": sent, "ready": is_whole}

    async def _transfer(self, file: Media, entry: Entry) -> Entry:
        """Send a chunk no longer than the last answer asked for; it says what it wants next."""
        sent, upto = entry["sent"], entry["upto"]
        size = min(CHUNK_BYTES, file.size_bytes - sent)
        if upto is not None and upto > sent:
            size = min(size, upto - sent)
        form = {
            "upload_phase": "transfer",
            "upload_session_id": entry["session"],
            "start_offset": str(sent),
        }
        chunk = Part("video_file_chunk", file.part(sent, size), size, "chunk", file.mime_type)
        response = await self._videos([*(Part(name, form[name]) for name in form), chunk])
        told = response.json_object()
        if self._adapter.provider_code(response).endswith(OUT_OF_STEP):
            # The network wants another piece and says which, or it says no more than that.
            told = object_of(object_of(told.get("error")).get("error_data"))
            if _number(told.get("start_offset")) in (None, sent):
                return await self._corrected(file, entry)
        elif not response.ok:
            raise self._adapter.error(response, upload=True)
        wanted, upto = _number(told.get("start_offset")), _number(told.get("end_offset"))
        if wanted is None or wanted > file.size_bytes:
            raise self._adapter.unreadable(response)
        return {**entry, "sent": wanted, "upto": upto, "ready": wanted == file.size_bytes}

    async def _videos(self, parts: list[Part]) -> Response:
        """Make a call of the chunked protocol, on the host that takes videos."""
        http = self._http
        return await http.post(
            f"{self._video_base}{self._page}/videos",
            multipart=parts,
            params=proof_of(http) or None,
            auth=http.auth,
        )

    async def _watch(self, progress: Progress, entry: Entry) -> Entry | Processing:
        """Ask whether all bytes of a reel or story have arrived."""
        response = await self._adapter.ask(self._http, f"/{entry['id']}", {"fields": "status"})
        video = response.json_object()
        if not isinstance(video.get("status"), dict):
            raise self._adapter.unreadable(response)
        state = state_of_upload(video)
        if state == UPLOADED:
            return {**entry, "ready": True}
        age = response.received_at - datetime.fromtimestamp(entry["at"], UTC)
        if state == BROKEN or age > PATIENCE:
            reason = reason_of_video(video) if state == BROKEN else "it is not done with the upload"
            detail = f"Facebook cannot use this video: {reason.rstrip('.')}."
            raise ServiceError(C.MEDIA_ERROR, detail)
        return Processing(progress, min(max(age, POLL_LEAST), POLL_MOST))


def begun_anew(progress: Progress, place: str) -> Progress:
    """Drop an upload that cannot be gone on with; raises MEDIA_ERROR when that happens again."""
    times = progress.get("restarts", 0) + 1
    if times > RESTARTS_MOST:
        detail = "Facebook breaks off the upload of this video each time. Try another file."
        raise ServiceError(C.MEDIA_ERROR, detail)
    media = {name: value for name, value in progress["media"].items() if name != place}
    return {**progress, "media": media, "restarts": times}


def _epoch(response: Response) -> int:
    return int(response.received_at.timestamp())


def _number(value: Any) -> int | None:
    """Read an offset; Graph writes them as text."""
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < 16 else None
