"""Bluesky's video service: a video becomes a blob in the account's repository, step by step.

Sources: the lexicons app.bsky.video.* (uploadVideo; startUpload, uploadPart and finishUpload of
2026; getJobStatus) and docs.bsky.app/docs/tutorials/video, read 2026-11. Recalled: that a file
which is there already is answered with 409 and its job, and that the oldest call answers with the
job itself instead of an object that holds it.

What is known of one video, in the adapter's progress, is one of
{"upload", "part_bytes", "parts", "sent"}  its parts are being sent
{"whole"}                                  to be sent in one request: it takes no parts
{"job", "since" (epoch seconds)}           the service works on it
{"blob", "expires_at" (epoch seconds)}     done
with "tries", how often the service lost it and we began again. Nothing in it is secret: each call
fetches a token of its own from the account's server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from engine import wall_clock
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Bearer, Http, Response, Stream
from platforms.adapters.base import Adapter, Media, is_id
from platforms.adapters.bluesky_records import is_blob

ONE_REQUEST_BYTES = 8 * 1024 * 1024  # up to here a video is sent in one request
PART_DEADLINE = timedelta(seconds=60)
TOKEN_LIFE = timedelta(minutes=30)
POLL_AGAIN = timedelta(seconds=5)
PATIENCE = timedelta(minutes=20)  # ours: videos of three minutes take one or two
MOST_TRIES = 3
NO_SUCH_METHOD = frozenset({404, 501})  # a service that is older than uploads in parts
LOST = frozenset({"UploadExpired", "UploadNotFound", "UploadAborted", "UploadFailed"})
PASSING = frozenset({"pds_upload_failure", "generic_failure"})  # the service's own trouble


@dataclass(frozen=True, slots=True)
class VideoUpload:
    """One video of one account; `blob_life` is how long a blob may wait for its post."""

    adapter: Adapter
    http: Http
    service_url: str
    did: str
    file: Media
    blob_life: timedelta

    async def advance(self, known: Mapping[str, Any]) -> dict[str, Any] | None:
        """Do the next step and return what is then known; None while the service works on it."""
        if "job" in known:
            return await self._ask(known)
        if "upload" not in known:
            whole = known.get("whole") or self.file.size_bytes <= ONE_REQUEST_BYTES
            return await (self._send_whole(known) if whole else self._start(known))
        if known["sent"] < known["parts"]:
            return await self._send_part(known)
        return await self._finish(known)

    # --- uploading ------------------------------------------------------------------------------
    async def _send_whole(self, known: Mapping[str, Any]) -> dict[str, Any]:
        response = await self._post(
            "app.bsky.video.uploadVideo",
            params={"did": self.did, "name": self.file.file_name or "video.mp4"},
            stream=Stream(self.file.read, self.file.size_bytes, self.file.mime_type),
        )
        job = _job_of(response)
        if not response.ok and not (response.status == 409 and is_id(job.get("jobId"))):
            raise self.adapter.error(response, upload=True)
        return self._working(known, response, job.get("jobId"))

    async def _start(self, known: Mapping[str, Any]) -> dict[str, Any]:
        file = self.file
        body: dict[str, Any] = {"sizeBytes": file.size_bytes, "mimeType": file.mime_type}
        if file.width and file.height:
            body |= {"width": file.width, "height": file.height}
        if file.seconds:
            body["durationMs"] = round(file.seconds * 1000)
        response = await self._post("app.bsky.video.startUpload", json=body)
        if response.status in NO_SUCH_METHOD:
            return {**known, "whole": True}
        if not response.ok:
            raise self.adapter.error(response, upload=True)
        answer = response.json_object()
        upload, size, count = (answer.get(n) for n in ("jobId", "partSizeBytes", "partCount"))
        if not is_id(upload) or not _is_plan(size, count, file.size_bytes):
            raise self.adapter.unreadable(response)
        return {**known, "upload": upload, "part_bytes": size, "parts": count, "sent": 0}

    async def _send_part(self, known: Mapping[str, Any]) -> dict[str, Any]:
        start = known["sent"] * known["part_bytes"]
        size = min(known["part_bytes"], self.file.size_bytes - start)
        response = await self._post(
            "app.bsky.video.uploadPart",
            params={"jobId": known["upload"], "partNumber": str(known["sent"] + 1)},
            stream=Stream(self.file.part(start, size), size),
        )
        if not response.ok:
            code = self.adapter.provider_code(response)
            if code == "UploadAlreadyCompleted":
                return {**known, "sent": known["parts"]}
            return self._begin_again(known, response)
        return {**known, "sent": known["sent"] + 1}

    async def _finish(self, known: Mapping[str, Any]) -> dict[str, Any]:
        response = await self._post("app.bsky.video.finishUpload", json={"jobId": known["upload"]})
        if not response.ok:
            if self.adapter.provider_code(response) == "MissingParts":
                return self._tried({**known, "sent": 0})
            return self._begin_again(known, response)
        return self._working(known, response, response.json_object().get("completedJobId"))

    # --- processing -----------------------------------------------------------------------------
    async def _ask(self, known: Mapping[str, Any]) -> dict[str, Any] | None:
        url = f"{self.service_url}/xrpc/app.bsky.video.getJobStatus"
        response = await self.http.get(url, params={"jobId": known["job"]}, auth=None)
        if not response.ok:
            raise self.adapter.error(response)
        job = _job_of(response)
        if is_blob(job.get("blob")):
            ends = response.received_at + self.blob_life
            return {"blob": job["blob"], "expires_at": int(ends.timestamp())}
        if not is_id(job.get("state")):
            raise self.adapter.unreadable(response)
        if job["state"] == "JOB_STATE_FAILED":
            if job.get("failureCode") in PASSING:
                return self._tried({"tries": known.get("tries", 0)})
            reason = job.get("message") or job.get("error") or job.get("failureCode") or "unknown"
            detail = response.redact(f"Bluesky could not process the video: {reason}")
            raise ServiceError(
                C.MEDIA_ERROR, f"{detail}.", provider_code=str(job.get("failureCode") or "")
            )
        if response.received_at.timestamp() - known["since"] > PATIENCE.total_seconds():
            minutes = PATIENCE.total_seconds() / 60
            detail = f"Bluesky has worked on the video for more than {minutes:.0f} minutes."
            raise ServiceError(C.MEDIA_ERROR, detail)
        return None

    # --- in common ------------------------------------------------------------------------------
    def _working(self, known: Mapping[str, Any], response: Response, job: Any) -> dict[str, Any]:
        if not is_id(job):
            raise self.adapter.unreadable(response)
        since = int(response.received_at.timestamp())
        return {"job": job, "since": since, "tries": known.get("tries", 0)}

    def _begin_again(self, known: Mapping[str, Any], response: Response) -> dict[str, Any]:
        if self.adapter.provider_code(response) not in LOST:
            raise self.adapter.error(response, upload=True)
        return self._tried({"tries": known.get("tries", 0)})

    def _tried(self, known: Mapping[str, Any]) -> dict[str, Any]:
        tries = known.get("tries", 0) + 1
        if tries >= MOST_TRIES:
            detail = f"Bluesky's video service failed {tries} times with this video."
            raise ServiceError(C.MEDIA_ERROR, detail)
        return {**known, "tries": tries}

    async def _post(self, method: str, **options: Any) -> Response:
        auth = Bearer(await self._token())
        url = f"{self.service_url}/xrpc/{method}"
        return await self.http.post(url, auth=auth, timeout=PART_DEADLINE, **options)

    async def _token(self) -> str:
        """Fetch a token with which the service may store a blob at the account's server."""
        host = urlsplit(self.http.base_url).netloc.replace(":", "%3A")  # as did:web writes a port
        response = await self.http.get(
            "/xrpc/com.atproto.server.getServiceAuth",
            params={
                "aud": f"did:web:{host}",
                "lxm": "com.atproto.repo.uploadBlob",
                "exp": str(int(wall_clock.now() + TOKEN_LIFE.total_seconds())),
            },
        )
        if not response.ok:
            raise self.adapter.error(response)
        token = response.json_object().get("token")
        if not is_id(token):
            raise self.adapter.unreadable(response)
        return token


def _job_of(response: Response) -> dict[str, Any]:
    answer = response.json_object()
    job = answer.get("jobStatus")
    return job if isinstance(job, dict) else answer


def _is_plan(size: Any, count: Any, total: int) -> bool:
    """Say whether `count` parts of `size` bytes are what a file of `total` bytes divides into."""
    are_numbers = type(size) is int and type(count) is int and size > 0
    return are_numbers and count == -(-total // size)
