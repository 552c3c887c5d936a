"""How networks count and mark text: links, weighted length, graphemes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_TLDS = (
    "com|org|net|edu|gov|io|dev|app|info|biz|social|blog|news|xyz|co|me|tv|ai|"
    "de|at|ch|uk|eu|fr|nl|it|es|py"
)
_X_LINK = re.compile(
    r"(?<![@\w./-])(?:https?://[^\s<>\"]+|"
    rf"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:{_TLDS})\b(?:/[^\s<>\"]*)?)",
    re.IGNORECASE,
)
_WEB_LINK = re.compile(r"(?<![\w])https?://[^\s<>\"]+", re.IGNORECASE)
_REMOTE_MENTION = re.compile(r"(?<![\w/])@(\w+)@[\w.-]+\w")
_TRAILING = ".,;:!?'\")]}"
_URL_LENGTH = 23
_CHEAP = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))  # weight 1 instead of 2


@dataclass(frozen=True, slots=True)
class Link:
    """One link in a text, by code point positions."""

    start: int
    end: int
    text: str

    @property
    def url(self) -> str:
        has_scheme = self.text.lower().startswith(("http://", "https://"))
        return self.text if has_scheme else f"http://{self.text}"


def x_links(text: str) -> list[Link]:
    """The links X wraps: with a scheme, or bare domains of a known ending."""
    return _links(_X_LINK, text) if "." in text else []


def web_links(text: str) -> list[Link]:
    """The links Mastodon makes clickable and counts as 23: only those with http(s)://."""
    return _links(_WEB_LINK, text) if "://" in text else []


def weighted_length(text: str) -> int:
    """X's count: links 23, emoji 2, cheap ranges 1, the rest 2. Source: twitter-text config v3."""
    text = unicodedata.normalize("NFC", text)
    links = x_links(text)
    total = _URL_LENGTH * len(links)
    rest = _without(text, links)
    if rest.isascii():
        return total + len(rest)
    for cluster in graphemes(rest):
        if _is_emoji(cluster):
            total += 2
        else:
            total += sum(1 if _is_cheap(ord(char)) else 2 for char in cluster)
    return total


def mastodon_length(text: str) -> int:
    """Mastodon's count: grapheme clusters, links 23, remote mentions without their host."""
    links = web_links(text)
    rest = _REMOTE_MENTION.sub(r"@\1", _without(text, links))
    length = len(rest) if rest.isascii() else sum(1 for _ in graphemes(rest))
    return _URL_LENGTH * len(links) + length


def threads_length(text: str) -> int:
    """Threads' count: code points, but each emoji as many as it has UTF-8 bytes."""
    if text.isascii():
        return len(text)
    return sum(
        len(cluster.encode(errors="surrogatepass")) if _is_emoji(cluster) else len(cluster)
        for cluster in graphemes(text)
    )


def graphemes(text: str) -> Iterator[str]:
    """Cut into visible characters: marks, joiners, skin tones, flags and keycaps stay whole."""
    cluster = ""
    for char in text:
        if cluster and _continues(cluster, char):
            cluster += char
            continue
        if cluster:
            yield cluster
        cluster = char
    if cluster:
        yield cluster


def _continues(cluster: str, char: str) -> bool:
    if char in "\u200d\ufe0f\ufe0e\u20e3" or "\U0001f3fb" <= char <= "\U0001f3ff":
        return True
    if "\U000e0020" <= char <= "\U000e007f" or unicodedata.category(char) in {"Mn", "Me", "Mc"}:
        return True
    if cluster[-1] == "\u200d":
        return _is_emoji(char)
    if cluster == "\r" and char == "\n":
        return True
    return _is_flag_letter(char) and len(cluster) == 1 and _is_flag_letter(cluster)


def _is_flag_letter(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _is_emoji(cluster: str) -> bool:
    first = ord(cluster[0])
    if "\u20e3" in cluster or "\ufe0f" in cluster:
        return True
    return 0x1F000 <= first <= 0x1FAFF or 0x2600 <= first <= 0x27BF


def _is_cheap(code_point: int) -> bool:
    return any(low <= code_point <= high for low, high in _CHEAP)


def _links(pattern: re.Pattern[str], text: str) -> list[Link]:
    found = []
    for match in pattern.finditer(text):
        url = match[0].rstrip(_TRAILING)
        if url.endswith("://"):
            continue
        found.append(Link(match.start(), match.start() + len(url), url))
    return found


def _without(text: str, links: list[Link]) -> str:
    for link in reversed(links):
        text = text[: link.start] + text[link.end :]
    return text
