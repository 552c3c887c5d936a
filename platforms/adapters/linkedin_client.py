"""Calling LinkedIn: every request names the version it was written for, URNs stay encoded.

Source: learn.microsoft.com/linkedin, "Versioning" and "Protocol versions", read 2026-11. A colon
that is not encoded is refused: "Syntax exception in path variables" (seen in public projects).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, Response

OWN_HOSTS = (".linkedin.com", ".licdn.com")


@dataclass(frozen=True, slots=True)
class Client:
    """`version` is LinkedIn-Version, YYYYMM."""

    http: Http
    version: str

    async def call(self, verb: str, path: str, *, method: str = "", **options: Any) -> Response:
        """Make one request to a path of the API; `method` is Rest.li's, where it is not plain."""
        headers = {"LinkedIn-Version": self.version, "X-Restli-Protocol-Version": "2.0.0"}
        if method:
            headers["X-RestLi-Method"] = method
        return await self.http.request(verb, path, headers=headers, encoded=True, **options)

    async def put(self, address: str, **options: Any) -> Response:
        """Send bytes to an upload address that LinkedIn gave; it may be another host of theirs."""
        given, own = urlsplit(address), urlsplit(self.http.base_url)
        is_theirs = given.hostname == own.hostname or (given.hostname or "").endswith(OWN_HOSTS)
        if given.scheme != own.scheme or not is_theirs:
            detail = "LinkedIn named an upload address that is not one of its own."
            raise ServiceError(C.UNKNOWN, detail)
        return await self.http.put(address, encoded=True, **options)


def encoded(urn: str) -> str:
    """Return a URN as paths and lists take it."""
    return quote(urn, safe="")


def listed(urns: Iterable[str]) -> str:
    """Return URNs as a Rest.li list."""
    return f"List({','.join(map(encoded, urns))})"
