"""Reading YouTube's answers: codes, reasons, resets, counters, and what became of an upload.

Sources: as in `platforms.adapters.youtube`. Rows marked "recalled" are from memory, not from a
page that was read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Response
from engine.wall_clock import next_midnight
from platforms.adapters.base import ErrorTable

PACIFIC = "America/Los_Angeles"  # daily quotas are refilled at midnight there
A_DAY = timedelta(hours=24)

# developers.google.com/youtube/v3/docs/errors. What a fresh token cannot change (no channel, a
# closed account, scopes that were not granted) is for a person: PERMISSION.
ERRORS: ErrorTable = {  # (status, reason) -> category
    (401, ""): C.TOKEN_EXPIRED,
    (401, "youtubeSignupRequired"): C.PERMISSION,
    (401, "authenticatedUserAccountClosed"): C.PERMISSION,
    (401, "authenticatedUserAccountSuspended"): C.PERMISSION,
    (403, ""): C.PERMISSION,
    (403, "youtubeSignupRequired"): C.PERMISSION,
    (403, "accountDelegationForbidden"): C.PERMISSION,
    (403, "insufficientPermissions"): C.PERMISSION,
    (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"): C.PERMISSION,
    (403, "accessNotConfigured"): C.PERMISSION,  # recalled: the API is off in this project
    (403, "quotaExceeded"): C.QUOTA_EXCEEDED,
    (403, "dailyLimitExceeded"): C.QUOTA_EXCEEDED,
    (400, "uploadLimitExceeded"): C.QUOTA_EXCEEDED,  # of the channel, not of the project
    (403, "rateLimitExceeded"): C.RATE_LIMIT,
    (403, "userRateLimitExceeded"): C.RATE_LIMIT,
    (429, ""): C.RATE_LIMIT,
    (400, ""): C.VALIDATION_ERROR,
    (403, "forbidden"): C.VALIDATION_ERROR,
    (403, "forbiddenPrivacySetting"): C.VALIDATION_ERROR,
    (403, "forbiddenLicenseSetting"): C.VALIDATION_ERROR,
    (403, "commentsDisabled"): C.VALIDATION_ERROR,  # recalled
    (404, "videoNotFound"): C.UNKNOWN,
}
PROJECT_QUOTA = frozenset({"quotaExceeded", "dailyLimitExceeded"})
APP_WIDE = PROJECT_QUOTA | {"accessNotConfigured", "invalid_client", "projectLocked"}

SENTENCES = {  # what people are told instead of Google's words
    "quotaExceeded": "This project's daily YouTube quota is used up. It is refilled at midnight "
    "Pacific time; a larger one is asked for in Google's audit form.",
    "dailyLimitExceeded": "This project's daily YouTube quota is used up. It is refilled at "
    "midnight Pacific time.",
    "uploadLimitExceeded": "This channel has uploaded as many videos as YouTube allows in a day.",
    "youtubeSignupRequired": "This Google account has no YouTube channel. Create one at "
    "youtube.com, or connect another account.",
    "authenticatedUserAccountClosed": "This YouTube account is closed.",
    "authenticatedUserAccountSuspended": "This YouTube account is suspended.",
    "insufficientPermissions": "The connection lacks a permission. Connect the channel again and "
    "leave every box ticked.",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "The connection lacks a permission. Connect the channel "
    "again and leave every box ticked.",
    "accessNotConfigured": "The YouTube Data API is switched off in this Google Cloud project. "
    "Switch it on in the project's API library.",
    "commentsDisabled": "Comments are switched off for this video: the first comment was refused.",
    "videoNotFound": "YouTube no longer has the uploaded video.",
    "invalid_client": "Google refuses the application: check YOUTUBE_CLIENT_ID and "
    "YOUTUBE_CLIENT_SECRET.",
}
FAILURES = {  # status.failureReason
    "conversion": "it cannot be converted",
    "invalidFile": "it is not a video",
    "emptyFile": "it is empty",
    "tooSmall": "it is too small",
    "codec": "its codec is not supported",
}
ACCOUNT_GONE = frozenset({"uploaderAccountSuspended", "uploaderAccountClosed"})
_TAG = re.compile(r"<[^>]{0,500}>")
_STORED = re.compile(r"bytes=0-([0-9]{1,15})")
METRIC_NAMES = {"viewCount": "views", "likeCount": "likes", "commentCount": "comments"}


def provider_code(response: Response) -> str:
    """Return Google's reason: errors[0].reason, else details[].reason, else the OAuth error."""
    error = response.json_object().get("error")
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    for name in ("errors", "details"):
        entries = error.get(name)
        for entry in entries if isinstance(entries, list) else ():
            reason = entry.get("reason") if isinstance(entry, dict) else None
            if isinstance(reason, str) and reason:
                return reason
    return ""


def retry_after(response: Response) -> timedelta | None:
    """Google sends no headers with a quota that is used up: it ends at midnight Pacific time."""
    code = provider_code(response)
    if response.retry_after is not None:
        return response.retry_after
    if code in PROJECT_QUOTA:
        return response.wait_until(next_midnight(response.received_at, PACIFIC))
    return A_DAY if code == "uploadLimitExceeded" else None


def reason_of(response: Response) -> str:
    """Return why in words for people; Google's own may hold links as HTML."""
    if told := SENTENCES.get(provider_code(response)):
        return told
    answer = response.json_object()
    error = answer.get("error")
    words = error.get("message") if isinstance(error, dict) else answer.get("error_description")
    if isinstance(words, str) and words:
        return f"YouTube answered HTTP {response.status}: {_TAG.sub('', words)}"
    return f"YouTube answered HTTP {response.status}."


def items_of(response: Response) -> list[dict[str, Any]] | None:
    """Return the entries of a list answer, or None when it is not one."""
    items = response.json_object().get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    return items


def part_of(resource: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return one part of a resource (snippet, status, ...), empty when it is missing."""
    found = resource.get(name)
    return found if isinstance(found, dict) else {}


def stored_bytes(response: Response) -> int:
    """Return how many bytes of a file a 308 says are stored; without a Range header none."""
    found = _STORED.fullmatch(response.headers.get("range", "").strip())
    return int(found[1]) + 1 if found else 0


def instant(value: object) -> datetime | None:
    """Return an RFC 3339 instant, or None."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else None


def is_processed(response: Response, video: Mapping[str, Any]) -> bool:
    """Say whether YouTube is done with an upload; raises ServiceError when it refuses it."""
    status = part_of(video, "status")
    state, failure = status.get("uploadStatus"), str(status.get("failureReason") or "")
    rejection = str(status.get("rejectionReason") or "")
    progress = part_of(video, "processingDetails").get("processingStatus")
    if (state == "failed" and failure == "uploadAborted") or state == "deleted":
        detail = "YouTube lost the upload; it is made anew."
        raise _verdict(response, C.SERVER_ERROR, failure or "deleted", detail, starts_over=True)
    if state == "failed" or progress in ("failed", "terminated"):
        why = FAILURES.get(failure, failure or "processing failed")
        detail = f"YouTube cannot use the video: {why}."
        raise _verdict(response, C.MEDIA_ERROR, failure, detail)
    if state == "rejected":
        category = {"duplicate": C.DUPLICATE, "length": C.MEDIA_ERROR}.get(rejection)
        if category is None:
            category = C.PERMISSION if rejection in ACCOUNT_GONE else C.VALIDATION_ERROR
        detail = f"YouTube rejected the video: {rejection or 'no reason given'}."
        raise _verdict(response, category, rejection, detail)
    return state == "processed" or progress == "succeeded"


def _verdict(
    response: Response, category: C, code: str, detail: str, *, starts_over: bool = False
) -> ServiceError:
    return ServiceError(
        category,
        response.redact(detail),
        provider_code=code[:100],
        http_status=response.status,
        request_id=response.request_id,
        starts_over=starts_over,
    )


def counters_of(video: Mapping[str, Any]) -> dict[str, int]:
    """Return the counters, which come as text; those a channel hides are missing."""
    counters = part_of(video, "statistics")
    return {
        ours: int(counters[name])
        for name, ours in METRIC_NAMES.items()
        if str(counters.get(name)).isdecimal()
    }
