"""Reading parameters: forms, multipart text parts or the query; lists as `tags[]` or `tags[0]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from sandbox.deviantart import errors
from sandbox.exchange import Call, Malformed, Part

_INDEX = re.compile(r"\[\d*\]$")
_TRUE, _FALSE = ("1", "true", "yes"), ("0", "false", "no", "")


@dataclass(frozen=True, slots=True)
class Fields:
    """The parameters of one call, in their order."""

    pairs: list[tuple[str, str]]

    def text(self, name: str, default: str = "") -> str:
        """The last value given, stripped."""
        found = [value for key, value in self.pairs if key == name]
        return found[-1].strip() if found else default

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.pairs)

    def several(self, name: str) -> list[str]:
        """All values of `name[]`."""
        return [v.strip() for key, v in self.pairs if key != name and _INDEX.sub("", key) == name]

    def flag(self, name: str, default: bool | None = None) -> bool:
        """A boolean; required unless there is a default."""
        if not self.has(name):
            if default is None:
                raise errors.invalid(name, f"{name} is required.")
            return default
        value = self.text(name).lower()
        if value not in (*_TRUE, *_FALSE):
            raise errors.invalid(name, f"{name} must be a boolean.")
        return value in _TRUE

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        text = self.text(name, str(default))
        if not re.fullmatch(r"\d{1,9}", text) or not low <= int(text) <= high:
            raise errors.invalid(name, f"{name} must be between {low} and {high}.")
        return int(text)

    def choice(self, name: str, choices: tuple[str, ...], *, code: int | None = None) -> str:
        """One of the choices, or nothing."""
        value = self.text(name)
        if value and value not in choices:
            raise errors.invalid(name, f"{name} is not one of {', '.join(choices)}.", code=code)
        return value

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise errors.invalid(name, f"{name} is required.")
        return value


def posted(call: Call) -> Fields:
    """The parameters of a POST."""
    if not call.content_type.startswith("multipart/form-data"):
        return Fields(call.form())
    return texts_of(read_parts(call))


def read_parts(call: Call) -> list[tuple[str, Part]]:
    try:
        return call.parts()
    except Malformed as malformed:
        raise errors.refused(400, str(malformed)) from None


def texts_of(parts: list[tuple[str, Part]]) -> Fields:
    """The parts that are no files."""
    texts = [(k, p.data.decode("utf-8", "replace")) for k, p in parts if p.filename is None]
    return Fields(texts)


def asked(call: Call) -> Fields:
    """The parameters of a GET."""
    return Fields(parse_qsl(call.raw_query, keep_blank_values=True))


def due_at(call: Call) -> float | None:
    try:
        return call.due_at()
    except Malformed as malformed:
        raise errors.refused(400, str(malformed)) from None


def page(results: list[Any], offset: int, limit: int) -> dict[str, Any]:
    """One page of a list, with `has_more` and `next_offset`."""
    has_more = len(results) > offset + limit
    return {
        "has_more": has_more,
        "next_offset": offset + limit if has_more else None,
        "results": results[offset : offset + limit],
    }
