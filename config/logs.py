"""Log lines as JSON: what happened (`noun.verb`) and to whom, never text or tokens."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

from django.http import HttpRequest

from engine import correlation

# What the predecessors called the same; their readers find it beside ours.
OLDER_NAMES = {
    "correlation_id": "correlationId",
    "post_id": "postId",
    "attempt": "attemptNumber",
    "max_attempts": "maxAttempts",
    "upload_mode": "uploadMode",
}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Formats a record and whatever was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, tz=UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        line.update(_extras(record))
        line.update({old: line[name] for name, old in OLDER_NAMES.items() if name in line})
        if "post_id" in line:
            line["jobId"] = line["post_id"]
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """The same for people: time, level, event, then the extras as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line (and the traceback, if there is one)."""
        at = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S.%f")[:-3]
        extras = " ".join(f"{name}={value}" for name, value in _extras(record))
        line = f"{at} {record.levelname.lower():7} {record.name} {record.getMessage()} {extras}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line.rstrip()


def _extras(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    """Yield what was passed as `extra`, and what is worked on, if that is known.

    Of a request its path only: a query may carry a code.
    """
    if "correlation_id" not in vars(record) and (current := correlation.current()):
        yield "correlation_id", current
    for name, value in vars(record).items():
        if name not in _STANDARD:
            is_request = isinstance(value, HttpRequest)
            yield name, f"{value.method} {value.path}" if is_request else value
