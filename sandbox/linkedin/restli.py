"""What Rest.li asks of every call: version headers, encoded URNs, `List(...)` in queries."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from sandbox.exchange import Call, Malformed, Refusal
from sandbox.linkedin import errors

_ALIVE = frozenset(  # in November 2026: 202512 to 202608; each ends a year and a half month later
    f"{year}{month:02}" for year, months in ((2025, (12,)), (2026, range(1, 9))) for month in months
)
STRING_METRIC_VERSION = 202605
_RESERVED = re.compile(r"[:(),]")
_LIST = re.compile(r"List\((.*)\)")


def check_headers(call: Call) -> None:
    """Raise 400 without a version or with another protocol, 426 for a dead or unknown version."""
    version = call.headers.get("LinkedIn-Version", "")
    if not version:
        raise errors.refused(
            400,
            "VERSION_MISSING",
            "A version must be present. Please specify a version by adding the LinkedIn-Version "
            "header.",
        )
    if version.partition(".")[0] not in _ALIVE:
        raise errors.refused(
            426, "NONEXISTENT_VERSION", f"Requested version {version} is not active"
        )
    if call.headers.get("X-Restli-Protocol-Version") != "2.0.0":
        raise errors.refused(
            400, "ILLEGAL_ARGUMENT", "X-RestLi-Protocol-Version: only 2.0.0 is understood"
        )


def version(call: Call) -> int:
    return int(call.headers["LinkedIn-Version"].partition(".")[0])


def body(call: Call) -> dict[str, Any]:
    try:
        return call.json_object()
    except Malformed as malformed:
        raise errors.refused(400, "ILLEGAL_ARGUMENT", str(malformed)) from None


def key(call: Call, name: str = "urn") -> str:
    """The URN in the path; one that is not percent-encoded is a syntax error."""
    value = call.params[name]
    for segment in call.path.split("/"):
        if unquote(segment) == value and _RESERVED.search(segment):
            raise errors.refused(400, "ILLEGAL_ARGUMENT", "Syntax exception in path variables")
    return value


def parameter(call: Call, name: str) -> str:
    """A query parameter that is a string, such as a URN; empty without it."""
    text = _raw(call, name)
    if _RESERVED.search(text):
        raise _bad_parameter(name)
    return unquote(text)


def listed(call: Call, name: str) -> list[str]:
    """The URNs of `name=List(a,b)`."""
    text = _raw(call, name)
    if not text:
        return []
    match = _LIST.fullmatch(text)
    if match is None or any(_RESERVED.search(item) for item in match[1].split(",")):
        raise _bad_parameter(name)
    return [unquote(item) for item in match[1].split(",")]


def tagged(call: Call, name: str) -> tuple[str, str]:
    """The name and the URN of a union such as `entity=(share:urn%3Ali...)`."""
    match = re.fullmatch(r"\((\w+):([^:(),]+)\)", _raw(call, name))
    if match is None:
        raise _bad_parameter(name)
    return match[1], unquote(match[2])


def number(call: Call, name: str, default: int, most: int) -> int:
    text = _raw(call, name) or str(default)
    if not text.isdecimal() or int(text) > most:
        raise _bad_parameter(name)
    return int(text)


def _raw(call: Call, name: str) -> str:
    for pair in call.raw_query.split("&"):
        if pair.startswith(f"{name}="):
            return pair.removeprefix(f"{name}=")
    return ""


def _bad_parameter(name: str) -> Refusal:
    message = f"Invalid query parameters passed to request: {name}"
    return errors.invalid("ILLEGAL_ARGUMENT", name, message)
