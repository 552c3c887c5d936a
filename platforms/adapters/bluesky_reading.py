"""Reading the answers of Bluesky's servers: error names, allowances, and records as listed.

Sources: as in `platforms.adapters.bluesky`. An XRPC error is {"error": name, "message": text}, with
status 400 unless the server's code says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from engine.errors import ErrorCategory as C
from engine.http import Response
from platforms.adapters.base import ErrorTable, PostMetrics, RateHint, is_id

ERRORS: ErrorTable = {  # (status, XRPC error name) -> category
    (400, ""): C.VALIDATION_ERROR,  # InvalidRequest: the record is refused, with the reason
    (400, "ExpiredToken"): C.TOKEN_EXPIRED,  # not 401
    (400, "InvalidToken"): C.TOKEN_EXPIRED,  # the app password may still open a session
    (400, "InvalidMimeType"): C.MEDIA_ERROR,
    (400, "InvalidSize"): C.MEDIA_ERROR,
    (400, "BlobNotFound"): C.SERVER_ERROR,  # collected before its post came: sent again
    (400, "InvalidSwap"): C.DUPLICATE,  # our key is taken by another record
    (400, "AccountTakedown"): C.AUTH_ERROR,
    (400, "AccountDeactivated"): C.AUTH_ERROR,
    # Not QUOTA_EXCEEDED: that would stop the account's texts, too.
    (400, "DailyLimitExceeded"): C.MEDIA_ERROR,
    (429, "DailyLimitExceeded"): C.MEDIA_ERROR,
    (400, "UploadForbidden"): C.PERMISSION,  # e.g. the e-mail address is not verified
    (400, "TooManyOpenUploads"): C.SERVER_ERROR,
    (400, "UploadNotReady"): C.SERVER_ERROR,
    (400, "ServiceOverloaded"): C.SERVER_ERROR,
    (401, ""): C.AUTH_ERROR,
    (403, ""): C.PERMISSION,
    (413, ""): C.VALIDATION_ERROR,
    (429, ""): C.RATE_LIMIT,
    (503, "NotEnoughResources"): C.SERVER_ERROR,  # said before anything is made
}
_APP_PASSWORD = "app password (Settings > Privacy and security > App passwords)"
REMEDIES = {
    "AuthFactorTokenRequired": f"Use an {_APP_PASSWORD}, not the main one.",
    "AuthenticationRequired": f"Make a new {_APP_PASSWORD}; for an account that lives on another "
    "server give that server's address, too.",
    "UploadForbidden": "Verify the account's e-mail address at Bluesky.",
    "DailyLimitExceeded": "Schedule it for another day.",
}
METRIC_NAMES = {
    "likeCount": "likes",
    "repostCount": "reposts",
    "replyCount": "replies",
    "quoteCount": "quotes",
    "bookmarkCount": "bookmarks",
}
POINTS = {"putRecord": 2, "applyWrites": 6, "deleteRecord": 1}


def error_name(response: Response) -> str:
    name = response.json_object().get("error")
    return name if isinstance(name, str) else ""


def reason_of(response: Response) -> str:
    name, message = error_name(response), response.json_object().get("message")
    reason = message if isinstance(message, str) and message else name
    said = f"Bluesky answered HTTP {response.status}"
    said = f"{said}: {reason.rstrip('.')}." if reason else f"{said}."
    return f"{said} {REMEDIES.get(name, '')}".strip()


def hints_of(response: Response) -> list[RateHint]:
    """Return what RateLimit-Limit, -Remaining and -Reset (epoch seconds) say, in calls.

    They speak of the tightest allowance, which -Policy names: "5000;w=3600", in points.
    """
    names = ("limit", "remaining", "reset")
    values = [response.headers.get(f"ratelimit-{name}", "") for name in names]
    if not all(value.isascii() and value.isdecimal() and len(value) < 11 for value in values):
        return []
    limit, remaining, reset = map(int, values)
    method = response.path.rpartition(".")[2]
    points = POINTS.get(method, 1)
    window = response.headers.get("ratelimit-policy", "").partition("w=")[2].partition(";")[0]
    bucket, scope = _bucket(method, window)
    resets_at = datetime.fromtimestamp(reset, UTC)
    return [RateHint(bucket, scope, limit // points, remaining // points, resets_at)]


def _bucket(method: str, window: str) -> tuple[str, str]:
    """Return which allowance an answer speaks of: its bucket and whose it is."""
    if method in {"createSession", "refreshSession"}:
        return "refresh", "connection"
    if window == "300":
        return "other", "host"  # all calls from our address together
    if method == "deleteRecord":
        return "delete", "connection"
    if method in {"putRecord", "applyWrites"}:
        return ("publish.24h" if window == "86400" else "publish"), "connection"
    return ("prepare" if method == "uploadBlob" else "other"), "host"


def metrics_in(answer: Mapping[str, Any]) -> list[PostMetrics] | None:
    """Return the counters of the posts the AppView listed, None when there is no list."""
    posts = answer.get("posts")
    if not isinstance(posts, list):
        return None
    listed = [post for post in posts if isinstance(post, dict) and is_id(post.get("uri"))]
    return [PostMetrics(post["uri"], _counters(post)) for post in listed]


def _counters(post: Mapping[str, Any]) -> dict[str, int]:
    return {ours: post[name] for name, ours in METRIC_NAMES.items() if type(post.get(name)) is int}


def written(answer: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return address and hash of the record an answer names (of several writes: the first)."""
    results = answer.get("results")
    first: Any = results[0] if isinstance(results, Sequence) and results else answer
    if not isinstance(first, dict):
        return None
    uri, cid = first.get("uri"), first.get("cid")
    return (uri, cid) if is_id(uri) and uri.startswith("at://") and is_id(cid) else None
