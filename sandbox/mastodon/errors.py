"""How Mastodon says no: `{"error": "text"}` and the status; there are no machine codes."""

from __future__ import annotations

from sandbox.exchange import Answer, Refusal

_TEXTS = {
    401: "The access token is invalid",
    403: "This action is not allowed",
    404: "Record not found",
    429: "Too many requests",
    503: "There was a temporary problem serving your request, please try again",
}


def error(status: int, text: str | None = None) -> Answer:
    """The network's own words for a status, unless others are given."""
    return Answer(status, {"error": text or _TEXTS.get(status, "An unexpected error occurred")})


def refused(status: int, text: str | None = None) -> Refusal:
    return Refusal(error(status, text))


def failed_validation(reason: str) -> Refusal:
    return refused(422, f"Validation failed: {reason}")
