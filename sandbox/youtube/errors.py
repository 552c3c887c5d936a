"""How Google says no: `{"error": {code, message, errors: [{reason, domain}], status}}`."""

from __future__ import annotations

from typing import Any

from sandbox.exchange import Answer, Refusal

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_PLAIN = {  # status -> reason, domain, message
    400: ("badRequest", "global", "Bad Request"),
    401: (
        "authError",
        "global",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
        "cookie or other valid authentication credential.",
    ),
    403: ("forbidden", "youtube.common", "Forbidden"),
    404: ("notFound", "global", "Not Found"),
    410: ("gone", "global", "Gone"),
    413: ("uploadTooLarge", "global", "Request Too Large"),
    429: ("rateLimitExceeded", "global", "Resource has been exhausted (e.g. check quota)."),
    503: ("backendError", "global", "The service is currently unavailable."),
}


def plain(status: int) -> Answer:
    """What a status says without a reason of its own."""
    reason, domain, message = _PLAIN.get(status, ("backendError", "global", "Backend Error"))
    return _body(status, reason, message, domain)


def refused(
    status: int, reason: str, message: str, *, domain: str = "youtube.video", **where: str
) -> Refusal:
    """`where`: `location` and `locationType`, when the error names what is wrong."""
    return Refusal(_body(status, reason, message, domain, **where))


def bad_token(*, is_missing: bool = False) -> Refusal:
    if not is_missing:
        return Refusal(plain(401))
    message = (
        "Request is missing required authentication credential. Expected OAuth 2 access token, "
        "login cookie or other valid authentication credential."
    )
    return refused(401, "required", message, domain="global")


def insufficient_scopes() -> Refusal:
    answer = _body(
        403,
        "insufficientPermissions",
        "Request had insufficient authentication scopes.",
        "global",
    )
    answer.payload["error"]["details"] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "domain": "googleapis.com",
        }
    ]
    answer.headers["WWW-Authenticate"] = 'Bearer error="insufficient_scope"'
    return Refusal(answer)


def quota_exceeded() -> Refusal:
    message = (
        "The request cannot be completed because you have exceeded your "
        '<a href="/youtube/v3/getting-started#quota">quota</a>.'
    )
    return refused(403, "quotaExceeded", message, domain="youtube.quota")


def missing_parameter(name: str) -> Refusal:
    return refused(
        400,
        "missingRequiredParameter",
        f"Missing required parameter: {name}",
        domain="youtube.parameter",
        location=name,
        locationType="parameter",
    )


def bad_parameter(name: str, value: str) -> Refusal:
    return refused(
        400,
        "invalidParameter",
        f"Invalid value '{value}' for parameter {name}.",
        domain="youtube.parameter",
        location=name,
        locationType="parameter",
    )


def unknown_field(name: str, where: str) -> Refusal:
    message = (
        f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field."
    )
    return refused(400, "badRequest", message, domain="global")


def video_not_found() -> Refusal:
    message = "The video that you are trying to use cannot be found."
    return refused(404, "videoNotFound", message, location="id", locationType="parameter")


def _body(status: int, reason: str, message: str, domain: str, **where: str) -> Answer:
    entry = {"message": message, "domain": domain, "reason": reason, **where}
    error: dict[str, Any] = {"code": status, "message": message, "errors": [entry]}
    if status in _STATUSES:
        error["status"] = _STATUSES[status]
    return Answer(status, {"error": error})
