"""The building blocks of lexicons: checks that raise Invalid with the path in the record.

Unknown further keys of an object are allowed, null is not a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from sandbox.bluesky import cids
from sandbox.bluesky.identity import DID
from sandbox.records import parse_instant
from sandbox.text import graphemes

AT_URI = re.compile(r"at://(did:plc:[a-z2-7]{24})/([a-zA-Z0-9.-]+)/([A-Za-z0-9._:~-]{1,512})")
_LANGUAGE = re.compile(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8})*")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,20})?(Z|[+-]\d\d:\d\d)")


class Invalid(ValueError):
    """The record breaks its lexicon; the message says where."""


Check = Callable[[str, Any], None]  # path, value; raises Invalid


def text(*, longest_bytes: int | None = None, longest: int | None = None, form: str = "") -> Check:
    def check(path: str, value: Any) -> None:
        if not isinstance(value, str):
            raise Invalid(f"{path} must be a string")
        if longest_bytes is not None and len(value.encode(errors="surrogatepass")) > longest_bytes:
            raise Invalid(f"{path} must not be longer than {longest_bytes} characters")
        if longest is not None and sum(1 for _ in graphemes(value)) > longest:
            raise Invalid(f"{path} must not be longer than {longest} graphemes")
        if form and not _FORMS[form](value):
            raise Invalid(f"{path} must be a valid {form}")

    return check


def _is_datetime(value: str) -> bool:
    if not _INSTANT.fullmatch(value):
        return False
    try:
        parse_instant(value)
    except ValueError:
        return False
    return True


def _is_uri(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme and (parts.netloc or parts.path)) and not re.search(r"\s", value)


_FORMS: Mapping[str, Callable[[str], bool]] = {
    "atproto datetime": _is_datetime,
    "uri": _is_uri,
    "at-uri": lambda value: AT_URI.fullmatch(value) is not None,
    "did": lambda value: DID.fullmatch(value) is not None,
    "cid string": cids.is_cid,
    "language": lambda value: _LANGUAGE.fullmatch(value) is not None,
}


def integer(least: int) -> Check:
    def check(path: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Invalid(f"{path} must be an integer")
        if value < least:
            raise Invalid(f"{path} can not be less than {least}")

    return check


def array(item: Check, *, longest: int | None = None) -> Check:
    def check(path: str, value: Any) -> None:
        if not isinstance(value, list):
            raise Invalid(f"{path} must be an array")
        if longest is not None and len(value) > longest:
            raise Invalid(f"{path} must not have more than {longest} elements")
        for index, inner in enumerate(value):
            item(f"{path}/{index}", inner)

    return check


def fields(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    def check(path: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise Invalid(f"{path} must be an object")
        for name, rule in required.items():
            if name not in value:
                raise Invalid(f'{path} must have the property "{name}"')
            rule(f"{path}/{name}", value[name])
        for name, rule in (optional or {}).items():
            if name in value:
                rule(f"{path}/{name}", value[name])

    return check


def union(kinds: Mapping[str, Check], *, closed: bool = False) -> Check:
    """By `$type`; a kind that is not listed is accepted as long as the union is open."""

    def check(path: str, value: Any) -> None:
        if not isinstance(value, dict) or not isinstance(value.get("$type"), str):
            raise Invalid(f'{path} must be an object which includes the "$type" property')
        rule = kinds.get(value["$type"])
        if rule is not None:
            rule(path, value)
        elif closed or value["$type"].startswith("app.bsky.embed."):
            raise Invalid(f"{path} $type must be one of {', '.join(kinds)}")

    return check


def blob(accepted: str, longest_bytes: int) -> Check:
    def check(path: str, value: Any) -> None:
        is_reference = isinstance(value, dict) and value.get("$type") == "blob"
        link = value.get("ref") if is_reference else None
        if not isinstance(link, dict) or not cids.is_cid(link.get("$link")):
            raise Invalid(f"{path} should be a blob ref")
        kind, size = value.get("mimeType"), value.get("size")
        if not isinstance(kind, str) or not isinstance(size, int) or isinstance(size, bool):
            raise Invalid(f"{path} should be a blob ref")
        if not kind.startswith(accepted):
            raise Invalid(f'{path} mimeType "{kind}" is not accepted')
        if size > longest_bytes:
            raise Invalid(f"{path} is too big (maximum {longest_bytes}, got {size})")

    return check
