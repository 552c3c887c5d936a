"""What Facebook refuses in words of its own; the envelope is the Graph's."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.exchange import Answer, Call, Refusal
from sandbox.graph import errors


def failure(status: int) -> Answer:
    throttled = errors.error("(#32) Page request limit reached", 32, status=403)
    return errors.failure(status, throttled=throttled)


def scope_missing(call: Call, missing: Sequence[str]) -> Answer:
    """Reading without a permission is code 10, writing code 200."""
    names = ", ".join(missing)
    if call.method == "GET":
        message = f"This endpoint requires the '{names}' permission"
        return errors.missing_permission(message).answer
    return not_allowed(f"requires the permission {names}").answer


def not_allowed(why: str) -> Refusal:
    message = (
        "If posting to a page, requires both pages_read_engagement and pages_manage_posts as an "
        f"admin with sufficient administrative permission; {why}"
    )
    return errors.missing_permission(message, code=200)


def wants_page_token() -> Refusal:
    return errors.dead_token(
        "A Page access token is required for this call for the new Pages experience.",
        status=400,
        subcode=2069032,
    )


def duplicate() -> Refusal:
    return errors.refused(
        "(#506) Duplicate status message",
        506,
        title="Duplicate Status Update",
        user_message=(
            "This status update is identical to the last one you posted. Try posting something "
            "different, or delete your previous update."
        ),
    )


def posted_before() -> Refusal:
    return errors.bad_parameter("These photos were already posted.", subcode=1366051)


def bad_image(message: str, subcode: int | None = None) -> Refusal:
    return errors.refused(f"(#324) {message}", 324, subcode=subcode)


def upload_problem(message: str, subcode: int, data: dict[str, str] | None = None) -> Refusal:
    """`data` says which piece is wanted (recalled: the reference names the subcode alone)."""
    title = "There was a problem uploading your video"
    return errors.refused(f"(#6000) {message}", 6000, subcode=subcode, title=title, data=data)
