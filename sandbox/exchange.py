"""One call and its answer, as the networks' handlers see them: no sockets, no waiting."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from sandbox.records import Account, parse_instant
from sandbox.world import Site, World

_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)
_NAME = re.compile(r'[; ]name="([^"]*)"', re.IGNORECASE)
_CONTENT_TYPE = re.compile(r"^content-type:\s*([^;\r\n]+)", re.IGNORECASE | re.MULTILINE)
DUE_HEADER = "X-Carillon-Due-At"


class Malformed(ValueError):
    """The body or a parameter cannot be read; the message says what was expected."""


@dataclass(slots=True)
class Answer:
    """What goes back: a dictionary or list as JSON, bytes as they are."""

    status: int
    payload: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def body(self) -> bytes:
        if isinstance(self.payload, bytes):
            return self.payload
        return b"" if self.payload is None else json.dumps(self.payload).encode()


class Refusal(Exception):
    """A handler's way to end a call early with an answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body."""

    data: bytes
    mime_type: str


@dataclass(slots=True)
class Call:
    """One request, read completely at `received_at` (epoch seconds). `path` has no query."""

    world: World
    site: Site
    method: str
    base_url: str  # http://host:port, as the client named it
    path: str
    raw_query: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    received_at: float
    client: str = ""  # the address it came from
    signed_in: Account | None = None

    @property
    def account(self) -> Account:
        if self.signed_in is None:
            raise LookupError("this endpoint is open to callers without an account")
        return self.signed_in

    @property
    def bearer_token(self) -> str:
        """The token of the Authorization header, empty without one."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "")

    @property
    def url(self) -> str:
        query = f"?{self.raw_query}" if self.raw_query else ""
        return f"{self.base_url}{self.path}{query}"

    @property
    def query(self) -> dict[str, str]:
        """The query parameters; of a repeated one the last."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    def queries(self, name: str) -> list[str]:
        """All values of a repeated query parameter."""
        pairs = parse_qsl(self.raw_query, keep_blank_values=True)
        return [value for key, value in pairs if key == name]

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object; raises Malformed."""
        try:
            value = json.loads(self.body)
        except ValueError:
            raise Malformed("the body is not JSON") from None
        if not isinstance(value, dict):
            raise Malformed("the body is not a JSON object")
        return value

    def raw_form(self) -> str:
        """The body when it is URL-encoded, else empty."""
        if not self.content_type.startswith("application/x-www-form-urlencoded"):
            return ""
        return self.body.decode("latin-1")

    def form(self) -> list[tuple[str, str]]:
        return parse_qsl(self.raw_form(), keep_blank_values=True)

    def multipart(self) -> dict[str, Part]:
        """The parts of a multipart/form-data body by name; raises Malformed."""
        boundary = _BOUNDARY.search(self.content_type)
        if boundary is None or not self.content_type.startswith("multipart/form-data"):
            raise Malformed("the body is not multipart/form-data")
        pieces = (b"\r\n" + self.body).split(b"\r\n--" + boundary[1].encode())
        if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
            raise Malformed("the multipart body has no closing boundary")
        return dict(map(_read_part, pieces[1:-1]))

    def due_at(self, given: Any = None) -> float | None:
        """The due time from the body's field or the diagnostic header; raises Malformed."""
        text = given if given is not None else self.headers.get(DUE_HEADER)
        if text is None:
            return None
        try:
            return parse_instant(text)
        except (TypeError, ValueError):
            raise Malformed(
                "the due time is not an ISO 8601 instant with a zone, such as 2026-11-22T09:30:00Z"
            ) from None


def _read_part(piece: bytes) -> tuple[str, Part]:
    head, gap, data = piece.partition(b"\r\n\r\n")
    text = head.decode("utf-8", "replace")
    name = _NAME.search(text)
    if not gap or name is None:
        raise Malformed("a part of the multipart body has no name")
    mime_type = _CONTENT_TYPE.search(text)
    return name[1], Part(data, mime_type[1].strip().lower() if mime_type else "text/plain")
