"""What an init asks for, checked as TikTok checks it: post info, source, chunks, creator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sandbox.exchange import Call
from sandbox.fetching import is_fetchable
from sandbox.tiktok import creators, envelopes

_MIB = 1024 * 1024
_CHUNK_BYTES = (5_000_000, 64 * _MIB)
_VIDEO_BYTES = 4 * 1024 * _MIB
_CHUNKS = 1000
_PHOTOS = 35
_CAPTION_UNITS = 2200
_PHOTO_UNITS = {"title": 90, "description": 4000}
_VIDEO_INFO: Mapping[str, type] = {
    "title": str,
    "privacy_level": str,
    "disable_duet": bool,
    "disable_comment": bool,
    "disable_stitch": bool,
    "video_cover_timestamp_ms": int,
    "brand_content_toggle": bool,
    "brand_organic_toggle": bool,
    "is_aigc": bool,
}
_PHOTO_INFO: Mapping[str, type] = {
    "title": str,
    "description": str,
    "privacy_level": str,
    "disable_comment": bool,
    "auto_add_music": bool,
    "brand_content_toggle": bool,
    "brand_organic_toggle": bool,
}
_UPLOAD: Mapping[str, type] = {
    "source": str,
    "video_size": int,
    "chunk_size": int,
    "total_chunk_count": int,
}
_PULL: Mapping[str, type] = {"source": str, "video_url": str}
_PHOTO_PULL: Mapping[str, type] = {"source": str, "photo_cover_index": int, "photo_images": list}


@dataclass(frozen=True, slots=True)
class Request:
    """One checked init. `urls` are pulled; without any, `chunks` says what will be sent."""

    kind: str  # "video" or "photo"
    is_direct: bool  # else a draft in the creator's inbox
    info: Mapping[str, Any]
    urls: tuple[str, ...] = ()
    size_bytes: int = 0
    chunk_bytes: int = 0
    chunk_count: int = 0

    @property
    def text(self) -> str:
        """The title, and below it a photo post's description."""
        parts = [self.info.get("title", ""), self.info.get("description", "")]
        return "\n\n".join(part for part in parts if part)

    @property
    def privacy(self) -> str:
        return str(self.info.get("privacy_level", creators.SELF_ONLY))


def video(call: Call, *, is_direct: bool) -> Request:
    body = envelopes.body(call)
    _only(body, {"post_info", "source_info"} if is_direct else {"source_info"}, "request")
    info: dict[str, Any] = {}
    if is_direct:
        info = _typed(body.get("post_info"), _VIDEO_INFO, "post_info")
        _check_text(info, "title", _CAPTION_UNITS)
        _check_creator(call, info)
    given = body.get("source_info")
    source = given.get("source") if isinstance(given, dict) else None
    if source == "FILE_UPLOAD":
        return _by_chunks(Request("video", is_direct, info), _typed(given, _UPLOAD, "source_info"))
    if source != "PULL_FROM_URL":
        raise envelopes.invalid("source must be FILE_UPLOAD or PULL_FROM_URL")
    url = _typed(given, _PULL, "source_info").get("video_url", "")
    _check_urls([url])
    return Request("video", is_direct, info, urls=(url,))


def _by_chunks(request: Request, source: Mapping[str, int]) -> Request:
    """Chunks of 5 to 64 MB, the last one with the remainder: floor(size / chunk size) of them."""
    try:
        size, chunk, count = (source[n] for n in ("video_size", "chunk_size", "total_chunk_count"))
    except KeyError as missing:
        raise envelopes.invalid(f"{missing.args[0]} is required for FILE_UPLOAD") from None
    if not 0 < size <= _VIDEO_BYTES:
        raise envelopes.invalid("The video size is invalid")
    is_whole = chunk == size and chunk <= _CHUNK_BYTES[1]
    if not is_whole and not _CHUNK_BYTES[0] <= chunk <= _CHUNK_BYTES[1]:
        raise envelopes.invalid("The chunk size is invalid")
    if count != size // chunk or not 1 <= count <= _CHUNKS:
        raise envelopes.invalid("The total chunk count is invalid")
    return Request("video", request.is_direct, request.info, (), size, chunk, count)


def photo(call: Call) -> Request:
    body = envelopes.body(call)
    _only(body, {"media_type", "post_mode", "post_info", "source_info"}, "request")
    if body.get("media_type") != "PHOTO":
        raise envelopes.invalid("media_type must be PHOTO")
    mode = body.get("post_mode")
    if mode not in ("DIRECT_POST", "MEDIA_UPLOAD"):
        raise envelopes.invalid("post_mode must be DIRECT_POST or MEDIA_UPLOAD")
    is_direct = mode == "DIRECT_POST"
    grant = call.grant
    if grant is not None and not grant.allows("video.publish" if is_direct else "video.upload"):
        raise envelopes.refused_scope()
    info = _typed(body.get("post_info", {}), _PHOTO_INFO, "post_info")
    for name, units in _PHOTO_UNITS.items():
        _check_text(info, name, units)
    if is_direct:
        _check_creator(call, info)
    source = _typed(body.get("source_info"), _PHOTO_PULL, "source_info")
    if source.get("source") != "PULL_FROM_URL":
        raise envelopes.invalid("source must be PULL_FROM_URL: photos cannot be uploaded")
    urls = source.get("photo_images", [])
    if not 1 <= len(urls) <= _PHOTOS or not all(isinstance(url, str) for url in urls):
        raise envelopes.invalid(f"photo_images must have 1 to {_PHOTOS} addresses")
    if not 0 <= source.get("photo_cover_index", 0) < len(urls):
        raise envelopes.invalid("photo_cover_index must name one of the photos")
    _check_urls(urls)
    return Request("photo", is_direct, info, urls=tuple(urls))


def _check_creator(call: Call, info: Mapping[str, Any]) -> None:
    """The privacy level is demanded, must be one of the creator's, and without an audit private."""
    level = info.get("privacy_level")
    if not level:
        raise envelopes.invalid("privacy_level is required")
    if not creators.is_audited(call.account) and level != creators.SELF_ONLY:
        raise envelopes.refused(
            403,
            "unaudited_client_can_only_post_to_private_accounts",
            "Unaudited clients can only post to private accounts, with SELF_ONLY.",
        )
    if level not in creators.privacy_options(call.account):
        raise envelopes.refused(
            403,
            "privacy_level_option_mismatch",
            "privacy_level is not one of the options of this creator.",
        )


def _check_urls(urls: list[str]) -> None:
    for url in urls:
        if not is_fetchable(url):
            raise envelopes.invalid(f"{url} is no address that can be pulled from")
        if (urlsplit(url).hostname or "").startswith("unverified"):
            raise envelopes.refused(
                403,
                "url_ownership_unverified",
                "Please verify the ownership of the URL prefix or the domain.",
            )


def _check_text(info: Mapping[str, Any], name: str, most_units: int) -> None:
    """TikTok counts UTF-16 code units."""
    if len(info.get(name, "").encode("utf-16-le", "surrogatepass")) // 2 > most_units:
        raise envelopes.invalid(f"{name} has more than {most_units} UTF-16 code units")


def _typed(given: Any, known: Mapping[str, type], name: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise envelopes.invalid(f"{name} is required")
    _only(given, known.keys(), name)
    for field, value in given.items():
        is_flag = isinstance(value, bool)
        if not isinstance(value, known[field]) or is_flag != (known[field] is bool):
            raise envelopes.invalid(f"{name}.{field} is of the wrong type")
    return given


def _only(given: Mapping[str, Any], known: Any, name: str) -> None:
    for field in given.keys() - set(known):
        raise envelopes.invalid(f"{name} has an unknown field {field}")
