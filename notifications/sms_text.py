"""How many segments a text message takes, which is what it costs.

GSM-7 holds 160 characters, 153 in each of several segments, some of them counting double; one
character outside it makes the whole message UCS-2: 70 UTF-16 units, 67 in each of several.
No character is split between segments. Source: 3GPP TS 23.038, sections 6.1.1 and 6.2.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")  # an escape and a character: two
_ROOM = {"GSM-7": (160, 153), "UCS-2": (70, 67)}


@dataclass(frozen=True, slots=True)
class Size:
    """What a text takes: `units` are septets or UTF-16 units."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int


def size_of(text: str) -> Size:
    """Return the encoding a text needs and how many segments it takes (at least one)."""
    is_gsm = all(char in BASIC or char in EXTENDED for char in text)
    encoding: Literal["GSM-7", "UCS-2"] = "GSM-7" if is_gsm else "UCS-2"
    costs = [_cost(char, is_gsm=is_gsm) for char in text]
    units, (alone, each) = sum(costs), _ROOM[encoding]
    if units <= alone:
        return Size(encoding, units, 1)
    segments, used = 1, 0
    for cost in costs:
        if used + cost > each:
            segments, used = segments + 1, 0
        used += cost
    return Size(encoding, units, segments)


def _cost(char: str, *, is_gsm: bool) -> int:
    if is_gsm:
        return 2 if char in EXTENDED else 1
    return 2 if ord(char) > 0xFFFF else 1


def fit(words: str, link: str) -> str:
    """Return `words` and `link` as one text of a single segment, the words cut where needed.

    A link that leaves no room for words stands alone, whatever it takes.
    """
    tail = f" {link}" if link else ""
    if size_of(words + tail).segments == 1:
        return words + tail
    for length in range(len(words) - 1, 0, -1):
        text = words[:length].rstrip() + "..." + tail
        if size_of(text).segments == 1:
            return text
    return tail.strip() or words
