"""What a post may carry: one image, video or document, 2 to 20 images, an article, or a poll."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.exchange import Call
from sandbox.linkedin import errors
from sandbox.linkedin.uploads import Upload, Uploads
from sandbox.records import Account, Media
from sandbox.working import Work

_ALT_TEXT_CHARS = 4086
_IMAGES = (2, 20)
_POLL_OPTIONS = (2, 4)
_POLL_CHARS = {"question": 140, "text": 30}
_POLL_DURATIONS = ("ONE_DAY", "THREE_DAYS", "SEVEN_DAYS", "FOURTEEN_DAYS")


@dataclass(frozen=True, slots=True)
class Content:
    """`images`: the work on them, for a post is invisible until they are processed."""

    kind: str = ""
    media: tuple[Media, ...] = ()
    images: tuple[Work, ...] = ()

    @property
    def is_share(self) -> bool:
        """Whether the post's URN is a share; else it is a ugcPost."""
        return self.kind in ("", "image", "article")

    def is_visible(self, now: float) -> bool:
        return all(work.is_good(now) for work in self.images)


def read(call: Call, given: Any, author: Account) -> Content:
    """Check `content` and find its files; raises 400, 403 or 422."""
    if given is None:
        return Content()
    if not isinstance(given, dict) or len(given) != 1:
        raise errors.unfit("content", "union type must have exactly one member")
    (name, value), *_ = given.items()
    if name not in _READERS or not isinstance(value, dict):
        raise errors.unfit(f"content/{name}", "unrecognized field found but not allowed")
    return _READERS[name](call, value, author)


def _media(call: Call, value: dict[str, Any], author: Account) -> Content:
    _check_fields(value, "content/media", {"id", "title", "altText"})
    upload = _attach(call, value, author, "content/media")
    if upload.kind == "document" and not value.get("title"):
        raise errors.unfit("content/media/title", "field is required but not found")
    if upload.kind == "image":
        return _of_images("image", (upload,))
    return Content(upload.kind, (upload.media,))


def _multi_image(call: Call, value: dict[str, Any], author: Account) -> Content:
    _check_fields(value, "content/multiImage", {"images", "altText"})
    images = value.get("images")
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise errors.unfit("content/multiImage/images", "field is required but not found")
    if not _IMAGES[0] <= len(images) <= _IMAGES[1]:
        message = f"multiImage takes {_IMAGES[0]} to {_IMAGES[1]} images, not {len(images)}"
        raise errors.invalid("INVALID_VALUE_FOR_FIELD", "content/multiImage/images", message)
    uploads = [
        _attach(call, image, author, f"content/multiImage/images/{number}", only="image")
        for number, image in enumerate(images)
    ]
    return _of_images("carousel", tuple(uploads))


def _article(call: Call, value: dict[str, Any], author: Account) -> Content:
    known = {"source", "title", "description", "thumbnail", "thumbnailAltText"}
    _check_fields(value, "content/article", known)
    for name in ("source", "title"):
        if not isinstance(value.get(name), str) or not value[name]:
            raise errors.unfit(f"content/article/{name}", "field is required but not found")
    if not value["source"].startswith(("http://", "https://")):
        message = f"Invalid URL {value['source']}"
        raise errors.invalid("INVALID_VALUE_FOR_FIELD", "content/article/source", message)
    if "thumbnail" not in value:
        return Content("article")
    thumbnail = {"id": value["thumbnail"], "altText": value.get("thumbnailAltText")}
    upload = _attach(call, thumbnail, author, "content/article/thumbnail", only="image")
    return _of_images("article", (upload,))


def _poll(_call: Call, value: dict[str, Any], _author: Account) -> Content:
    options = value.get("options")
    texts = [value.get("question"), *_texts(options)]
    if not isinstance(options, list) or not all(isinstance(t, str) and t for t in texts):
        raise errors.unfit("content/poll", "question and options are required")
    if not _POLL_OPTIONS[0] <= len(options) <= _POLL_OPTIONS[1]:
        message = "A poll has two to four options"
        raise errors.invalid("INVALID_VALUE_FOR_FIELD", "content/poll/options", message)
    limits = [_POLL_CHARS["question"], *[_POLL_CHARS["text"]] * len(options)]
    if any(len(str(text)) > limit for text, limit in zip(texts, limits, strict=True)):
        raise errors.invalid("FIELD_LENGTH_TOO_LONG", "content/poll", "A poll's text is too long")
    settings = value.get("settings")
    if not isinstance(settings, dict) or settings.get("duration") not in _POLL_DURATIONS:
        raise errors.unfit("content/poll/settings/duration", "is not an enum symbol")
    return Content("poll")


_READERS = {"media": _media, "multiImage": _multi_image, "article": _article, "poll": _poll}


def _texts(options: Any) -> list[Any]:
    if not isinstance(options, list):
        return []
    return [option.get("text") if isinstance(option, dict) else None for option in options]


def _of_images(kind: str, uploads: tuple[Upload, ...]) -> Content:
    """LinkedIn takes images that are still processed, and shows nothing until they are."""
    works = tuple(upload.work for upload in uploads if upload.work is not None)
    return Content(kind, tuple(upload.media for upload in uploads), works)


def _attach(
    call: Call, value: dict[str, Any], author: Account, field: str, only: str = ""
) -> Upload:
    urn = value.get("id")
    if not isinstance(urn, str):
        raise errors.unfit(
            f"{field}/id", "field is required but not found and has no default value"
        )
    upload = call.site.books(Uploads).get(urn)
    if upload is None or only not in ("", upload.kind):
        raise errors.invalid("INVALID_URN_ID", f"{field}/id", f"Invalid URN {urn}")
    if upload.owner is not author:
        raise errors.not_yours(field)
    _check_status(call, upload)
    alt_text = value.get("altText") or ""
    if not isinstance(alt_text, str) or len(alt_text) > _ALT_TEXT_CHARS:
        message = f"altText has at most {_ALT_TEXT_CHARS} characters"
        raise errors.invalid("FIELD_LENGTH_TOO_LONG", f"{field}/altText", message)
    upload.media.alt_text = alt_text
    return upload


def _check_status(call: Call, upload: Upload) -> None:
    """An image may still be in work (then its post is not seen), anything else may not."""
    status = upload.status(call.world.now())
    is_early_image = upload.kind == "image" and status == "PROCESSING"
    if status != "AVAILABLE" and not is_early_image:
        message = f"Media asset {upload.urn} is {status}"
        raise errors.invalid(f"MEDIA_ASSET_{status}", "content", message)


def _check_fields(value: dict[str, Any], field: str, known: set[str]) -> None:
    for name in value.keys() - known:
        raise errors.unfit(f"{field}/{name}", "unrecognized field found but not allowed")
