"""Errors to Sentry, if SENTRY_DSN says where: traces of code, never texts, tokens or people.

No request bodies, cookies, headers, local variables, breadcrumbs (they quote SQL) or users leave;
of messages the first line does, with everything that looks like a secret blotted out.
"""

from __future__ import annotations

from typing import Any

import sentry_sdk
from sentry_sdk.types import Event, Hint

from engine.redaction import redact

MESSAGE_CHARS = 300
KEPT_EXTRA = frozenset(  # of log lines: names and ids of ours
    {
        "attempt", "category", "channel", "connection_id", "correlation_id", "delivery_id", "kind",
        "platform", "post_id", "slot", "step",
    }
)  # fmt: skip


def start(dsn: str, *, release: str, environment: str) -> None:
    """Send errors from now on; processes forked later send theirs, too."""
    sentry_sdk.init(
        dsn=dsn,
        release=release,
        environment=environment,
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        include_source_context=True,
        max_breadcrumbs=0,
        traces_sample_rate=None,
        auto_session_tracking=False,
        before_send=scrub,
    )


def scrub(event: Event, hint: Hint) -> Event:
    """Return what may leave: see the module's docstring."""
    event.pop("user", None)
    event.pop("breadcrumbs", None)
    request: Any = event.pop("request", None)
    if request:
        url = str(request.get("url", "")).partition("?")[0]
        event["request"] = {"method": request.get("method", ""), "url": redact(url)}
    exceptions: Any = event.get("exception") or {}
    for raised in exceptions.get("values") or ():
        raised["value"] = _first_line(raised.get("value"))
        for frame in (raised.get("stacktrace") or {}).get("frames") or ():
            frame.pop("vars", None)
    entry: Any = event.get("logentry")
    if entry:
        said = _first_line(entry.get("formatted") or entry.get("message"))
        event["logentry"] = {"message": said, "params": []}
    if "message" in event:
        event["message"] = _first_line(event["message"])
    extra = event.get("extra") or {}
    event["extra"] = {
        name: redact(str(value)) for name, value in extra.items() if name in KEPT_EXTRA
    }
    return event


def _first_line(text: object) -> str:
    """Return what says what happened; further lines of a database's error quote the row."""
    return redact(str(text or "").partition("\n")[0])[:MESSAGE_CHARS]
