"""Outbound HTTP: the only file that imports aiohttp. (Interface; the body follows.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Response:
    """An answer read to its end (or to the size cap). Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after(self) -> timedelta | None:
        """Return Retry-After in either form (seconds or HTTP date), never negative."""
        raise NotImplementedError

    @property
    def request_id(self) -> str:
        """Return the network's id for this call (x-request-id and its kin), or ""."""
        raise NotImplementedError

    @property
    def excerpt(self) -> str:
        """Return at most 500 characters of the body, with anything like a token blotted out."""
        raise NotImplementedError

    def json(self) -> Any:
        """Return the body as JSON, or None when it is not JSON."""
        raise NotImplementedError


class Http:
    """One connection's door to one network: base address, auth and deadline are already set."""
