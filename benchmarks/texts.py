"""The text of a benchmark post: it carries its number and its moment, so the receiver can judge."""

from __future__ import annotations

import re

_PATTERN = re.compile(rb"Benchmark post (\d+), due at (\d+\.\d+)")


def text_of(number: int, due: float) -> str:
    """Return the text of post `number`, due at `due` (epoch seconds)."""
    return f"Benchmark post {number}, due at {due:.6f}"


def read_text(body: bytes) -> tuple[int, float] | None:
    """Return (number, due in epoch seconds) of a request's body, or None: not one of ours."""
    found = _PATTERN.search(body)
    return (int(found[1]), float(found[2])) if found else None
