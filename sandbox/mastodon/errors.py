"""How Mastodon says no: `{"error": "text"}` and the status; there are no machine codes."""

from __future__ import annotations

from sandbox.exchange import Answer, Refusal

_OAUTH = {  # Doorkeeper's words
    "invalid_client": (
        "Client authentication failed due to unknown client, no client authentication included,"
        " or unsupported authentication method."
    ),
    "invalid_grant": (
        "The provided authorization grant is invalid, expired, revoked, does not match the"
        " redirection URI used in the authorization request, or was issued to another client."
    ),
    "invalid_request": "Missing required parameter: grant_type.",
    "invalid_scope": "The requested scope is invalid, unknown, or malformed.",
    "unauthorized_client": "You are not authorized to revoke this token",
    "unsupported_grant_type": (
        "The authorization grant type is not supported by the authorization server."
    ),
}
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


def oauth_text(code: str) -> str:
    return _OAUTH[code]


def oauth_refused(code: str) -> Refusal:
    """The token service's refusals: `error` is a code there."""
    status = {"invalid_client": 401, "unauthorized_client": 403}.get(code, 400)
    return Refusal(Answer(status, {"error": code, "error_description": _OAUTH[code]}))
