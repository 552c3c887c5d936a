"""What a callback says: the JSON body of an event, for any receiver and for the predecessor's app.

Every receiver gets `{type, timestamp, data}` (Standard Webhooks). The application at DJANGO_API_URL
knows another shape, so its callbacks carry that application's fields at the top as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from engine.addresses import AllowedHosts, refusal

DEFAULT_PATH = "/api/v1/scheduling/callback/"
# The predecessor's application knows these two outcomes, so it is told of nothing else.
DEFAULT_STATUS = {"post.published": "published", "post.failed": "failed"}


def default_url() -> str:
    """Return where the application at DJANGO_API_URL takes callbacks, or "" without one."""
    base: str = settings.DJANGO_API_URL
    return base.rstrip("/") + DEFAULT_PATH if base else ""


def is_default(url: str) -> bool:
    """Say whether `url` is the address from our own settings: trusted, and given SERVICE_TOKEN."""
    return bool(url) and url == default_url()


def problem_of(url: str) -> str:
    """Return why no callback would ever be sent to `url`, or "". Names are not looked up here."""
    if is_default(url):
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host:
        return "the address names no host"
    return refusal(
        scheme=parts.scheme.lower(),
        host=host,
        has_user=parts.username is not None,
        allowed=AllowedHosts.parse(settings.PRIVATE_HOSTS_ALLOWED),
    )


def wants(url: str, event: str) -> bool:
    """Say whether the receiver at `url` is told of `event`."""
    return event in DEFAULT_STATUS or not is_default(url)


def body_of(event: str, happened_at: datetime, data: Mapping[str, Any], url: str) -> bytes:
    """Return the exact bytes to sign and send; `happened_at` is the event's instant."""
    body: dict[str, Any] = {"type": event, "timestamp": instant(happened_at), "data": dict(data)}
    if is_default(url):
        body |= {
            "content_id": data.get("content_id"),
            "job_id": data.get("job_id"),
            "status": DEFAULT_STATUS.get(event, data.get("state")),
            "platform_post_id": data.get("platform_post_id"),
            "published_at": data.get("published_at"),
            "error_message": data.get("reason"),
        }
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def instant(moment: datetime) -> str:
    """Return an instant as ISO 8601 in UTC, such as 2026-11-23T08:00:00.123456Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
