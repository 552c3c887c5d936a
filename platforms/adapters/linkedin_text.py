"""LinkedIn's "little" text: what is reserved is escaped, hashtags and mentions are kept.

Source: learn.microsoft.com/linkedin, "little Text Format", read 2026-11. An unescaped reserved
character cuts the text off silently, with HTTP 201 (seen in several public projects). A hashtag is
"#" and a word of letters and digits; a mention is @[Name](urn:li:organization:1), person likewise.
"""

from __future__ import annotations

from collections.abc import Iterator

import regex

RESERVED = r"\|{}@[]()<>#*_~"

_CHARACTER = regex.compile("[" + regex.escape(RESERVED) + "]")
_ELEMENT = regex.compile(
    r"@\[(?P<name>[^\[\]\\\n]{1,200})\]\((?P<urn>urn:li:(?:person|organization):[\w-]+)\)"
    r"|(?<![^\s(\[\"'])#(?P<tag>[\p{N}\p{M}]*\p{L}[\p{L}\p{M}\p{N}]*)"
)
_ESCAPED = regex.compile(
    r"\{hashtag\|\\?(?P<sign>[#\uff03])\|(?P<tag>(?:[^\\{}|]|\\.)+)\}|\\(?P<character>.)",
    regex.DOTALL,
)


def escape(text: str) -> str:
    """Return `text` as `commentary` takes it, so that all of it is shown."""
    return "".join(_pieces(text))


def plain(little: str) -> str:
    """Return the text that a `commentary` stands for: `plain(escape(text)) == text`."""
    return _ESCAPED.sub(_unescaped, little)


def _pieces(text: str) -> Iterator[str]:
    end = 0
    for found in _ELEMENT.finditer(text):
        yield _escaped(text[end : found.start()])
        name = found["name"]
        yield found[0] if name is None else f"@[{_escaped(name)}]({found['urn']})"
        end = found.end()
    yield _escaped(text[end:])


def _escaped(text: str) -> str:
    return _CHARACTER.sub(r"\\\g<0>", text)


def _unescaped(found: regex.Match[str]) -> str:
    if found["tag"] is None:
        return str(found["character"])
    return str(found["sign"]) + plain(found["tag"])
