"""How XRPC says no: `{"error": "Name", "message": "..."}`."""

from __future__ import annotations

from sandbox.exchange import Answer, Refusal

_NAMES = {
    400: ("InvalidRequest", "Invalid Request"),
    401: ("AuthenticationRequired", "Authentication Required"),
    403: ("Forbidden", "Forbidden"),
    404: ("XRPCNotSupported", "XRPCNotSupported"),
    413: ("PayloadTooLarge", "request entity too large"),
    429: ("RateLimitExceeded", "Rate Limit Exceeded"),
    500: ("InternalServerError", "Internal Server Error"),
    501: ("MethodNotImplemented", "Method Not Implemented"),
    502: ("UpstreamFailure", "Upstream Failure"),
    503: ("NotEnoughResources", "Not Enough Resources"),
    504: ("UpstreamTimeout", "Upstream Timeout"),
}


def error(status: int, message: str | None = None, name: str | None = None) -> Answer:
    """The network's own words for a status, unless others are given."""
    usual_name, usual_message = _NAMES.get(status, ("InternalServerError", "Internal Server Error"))
    return Answer(status, {"error": name or usual_name, "message": message or usual_message})


def refused(status: int, message: str | None = None, name: str | None = None) -> Refusal:
    return Refusal(error(status, message, name))


def invalid(message: str, name: str | None = None) -> Refusal:
    """A 400, by far the most common refusal."""
    return refused(400, message, name)
