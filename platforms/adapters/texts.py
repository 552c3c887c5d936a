"""Comparing a text as a network shows it with the text we sent: same words, other dress."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser

_SCHEME = re.compile(r"https?://")
_LAST_SLASH = re.compile(r"/(?=\s|$)")


def comparable(text: str) -> str:
    """Return `text` reduced to what a network leaves unchanged.

    Composed (NFC), in one case, white space as single spaces, links without scheme and last slash:
    networks add and drop these. Two posts that differ in nothing else count as the same.
    """
    text = _SCHEME.sub("", unicodedata.normalize("NFC", text).casefold())
    return _LAST_SLASH.sub("", " ".join(text.split()))


class _PlainText(HTMLParser):
    """Collects the text of simple HTML; breaks and paragraphs become white space."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"br", "p"}:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


def plain_text(html: str) -> str:
    """Return the text of simple HTML, hidden parts of shortened links included."""
    parser = _PlainText()
    parser.feed(html)
    parser.close()
    return "".join(parser.pieces)
