"""LinkedIn's images, videos and documents: initialize, PUT, (finalize,) then wait."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from sandbox import recognise, working
from sandbox.exchange import Answer, Call, Refusal
from sandbox.files import look_at
from sandbox.linkedin import errors, people, restli
from sandbox.records import Account, Media
from sandbox.working import Work

_MIB = 1024 * 1024
PART_BYTES = 4 * _MIB
_VIDEO_BYTES = (75 * 1024, 500 * _MIB)
_VIDEO_SECONDS = (3, 1800)
_DOCUMENT_BYTES = 100 * _MIB
_IMAGE_PIXELS = 36_152_320
_ADDRESS_LIFE_SECONDS = 86_400.0
_KINDS = {
    "image": ("image/jpeg", "image/png", "image/gif"),
    "video": ("video/mp4", "video/quicktime"),
    "document": ("application/pdf", "application/msword", "application/vnd.openxmlformats"),
}


@dataclass(slots=True)
class Upload:
    """One asset. `secret` is in its addresses, which are good until `expires_at`."""

    media: Media
    owner: Account
    secret: str
    expires_at: float
    size_bytes: int = 0  # as declared; videos only
    parts: dict[int, tuple[str, bytes]] = field(default_factory=dict)  # number -> etag, bytes
    work: Work | None = None  # None: still waits for its bytes

    @property
    def kind(self) -> str:
        return self.media.category

    @property
    def urn(self) -> str:
        return f"urn:li:{self.kind}:D4E10AQ{self.media.id}"

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """First and last byte of every part."""
        starts = range(0, self.size_bytes, PART_BYTES)
        return [(start, min(start + PART_BYTES, self.size_bytes) - 1) for start in starts]

    def status(self, now: float) -> str:
        if self.work is None:
            return "WAITING_UPLOAD"
        if not self.work.is_over(now):
            return "PROCESSING"
        return "PROCESSING_FAILED" if self.work.reason else "AVAILABLE"


class Uploads(dict[str, Upload]):
    """By URN."""


def of_secret(call: Call) -> Upload | None:
    """The upload whose address was called, if `ut` is its secret."""
    urn = f"urn:li:{call.params['kind']}:D4E10AQ{call.params['id']}"
    upload = call.site.books(Uploads).get(urn)
    return upload if upload is not None and upload.secret == call.query.get("ut") else None


def initialize(call: Call) -> Answer:
    """`POST /rest/{images|videos|documents}?action=initializeUpload`."""
    kind = call.params["kind"].removesuffix("s")
    action = call.query.get("action")
    if action == "finalizeUpload" and kind == "video":
        return _finalize(call)
    if action != "initializeUpload":
        raise errors.invalid("ILLEGAL_ARGUMENT", "action", f"Unknown action {action}")
    request = _request(call, "initializeUploadRequest")
    owner = people.acting(call, request.get("owner"), "owner", f"{kind}s.ACTION-initializeUpload")
    now = call.world.now()
    media = Media(call.site.new_id(shift=20), call.account, "", now, category=kind, complete=False)
    expires_at = now + working.handle_life_s(call, _ADDRESS_LIFE_SECONDS)
    upload = Upload(media, owner, secrets.token_urlsafe(12), expires_at)
    if kind == "video":
        upload.size_bytes = _declared_size(request)
    call.site.books(Uploads)[upload.urn] = upload
    call.site.media[media.id] = media
    return Answer(200, {"value": _instructions(upload, call)})


def _declared_size(request: dict[str, Any]) -> int:
    size = request.get("fileSizeBytes")
    if size is None:
        raise errors.unfit("fileSizeBytes", "field is required but not found")
    if not isinstance(size, int) or not _VIDEO_BYTES[0] <= size <= _VIDEO_BYTES[1]:
        message = "fileSizeBytes: a video has 75 KB to 500 MB"
        raise errors.invalid("INVALID_VALUE_FOR_FIELD", "fileSizeBytes", message)
    for name in ("uploadCaptions", "uploadThumbnail"):
        if not isinstance(request.get(name, False), bool):
            raise errors.unfit(name, "cannot be coerced to Boolean")
    return size


def _instructions(upload: Upload, call: Call) -> dict[str, Any]:
    expires_ms = int(upload.expires_at * 1000)
    if upload.kind != "video":
        url = _address(upload, call, 0)
        return {"uploadUrlExpiresAt": expires_ms, "uploadUrl": url, upload.kind: upload.urn}
    parts = [
        {"uploadUrl": _address(upload, call, number), "firstByte": first, "lastByte": last}
        for number, (first, last) in enumerate(upload.ranges)
    ]
    return {
        "uploadUrlsExpireAt": expires_ms,
        "video": upload.urn,
        "uploadInstructions": parts,
        "uploadToken": "",
    }


def _address(upload: Upload, call: Call, number: int) -> str:
    path = f"/linkedin/dms-uploads/{upload.kind}/{upload.media.id}/{number}"
    return f"{call.base_url}{path}?cn=uploads&sync=0&v=beta&ut={upload.secret}"


def put(call: Call) -> Answer:
    """The bytes: 201 for an image or document (with Bearer), 200 and an ETag for a video's part."""
    upload = of_secret(call)
    if upload is None:
        raise errors.refused(404, "NOT_FOUND", "There is no such upload")
    if call.world.now() >= upload.expires_at:
        raise errors.refused(400, "EXPIRED_UPLOAD_URL", "The upload URL has expired")
    if upload.work is not None:
        raise errors.refused(400, "ILLEGAL_ARGUMENT", "The upload is complete")
    if upload.kind == "video":
        return _take_part(upload, int(call.params["part"]), call)
    if upload.kind == "document" and len(call.body) > _DOCUMENT_BYTES:
        raise Refusal(errors.plain(413))
    _complete(upload, call.body, call)
    return Answer(201)


def _take_part(upload: Upload, number: int, call: Call) -> Answer:
    if "Authorization" in call.headers:
        raise errors.refused(400, "ILLEGAL_ARGUMENT", "Parts are sent without Authorization")
    if number >= len(upload.ranges):
        raise errors.refused(404, "NOT_FOUND", "There is no such part")
    first, last = upload.ranges[number]
    if len(call.body) != last - first + 1:
        message = f"Part {number} has {last - first + 1} bytes, not {len(call.body)}"
        raise errors.refused(400, "ILLEGAL_ARGUMENT", message)
    etag = f"/ambry-video/signedId/{secrets.token_hex(12)}-{number}"
    upload.parts[number] = (etag, call.body)
    return Answer(200, headers={"ETag": f'"{etag}"'})


def _finalize(call: Call) -> Answer:
    """Every part's ETag, in order and without quotes; from here on the video is processed."""
    request = _request(call, "finalizeUploadRequest")
    upload = _own(call, request.get("video"), "video")
    if request.get("uploadToken") != "":
        raise errors.invalid("ILLEGAL_ARGUMENT", "uploadToken", "uploadToken does not match")
    etags = [upload.parts[number][0] for number in sorted(upload.parts)]
    if len(etags) < len(upload.ranges) or request.get("uploadedPartIds") != etags:
        message = "uploadedPartIds: these are not the parts of the upload, in order"
        raise errors.invalid("ILLEGAL_ARGUMENT", "uploadedPartIds", message)
    if upload.work is None:
        data = b"".join(upload.parts[number][1] for number in sorted(upload.parts))
        _complete(upload, data, call)
    return Answer(200)


def _complete(upload: Upload, data: bytes, call: Call) -> None:
    """Take the bytes and begin to process them; what is wrong with them shows at the end."""
    kind = recognise.kind(data)
    reason = "" if kind in _KINDS[upload.kind] else "The file's format is not supported"
    if upload.kind == "image":
        width, height = recognise.picture_size(data) or (0, 0)
        reason = reason or ("Too many pixels" if width * height >= _IMAGE_PIXELS else "")
    if upload.kind == "video":
        seconds, (low, high) = look_at(data).seconds, _VIDEO_SECONDS
        is_good = seconds is None or low <= seconds <= high
        reason = reason or ("" if is_good else "The video's length is not supported")
    upload.media.mime_type = kind or "application/octet-stream"
    upload.media.seal(data)
    upload.parts = {number: (etag, b"") for number, (etag, _) in upload.parts.items()}
    upload.work = working.begin(call, reason=reason)


def read(call: Call) -> Answer:
    """The status. A member's image is refused: that would take the closed `r_member_social`."""
    urn = restli.key(call)
    kind = call.params["kind"].removesuffix("s")
    upload = _own(call, urn, kind)
    if kind == "image":
        people.need(call, "images.GET", "w_organization_social", "r_organization_social")
        if people.is_member(upload.owner):
            raise errors.denied("images.GET")
    now = call.world.now()
    status = upload.status(now)
    answer: dict[str, Any] = {
        "id": upload.urn,
        "owner": people.urn_of(upload.owner),
        "status": status,
    }
    if status == "AVAILABLE":
        answer["downloadUrl"] = f"{call.base_url}/_media/{call.site.name}/{upload.media.id}"
        answer["downloadUrlExpiresAt"] = int((now + _ADDRESS_LIFE_SECONDS) * 1000)
    if status == "PROCESSING_FAILED" and upload.work is not None:
        answer["processingFailureReason"] = upload.work.reason
    return Answer(200, answer)


def _own(call: Call, urn: Any, kind: str) -> Upload:
    upload = call.site.books(Uploads).get(urn) if isinstance(urn, str) else None
    if upload is None or upload.kind != kind:
        raise errors.refused(404, "NOT_FOUND", f"Could not find {kind} {urn}")
    if upload.media.account is not call.account:
        raise errors.not_yours(kind)
    return upload


def _request(call: Call, name: str) -> dict[str, Any]:
    request = restli.body(call).get(name)
    if not isinstance(request, dict):
        raise errors.unfit(name, "field is required but not found and has no default value")
    return request
