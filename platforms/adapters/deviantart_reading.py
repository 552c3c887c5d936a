"""Reading DeviantArt's answers: errors of eight kinds, some of them in an HTTP 200, and its lists.

Sources: as in `platforms.adapters.deviantart`. Errors are told apart by `error`, not by status:
the documented statuses are 200, 400, 429, 500 and 503, yet 401 and 403 occur.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.http import Response
from platforms.adapters.base import ErrorTable, is_id
from platforms.adapters.texts import comparable, plain_text

# deviantart.readme.io/docs/errors. Scopes that were not granted and accounts that are not verified
# are for a person, as no fresh token helps: PERMISSION.
CODES: Mapping[str, C] = {  # `error`, or our code for words -> category
    "user_api_threshold": C.RATE_LIMIT,
    "bot-wall": C.RATE_LIMIT,
    "invalid_token": C.TOKEN_EXPIRED,
    "unauthorized": C.AUTH_ERROR,
    "invalid_client": C.PERMISSION,
    "insufficient_scope": C.PERMISSION,
    "unverified_account": C.PERMISSION,
    "invalid_request": C.VALIDATION_ERROR,
    "already-published": C.DUPLICATE,
    "no-space": C.QUOTA_EXCEEDED,
    "too-many-today": C.QUOTA_EXCEEDED,
}
ERRORS: ErrorTable = {  # (status, code) -> category
    **{
        (status, code): category
        for code, category in CODES.items()
        for status in (200, 400, 401, 403, 429)
    },
    (401, ""): C.TOKEN_EXPIRED,
    (429, ""): C.RATE_LIMIT,
}
# Last resort, for what DeviantArt tells in words only: (part of the description, our code).
TEXTS = (
    ("already published", "already-published"),  # as wix-incubator/DeviantArt-API#148 quotes it
    ("not enough space", "no-space"),  # recalled
    ("out of space", "no-space"),  # recalled
    ("storage", "no-space"),  # recalled
    ("daily", "too-many-today"),  # recalled
)
APP_WIDE = frozenset({"invalid_client"})
BOT_WALL_WAIT = timedelta(minutes=15)
A_DAY = timedelta(hours=24)
SENTENCES = {  # what people are told instead of codes
    "user_api_threshold": "DeviantArt asks this account to slow down; Carillon does.",
    "bot-wall": "DeviantArt's protection against robots turned the call away. Carillon waits.",
    "invalid_token": "DeviantArt no longer accepts this access token.",
    "insufficient_scope": "The connection lacks a permission. Connect the account again and allow "
    "everything.",
    "unverified_account": "DeviantArt lets this account publish only after its e-mail address is "
    "verified. Verify it at deviantart.com.",
    "already-published": "DeviantArt has published this file already.",
    "no-space": "The account's Sta.sh is full. Delete something there.",
    "too-many-today": "DeviantArt takes no more submissions of this account today.",
    "invalid_client": "DeviantArt refuses the application: check DEVIANTART_CLIENT_ID and "
    "DEVIANTART_CLIENT_SECRET.",
}
CUT_FROM = 80  # ours: a shown text that is longer may be the beginning of one
METRIC_NAMES = {
    "views": "views",
    "favourites": "likes",
    "comments": "comments",
    "downloads": "downloads",
}


def kind_of(response: Response) -> str:
    """Return `error`, or our code where DeviantArt tells more in words only; "" for none."""
    answer = response.json_object()
    error = answer.get("error")
    words = str(answer.get("error_description") or "").lower()
    if response.status == 403 and not answer and b"<" in response.body[:500]:
        return "bot-wall"
    if not is_id(error):
        return ""
    if error == "invalid_request":
        return next((code for part, code in TEXTS if part in words), error)
    return error


def provider_code(response: Response) -> str:
    """Return the kind of error, and DeviantArt's number for it if there is one."""
    kind, number = kind_of(response), response.json_object().get("error_code")
    is_number = isinstance(number, int) and not isinstance(number, bool)
    return f"{kind}/{number}" if kind and is_number else kind


def retry_after(response: Response) -> timedelta | None:
    """DeviantArt promises a Retry-After and often sends none; the gate then slows down."""
    if response.retry_after is not None:
        return response.retry_after
    kind = kind_of(response)
    if kind == "bot-wall":
        return BOT_WALL_WAIT
    return A_DAY if CODES.get(kind) is C.QUOTA_EXCEEDED else None


def reason_of(response: Response) -> str:
    """Return why in words for people, with the fields that DeviantArt names."""
    if told := SENTENCES.get(kind_of(response)):
        return told
    answer = response.json_object()
    words, details = answer.get("error_description"), answer.get("error_details")
    if not is_id(words):
        return f"DeviantArt answered HTTP {response.status}."
    told = f"DeviantArt answered HTTP {response.status}: {words}"
    if isinstance(details, dict) and details:
        fields = "; ".join(f"{name}: {value}" for name, value in list(details.items())[:5])
        told = f"{told.rstrip('.')} ({fields})."
    return told


def success_of(response: Response) -> dict[str, Any] | None:
    """Return the answer if it is a success: an HTTP 200 may be an error all the same."""
    answer = response.json_object()
    is_fine = response.ok and answer and answer.get("status") != "error" and "error" not in answer
    return answer if is_fine else None


def id_of(value: object) -> str:
    """Return an id as text: Sta.sh's are numbers beyond 2**53."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if is_id(value) else ""


def entries_of(response: Response, key: str) -> list[dict[str, Any]] | None:
    """Return the entries of a list answer, or None when it is not one."""
    entries = response.json_object().get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return None
    return entries


def shows(entry: Mapping[str, Any], text: str) -> bool:
    """Say whether a listed post shows this text, or as much of it as the list shows."""
    content = entry.get("text_content")
    excerpt = entry.get("excerpt") or (content.get("excerpt") if isinstance(content, dict) else "")
    shown, wanted = comparable(plain_text(str(excerpt or ""))), comparable(text)
    return bool(shown) and (
        shown == wanted or (len(shown) > CUT_FROM and wanted.startswith(shown.rstrip(". …")))
    )


def instant(value: object) -> datetime | None:
    """Return when something was made: epoch seconds as text or number, or an ISO instant."""
    text = str(value)
    if text.isascii() and text.isdecimal() and len(text) < 12:
        return datetime.fromtimestamp(int(text), UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def counters_of(metadata: Mapping[str, Any]) -> dict[str, int]:
    stats = metadata.get("stats")
    if not isinstance(stats, dict):
        return {}
    return {
        ours: stats[name] for name, ours in METRIC_NAMES.items() if isinstance(stats.get(name), int)
    }
