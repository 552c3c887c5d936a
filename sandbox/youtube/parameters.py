"""What all of Google's methods read alike: scopes, `part`, `id`, paging and JSON bodies."""

from __future__ import annotations

from typing import Any

from sandbox.exchange import Call, Malformed
from sandbox.youtube import errors

_SCOPE = "https://www.googleapis.com/auth/"
PUBLISH = ("youtube.upload", "youtube", "youtube.force-ssl")
READ = ("youtube.readonly", "youtube", "youtube.force-ssl")
WRITE = ("youtube", "youtube.force-ssl")
COMMENT = ("youtube.force-ssl",)
ANALYTICS = ("yt-analytics.readonly", "yt-analytics-monetary.readonly")


def need(call: Call, any_of: tuple[str, ...]) -> None:
    """Raise 403 unless the token has one of the scopes."""
    grant = call.grant
    if grant is not None and not any(grant.allows(_SCOPE + scope) for scope in any_of):
        raise errors.insufficient_scopes()


def parts(call: Call, known: tuple[str, ...]) -> list[str]:
    """The resource's parts that were asked for; raises 400 without any or for an unknown one."""
    given = [part for part in call.query.get("part", "").split(",") if part]
    if not given:
        raise errors.missing_parameter("part")
    for part in given:
        if part not in known:
            raise errors.refused(
                400,
                "unknownPart",
                f"'{part}'",
                domain="youtube.part",
                location="part",
                locationType="parameter",
            )
    return given


def ids(call: Call, name: str = "id", *, most: int = 50) -> list[str]:
    """Comma separated ids; raises 400 without any and for too many."""
    found = [each for each in call.query.get(name, "").split(",") if each]
    if not found:
        raise errors.missing_parameter(name)
    if len(found) > most:
        raise errors.bad_parameter(name, call.query[name])
    return found


def page(call: Call) -> tuple[int, int]:
    """Where the page starts and how many entries it has: `maxResults`, 5 without it, most 50."""
    size, token = call.query.get("maxResults", "5"), call.query.get("pageToken", "P0")
    if not size.isdecimal() or not 0 <= int(size) <= 50:
        raise errors.bad_parameter("maxResults", size)
    if not token[1:].isdecimal():
        raise errors.refused(
            400, "invalidPageToken", "The page token is invalid.", domain="youtube.parameter"
        )
    return int(token[1:]), int(size)


def listing(kind: str, items: list[Any], call: Call) -> dict[str, Any]:
    """One page of `items` as Google wraps it."""
    start, size = page(call)
    answer: dict[str, Any] = {
        "kind": f"youtube#{kind}",
        "etag": "sandbox",
        "pageInfo": {"totalResults": len(items), "resultsPerPage": size},
        "items": items[start : start + size],
    }
    if start + size < len(items):
        answer["nextPageToken"] = f"P{start + size}"
    return answer


def body(call: Call) -> dict[str, Any]:
    try:
        return call.json_object()
    except Malformed:
        raise errors.refused(400, "parseError", "Parse Error", domain="global") from None


def inner(given: Any, *names: str) -> Any:
    """The value at a path of objects, None where there is none."""
    for name in names:
        given = given.get(name) if isinstance(given, dict) else None
    return given
