"""How a video gets to TikTok before its moment: all of it but the chunk that publishes it.

Sources and progress: as in `platforms.adapters.tiktok`.
1. `creator_info` asks what the account may do, as TikTok demands before each post.
2. `init` opens an upload; its publish_id is kept before any byte. Without its last byte nothing is
   published, so it may be repeated.
3. `chunk` sends all chunks but the last. Whoever goes on after another run asks first (`status`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, InAddress, Response, Stream
from platforms.adapters import tiktok_post as post
from platforms.adapters.base import (
    Adapter,
    Continue,
    Draft,
    ErrorTable,
    Media,
    Processing,
    Progress,
    Ready,
    is_id,
)
from platforms.adapters.tiktok_reading import (
    CODES,
    FAIL_REASONS,
    SENTENCES,
    WAITS,
    data_of,
    log_id,
    provider_code,
    reason_of,
    retry_after,
)

UPLOAD_LIFE = timedelta(minutes=55)  # an hour, with margin
CREATOR_LIFE = timedelta(minutes=45)  # ours: what the account may do is asked again after that
ADDRESS_OVER = frozenset({400, 401, 403, 404, 410, 416})  # of an upload: it takes no more bytes


@dataclass(frozen=True, slots=True)
class TikTokConfig:
    """The application at developers.tiktok.com; `client_id` is what TikTok calls client_key.

    `auth_base` is where accounts are connected.
    """

    api_base: str = "https://open.tiktokapis.com"
    auth_base: str = "https://www.tiktok.com"
    api_version: str = "v2"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


class TikTokUploads(Adapter):
    """The half of the adapter that works ahead, and the requests that both halves make."""

    config_class = TikTokConfig
    config: TikTokConfig

    async def prepare(
        self, http: Http, draft: Draft, progress: Progress
    ) -> Continue | Processing | Ready:
        match next_step(draft, progress):
            case "creator_info":
                return await self._ask_creator(http, draft, progress)
            case "init":
                return await self._open(http, draft, progress)
            case "status":
                return await self._count(http, progress)
            case "chunk":
                return await self._send(http, draft, progress)
        opened = datetime.fromtimestamp(progress.get("opened_at", 0), UTC)
        asked = datetime.fromtimestamp(progress.get("creator", {}).get("asked_at", 0), UTC)
        ends = [opened + UPLOAD_LIFE] if "opened_at" in progress else []
        ends += [asked + CREATOR_LIFE] if "creator" in progress else []
        return Ready(progress, min(ends, default=None))

    async def _ask_creator(self, http: Http, draft: Draft, progress: Progress) -> Continue:
        """Ask what the account may do, as TikTok demands before each post."""
        response = await self._creator(http)
        data = self._data(response)
        offered, chosen = data.get("privacy_level_options"), draft.options.get("privacy_level")
        if not isinstance(offered, list):
            raise self.unreadable(response)
        if chosen not in offered:
            names = ", ".join(map(str, offered))
            detail = f"This account does not offer {chosen}. Choose a privacy_level of: {names}."
            raise self._verdict(
                response, C.VALIDATION_ERROR, "privacy_level_option_mismatch", detail
            )
        video, longest = post.video_of(draft), data.get("max_video_post_duration_sec")
        if video and isinstance(longest, int) and 0 < longest < video.seconds:
            detail = f"The video lasts {video.seconds:.0f} s; this account may post {longest} s."
            raise self._verdict(response, C.MEDIA_ERROR, "duration_check_failed", detail)
        creator = {
            "asked_at": int(response.received_at.timestamp()),
            "no_comments": bool(data.get("comment_disabled")),
            "no_duet": bool(data.get("duet_disabled")),
            "no_stitch": bool(data.get("stitch_disabled")),
        }
        return Continue({**progress, "creator": creator})

    async def _creator(self, http: Http) -> Response:
        return await http.post(self._path("post/publish/creator_info/query/"), json={})

    async def _open(self, http: Http, draft: Draft, progress: Progress) -> Continue:
        """Open the upload. Without its last byte nothing is published: free to repeat."""
        video = video_in(draft)
        kind = "inbox/video" if post.is_draft_mode(draft) else "video"
        body = post.video_init(draft, progress.get("creator", {}), video.size_bytes)
        response = await http.post(self._path(f"post/publish/{kind}/init/"), json=body)
        data = self._data(response)
        publish_id, upload_url = data.get("publish_id"), data.get("upload_url")
        if not is_id(publish_id) or not is_id(upload_url):
            raise self.unreadable(response)
        chunk, count = post.chunks_of(video.size_bytes)
        return Continue(
            {
                **progress,
                "publish_id": publish_id,
                "sealed": {"upload_url": upload_url},
                "chunk": chunk,
                "count": count,
                "sent": 0,
                "opened_at": int(response.received_at.timestamp()),
            }
        )

    async def _count(self, http: Http, progress: Progress) -> Continue:
        """Learn how much has arrived: the last chunk may have although its answer was lost."""
        response = await self._ask_status(http, progress["publish_id"])
        data = self._data(response)
        if data.get("status") == "FAILED":
            raise self._failure(response, str(data.get("fail_reason") or "unknown"))
        uploaded = data.get("uploaded_bytes")
        if data.get("status") != "PROCESSING_UPLOAD" or not isinstance(uploaded, int):
            uploaded = progress["sent"] * progress["chunk"]
        sent = min(max(0, uploaded // progress["chunk"]), progress["count"] - 1)
        return Continue({**progress, "sent": sent})

    async def _send(self, http: Http, draft: Draft, progress: Progress) -> Continue:
        response = await self._put(http, video_in(draft), progress, progress["sent"])
        if not response.ok:
            raise self._upload_error(response)
        return Continue({**progress, "sent": progress["sent"] + 1})

    async def _put(
        self, http: Http, video: Media, progress: Progress, number: int, *, writes: bool = False
    ) -> Response:
        chunk, count, total = progress["chunk"], progress["count"], video.size_bytes
        start = number * chunk
        size = total - start if number == count - 1 else chunk
        address = progress["sealed"]["upload_url"]
        kind = video.mime_type if video.mime_type in self.limits.video_types else "video/mp4"
        return await http.put(
            address,
            stream=Stream(video.part(start, size), size, kind),
            headers={"Content-Range": f"bytes {start}-{start + size - 1}/{total}"},
            auth=InAddress(urlsplit(address).query or address),  # no token of ours goes there
            writes=writes,
        )

    async def _ask_status(self, http: Http, publish_id: str) -> Response:
        return await http.post(
            self._path("post/publish/status/fetch/"), json={"publish_id": publish_id}
        )

    async def _status(self, http: Http, publish_id: str) -> dict[str, Any]:
        return self._data(await self._ask_status(http, publish_id))

    # --- requests and errors ------------------------------------------------------------------
    @property
    def _client(self) -> dict[str, str]:
        return {"client_key": self.config.client_id, "client_secret": self.config.client_secret}

    def _path(self, rest: str) -> str:
        return f"/{self.config.api_version}/{rest}"

    def _data(self, response: Response, *, wrote: bool = False) -> dict[str, Any]:
        """Return the data of a success; raises what else it is."""
        data = data_of(response)
        if data is not None:
            return data
        if response.ok and not provider_code(response):
            raise self.unreadable(response, wrote=wrote)
        raise self.error(response, wrote=wrote)

    def error(
        self,
        response: Response,
        *,
        wrote: bool = False,
        upload: bool = False,
        table: ErrorTable | None = None,
    ) -> ServiceError:
        error = super().error(response, wrote=wrote, upload=upload, table=table)
        error.request_id = log_id(response) or error.request_id
        if response.ok:  # a refusal all the same: its code says so
            error.category = CODES.get(error.provider_code, C.UNKNOWN)
            if wrote and error.category is C.SERVER_ERROR:
                error.category = C.OUTCOME_UNKNOWN
        return error

    def _upload_error(
        self, response: Response, *, last: bool = False, tried: bool = False
    ) -> ServiceError:
        """A refusal of bytes means that their address is over: a new upload is opened.

        Unless the last chunk may have been sent before: then only asking tells.
        """
        error = self.error(response, wrote=last)
        if response.status in ADDRESS_OVER:
            error.category = C.OUTCOME_UNKNOWN if tried else C.SERVER_ERROR
            error.starts_over = not tried
            error.detail = f"TikTok's upload address takes no more (HTTP {response.status})."
        return error

    def _failure(self, response: Response, reason: str) -> ServiceError:
        category = FAIL_REASONS.get(reason, C.UNKNOWN)
        detail = SENTENCES.get(reason, f"TikTok could not publish the post: {reason}.")
        return self._verdict(
            response, category, reason, detail, retry_after=WAITS.get(reason), starts_over=True
        )

    def _verdict(
        self, response: Response, category: C, code: str, detail: str, **more: Any
    ) -> ServiceError:
        return ServiceError(
            category,
            response.redact(detail),
            provider_code=code[:100],
            http_status=response.status,
            request_id=log_id(response) or response.request_id,
            **more,
        )

    def provider_code(self, response: Response) -> str:
        return provider_code(response)

    def retry_after(self, response: Response) -> timedelta | None:
        return retry_after(response)

    def explain(self, response: Response) -> str:
        return reason_of(response)


def next_step(draft: Draft, progress: Progress) -> str:
    """Return what comes next on the way to a post that one request publishes."""
    if not post.is_draft_mode(draft) and "creator" not in progress:
        return "creator_info"
    if post.video_of(draft) is None:
        return "ready"
    if not progress.get("sealed", {}).get("upload_url"):
        return "init"
    if progress.get("resumed"):
        return "status"
    return "chunk" if progress["sent"] < progress["count"] - 1 else "ready"


def video_in(draft: Draft) -> Media:
    video = post.video_of(draft)
    if video is None:
        raise ServiceError(C.MEDIA_ERROR, "The post has no video.")
    return video
