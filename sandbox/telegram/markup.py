"""HTML as the Bot API reads it: a few tags, properly nested, become entities of the plain text."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any

_KINDS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "tg-emoji": "custom_emoji",
}
_NAME = re.compile(r"[^\s>/]*")
_ATTRIBUTE = re.compile(r"\s*([a-zA-Z-]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")
_ESCAPE = re.compile(r"&(?:lt|gt|amp|quot|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});")


class BadMarkup(ValueError):
    """The text cannot be read; the message is the server's."""


@dataclass(slots=True)
class _Open:
    name: str
    kind: str
    offset: int
    url: str = ""


@dataclass(slots=True)
class _Reading:
    source: str
    at: int = 0
    plain: str = ""
    length: int = 0  # of `plain`, in UTF-16 units
    stack: list[_Open] = field(default_factory=list)
    entities: list[dict[str, Any]] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.plain += text
        self.length += utf16_length(text)

    def byte_offset(self, at: int) -> int:
        return len(self.source[:at].encode(errors="surrogatepass"))


def utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def parse_html(source: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the plain text and its entities, offsets in UTF-16 units; raises BadMarkup."""
    reading = _Reading(source)
    while reading.at < len(source):
        next_tag = source.find("<", reading.at)
        end = len(source) if next_tag < 0 else next_tag
        reading.add(_ESCAPE.sub(lambda m: html.unescape(m[0]), source[reading.at : end]))
        reading.at = end
        if next_tag >= 0:
            _read_tag(reading)
    if reading.stack:
        name = reading.stack[-1].name
        raise BadMarkup(f'Can\'t find end tag corresponding to start tag "{name}"')
    order = sorted(reading.entities, key=lambda entity: (entity["offset"], -entity["length"]))
    return reading.plain, order


def _read_tag(reading: _Reading) -> None:
    if reading.source.startswith("</", reading.at):
        _read_end(reading)
    else:
        _read_start(reading)


def _read_end(reading: _Reading) -> None:
    source, began = reading.source, reading.at
    close = source.find(">", began)
    offset = reading.byte_offset(began)
    if close < 0:
        raise BadMarkup(f"Unclosed end tag at byte offset {offset}")
    if not reading.stack:
        raise BadMarkup(f"Unexpected end tag at byte offset {offset}")
    opened, name = reading.stack.pop(), source[began + 2 : close].strip().lower()
    if name not in ("", opened.name):
        raise BadMarkup(
            f'Unmatched end tag at byte offset {offset}, expected "</{opened.name}>",'
            f' found "</{name}>"'
        )
    reading.at = close + 1
    length = reading.length - opened.offset
    if length and (opened.kind != "text_link" or opened.url):
        entity = {"offset": opened.offset, "length": length, "type": opened.kind}
        reading.entities.append(entity | ({"url": opened.url} if opened.url else {}))


def _read_start(reading: _Reading) -> None:
    source, began = reading.source, reading.at
    found = _NAME.match(source, began + 1)
    name = found[0].lower() if found is not None else ""
    offset = reading.byte_offset(began)
    at, attributes = began + 1 + len(name), {}
    while (attribute := _ATTRIBUTE.match(source, at)) is not None:
        attributes[attribute[1].lower()] = html.unescape("".join(attribute.groups("")[1:]))
        at = attribute.end()
    at += len(source[at:]) - len(source[at:].lstrip())
    is_spoiler = name != "span" or attributes.get("class") == "tg-spoiler"
    if name not in _KINDS or not is_spoiler:
        raise BadMarkup(f'Unsupported start tag "{name}" at byte offset {offset}')
    if not source.startswith(">", at):
        raise BadMarkup(f"Unclosed start tag at byte offset {offset}")
    reading.at = at + 1
    url = attributes.get("href", "") if name == "a" else ""
    reading.stack.append(_Open(name, _KINDS[name], reading.length, url))
