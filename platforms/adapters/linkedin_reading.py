"""Reading LinkedIn's refusals and answers to writes: codes, reasons, waits, URNs.

Sources: as in `platforms.adapters.linkedin`. Rows marked "seen" are bodies that several public
projects report, not documentation.
"""

from __future__ import annotations

import re
from datetime import timedelta

from engine import wall_clock
from engine.errors import ErrorCategory as C
from engine.http import Response
from platforms.adapters.base import ErrorTable, is_id

ERRORS: ErrorTable = {  # (status, LinkedIn's code, or ours for its words) -> category
    (400, ""): C.VALIDATION_ERROR,
    (400, "MEDIA_ASSET_WAITING_UPLOAD"): C.SERVER_ERROR,  # nothing was made; it passes
    (400, "MEDIA_ASSET_PROCESSING"): C.SERVER_ERROR,
    (400, "MEDIA_ASSET_PROCESSING_FAILED"): C.MEDIA_ERROR,
    (400, "EXPIRED_UPLOAD_URL"): C.SERVER_ERROR,  # the upload begins anew
    (400, "invalid_client"): C.PERMISSION,
    (401, ""): C.AUTH_ERROR,
    (401, "invalid_client"): C.PERMISSION,
    (401, "EXPIRED_ACCESS_TOKEN"): C.TOKEN_EXPIRED,
    (401, "65602"): C.TOKEN_EXPIRED,
    (403, ""): C.PERMISSION,
    (403, "resource-forbidden"): C.SERVER_ERROR,  # seen: right after an upload; it passes
    (404, ""): C.VALIDATION_ERROR,
    (409, ""): C.SERVER_ERROR,  # two writes at once: this one was not done
    (413, ""): C.VALIDATION_ERROR,
    (415, ""): C.VALIDATION_ERROR,
    (422, ""): C.VALIDATION_ERROR,
    (422, "DUPLICATE_POST"): C.DUPLICATE,
    (426, "NONEXISTENT_VERSION"): C.VALIDATION_ERROR,
    (429, ""): C.RATE_LIMIT,
    (429, "day-limit"): C.QUOTA_EXCEEDED,
    (429, "app-day-limit"): C.QUOTA_EXCEEDED,
}
# Last resort, for answers without a code: (status, part of the message, our code). All seen.
MESSAGES = (
    (422, "duplicate of urn:li:", "DUPLICATE_POST"),
    (403, "resource is forbidden", "resource-forbidden"),
    (429, "throttle application day", "app-day-limit"),
    (429, "resource level throttle", "day-limit"),
)
REMEDIES = {
    "NONEXISTENT_VERSION": "Set LINKEDIN_VERSION to one that LinkedIn still serves.",
    "invalid_client": "Check LINKEDIN_CLIENT_ID and LINKEDIN_CLIENT_SECRET.",
}
NOT_ALLOWED = (
    "The application may lack a product (Share on LinkedIn, Community Management API), or the "
    "account its role at the organization."
)
POST_URN = re.compile(r"urn:li:(?:share|ugcPost|activity):\d+")
MEDIA_AGAIN = timedelta(seconds=60)


def provider_code(response: Response) -> str:
    if response.status == 426:
        return "NONEXISTENT_VERSION"
    answer = response.json_object()
    details = answer.get("errorDetails")
    inputs = details.get("inputErrors") if isinstance(details, dict) else None
    first = inputs[0] if isinstance(inputs, list) and inputs else None
    message = str(answer.get("message") or "").lower()
    for found in (
        first.get("code") if isinstance(first, dict) else None,
        next((c for s, words, c in MESSAGES if s == response.status and words in message), None),
        answer.get("code"),
        answer.get("error"),  # of OAuth
        answer.get("serviceErrorCode"),
    ):
        if isinstance(found, str | int) and found:
            return str(found)
    return ""


def reason_of(response: Response) -> str:
    answer = response.json_object()
    said = answer.get("message") or answer.get("error_description")
    reason = f": {said.rstrip('.')}." if isinstance(said, str) and said else "."
    remedy = REMEDIES.get(provider_code(response), NOT_ALLOWED if response.status == 403 else "")
    return f"LinkedIn answered HTTP {response.status}{reason} {remedy}".strip()


def retry_after(response: Response) -> timedelta | None:
    """LinkedIn says no wait: days end at midnight UTC, files take a minute."""
    code = provider_code(response)
    if response.retry_after is not None:
        return response.retry_after
    if response.status == 429 and code.endswith("day-limit"):
        now = response.received_at
        return wall_clock.next_midnight(now, "UTC") - now
    is_busy = code in {"MEDIA_ASSET_WAITING_UPLOAD", "MEDIA_ASSET_PROCESSING", "resource-forbidden"}
    return MEDIA_AGAIN if is_busy else None


def original_in(response: Response) -> str:
    """Return which post a refusal says we repeat, "" if it names none."""
    found = POST_URN.search(str(response.json_object().get("message") or ""))
    return found[0] if found else ""


def comment_id(response: Response) -> str:
    """Return the URN of a new comment, or its number when the body does not tell."""
    answer = response.json_object()
    for name in ("$URN", "commentUrn"):
        if is_id(answer.get(name)):
            return str(answer[name])
    return response.headers.get("x-restli-id", "")
