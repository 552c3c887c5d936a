"""How long a network works on what it was given, how that ends, and how long its handles live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.exchange import Call

_SHORT_MS = 200.0  # quick enough for demos, long enough to be seen


@dataclass(frozen=True, slots=True)
class Work:
    """Work that goes on until `ready_at` (epoch seconds); a `reason` means that it then fails."""

    ready_at: float
    reason: str = ""

    def is_over(self, now: float) -> bool:
        return now >= self.ready_at

    def has_failed(self, now: float) -> bool:
        return bool(self.reason) and self.is_over(now)

    def is_good(self, now: float) -> bool:
        return not self.reason and self.is_over(now)


def begin(call: Call, *, reason: str = "", default_ms: float = _SHORT_MS) -> Work:
    """Start work under `processing_ms` and `processing_fails`; `reason`: what is wrong anyway."""
    duration_ms = _setting(call, "processing_ms", default_ms)
    return Work(call.world.now() + duration_ms / 1000, _setting(call, "processing_fails", reason))


def handle_life_s(call: Call, default_s: float) -> float:
    """How long a container, session or address lives, under `handle_life_ms`."""
    life_ms: float = _setting(call, "handle_life_ms", default_s * 1000)
    return life_ms / 1000


def _setting(call: Call, name: str, default: Any) -> Any:
    account = call.signed_in.name if call.signed_in is not None else None
    found = call.world.switches.setting(name, call.site.name, account)
    return default if found is None else found
