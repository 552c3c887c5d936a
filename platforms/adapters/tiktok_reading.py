"""Reading TikTok's answers: success is a code in the body, ids are larger than floats can hold.

Sources: as in `platforms.adapters.tiktok`. That most refusals come as 403 is recalled; each code
is therefore taken alike whatever its status, 200 included.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.errors import ErrorCategory as C
from engine.http import Response
from platforms.adapters.base import ErrorTable, is_id
from platforms.adapters.texts import comparable

A_MINUTE, A_DAY = timedelta(minutes=1), timedelta(hours=24)
CUT_AT = 150  # the Display API shows so much of a caption

# developers.tiktok.com/doc/tiktok-api-v2-error-handling and the pages of Direct Post. Scopes that
# were not granted are for a person, as no fresh token brings them: PERMISSION.
CODES: Mapping[str, C] = {
    "access_token_invalid": C.TOKEN_EXPIRED,
    "scope_not_authorized": C.PERMISSION,
    "scope_permission_missed": C.PERMISSION,
    "rate_limit_exceeded": C.RATE_LIMIT,
    "spam_risk_too_many_posts": C.QUOTA_EXCEEDED,
    "spam_risk_too_many_pending_share": C.QUOTA_EXCEEDED,
    "reached_active_user_cap": C.QUOTA_EXCEEDED,  # of the application, for all its users
    "unaudited_client_can_only_post_to_private_accounts": C.VALIDATION_ERROR,
    "privacy_level_option_mismatch": C.VALIDATION_ERROR,
    "url_ownership_unverified": C.VALIDATION_ERROR,
    "spam_risk_user_banned_from_posting": C.VALIDATION_ERROR,
    "spam_risk_text": C.VALIDATION_ERROR,
    "spam_risk": C.VALIDATION_ERROR,
    "invalid_params": C.VALIDATION_ERROR,
    "invalid_file_upload": C.VALIDATION_ERROR,
    "app_version_check_failed": C.VALIDATION_ERROR,
    "internal_error": C.SERVER_ERROR,
    "invalid_client": C.PERMISSION,
    "invalid_grant": C.AUTH_ERROR,
}
ERRORS: ErrorTable = {  # (status, code) -> category
    **{
        (status, code): category
        for code, category in CODES.items()
        if category is not C.SERVER_ERROR
        for status in (400, 401, 403, 429)
    },
    (401, ""): C.TOKEN_EXPIRED,
    (429, ""): C.RATE_LIMIT,
}
WAITS = {
    "rate_limit_exceeded": A_MINUTE,  # sliding minutes, and no Retry-After
    "spam_risk_too_many_posts": A_DAY,
    "spam_risk_too_many_pending_share": A_DAY,
    "reached_active_user_cap": A_DAY,
}
APP_WIDE = frozenset({"reached_active_user_cap", "invalid_client"})

# What publish/status/fetch calls a failure -> category. Nothing is live then.
FAIL_REASONS: Mapping[str, C] = {
    "file_format_check_failed": C.MEDIA_ERROR,
    "duration_check_failed": C.MEDIA_ERROR,
    "frame_rate_check_failed": C.MEDIA_ERROR,
    "picture_size_check_failed": C.MEDIA_ERROR,
    "video_pull_failed": C.NETWORK_ERROR,
    "photo_pull_failed": C.NETWORK_ERROR,
    "auth_removed": C.AUTH_ERROR,
    "internal": C.SERVER_ERROR,
    "spam_risk_too_many_posts": C.QUOTA_EXCEEDED,
    "spam_risk_user_banned_from_posting": C.VALIDATION_ERROR,
    "spam_risk_text": C.VALIDATION_ERROR,
    "spam_risk": C.VALIDATION_ERROR,
}

SENTENCES = {  # what people are told instead of codes
    "access_token_invalid": "TikTok no longer accepts this access token.",
    "scope_not_authorized": "The connection lacks a permission. Connect the account again and "
    "leave every box ticked.",
    "scope_permission_missed": "The connection lacks a permission. Connect the account again and "
    "leave every box ticked.",
    "rate_limit_exceeded": "TikTok allows no more calls for this account within a minute.",
    "spam_risk_too_many_posts": "TikTok takes no more posts of this account today; other "
    "applications count too.",
    "spam_risk_too_many_pending_share": "Five drafts wait in this account's TikTok inbox already, "
    "as many as a day allows. Finish them in TikTok.",
    "reached_active_user_cap": "As many accounts have posted through this application today as "
    "TikTok allows it.",
    "unaudited_client_can_only_post_to_private_accounts": "TikTok has not audited this "
    "application: until then it may post only with privacy SELF_ONLY, to accounts that are set to "
    "private in TikTok.",
    "privacy_level_option_mismatch": "This account does not offer the chosen privacy. Choose "
    "another privacy_level.",
    "url_ownership_unverified": "TikTok fetches photos only from addresses that are verified in "
    "its developer portal. Add this installation's media address there.",
    "spam_risk_user_banned_from_posting": "TikTok has banned this account from posting.",
    "spam_risk_text": "TikTok takes the text for spam. Change it.",
    "spam_risk": "TikTok takes the post for spam. Change it.",
    "app_version_check_failed": "The person's TikTok app is too old for drafts. Update it.",
    "invalid_client": "TikTok refuses the application: check TIKTOK_CLIENT_ID and "
    "TIKTOK_CLIENT_SECRET.",
    "file_format_check_failed": "TikTok does not accept the format of the file.",
    "duration_check_failed": "TikTok does not accept the length of the video.",
    "frame_rate_check_failed": "TikTok does not accept the video's frame rate: 23 to 60 a second.",
    "picture_size_check_failed": "TikTok does not accept the size of the picture.",
    "video_pull_failed": "TikTok could not fetch the video.",
    "photo_pull_failed": "TikTok could not fetch the photos.",
    "auth_removed": "The account has withdrawn its permission while TikTok was working.",
    "internal": "TikTok failed while working on the post.",
}
METRIC_NAMES = {
    "view_count": "views",
    "like_count": "likes",
    "comment_count": "comments",
    "share_count": "shares",
}


def provider_code(response: Response) -> str:
    """Return the code of an API error (nested) or an OAuth error (flat); "" for success."""
    error = response.json_object().get("error")
    code = error.get("code") if isinstance(error, dict) else error
    return code if isinstance(code, str) and code != "ok" else ""


def log_id(response: Response) -> str:
    """Return TikTok's own id of a call, which its support asks for."""
    answer = response.json_object()
    error = answer.get("error")
    found = error.get("log_id") if isinstance(error, dict) else answer.get("log_id")
    return found[:200] if isinstance(found, str) else ""


def retry_after(response: Response) -> timedelta | None:
    """TikTok tells no waits; the windows are those of its documentation."""
    if response.retry_after is not None:
        return response.retry_after
    code = provider_code(response)
    return WAITS.get(code, A_MINUTE if response.status == 429 else None)


def reason_of(response: Response) -> str:
    code = provider_code(response)
    if told := SENTENCES.get(code):
        return told
    answer = response.json_object()
    error = answer.get("error")
    words = error.get("message") if isinstance(error, dict) else answer.get("error_description")
    name = f"HTTP {response.status}" + (f", {code}" if code else "")
    return f"TikTok answered {name}: {words}" if is_id(words) else f"TikTok answered {name}."


def data_of(response: Response) -> dict[str, Any] | None:
    """Return the data of a success, None for anything else: HTTP 200 alone proves nothing."""
    answer = response.json_object()
    error, data = answer.get("error"), answer.get("data")
    is_fine = response.ok and isinstance(error, dict) and error.get("code") == "ok"
    return data if is_fine and isinstance(data, dict) else None


def id_of(value: object) -> str:
    """Return an id as text; TikTok sends some as numbers beyond 2**53."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if is_id(value) else ""


def first_id(data: Mapping[str, Any]) -> str:
    """Return the id of the post, once TikTok has made it public (the misspelling is TikTok's)."""
    ids = data.get("publicaly_available_post_id")
    found = [id_of(value) for value in ids] if isinstance(ids, list) else []
    return next((value for value in found if value), "")


def made_at(video: Mapping[str, Any]) -> datetime | None:
    """Return when a listed video was made; the list tells seconds."""
    seconds = video.get("create_time")
    if not isinstance(seconds, int) or not 0 <= seconds < 10**11:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def has_caption(video: Mapping[str, Any], text: str) -> bool:
    """Say whether a listed video shows this text, or as much of it as the list shows."""
    wanted = comparable(text)
    for name in ("title", "video_description"):
        shown = comparable(str(video.get(name) or ""))
        if shown and (shown == wanted or (len(shown) > CUT_AT - 20 and wanted.startswith(shown))):
            return True
    return False


def counters_of(video: Mapping[str, Any]) -> dict[str, int]:
    return {
        ours: video[name] for name, ours in METRIC_NAMES.items() if isinstance(video.get(name), int)
    }
