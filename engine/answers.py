"""What came back from outside: an answer with its status, headers and (capped) body."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from engine import wall_clock
from engine.redaction import redact

EXCERPT_CHARS = 500
LONGEST_WAIT = timedelta(days=31)  # a longer Retry-After is a mistake, and would overflow sums
REQUEST_ID_HEADERS = (
    "x-request-id",
    "x-transaction-id",
    "x-fb-trace-id",
    "x-fb-request-id",
    "x-li-uuid",
    "request-id",
    "cf-ray",
)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer read to its end (or to the size cap). `headers.get` takes lower-case names.

    `method` and `path` are those of the request. `secrets` are blotted out of `excerpt`.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = ""
    path: str = field(default="", repr=False)  # some networks want tokens in it
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Say whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def retry_after(self) -> timedelta | None:
        """Return Retry-After in either form (seconds or HTTP date), never negative."""
        value = self.headers.get("retry-after", "").strip()
        if not value:
            return None
        if _SECONDS.fullmatch(value):
            return min(timedelta(seconds=float(value)), LONGEST_WAIT)
        until = _http_date(value)
        return None if until is None else self.wait_until(until)

    def wait_until(self, moment: datetime) -> timedelta:
        """Return how long it is from this answer to `moment`, never negative.

        Counts from the answer's own Date header, so that a wrong clock here does no harm.
        """
        wait = moment - (_http_date(self.headers.get("date", "")) or self.received_at)
        return min(max(wait, timedelta()), LONGEST_WAIT)

    @property
    def received_at(self) -> datetime:
        """Return the present instant on our database's clock, for what counts from this answer."""
        return wall_clock.instant()

    @property
    def request_id(self) -> str:
        """Return the network's id for this call (x-request-id and its kin), or ""."""
        for name in REQUEST_ID_HEADERS:
            if value := self.headers.get(name):
                return value[:200]
        return ""

    @property
    def excerpt(self) -> str:
        """Return at most 500 characters of the body, with anything like a token blotted out."""
        return self.redact(self.body[: EXCERPT_CHARS * 8].decode(errors="replace"))

    def redact(self, text: str) -> str:
        """Return `text` without secrets, cut to 500 characters."""
        return redact(text[: EXCERPT_CHARS * 4], self.secrets)[:EXCERPT_CHARS]

    def json(self) -> Any:
        """Return the body as JSON, or None when it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object, or an empty one when it is anything else."""
        found = self.json()
        return found if isinstance(found, dict) else {}


def _http_date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
