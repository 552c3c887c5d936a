"""Reading what a call brings: JSON bodies of at most 1 MB that say so."""

from __future__ import annotations

from typing import Any

from sandbox.bluesky import errors
from sandbox.exchange import Call, Malformed

_JSON_BYTES = 1_000_000


def json_body(call: Call) -> dict[str, Any]:
    """The body as an object; raises Refusal."""
    kind = call.content_type.partition(";")[0].strip().lower()
    if kind != "application/json":
        raise errors.invalid(f"Wrong request encoding (Content-Type): {kind or 'none'}")
    if len(call.body) > _JSON_BYTES:
        raise errors.refused(413)
    try:
        return call.json_object()
    except Malformed as malformed:
        raise errors.invalid(f"Input could not be read: {malformed}") from None


def due_at(call: Call) -> float | None:
    try:
        return call.due_at()
    except Malformed as malformed:
        raise errors.invalid(str(malformed)) from None
