"""Public ids: UUID version 7, ordered by time so that indexes grow at one end (RFC 9562, 5.7)."""

from __future__ import annotations

import os
import time
import uuid
from datetime import datetime


def uuid7() -> uuid.UUID:
    """Return a new time-ordered id: Unix milliseconds, 12 bits of their fraction, 62 random bits.

    The fraction (RFC 9562, 6.2, method 3) keeps what one process makes within a millisecond in
    order, but for a quarter of a microsecond.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    random = int.from_bytes(os.urandom(8), "big") >> 2
    head = (milliseconds & 0xFFFFFFFFFFFF) << 16 | 0x7 << 12 | fraction
    return uuid.UUID(int=head << 64 | 0x2 << 62 | random)


def first_key_of(moment: datetime) -> uuid.UUID:
    """Return a key below those of all rows made from `moment` on, and above those made before."""
    milliseconds = int(moment.timestamp() * 1000)
    return uuid.UUID(int=(milliseconds & 0xFFFFFFFFFFFF) << 80)
