"""How the Graph APIs say no: one envelope; `code` and `error_subcode` are what counts.

The reference is silent on some statuses; taken here: 401 for a dead token and 400 for one that
never was; 403 for permissions and for throttling with codes 4 and 32; 400 for the rest.
"""

from __future__ import annotations

import secrets

from sandbox.exchange import Answer, Refusal

OAUTH = "OAuthException"
_METHOD = "GraphMethodException"


def error(
    message: str,
    code: int,
    *,
    status: int = 400,
    subcode: int | None = None,
    kind: str = OAUTH,
    title: str = "",
    user_message: str = "",
    transient: bool = False,
    data: dict[str, str] | None = None,
) -> Answer:
    """One envelope; `title` and `user_message` are what Meta would show to a person."""
    told: dict[str, object] = {"message": message, "type": kind, "code": code}
    if subcode is not None:
        told["error_subcode"] = subcode
    told["is_transient"] = transient
    if data:
        told["error_data"] = data
    if title:
        told |= {"error_user_title": title, "error_user_msg": user_message or message}
    told["fbtrace_id"] = "A" + secrets.token_urlsafe(16)
    return Answer(status, {"error": told})


def refused(
    message: str,
    code: int,
    *,
    status: int = 400,
    subcode: int | None = None,
    kind: str = OAUTH,
    title: str = "",
    user_message: str = "",
    data: dict[str, str] | None = None,
) -> Refusal:
    return Refusal(
        error(
            message,
            code,
            status=status,
            subcode=subcode,
            kind=kind,
            title=title,
            user_message=user_message,
            data=data,
        )
    )


def bad_parameter(message: str, *, subcode: int | None = None, title: str = "") -> Refusal:
    """Code 100, the Graph's word for every parameter it does not like."""
    return refused(f"(#100) {message}", 100, subcode=subcode, title=title, user_message=message)


def missing_permission(message: str, *, code: int = 10) -> Refusal:
    return refused(f"(#{code}) {message}", code, status=403)


def no_object(method: str, object_id: str) -> Refusal:
    """100/33: there is none, or the caller may not see it; the Graph does not say which."""
    verb = {"GET": "get", "DELETE": "delete"}.get(method, "post")
    message = (
        f"Unsupported {verb} request. Object with ID '{object_id}' does not exist, cannot be "
        "loaded due to missing permissions, or does not support this operation. Please read the "
        "Graph API documentation at https://developers.facebook.com/docs/graph-api"
    )
    return refused(message, 100, subcode=33, kind=_METHOD)


def dead_token(message: str, *, status: int = 401, subcode: int | None = None) -> Refusal:
    """Code 190 with the header that Meta adds."""
    answer = error(message, 190, status=status, subcode=subcode)
    answer.headers["WWW-Authenticate"] = f'OAuth "Facebook Platform" "invalid_token" "{message}"'
    return Refusal(answer)


def failure(status: int, *, throttled: Answer) -> Answer:
    """An ordered status in the Graph's words; throttling (429) has the network's own answer."""
    if status == 429:
        return throttled
    if status == 401:
        return dead_token("Error validating access token: The session is invalid.").answer
    if status == 403:
        return missing_permission("Application does not have permission for this action").answer
    if status == 404:
        return error("(#803) Some of the aliases you requested do not exist", 803, status=404)
    if status == 503:
        message = "Service temporarily unavailable"
        return error(message, 2, status=503, transient=True)
    if status >= 500:
        message = "An unknown error has occurred."
        return error(message, 1, status=status, transient=status != 500)
    return error("(#100) Invalid parameter", 100, status=status)
