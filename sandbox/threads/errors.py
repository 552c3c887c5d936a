"""What Threads refuses in words of its own; the envelope is the Graph's."""

from __future__ import annotations

from sandbox.exchange import Answer, Refusal
from sandbox.graph import errors


def failure(status: int) -> Answer:
    throttled = errors.error("(#4) Application request limit reached", 4, status=429)
    return errors.failure(status, throttled=throttled)


def bad(message: str, *, subcode: int | None = None) -> Refusal:
    """Code 100; Threads does not repeat the code in the message."""
    return errors.refused(message, 100, subcode=subcode)


def not_found() -> Refusal:
    """Also what a container is right after it was made, until it can be published."""
    return errors.refused(
        "The requested resource does not exist",
        24,
        subcode=4279009,
        title="Media not found",
        user_message="The media cannot be found.",
    )


def cap_reached(what: str) -> Refusal:
    message = f"You reached maximum number of {what} that is allowed by the Threads API."
    return errors.refused(message, 9, subcode=2207042, title="Application request limit reached")
