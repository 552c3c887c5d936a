r"""LinkedIn's "little text": a reserved character without a backslash ends the text, silently.

Reserved are `\ | { } @ [ ] ( ) < > # * _ ~`. Elements that keep them: `#word`,
`{hashtag|\#|word}`, `@[Name](urn:li:organization:1)`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

RESERVED = frozenset("\\|{}@[]()<>#*_~")
_ELEMENTS = (
    re.compile(r"\\(?P<seen>[\\|{}@\[\]()<>#*_~])"),
    re.compile(r"(?P<seen>#[^\W_]+)"),
    re.compile(r"\{hashtag\|\\?(?P<seen>[#＃])\|(?P<more>[^\\|{}]+)\}"),  # noqa: RUF001
    re.compile(r"@\[(?P<seen>(?:\\.|[^\\\[\]])+)\]\(urn:li:(?:person|organization):[\w-]+\)"),
)
_PLAIN = re.compile(r"[^\\|{}@\[\]()<>#*_~]+")


@dataclass(frozen=True, slots=True)
class Text:
    """`seen`: as readers see it; `kept`: the part of the commentary that was kept."""

    seen: str
    kept: str


def read(commentary: str) -> Text:
    """Read up to the first reserved character that is neither escaped nor part of an element."""
    seen: list[str] = []
    at = 0
    while at < len(commentary):
        for pattern in (_PLAIN, *_ELEMENTS):
            match = pattern.match(commentary, at)
            if match is not None:
                seen.append(_shown(match))
                at = match.end()
                break
        else:
            break
    return Text("".join(seen), commentary[:at])


def _shown(match: re.Match[str]) -> str:
    groups = match.groupdict()
    if not groups:
        return match[0]
    return re.sub(r"\\(.)", r"\1", groups["seen"]) + (groups.get("more") or "")
