"""TikTok's envelope: an `error` object on every answer, whose code is "ok" when all is well."""

from __future__ import annotations

import secrets
from typing import Any

from sandbox.exchange import Answer, Call, Malformed, Refusal

_PLAIN = {
    400: ("invalid_params", "One or more fields in request is invalid"),
    401: ("access_token_invalid", "The access token is invalid or not found in the request."),
    403: ("spam_risk", "The request was blocked for it may be spam."),
    404: ("not_found", "The resource was not found."),
    416: ("invalid_range", "The Content-Range header does not reflect the bytes expected."),
    429: ("rate_limit_exceeded", "The API rate limit was exceeded. Please try again later."),
}


def ok(data: dict[str, Any]) -> Answer:
    return Answer(200, {"data": data, "error": _error("ok", "")})


def plain(status: int) -> Answer:
    """What a status says without a reason of its own."""
    code, message = _PLAIN.get(status, ("internal_error", "Something went wrong. Try again later."))
    return Answer(status, {"data": {}, "error": _error(code, message)})


def refused(status: int, code: str, message: str) -> Refusal:
    return Refusal(Answer(status, {"data": {}, "error": _error(code, message)}))


def invalid(message: str) -> Refusal:
    return refused(400, "invalid_params", message)


def scope_missing() -> Answer:
    message = "The user did not authorize the scope required for completing this request."
    return Answer(401, {"data": {}, "error": _error("scope_not_authorized", message)})


def refused_scope() -> Refusal:
    return Refusal(scope_missing())


def body(call: Call) -> dict[str, Any]:
    try:
        return call.json_object()
    except Malformed as malformed:
        raise invalid(str(malformed)) from None


def due_at(call: Call) -> float | None:
    try:
        return call.due_at()
    except Malformed as malformed:
        raise invalid(str(malformed)) from None


def _error(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message, "log_id": secrets.token_hex(16).upper()}
