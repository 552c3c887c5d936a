"""How X says no: RFC 7807 bodies with their `type`, as documented or seen."""

from __future__ import annotations

from typing import Any

from sandbox.exchange import Answer, Refusal

_PROBLEMS = "https://api.twitter.com/2/problems/"
_TITLES = {
    400: "Invalid Request",
    401: "Unauthorized",
    402: "CreditsDepleted",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
DUPLICATE = "You are not allowed to create a Tweet with duplicate content."
FOREIGN_PARENT = "You can only reply to or quote posts where you are mentioned or are the author."


def plain(status: int, detail: str | None = None) -> Answer:
    """A problem without a type of its own."""
    title = _TITLES.get(status, "Error")
    if status == 402:
        return Answer(
            402,
            {
                "title": title,
                "type": f"{_PROBLEMS}credits",
                "detail": "Your enrolled account does not have any credits to use.",
            },
        )
    return Answer(
        status,
        {"title": title, "type": "about:blank", "status": status, "detail": detail or title},
    )


def typed(status: int, kind: str, title: str, detail: str) -> Answer:
    return Answer(
        status, {"title": title, "type": _PROBLEMS + kind, "status": status, "detail": detail}
    )


def invalid(parameter: str, value: Any, message: str) -> Refusal:
    """400 `invalid-request`, naming the parameter."""
    return Refusal(
        Answer(
            400,
            {
                "errors": [{"parameters": {parameter: [value]}, "message": message}],
                "title": "Invalid Request",
                "detail": "One or more parameters to your request was invalid.",
                "type": f"{_PROBLEMS}invalid-request",
            },
        )
    )


def unauthorized(reason: str) -> Refusal:
    """401. X does not say why; `x-sandbox-reason` does, for whoever debugs."""
    answer = plain(401)
    answer.headers["x-sandbox-reason"] = reason
    return Refusal(answer)


def missing(resource: str, resource_id: str) -> dict[str, str]:
    """One entry of `errors` for something that is not there."""
    return {
        "value": resource_id,
        "detail": f"Could not find {resource} with id: [{resource_id}].",
        "title": "Not Found Error",
        "resource_type": resource,
        "parameter": "id",
        "resource_id": resource_id,
        "type": f"{_PROBLEMS}resource-not-found",
    }


def hidden_field(post_id: str, field: str) -> dict[str, str]:
    """One entry of `errors` for a field that this reader may not see."""
    return {
        "value": post_id,
        "detail": f"Sorry, you are not authorized to access '{field}' on the Tweet.",
        "title": "Field Authorization Error",
        "section": "data",
        "resource_type": "tweet",
        "parameter": field,
        "resource_id": post_id,
        "type": f"{_PROBLEMS}not-authorized-for-field",
    }


def not_found(resource: str, resource_id: str) -> Refusal:
    return Refusal(Answer(404, {**missing(resource, resource_id), "status": 404}))
