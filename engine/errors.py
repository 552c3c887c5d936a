"""One vocabulary for what can go wrong outside; adapters, channels, clients raise only this."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class ErrorCategory(StrEnum):
    """What went wrong, seen from what we do next; `engine.retry` has one policy per category."""

    RATE_LIMIT = "rate_limit"  # 429: wait, then try again
    QUOTA_EXCEEDED = "quota_exceeded"  # a daily or monthly allowance is gone
    TOKEN_EXPIRED = "token_expired"  # the access token ran out; refreshing may help
    AUTH_ERROR = "auth_error"  # the network no longer accepts this connection
    PERMISSION = "permission"  # scope missing, account suspended
    VALIDATION_ERROR = "validation_error"  # the network refuses this content
    DUPLICATE = "duplicate"  # the network says this was posted already
    MEDIA_ERROR = "media_error"  # a file was refused or is unreachable
    NETWORK_ERROR = "network_error"  # certainly not sent, or a read that may be repeated
    SERVER_ERROR = "server_error"  # the network answered 5xx before creating anything
    OUTCOME_UNKNOWN = "outcome_unknown"  # a write was sent and its answer is lost or unreadable
    UNKNOWN = "unknown"  # in no table, and nothing was written


class ServiceError(Exception):
    """The only exception adapters, channels and clients may raise.

    `detail` is a sentence safe to show to people (no secrets, at most 500 characters are kept),
    `retry_after` is the network's own wish, `provider_code` its machine-readable code,
    `http_status` 0 when there was no answer. `request_id` is the network's id for the call.
    `app_wide` says that the cause is the application, not this connection (credits, app quota).
    `starts_over` says that nothing came of the work so far and what was prepared is used up: the
    next try begins with the preparation.
    """

    def __init__(
        self,
        category: ErrorCategory,
        detail: str,
        *,
        retry_after: timedelta | None = None,
        provider_code: str = "",
        http_status: int = 0,
        request_id: str = "",
        excerpt: str = "",
        app_wide: bool = False,
        starts_over: bool = False,
    ) -> None:
        super().__init__(f"{category}: {detail}")
        self.category = category
        self.detail = detail[:500]
        self.retry_after = retry_after
        self.provider_code = provider_code
        self.http_status = http_status
        self.request_id = request_id
        self.excerpt = excerpt[:500]
        self.app_wide = app_wide
        self.starts_over = starts_over
