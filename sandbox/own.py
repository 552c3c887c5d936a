"""The sandbox network: our own tiny network, for demos and first steps. This is its reference.

Base URL `{server}/sandbox`, for example `http://127.0.0.1:8010/sandbox`. Every call needs
`Authorization: Bearer demo-<name>`: the token names the account, which exists from its first call
on (letters, digits, `_`, `.` and `-`). Bodies and answers are JSON; unknown keys are refused. Ids
are strings, instants are ISO 8601 in UTC (`2026-11-22T09:30:00.123456Z`).

`GET /me` -> 200
    `{"id": "4711", "username": "ada", "name": "Ada", "url": "http://127.0.0.1:8010/?account=ada"}`

`POST /media`, multipart: `file` (with its Content-Type), optional `alt_text` -> 201
    `{"id", "mime_type", "size_bytes", "alt_text"}`. JPEG, PNG, GIF or WebP, at most 5 MiB; alt text
    at most 1,000 characters. A file that no post uses is forgotten after 24 hours. Uploading is
    invisible.

`POST /posts` `{"text": "...", "reply_to": "<id>", "media": ["<id>"], "due_at": "<instant>"}` -> 201
    the post: `{"id", "status": "published", "text", "reply_to", "media": ["<id>"], "account",
    "url", "created_at"}`. `text` has at most 500 characters (code points) and may be empty or
    absent only with media; at most 4 media; the other keys are optional or null. Threads are
    chains of `reply_to`, which must name a living post of anyone. `due_at` is only shown as
    lateness on the feed; the header `X-Carillon-Due-At` says the same.
    `Idempotency-Key: <1-255 characters>` makes a repeat safe: for 24 hours the same account and
    key get the original post back, with status 200 (202 while in processing) and the header
    `idempotent-replayed: true`, and nothing new is made; the repeat's body is not compared.
    Without a key every call makes a post: the network has no duplicate detector.
    A text that contains `#slow` is answered 202 `{"id", "status": "processing"}`; poll
    `GET /posts/{id}`: `"status": "processing"` for 2 seconds, then `"published"`. The id stays.

`GET /posts/{id}` -> 200 the post (of any account); 404 when there is none, or it was deleted.

`GET /posts?since=<instant>&limit=<1-100, default 50>` -> 200 `{"posts": [...]}`
    this account's living posts with `created_at >= since` (all without it), newest first, those in
    processing included.

`DELETE /posts/{id}` -> 200 `{"deleted": true}`; 403 for another's post, 404 when it is gone.

Errors are `{"error": {"code": "...", "message": "..."}}`:
    400 `invalid_json`, `invalid_multipart`, `invalid_parameter`; 401 `invalid_token`;
    403 `not_owner`; 404 `not_found`; 413 `too_large`; 415 `unsupported_type`;
    422 `unknown_field`, `invalid_field`, `text_missing`, `text_too_long`, `too_many_media`,
    `media_not_found`, `reply_not_found`, `alt_text_too_long`; 429 `rate_limited`;
    500 `server_error`; 503 `unavailable`.
    A 4xx made nothing. After a 5xx or a lost answer nothing is certain: repeat under the same key.

Limits: 1,000 creates, 300 uploads and 3,000 other calls per account and minute. Every answer
carries `ratelimit-limit`, `ratelimit-remaining` and `ratelimit-reset` (whole seconds until the
window ends); a 429 also carries `retry-after` (seconds).
"""

from __future__ import annotations

import itertools
import math
from typing import Any

from sandbox.door import Endpoint, Protocol
from sandbox.exchange import Answer, Call, Malformed, Refusal
from sandbox.rates import Allowance, Window
from sandbox.records import Account, Media, Post, iso, parse_instant
from sandbox.tokens import TokenRefused

_TEXT_LIMIT = 500
_MEDIA_LIMIT = 4
_MEDIA_BYTES = 5 * 1024 * 1024
_MEDIA_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_ALT_TEXT_LIMIT = 1000
_KEY_LIFE_SECONDS = 86_400.0
_PROCESSING_SECONDS = 2.0
_ROUNDING_SECONDS = 1e-6  # `created_at` is told in microseconds
_FIELDS = frozenset({"text", "reply_to", "media", "due_at"})
_CODES = {
    401: "invalid_token",
    403: "not_owner",
    404: "not_found",
    429: "rate_limited",
    503: "unavailable",
}


def error(status: int, code: str, message: str) -> Refusal:
    return Refusal(Answer(status, {"error": {"code": code, "message": message}}))


def failure(status: int) -> Answer:
    """The body a status has when a switch or a limit orders it."""
    code = _CODES.get(status, "server_error" if status >= 500 else "refused")
    return error(status, code, code.replace("_", " ").capitalize() + ".").answer


def _authenticate(call: Call) -> Account:
    try:
        return call.site.account(call.site.tokens.account_name(call.bearer_token))
    except TokenRefused as refused:
        raise error(401, "invalid_token", f"The token is {refused.reason}.") from None


def _limit_headers(window: Window, now: float) -> dict[str, str]:
    seconds = str(max(0, math.ceil(window.resets_at - now)))
    headers = {
        "ratelimit-limit": str(window.limit),
        "ratelimit-remaining": str(window.remaining),
        "ratelimit-reset": seconds,
    }
    return headers | ({"Retry-After": seconds} if window.used_up else {})


def me(call: Call) -> Answer:
    account = call.account
    return Answer(
        200,
        {
            "id": account.id,
            "username": account.name,
            "name": account.display_name,
            "url": f"{call.base_url}/?account={account.name}",
        },
    )


def upload(call: Call) -> Answer:
    try:
        parts = call.multipart()
    except Malformed as malformed:
        raise error(400, "invalid_multipart", f"{malformed}.") from None
    if "file" not in parts:
        raise error(422, "invalid_field", "file: is missing.")
    file = parts["file"]
    if file.mime_type not in _MEDIA_TYPES:
        raise error(415, "unsupported_type", f"file: give one of {', '.join(_MEDIA_TYPES)}.")
    if not 0 < len(file.data) <= _MEDIA_BYTES:
        raise error(413, "too_large", "file: give 1 byte to 5 MiB.")
    alt_text = parts["alt_text"].data.decode("utf-8", "replace") if "alt_text" in parts else ""
    if len(alt_text) > _ALT_TEXT_LIMIT:
        raise error(422, "alt_text_too_long", "alt_text: at most 1,000 characters.")
    media = Media(call.site.new_id(), call.account, file.mime_type, call.world.now())
    media.seal(file.data)
    media.alt_text = alt_text
    call.site.media[media.id] = media
    return Answer(
        201,
        {
            "id": media.id,
            "mime_type": media.mime_type,
            "size_bytes": len(media.data),
            "alt_text": media.alt_text,
        },
    )


def create(call: Call) -> Answer:
    key = call.headers.get("Idempotency-Key", "")
    if len(key) > 255:
        raise error(400, "invalid_parameter", "Idempotency-Key: at most 255 characters.")
    if key:
        original = call.site.remembered(call.account, key, life_seconds=_KEY_LIFE_SECONDS)
        if original is not None:
            answer = _created(original, call, 200)
            answer.headers["idempotent-replayed"] = "true"
            return answer
    body = _body(call)
    text, media = body.get("text") or "", _media(call, body.get("media") or [])
    if not text and not media:
        raise error(422, "text_missing", "text: is empty and there is no media.")
    if len(text) > _TEXT_LIMIT:
        message = f"text: {len(text)} characters; at most {_TEXT_LIMIT}."
        raise error(422, "text_too_long", message)
    post = call.site.publish(
        call.site.new_id(),
        call.account,
        text,
        media=media,
        parent=_parent(call, body.get("reply_to")),
        received_at=call.received_at,
        due_at=_due_at(call, body.get("due_at")),
    )
    if key:
        call.site.remember(call.account, key, post)
    return _created(post, call, 201)


def _created(post: Post, call: Call, status: int) -> Answer:
    if _is_processing(post, call):
        return Answer(202, {"id": post.id, "status": "processing"})
    return Answer(status, _shape(post, call))


def _body(call: Call) -> dict[str, Any]:
    try:
        body = call.json_object()
    except Malformed as malformed:
        raise error(400, "invalid_json", f"{malformed}.") from None
    for name in sorted(body.keys() - _FIELDS):
        raise error(422, "unknown_field", f"{name}: there is no such field.")
    for name in ("text", "reply_to"):
        if not isinstance(body.get(name), str | None):
            raise error(422, "invalid_field", f"{name}: give a string.")
    ids = body.get("media")
    if ids is not None and not (isinstance(ids, list) and all(isinstance(i, str) for i in ids)):
        raise error(422, "invalid_field", "media: give a list of ids.")
    return body


def _media(call: Call, ids: list[str]) -> tuple[Media, ...]:
    if len(ids) > _MEDIA_LIMIT:
        raise error(422, "too_many_media", f"media: at most {_MEDIA_LIMIT}.")
    found = {media_id: call.site.usable_media(media_id, call.account) for media_id in ids}
    for media_id, item in found.items():
        if item is None:
            raise error(422, "media_not_found", f"media: there is no {media_id}.")
    return tuple(item for item in found.values() if item is not None)


def _parent(call: Call, post_id: str | None) -> Post | None:
    if post_id is None:
        return None
    parent = call.site.living(post_id)
    if parent is None:
        raise error(422, "reply_not_found", f"reply_to: there is no post {post_id}.")
    return parent


def _due_at(call: Call, given: Any) -> float | None:
    try:
        return call.due_at(given)
    except Malformed as malformed:
        raise error(422, "invalid_field", f"due_at: {malformed}.") from None


def read_one(call: Call) -> Answer:
    post = call.site.visible(call.params["id"], call.account.name)
    if post is None:
        raise error(404, "not_found", "There is no such post.")
    return Answer(200, _shape(post, call))


def read_many(call: Call) -> Answer:
    query = call.query
    limit = query.get("limit", "50")
    if not limit.isdecimal() or not 1 <= int(limit) <= 100:
        raise error(400, "invalid_parameter", "limit: give 1 to 100.")
    try:
        since = parse_instant(query["since"]) if "since" in query else 0.0
    except ValueError:
        raise error(400, "invalid_parameter", "since: give an instant with a zone.") from None
    posts = itertools.takewhile(
        lambda post: post.published_at >= since - _ROUNDING_SECONDS,
        call.site.newest_first(call.account, call.account.name),
    )
    page = itertools.islice(posts, int(limit))
    return Answer(200, {"posts": [_shape(post, call) for post in page]})


def delete(call: Call) -> Answer:
    post = call.site.living(call.params["id"])
    if post is None:
        raise error(404, "not_found", "There is no such post.")
    if post.account is not call.account:
        raise error(403, "not_owner", "The post belongs to another account.")
    call.site.delete(post)
    return Answer(200, {"deleted": True})


def _is_processing(post: Post, call: Call) -> bool:
    return "#slow" in post.text and call.world.now() - post.published_at < _PROCESSING_SECONDS


def _shape(post: Post, call: Call) -> dict[str, Any]:
    return {
        "id": post.id,
        "status": "processing" if _is_processing(post, call) else "published",
        "text": post.text,
        "reply_to": post.parent.id if post.parent else None,
        "media": [item.id for item in post.media],
        "account": post.account.name,
        "url": f"{call.base_url}/#sandbox-{post.id}",
        "created_at": iso(post.published_at, timespec="microseconds"),
    }


_CREATES = Allowance(1000, 60)
_UPLOADS = Allowance(300, 60)
_OTHERS = Allowance(3000, 60)

PROTOCOL = Protocol(
    prefix="/sandbox",
    site_name=lambda _params: "sandbox",
    authenticate=_authenticate,
    limit_headers=_limit_headers,
    failure=failure,
    request_id_header="x-request-id",
    endpoints=(
        Endpoint("GET", "/me", "account", me, _OTHERS, "other"),
        Endpoint("POST", "/media", "media", upload, _UPLOADS),
        Endpoint("POST", "/posts", "create", create, _CREATES),
        Endpoint("GET", "/posts", "find", read_many, _OTHERS, "other"),
        Endpoint("GET", "/posts/{id}", "find", read_one, _OTHERS, "other"),
        Endpoint("DELETE", "/posts/{id}", "delete", delete, _OTHERS, "other"),
    ),
)
