"""How a video gets to YouTube before its moment: a session, chunks, processing; all of it private.

Sources and progress: as in `platforms.adapters.youtube`.
1. `insert` opens a session with the metadata; its address is kept before the first byte.
2. `chunk` sends 8 MiB. Whoever goes on after another run asks first (`probe`): the last chunk may
   have arrived although its answer was lost. When all has arrived there is a video, private.
3. `thumbnail`, `playlist`, then `poll` until YouTube has processed it.
A session that is over is replaced only after the uploads were searched for its marker.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, Response, Stream
from platforms.adapters import youtube_post as post
from platforms.adapters.base import (
    Continue,
    Draft,
    Media,
    Processing,
    Progress,
    Ready,
    is_id,
)
from platforms.adapters.youtube_client import YouTubeClient
from platforms.adapters.youtube_reading import (
    is_processed,
    items_of,
    part_of,
    stored_bytes,
)

CHUNK_BYTES = 8 * 1024 * 1024  # a multiple of 256 KiB
KEPT_FOR = timedelta(days=30)  # ours: private videos stay until somebody deletes them
PATIENCE = timedelta(hours=3)  # ours: long films are playable well before
POLL_LEAST, POLL_MOST = timedelta(seconds=10), timedelta(minutes=5)


class YouTubeUploads(YouTubeClient):
    """The part of the adapter that works ahead."""

    async def prepare(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Continue | Processing | Ready:
        video = post.video_of(draft)
        if video is None:
            raise ServiceError(C.MEDIA_ERROR, "The post has no video.")
        match next_step(draft, progress):
            case "insert":
                return await self._start(http, draft, video)
            case "probe":
                return await self._probe(http, draft, video, progress)
            case "chunk":
                return await self._send(http, draft, video, progress)
            case "thumbnail":
                return await self._set_thumbnail(http, draft, progress)
            case "playlist":
                return await self._add_to_playlist(http, draft, progress)
            case "poll":
                return await self._poll(http, progress)
        uploaded_at = datetime.fromtimestamp(progress["uploaded_at"], UTC)
        return Ready(progress, uploaded_at + KEPT_FOR)

    async def _start(self, http: Http, draft: Draft, video: Media) -> Continue:
        if playlist := draft.options.get("playlist_id"):
            params = {"part": "id", "id": playlist}
            if not await self._list(http, "playlists", params):
                detail = f"The channel has no playlist {playlist}."
                raise ServiceError(C.VALIDATION_ERROR, detail)
        marker = f"pid-{secrets.token_hex(6)}"
        notify = draft.options.get("notify_subscribers", True)
        response = await http.post(
            self._upload_url("videos"),
            params={
                "uploadType": "resumable",
                "part": "snippet,status",
                "notifySubscribers": "true" if notify else "false",
            },
            json=post.metadata(draft, marker),
            headers={
                "X-Upload-Content-Type": video.mime_type,
                "X-Upload-Content-Length": str(video.size_bytes),
            },
            auth=http.auth,
        )
        if not response.ok:
            raise self.error(response)
        session = response.headers.get("location", "")
        if not session.startswith(("https://", "http://")):
            raise self.unreadable(response)
        return Continue(
            {
                "sealed": {"session": session},
                "offset": 0,
                "marker": marker,
                "started_at": int(response.received_at.timestamp()),
            }
        )

    async def _probe(self, http: Http, draft: Draft, video: Media, progress: Progress) -> Continue:
        """Ask how much is stored: the last part may have arrived although its answer was lost."""
        headers = {"Content-Range": f"bytes */{video.size_bytes}"}
        session = progress["sealed"]["session"]
        response = await http.put(session, body=b"", headers=headers, auth=self._way(http, session))
        return await self._stored(http, draft, progress, response)

    async def _send(self, http: Http, draft: Draft, video: Media, progress: Progress) -> Continue:
        offset, session = progress["offset"], progress["sealed"]["session"]
        size = min(CHUNK_BYTES, video.size_bytes - offset)
        headers = {"Content-Range": f"bytes {offset}-{offset + size - 1}/{video.size_bytes}"}
        response = await http.put(
            session,
            stream=Stream(video.part(offset, size), size, video.mime_type),
            headers=headers,
            auth=self._way(http, session),
        )
        step = await self._stored(http, draft, progress, response)
        if "video" not in step.progress and step.progress.get("offset", size) <= offset:
            raise ServiceError(C.SERVER_ERROR, "YouTube stored nothing of what it was sent.")
        return step

    async def _stored(
        self, http: Http, draft: Draft, progress: Progress, response: Response
    ) -> Continue:
        """Read what an upload's session answers: so much is stored, all of it, or it is over."""
        if response.status == 308:
            return Continue({**progress, "offset": stored_bytes(response)})
        if response.status in (404, 410):
            return await self._after_session(http, draft, progress, response)
        if not response.ok:
            raise self.error(response, upload=True)
        video_id = response.json_object().get("id")
        if not is_id(video_id):
            raise self.unreadable(response)
        return _uploaded(progress, video_id, response)

    async def _after_session(
        self, http: Http, draft: Draft, progress: Progress, response: Response
    ) -> Continue:
        """Go on after a session's end: with the video, if all of it had arrived, else anew."""
        since = datetime.fromtimestamp(progress["started_at"], UTC) - timedelta(hours=1)
        async for video in self._uploads(http, draft, since):
            tags = part_of(video, "snippet").get("tags")
            if isinstance(tags, list) and progress["marker"] in tags:
                return _uploaded(progress, str(video["id"]), response)
        return Continue({"offset": 0})

    async def _set_thumbnail(self, http: Http, draft: Draft, progress: Progress) -> Continue:
        """Send the image; whatever YouTube has against it, the video matters more."""
        image = post.thumbnail_of(draft)
        if image is None:
            raise ServiceError(C.MEDIA_ERROR, "The post has no image.")
        try:
            response = await http.post(
                self._upload_url("thumbnails/set"),
                params={"videoId": progress["video"], "uploadType": "media"},
                stream=Stream(image.part(0, image.size_bytes), image.size_bytes, image.mime_type),
                auth=http.auth,
            )
        except ServiceError as error:
            return Continue({**progress, "thumbnail": f"not sent: {error.category}"})
        if response.status == 401:  # a fresh token helps
            raise self.error(response)
        outcome = "set" if response.ok else f"refused: {response.status}"
        return Continue({**progress, "thumbnail": outcome})

    async def _add_to_playlist(self, http: Http, draft: Draft, progress: Progress) -> Continue:
        playlist, video_id = draft.options["playlist_id"], progress["video"]
        params = {"part": "id", "playlistId": playlist, "videoId": video_id}
        if not await self._list(http, "playlistItems", params):
            resource = {"kind": "youtube#video", "videoId": video_id}
            body = {"snippet": {"playlistId": playlist, "resourceId": resource}}
            response = await http.post(
                self._path("playlistItems"), params={"part": "snippet"}, json=body
            )
            if not response.ok:
                raise self.error(response)
        return Continue({**progress, "playlist": playlist})

    async def _poll(self, http: Http, progress: Progress) -> Continue | Processing:
        params = {"part": "status,processingDetails", "id": progress["video"]}
        response = await http.get(self._path("videos"), params=params)
        if not response.ok:
            raise self.error(response)
        items = items_of(response)
        if items is None:
            raise self.unreadable(response)
        if not items:
            detail = "The uploaded video is no longer on YouTube; it is uploaded anew."
            raise ServiceError(C.SERVER_ERROR, detail, http_status=200, starts_over=True)
        if is_processed(response, items[0]):
            return Continue({**progress, "processed": True})
        age = response.received_at - datetime.fromtimestamp(progress["uploaded_at"], UTC)
        if age > PATIENCE:
            detail = f"YouTube has not processed the video within {PATIENCE.seconds // 3600} hours."
            raise ServiceError(C.MEDIA_ERROR, detail, http_status=200)
        return Processing(progress, min(max(age / 4, POLL_LEAST), POLL_MOST))

    async def discard(self, http: Http, progress: Progress) -> None:
        """Delete the uploaded video, unless somebody made it visible meanwhile."""
        if not is_id(video_id := progress.get("video")):
            return
        videos = await self._list(http, "videos", {"part": "status", "id": video_id})
        if any(part_of(video, "status").get("privacyStatus") == "private" for video in videos):
            response = await http.delete(self._path("videos"), params={"id": video_id})
            if not response.ok and response.status != 404:
                raise self.error(response)


def next_step(draft: Draft, progress: Progress) -> str:
    """Return what comes next on the way to a video that is ready to be shown."""
    if "video" not in progress:
        if not progress.get("sealed", {}).get("session"):
            return "insert"
        return "probe" if progress.get("resumed") else "chunk"
    if post.thumbnail_of(draft) and not post.is_short(draft) and "thumbnail" not in progress:
        return "thumbnail"
    if draft.options.get("playlist_id") and "playlist" not in progress:
        return "playlist"
    return "ready" if progress.get("processed") else "poll"


def _uploaded(progress: Progress, video_id: str, response: Response) -> Continue:
    kept = {name: value for name, value in progress.items() if name != "sealed"}
    at = int(response.received_at.timestamp())
    return Continue({**kept, "video": video_id, "uploaded_at": at})
