"""One call and its answer, as the networks' handlers see them: no sockets, no waiting."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from sandbox.fetching import Fetch
from sandbox.records import Account, parse_instant
from sandbox.tokens import Grant
from sandbox.world import Site, World

_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)
_NAME = re.compile(r'[; ]name="([^"]*)"', re.IGNORECASE)
_FILENAME = re.compile(r'[; ]filename\*?="?([^"\r\n;]*)"?', re.IGNORECASE)
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


def html_page(text: str, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, text.encode(), headers or {}, content_type="text/html")


def redirect(location: str) -> Answer:
    return Answer(302, b"", {"Location": location, "Cache-Control": "no-store"}, "text/plain")


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
    filename: str | None = None


@dataclass(slots=True)
class Call:
    """One request, read completely at `received_at` (epoch seconds). `path` has no query.

    `fetched` is what the endpoint's `prepare` fetched, by address.
    """

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
    grant: Grant | None = None  # what the token may do; set by `authenticate`, None = everything
    fetched: dict[str, Fetch] = field(default_factory=dict)

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
    def basic_credentials(self) -> tuple[str, str] | None:
        """The (client) name and secret of HTTP Basic, percent-decoded; None without a header."""
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            text = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        name, _, secret = text.partition(":")
        return unquote_plus(name), unquote_plus(secret)

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
        except (ValueError, RecursionError):
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
        return dict(self.parts())

    def parts(self) -> list[tuple[str, Part]]:
        """The parts in their order, names may repeat; raises Malformed."""
        boundary = _BOUNDARY.search(self.content_type)
        if boundary is None or not self.content_type.startswith("multipart/form-data"):
            raise Malformed("the body is not multipart/form-data")
        pieces = (b"\r\n" + self.body).split(b"\r\n--" + boundary[1].encode())
        if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
            raise Malformed("the multipart body has no closing boundary")
        return [_read_part(piece) for piece in pieces[1:-1]]

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
    found, filename = _CONTENT_TYPE.search(text), _FILENAME.search(text)
    mime_type = found[1].strip().lower() if found else "text/plain"
    return name[1], Part(data, mime_type, filename[1] if filename else None)
