"""Which counter of a post grows to what; the numbers mean nothing, but they fit together."""

from __future__ import annotations

from sandbox.growth import grown

_MOST_VIEWS = 5000
_SHARES = {  # of the views; other names get a hundredth
    "views": 1.0,
    "reach": 0.8,
    "likes": 0.08,
    "shares": 0.02,
    "saved": 0.015,
    "clicks": 0.03,
}


def counted(what: str, owner_id: str, age_seconds: float) -> int:
    """How often `what` has happened; the same question later never gets a smaller number."""
    return grown(owner_id, age_seconds, most=int(_MOST_VIEWS * _SHARES.get(what, 0.01)))
