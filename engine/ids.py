"""Public ids: UUID version 7, ordered by time so that indexes grow at one end (RFC 9562, 5.7)."""

from __future__ import annotations

import os
import time
import uuid
from datetime import datetime


def uuid7() -> uuid.UUID:
    """Return a new time-ordered id: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    tail = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & 0xFFFFFFFFFFFF) << 80 | tail
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def first_key_of(moment: datetime) -> uuid.UUID:
    """Return a key below those of all rows made from `moment` on, and above those made before."""
    milliseconds = int(moment.timestamp() * 1000)
    return uuid.UUID(int=(milliseconds & 0xFFFFFFFFFFFF) << 80)
