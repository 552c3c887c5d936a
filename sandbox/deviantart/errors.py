"""How DeviantArt says no: `{"status": "error", "error", "error_description"}`, or a bot wall."""

from __future__ import annotations

from sandbox.exchange import Answer, Refusal

_WALL = (
    b"<!DOCTYPE html><html><head><title>403 ERROR</title></head><body><h1>403 ERROR</h1>"
    b"<p>The request could not be satisfied. Request blocked.</p></body></html>"
)
_USUAL = {
    400: ("invalid_request", "Request field validation failed."),
    401: ("invalid_token", "Invalid token."),
    404: ("invalid_request", "Api endpoint not found."),
    429: ("user_api_threshold", "User request limit reached."),
    503: ("server_error", "DeviantArt is undergoing maintenance."),
}


def error(
    status: int,
    description: str | None = None,
    name: str | None = None,
    *,
    details: dict[str, str] | None = None,
    code: int | None = None,
) -> Answer:
    usual_name, usual_text = _USUAL.get(status, ("server_error", "Internal Server Error."))
    body: dict[str, object] = {
        "status": "error",
        "error": name or usual_name,
        "error_description": description or usual_text,
    }
    if details:
        body["error_details"] = details
    if code is not None:
        body["error_code"] = code
    return Answer(status, body)


def failure(status: int) -> Answer:
    """The body of a status that a switch orders; a 403 is the bot wall's."""
    return wall() if status == 403 else error(status)


def wall() -> Answer:
    return Answer(403, _WALL, content_type="text/html")


def refused(status: int, description: str | None = None, name: str | None = None) -> Refusal:
    return Refusal(error(status, description, name))


def invalid(field: str, reason: str, *, code: int | None = None) -> Refusal:
    """A 400 that names the field."""
    return Refusal(error(400, details={field: reason}, code=code))
