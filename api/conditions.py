"""ETags: what was read is what is changed, and what is known already is not sent again.

An ETag is strong and stands for the row as it is: it changes with all that people or the machine
change of it. Words for people that follow from the clock or from a pause may differ under one tag.
Views that have one: `tag = ...; return self.unchanged(tag) or self.answer(..., tag=tag)` to read,
and `self.require_match(row, tag_of_row)` in the transaction of a change. Their `operation` says
`conditional=True`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.utils.http import parse_etags

ETAG, IF_MATCH, IF_NONE_MATCH = "ETag", "If-Match", "If-None-Match"


def tag_of(*parts: object) -> str:
    """Return the ETag of a row that looks different as soon as one of `parts` does."""
    told = "\x00".join(map(repr, parts))
    return f'"{hashlib.sha256(told.encode()).hexdigest()[:24]}"'


def matches(header: str, tag: str) -> bool:
    """Say whether If-Match names `tag`: strongly, so W/ tags never do (RFC 9110, 13.1.1)."""
    return _names(parse_etags(header), tag)


def is_known(header: str, tag: str) -> bool:
    """Say whether If-None-Match names `tag`: weakly, as proxies weaken tags (13.1.2)."""
    return _names((one.removeprefix("W/") for one in parse_etags(header)), tag)


def _names(tags: Iterable[str], tag: str) -> bool:
    return any(one in ("*", tag) for one in tags)
