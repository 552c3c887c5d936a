"""Reading X's answers: codes, reasons, resets and counters, and a post as it was sent.

Sources: as in `platforms.adapters.x`. Rows marked "seen" are bodies that several public projects
report, not documentation.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.http import Response
from platforms.adapters.base import Account, ErrorTable, RateHint, Segment, is_id
from platforms.adapters.texts import comparable

ERRORS: ErrorTable = {  # (status, provider code) -> category
    (401, ""): C.AUTH_ERROR,
    (402, ""): C.QUOTA_EXCEEDED,  # credits used up or spending limit reached
    (403, "CreditsDepleted"): C.QUOTA_EXCEEDED,  # seen: the same under 403
    (403, "credits"): C.QUOTA_EXCEEDED,
    (403, "usage-capped"): C.QUOTA_EXCEEDED,
    (403, "duplicate-content"): C.DUPLICATE,
    (403, "187"): C.DUPLICATE,  # version 1.1's code
    (403, "not-authorized-for-resource"): C.VALIDATION_ERROR,  # foreign parent of a reply
    (403, "reply-not-allowed"): C.VALIDATION_ERROR,
    (403, "cashtags"): C.VALIDATION_ERROR,
    (403, "not-permitted-action"): C.VALIDATION_ERROR,
    (403, "unsupported-authentication"): C.AUTH_ERROR,
    (403, "oauth1-permissions"): C.AUTH_ERROR,  # the app was read-only when it was connected
    (403, "client-forbidden"): C.PERMISSION,
    (403, "user-suspended"): C.PERMISSION,
    (429, ""): C.RATE_LIMIT,
    (429, "usage-capped"): C.QUOTA_EXCEEDED,
    (429, "app-limit-24hour"): C.QUOTA_EXCEEDED,
    (429, "user-limit-24hour"): C.QUOTA_EXCEEDED,
}
OAUTH2_ERRORS: ErrorTable = {**ERRORS, (401, ""): C.TOKEN_EXPIRED}  # access tokens live 2 hours

# Last resort, for answers without a code: (part of `detail`, our code). All seen in 2026.
DETAILS = (
    ("duplicate content", "duplicate-content"),
    ("only reply to or quote posts where you are mentioned", "not-authorized-for-resource"),
    ("reply to this conversation is not allowed", "reply-not-allowed"),
    ("maximum of one cashtag", "cashtags"),
    ("not permitted to perform this action", "not-permitted-action"),
)
MEDIA_LINK = re.compile(r"/status/\d+/(?:photo|video)/\d+$")
METRIC_NAMES = {
    "impression_count": "impressions",
    "like_count": "likes",
    "reply_count": "replies",
    "retweet_count": "reposts",
    "repost_count": "reposts",  # specification 2.167's word for the same
    "quote_count": "quotes",
    "bookmark_count": "bookmarks",
}


def provider_code(response: Response) -> str:
    answer = response.json_object()
    detail = str(answer.get("detail") or "").lower()
    for words, code in DETAILS:
        if words in detail:
            return code
    kind = str(answer.get("type") or "")
    if "/problems/" in kind:
        return kind.rpartition("/")[2]
    if answer.get("title") == "CreditsDepleted":
        return "CreditsDepleted"
    if response.status == 429:
        for scope in ("app", "user"):
            if response.headers.get(f"x-{scope}-limit-24hour-remaining") == "0":
                return f"{scope}-limit-24hour"
    return _old_code(answer)


def retry_after(response: Response) -> timedelta | None:
    """X says when a window ends, not how long to wait; the longest that is used up counts."""
    if response.retry_after is not None or response.status != 429:
        return response.retry_after
    names = ("app-limit-24hour", "user-limit-24hour", "rate-limit")
    for name in names:
        used_up = response.headers.get(f"x-{name}-remaining") == "0"
        if used_up and (reset := reset_of(response, name)):
            return response.wait_until(reset)
    return None


def reason_of(response: Response) -> str:
    answer = response.json_object()
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    reasons = (
        first.get("message") if isinstance(first, dict) else None,
        answer.get("detail"),
        answer.get("title"),
    )
    for reason in reasons:
        if isinstance(reason, str) and reason:
            return f"X answered HTTP {response.status}: {reason}"
    return f"X answered HTTP {response.status}."


def data_of(response: Response) -> dict[str, Any]:
    data = response.json_object().get("data")
    return data if isinstance(data, dict) else {}


def has_id(post: Any) -> bool:
    return isinstance(post, dict) and is_id(post.get("id"))


def _old_code(answer: Mapping[str, Any]) -> str:
    """Return the numeric code of a version 1.1 error body, or ""."""
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    code = first.get("code") if isinstance(first, dict) else None
    return str(code) if isinstance(code, int) else ""


def reset_of(response: Response, name: str) -> datetime | None:
    value = response.headers.get(f"x-{name}-reset", "")
    return datetime.fromtimestamp(int(value), UTC) if re.fullmatch(r"[0-9]{1,10}", value) else None


def hint_of(response: Response, name: str, bucket: str, scope: str) -> RateHint | None:
    """Return what one family of headers (x-<name>-limit, -remaining, -reset) says of a bucket."""
    remaining = response.headers.get(f"x-{name}-remaining", "")
    if not remaining.isdecimal():
        return None
    reset = reset_of(response, name)
    if reset is None:
        return None
    limit = response.headers.get(f"x-{name}-limit", "")
    known = int(limit) if limit.isdecimal() else None
    return RateHint(bucket, scope, known, int(remaining), reset)


def operation_of(response: Response) -> str:
    """Return which bucket an answer's headers speak of."""
    path, method = response.path, response.method
    if path.endswith("/2/tweets"):
        return "publish" if method == "POST" else "metrics"
    if method == "DELETE":
        return "delete"
    if "/oauth2/" in path:
        return "refresh"
    if "/2/media/metadata" in path:
        return "describe"
    if "/2/media/" in path:
        kind = "prepare" if path.endswith("/upload") else "chunk"
        return "status" if method == "GET" else kind
    return "validate" if path.endswith("/2/users/me") else "find"


def counters_of(post: Mapping[str, Any]) -> dict[str, int]:
    counters = post.get("public_metrics")
    if not isinstance(counters, dict):
        return {}
    return {
        METRIC_NAMES[name]: value
        for name, value in counters.items()
        if name in METRIC_NAMES and isinstance(value, int)
    }


def is_same(post: Mapping[str, Any], wanted: Segment, parent: str | None, account: Account) -> bool:
    """Say whether a listed post is the one we sent: parent, number of images, text."""
    replied_to = _replied_to(post)
    if replied_to and replied_to != parent:
        return False
    attachments = post.get("attachments")
    keys = attachments.get("media_keys") if isinstance(attachments, dict) else None
    if len(keys or ()) != len(wanted.media):
        return False
    shown = comparable(_expanded(post))
    return shown in {
        comparable(wanted.text),
        comparable(f"@{account.username} {wanted.text}"),  # a reply may repeat whom it answers
    }


def _replied_to(post: Mapping[str, Any]) -> str:
    references = post.get("referenced_tweets") or post.get("referenced_posts") or ()
    for reference in references if isinstance(references, list) else ():
        if isinstance(reference, dict) and reference.get("type") == "replied_to":
            return str(reference.get("id") or "")
    return ""


def _expanded(post: Mapping[str, Any]) -> str:
    """Return a post's text with links written out, without the link that stands for its images."""
    note = post.get("note_tweet") or post.get("note_post")
    source: Mapping[str, Any] = note if isinstance(note, dict) and note.get("text") else post
    text = html.unescape(str(source.get("text") or ""))
    entities = source.get("entities")
    links = entities.get("urls") if isinstance(entities, dict) else None
    for link in links if isinstance(links, list) else ():
        if not isinstance(link, dict) or not isinstance(link.get("url"), str):
            continue
        target = str(link.get("expanded_url") or "")
        text = text.replace(link["url"], "" if MEDIA_LINK.search(target) else target)
    return text
