"""Publications: from the init to a post (or a draft in the inbox), whoever asks meanwhile.

A `publish_id` is the handle that makes a repeat safe: an upload publishes with its last byte,
pulled files when they have arrived, and the status tells how it went. Copies are not noticed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from sandbox import recognise, working
from sandbox.exchange import Answer, Call, Malformed
from sandbox.fetching import Fetch
from sandbox.files import FileFacts, look_at
from sandbox.records import Account, Media, Post
from sandbox.tiktok import creators, envelopes, requests
from sandbox.tiktok.requests import Request
from sandbox.working import Work

_ADDRESS_LIFE_SECONDS = 3600.0
_DAY_SECONDS = 86_400.0
_DIRECT_POSTS, _DRAFTS, _UNAUDITED_USERS = 15, 5, 5  # in 24 hours
_PICTURE_BYTES, _PICTURE_PIXELS = 20 * 1024 * 1024, (1920, 1080)
_VIDEO_SECONDS, _VIDEO_PIXELS = (3, creators.MAX_SECONDS), (360, 4096)
_KINDS = {
    "video": ("video/mp4", "video/quicktime", "video/webm"),
    "photo": ("image/jpeg", "image/webp"),
}


@dataclass(slots=True, eq=False)
class Publication:
    """One init. `secret` is in the upload's address, which is good until `expires_at`."""

    id: str
    account: Account
    request: Request
    made_at: float
    due_at: float | None
    secret: str = ""
    expires_at: float = 0.0
    data: bytearray = field(default_factory=bytearray)
    chunks: int = 0
    fetches: tuple[Fetch, ...] = ()
    work: Work | None = None  # None: the files are not there yet
    post: Post | None = None

    @property
    def is_complete(self) -> bool:
        return self.work is not None

    def status(self, now: float) -> str:
        if self.work is None or not self.work.is_over(now):
            return "PROCESSING_DOWNLOAD" if self.request.urls else "PROCESSING_UPLOAD"
        if self.work.reason:
            return "FAILED"
        return "PUBLISH_COMPLETE" if self.request.is_direct else "SEND_TO_USER_INBOX"


class Publications(dict[str, Publication]):
    """By publish id; `of` has each account's, oldest first, `unaudited` who began one when."""

    def __init__(self) -> None:
        super().__init__()
        self.by_secret: dict[str, Publication] = {}
        self.of: dict[str, list[Publication]] = {}
        self.unaudited: dict[str, float] = {}  # account id -> epoch seconds

    def add(self, publication: Publication) -> None:
        self[publication.id] = publication
        if publication.secret:
            self.by_secret[publication.secret] = publication
        self.of.setdefault(publication.account.id, []).append(publication)
        if not creators.is_audited(publication.account):
            self.unaudited[publication.account.id] = publication.made_at


def direct_video(call: Call) -> Answer:
    """`POST /v2/post/publish/video/init/`."""
    return _begin(call, requests.video(call, is_direct=True))


def inbox_video(call: Call) -> Answer:
    """`POST /v2/post/publish/inbox/video/init/`."""
    return _begin(call, requests.video(call, is_direct=False))


def photos(call: Call) -> Answer:
    """`POST /v2/post/publish/content/init/`."""
    return _begin(call, requests.photo(call))


def init_operation(call: Call) -> str:
    """To switches an init that pulls is a `create`, for nothing else needs to be called."""
    try:
        source = call.json_object().get("source_info")
    except Malformed:
        return "media"
    pulls = isinstance(source, dict) and source.get("source") == "PULL_FROM_URL"
    return "create" if pulls else "media"


def _begin(call: Call, request: Request) -> Answer:
    _check_day(call, request)
    publication = Publication(
        _publish_id(call, request),
        call.account,
        request,
        call.world.now(),
        envelopes.due_at(call),
        secret="" if request.urls else secrets.token_urlsafe(18),
        expires_at=call.world.now() + working.handle_life_s(call, _ADDRESS_LIFE_SECONDS),
    )
    call.site.books(Publications).add(publication)
    answer = {"publish_id": publication.id}
    if request.urls:
        _pull(publication, call)
    else:
        query = f"upload_id={publication.id.rpartition('.')[2]}&upload_token={publication.secret}"
        answer["upload_url"] = f"{call.base_url}/tiktok/upload/?{query}"
    return envelopes.ok(answer)


def _publish_id(call: Call, request: Request) -> str:
    way = "url" if request.urls else "file"
    place = f"pub_{way}" if request.is_direct else f"inbox_{way}"
    version = "v2-1" if request.is_direct else "v2"
    return f"{request.kind[0]}_{place}~{version}.{call.site.new_id(shift=22)}"


def _check_day(call: Call, request: Request) -> None:
    """What a creator, and an application without an audit, may publish in 24 hours."""
    books, since = call.site.books(Publications), call.world.now() - _DAY_SECONDS
    done = 0
    for publication in reversed(books.of.get(call.account.id, [])):
        if publication.made_at < since:
            break
        is_same = publication.request.is_direct == request.is_direct
        done += is_same and publication.post is not None
    lifted = _lifted(call)
    if request.is_direct and done >= max(_DIRECT_POSTS, lifted):
        raise envelopes.refused(
            403, "spam_risk_too_many_posts", "The daily post cap from the API is reached."
        )
    if not request.is_direct and done >= max(_DRAFTS, lifted):
        raise envelopes.refused(
            403, "spam_risk_too_many_pending_share", "Too many drafts are pending in 24 hours."
        )
    users = {user for user, at in books.unaudited.items() if at > since} - {call.account.id}
    if not creators.is_audited(call.account) and len(users) >= max(_UNAUDITED_USERS, lifted):
        message = "The daily quota for active publishing users is reached."
        raise envelopes.refused(403, "reached_active_user_cap", message)


def _lifted(call: Call) -> int:
    """The limit that a load test ordered for everything, 0 without one."""
    rule = call.world.switches.setting("rate", call.site.name, call.account.name)
    limit: int = rule.get("limit", 0) if rule is not None else 0
    return limit


def _pull(publication: Publication, call: Call) -> None:
    """Order the files and go on when the last one has ended, whether anybody asks or not."""
    fetches = tuple(call.world.fetcher.order(url) for url in publication.request.urls)
    publication.fetches = fetches

    def look() -> None:
        if not publication.is_complete and all(f.state != "pending" for f in fetches):
            reason = ""
            if not all(f.state == "fetched" for f in fetches):
                reason = f"{publication.request.kind}_pull_failed"
            complete(publication, call, [f.data for f in fetches], reason)

    for fetch in fetches:
        fetch.when_ended(look)


def complete(publication: Publication, call: Call, files: list[bytes], reason: str = "") -> None:
    """Take the files and begin to process them; publish unless that is bound to fail."""
    request = publication.request
    for data in files:
        reason = reason or _fault(request.kind, data)
    publication.work = working.begin(call, reason=reason)
    if publication.work.reason:
        return
    media = []
    for data in files:
        kind = recognise.kind(data)
        item = Media(call.site.new_id(), publication.account, kind, call.world.now())
        item.seal(data)
        call.site.media[item.id] = item
        media.append(item)
    post_id = call.site.new_id(shift=22)
    # Moderation comes after the processing; here it takes as long.
    public_at = 2 * publication.work.ready_at - call.world.now()
    publication.post = call.site.publish(
        post_id,
        publication.account,
        request.text,
        media=tuple(media),
        received_at=call.received_at,
        due_at=publication.due_at,
        extra={"public_at": public_at, **_told(request, publication.account, post_id)},
    )


def _fault(kind: str, data: bytes) -> str:
    if recognise.kind(data) not in _KINDS[kind]:
        return "file_format_check_failed"
    if kind == "video":
        return _video_fault(look_at(data))
    sides = recognise.picture_size(data) or (0, 0)
    is_large = max(sides) > _PICTURE_PIXELS[0] or min(sides) > _PICTURE_PIXELS[1]
    return "picture_size_check_failed" if is_large or len(data) > _PICTURE_BYTES else ""


def _video_fault(facts: FileFacts) -> str:
    """What the bytes do not tell is not held against them."""
    low, high = _VIDEO_SECONDS
    if facts.seconds is not None and not low <= facts.seconds <= high:
        return "duration_check_failed"
    low, high = _VIDEO_PIXELS
    sides = [side for side in (facts.width, facts.height) if side is not None]
    return "" if all(low <= side <= high for side in sides) else "picture_size_check_failed"


def _told(request: Request, account: Account, post_id: str) -> dict[str, Any]:
    """What the feed page and the lists tell beside the text."""
    if not request.is_direct:
        return {"kind": "draft"}
    return {
        "kind": request.kind,
        "visibility": request.privacy,
        "url": f"https://www.tiktok.com/@{account.name}/{request.kind}/{post_id}",
        "video_title": request.info.get("title", ""),
        "options": {
            name: value
            for name, value in request.info.items()
            if name not in ("title", "description", "privacy_level")
        },
    }


def fetch_status(call: Call) -> Answer:
    """`POST /v2/post/publish/status/fetch/`; the misspelt list holds integers beyond 2^53."""
    publish_id = envelopes.body(call).get("publish_id")
    publication = call.site.books(Publications).get(str(publish_id))
    if publication is None:
        raise envelopes.refused(400, "invalid_publish_id", "The publish_id does not exist.")
    if publication.account is not call.account:
        code = "token_not_authorized_for_specified_publish_id"
        raise envelopes.refused(403, code, "The publish_id belongs to another token.")
    now = call.world.now()
    status = publication.status(now)
    data: dict[str, Any] = {"status": status, "publicaly_available_post_id": []}
    if status == "FAILED" and publication.work is not None:
        data["fail_reason"] = publication.work.reason
    if publication.request.urls:
        data["downloaded_bytes"] = sum(len(fetch.data) for fetch in publication.fetches)
    else:
        is_done = publication.is_complete
        data["uploaded_bytes"] = (
            publication.request.size_bytes if is_done else len(publication.data)
        )
    if publication.post is not None and is_public(call, publication.post):
        data["publicaly_available_post_id"] = [int(publication.post.id)]
    return envelopes.ok(data)


def is_public(call: Call, post: Post) -> bool:
    """Whether moderation let it out: public, living, and a moment after it was processed."""
    if post.extra.get("visibility") != creators.PUBLIC:
        return False
    is_moderated = call.world.now() >= post.extra["public_at"]
    return is_moderated and call.site.visible(post.id, call.account.name) is not None
