"""How attention to a published post grows: quickly at first, then slower, the same each time."""

from __future__ import annotations

import hashlib
import math

_SETTLES_SECONDS = 6 * 3600.0


def grown(seed: str, age_s: float, *, most: int) -> int:
    """Return a counter of a post of this age, at most `most`; it never falls as the post ages."""
    drawn = int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=4).digest()) / 2**32
    final = most * (0.2 + 0.8 * drawn)
    return int(final * (1 - math.exp(-max(0.0, age_s) / _SETTLES_SECONDS)))
