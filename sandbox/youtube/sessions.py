"""Resumable uploads: start a session, PUT chunks, ask where it stands; the last byte publishes.

The session's address is a secret that speaks for its owner, and makes a repeat safe: once the video
exists every PUT is answered with it, until the session ends.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from sandbox import working
from sandbox.exchange import Answer, Call, Malformed
from sandbox.files import FileFacts, look_at
from sandbox.records import Account, Media
from sandbox.youtube import channels, errors, metadata, parameters, quota, videos
from sandbox.youtube.videos import Video, Videos

_GRAIN_BYTES = 256 * 1024
_LIFE_SECONDS = 7 * 86_400.0
_LIMIT_BYTES = 256 * 1024**3
_LIMIT_SECONDS = 12 * 3600
_CHANNEL_VIDEOS = 50  # in 24 hours
_DAY_SECONDS = 86_400.0
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_PARTS = ("snippet", "status", "id", "contentDetails", "recordingDetails", "localizations")


@dataclass(slots=True, eq=False)
class Session:
    """One upload under way; `size_bytes` None while undeclared, `video` once it is done."""

    secret: str
    account: Account
    mime_type: str
    size_bytes: int | None
    given: dict[str, dict[str, Any]]
    parts: list[str]
    expires_at: float
    data: bytearray = field(default_factory=bytearray)
    video: Video | None = None
    due_at: float | None = None


class Sessions(dict[str, Session]):
    """By secret."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What a PUT brings: the first byte's place, None for a question; the whole size if told."""

    start: int | None
    size_bytes: int | None


def of_call(call: Call) -> Session | None:
    return call.site.books(Sessions).get(call.query.get("upload_id", ""))


def start(call: Call) -> Answer:
    """`POST /upload/youtube/v3/videos?uploadType=resumable`: 200 and the session's address."""
    parameters.need(call, parameters.PUBLISH)
    channels.need_channel(call)
    quota.spend(call, 1, "inserts")
    if call.query.get("uploadType") != "resumable":
        raise errors.bad_parameter("uploadType", call.query.get("uploadType", ""))
    parts = parameters.parts(call, _PARTS)
    given = metadata.check(parameters.body(call), parts)
    if "snippet" not in parts:
        metadata.check({}, ["snippet"])
    given["status"].setdefault("privacyStatus", "public")
    mime_type = call.headers.get("X-Upload-Content-Type", "application/octet-stream")
    if not mime_type.startswith("video/") and mime_type != "application/octet-stream":
        message = (
            f"Media type '{mime_type}' is not supported. "
            "Valid media types: [video/*, application/octet-stream]"
        )
        raise errors.refused(400, "badContent", message, domain="global")
    _check_channel_limit(call)
    session = Session(
        secrets.token_urlsafe(24),
        call.account,
        mime_type,
        _declared_size(call),
        given,
        parts,
        call.world.now() + working.handle_life_s(call, _LIFE_SECONDS),
        due_at=_due_at(call),
    )
    call.site.books(Sessions)[session.secret] = session
    query = f"uploadType=resumable&part={','.join(parts)}&upload_id={session.secret}"
    headers = {"Location": f"{call.base_url}{call.path}?{query}"}
    return Answer(200, headers={**headers, "X-GUploader-UploadID": session.secret})


def _declared_size(call: Call) -> int | None:
    text = call.headers.get("X-Upload-Content-Length")
    if text is None:
        return None
    if not text.isdecimal():
        message = "Invalid X-Upload-Content-Length"
        raise errors.refused(400, "badRequest", message, domain="global")
    if int(text) > _LIMIT_BYTES:
        raise errors.refused(413, "uploadTooLarge", "Request Too Large", domain="global")
    return int(text)


def _check_channel_limit(call: Call) -> None:
    now = call.world.now()
    recent = 0
    for post in reversed(call.account.posts):
        if now - post.published_at > _DAY_SECONDS:
            break
        recent += post.parent is None
    if recent >= max(_CHANNEL_VIDEOS, quota.lifted(call)):
        message = "The user has exceeded the number of videos they may upload."
        raise errors.refused(400, "uploadLimitExceeded", message)


def operation(call: Call) -> str:
    """What a PUT is to the switches: a question, a chunk, or the chunk that publishes."""
    session, match = of_call(call), _RANGE.fullmatch(call.headers.get("Content-Range", ""))
    if match is None:
        return "create"
    if match[1] is None:
        return "find"
    size = int(match[3]) if match[3] != "*" else session.size_bytes if session else None
    return "create" if size is not None and int(match[2]) + 1 >= size else "media"


def put(call: Call) -> Answer:
    """308 with what is stored so far, or 200 and the video."""
    session = of_call(call)
    if session is None:
        raise errors.refused(404, "notFound", "Not Found", domain="global")
    if call.world.now() >= session.expires_at:
        raise errors.refused(410, "gone", "The upload session has expired.", domain="global")
    if session.video is not None:
        return _done(session, call)
    chunk = _read_chunk(call, session)
    if chunk.start is not None:
        _store(session, chunk, call.body)
    if session.size_bytes is None or len(session.data) < session.size_bytes:
        stored = {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
        return Answer(308, headers={**stored, "X-GUploader-UploadID": session.secret})
    session.video = _finish(session, call)
    return _done(session, call)


def _read_chunk(call: Call, session: Session) -> _Chunk:
    header = call.headers.get("Content-Range")
    if header is None:
        return _Chunk(0, len(call.body))
    match = _RANGE.fullmatch(header)
    if match is None:
        raise _bad_request(f"Failed to parse Content-Range header: {header}")
    size = None if match[3] == "*" else int(match[3])
    if None not in (size, session.size_bytes) and size != session.size_bytes:
        raise _bad_request(f"The upload has {session.size_bytes} bytes, not {size}.")
    if match[1] is None:
        return _Chunk(None, size)
    start, end = int(match[1]), int(match[2])
    if end - start + 1 != len(call.body):
        raise _bad_request(f"Content-Range {header} does not fit a body of {len(call.body)} bytes.")
    is_last = size is not None and end + 1 == size
    if not is_last and (len(call.body) % _GRAIN_BYTES or (size is not None and end >= size)):
        raise _bad_request(
            "The number of bytes uploaded is required to be equal or greater than "
            f"{_GRAIN_BYTES}, except for the final request (it's recommended to be the exact "
            f"multiple of {_GRAIN_BYTES}). The received request contained {len(call.body)} bytes, "
            "which does not meet this requirement."
        )
    return _Chunk(start, size)


def _store(session: Session, chunk: _Chunk, body: bytes) -> None:
    """Append what is new of the chunk; a gap is refused."""
    stored = len(session.data)
    if chunk.start is None or chunk.start > stored:
        raise _bad_request(f"Expected bytes from {stored} on.")
    session.data += body[stored - chunk.start :]
    if chunk.size_bytes is not None:
        session.size_bytes = chunk.size_bytes


def _finish(session: Session, call: Call) -> Video:
    """Make the video; it is a post unless its processing is bound to fail."""
    now = call.world.now()
    media = Media(call.site.new_id(), session.account, session.mime_type, now, category="video")
    media.seal(bytes(session.data))
    session.data.clear()
    facts = look_at(media.data)
    if facts.is_video:
        media.mime_type = facts.mime_type
    work = working.begin(call, reason=_fault(facts, media.data))
    number = call.site.new_id()
    video = Video(
        _short(number, 8),
        session.account,
        media,
        session.given["snippet"],
        session.given["status"],
        now,
        work,
    )
    call.site.media[media.id] = media
    call.site.books(Videos).add(video)
    if not work.reason:
        video.post = call.site.publish(
            video.id,
            session.account,
            video.text,
            media=(media,),
            received_at=call.received_at,
            due_at=_due_at(call) or session.due_at,
            extra=videos.told(video, call),
        )
    return video


def _fault(facts: FileFacts, data: bytes) -> str:
    """Why the video cannot be processed, in YouTube's words; "" when it can."""
    if not facts.is_video:
        return "invalidFile" if data else "emptyFile"
    return "length" if (facts.seconds or 0) > _LIMIT_SECONDS else ""


def _done(session: Session, call: Call) -> Answer:
    if session.video is None:
        raise LookupError("the session has no video yet")
    return Answer(200, videos.shape(session.video, session.parts, call))


def _due_at(call: Call) -> float | None:
    try:
        return call.due_at()
    except Malformed as malformed:
        raise _bad_request(str(malformed)) from None


def _short(number: str, size: int) -> str:
    """An id of YouTube's look, eleven characters for eight bytes."""
    digest = hashlib.blake2b(number.encode(), digest_size=size).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _bad_request(message: str) -> Exception:
    return errors.refused(400, "badRequest", message, domain="global")
