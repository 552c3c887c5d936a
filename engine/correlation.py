"""The id that ties together what came of one request: log lines, posts, callbacks, answers.

It is the caller's X-Request-ID, else the trace id of its traceparent, else one of our own. A post
keeps the id of the request that scheduled it; whoever works on the post takes it over.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "X-Request-ID"
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/=+@-]{0,63}")  # as long as a post's column
# Source: W3C Trace Context, 3.2.2; version ff is forbidden, a trace id of zeros is none.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-.{2,}")

_current: ContextVar[str] = ContextVar("correlation_id", default="")


def current() -> str:
    """Return the id of what is being worked on, or "" outside of any request or post."""
    return _current.get()


def is_valid(given: str) -> bool:
    """Say whether `given` may stand in headers, rows and log lines."""
    return _VALID.fullmatch(given) is not None


def id_of(headers: Mapping[str, str]) -> str:
    """Return the id that a request's headers name, or a new one."""
    given = headers.get(HEADER, "").strip()
    if is_valid(given):
        return given
    trace = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    return trace[1] if trace else uuid.uuid4().hex


@contextmanager
def working_on(correlation_id: str) -> Iterator[None]:
    """Make `correlation_id` the current one while the block lasts."""
    token = _current.set(correlation_id)
    try:
        yield
    finally:
        _current.reset(token)
