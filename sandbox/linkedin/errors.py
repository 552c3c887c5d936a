"""How LinkedIn says no: `{status, code, message}`, a service code, and the inputs at fault."""

from __future__ import annotations

from typing import Any

from sandbox.exchange import Answer, Refusal

_PLAIN: dict[int, tuple[str, int | None, str]] = {  # status -> code, service code, message
    400: ("ILLEGAL_ARGUMENT", None, "Invalid request."),
    401: ("INVALID_ACCESS_TOKEN", 65600, "Invalid access token"),
    403: ("ACCESS_DENIED", 100, "Not enough permissions to access the resource"),
    404: ("NOT_FOUND", None, "Could not find entity"),
    409: ("CONFLICT", None, "Conflict with a concurrent write, please retry"),
    413: ("PAYLOAD_TOO_LARGE", None, "Request entity too large"),
    415: ("UNSUPPORTED_MEDIA_TYPE", None, "Unsupported media type"),
    426: ("NONEXISTENT_VERSION", None, "Requested version is not active"),
    429: (
        "TOO_MANY_REQUESTS",
        101,
        "Resource level throttle limit for calls to this resource is reached.",
    ),
    504: ("GATEWAY_TIMEOUT", None, "Unable to obtain activity"),
}
_TOKENS = {
    "": ("EMPTY_ACCESS_TOKEN", 65604, "Empty oauth2 access token"),
    "expired": ("EXPIRED_ACCESS_TOKEN", 65602, "The token used in the request has expired"),
    "revoked": (
        "REVOKED_ACCESS_TOKEN",
        65601,
        "The token used in the request has been revoked by the user",
    ),
}


def plain(status: int) -> Answer:
    """What a status says without a reason of its own."""
    if status not in _PLAIN:
        return Answer(status, {"status": status, "message": "Internal Server Error"})
    return _body(status, *_PLAIN[status])


def refused(status: int, code: str, message: str) -> Refusal:
    return Refusal(_body(status, code, None, message))


def bad_token(reason: str) -> Refusal:
    """401 for a token that is missing (""), "expired", "revoked" or "invalid"."""
    return Refusal(_body(401, *_TOKENS[reason]) if reason in _TOKENS else plain(401))


def denied(resource: str) -> Refusal:
    """403: the token lacks the scope for `resource`, such as `posts.CREATE`."""
    return Refusal(
        _body(403, "ACCESS_DENIED", 100, f"Not enough permissions to access: {resource}")
    )


def not_yours(field: str) -> Refusal:
    """403: the URN is of somebody else, which LinkedIn words as strangely as this."""
    message = (
        "Unpermitted fields present in REQUEST_BODY: "
        f"Data Processing Exception while processing fields [/{field}]"
    )
    return Refusal(_body(403, "ACCESS_DENIED", 100, message))


def invalid(code: str, field: str, message: str, status: int = 400) -> Refusal:
    """A refused input, named in `errorDetails`."""
    answer = _body(status, code, None, message)
    answer.payload |= _details(code, message, field)
    return Refusal(answer)


def unfit(field: str, complaint: str) -> Refusal:
    """422: the body does not fit the schema."""
    return Refusal(Answer(422, {"status": 422, "message": f"ERROR :: /{field} :: {complaint}\n"}))


def duplicate(urn: str) -> Refusal:
    message = f"Content is a duplicate of {urn}"
    return Refusal(
        Answer(
            422,
            {
                "message": message,
                "status": 422,
                **_details("DUPLICATE_POST", message, "commentary"),
            },
        )
    )


def _body(status: int, code: str, service_code: int | None, message: str) -> Answer:
    payload: dict[str, Any] = {"status": status, "code": code, "message": message}
    if service_code is not None:
        payload["serviceErrorCode"] = service_code
    return Answer(status, payload)


def _details(code: str, message: str, field: str) -> dict[str, Any]:
    entry = {"description": message, "input": {"inputPath": {"fieldPath": field}}, "code": code}
    return {
        "errorDetailType": "com.linkedin.common.error.BadRequest",
        "errorDetails": {"inputErrors": [entry]},
    }
