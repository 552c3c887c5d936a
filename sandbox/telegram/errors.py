"""How the Bot API says no: `{"ok": false, "error_code", "description", "parameters"}`."""

from __future__ import annotations

import math
from typing import Any

from sandbox.exchange import Answer, Refusal
from sandbox.rates import Window

_USUAL = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden: bot was kicked from the channel chat",
    404: "Not Found",
    409: "Conflict: terminated by other getUpdates request",
    413: "Request Entity Too Large",
    429: "Too Many Requests: retry after 1",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def error(
    status: int, description: str | None = None, parameters: dict[str, Any] | None = None
) -> Answer:
    usual = _USUAL.get(status, "Internal Server Error")
    body = {"ok": False, "error_code": status, "description": description or usual}
    return Answer(status, body | ({"parameters": parameters} if parameters else {}))


def limited(window: Window, now: float) -> Answer:
    """A 429 whose body says how many seconds to wait."""
    seconds = max(1, math.ceil(window.resets_at - now))
    text = f"Too Many Requests: retry after {seconds}"
    return error(429, text, {"retry_after": seconds})


def bad_request(reason: str, parameters: dict[str, Any] | None = None) -> Refusal:
    return Refusal(error(400, f"Bad Request: {reason}", parameters))


def forbidden(reason: str) -> Refusal:
    return Refusal(error(403, f"Forbidden: {reason}"))
