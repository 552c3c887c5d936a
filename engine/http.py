"""Outbound HTTP: deadlines, size caps, guarded hosts, and the line between not sent and unknown.

The only file that imports aiohttp. The line is drawn at the moment when a request's head and first
bytes are handed to the socket (`_Payload.handed_over`). Before it, a failure is NETWORK_ERROR:
certainly not sent. After it, a failed write (`writes=True`) is OUTCOME_UNKNOWN. Nothing is retried
here, and a write is never sent again by aiohttp: a payload that was handed over is `consumed`.
"""

from __future__ import annotations

import json as json_module
import math
import re
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal, cast
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter, ResolveResult
from aiohttp.http_writer import StreamWriter
from aiohttp.payload import Payload
from yarl import URL

from engine.addresses import AllowedHosts, parse_address, refusal
from engine.answers import Response
from engine.authorization import Auth, Basic, Bearer, InAddress, OAuth1
from engine.crash_points import reach
from engine.errors import ErrorCategory, ServiceError
from engine.multipart import Part, encode_multipart, readable

__all__ = [
    "OWN",
    "Auth",
    "Basic",
    "Bearer",
    "Download",
    "Http",
    "HttpPool",
    "InAddress",
    "OAuth1",
    "Part",
    "Response",
    "Stream",
]

CONNECT_TIMEOUT = timedelta(seconds=5)
KEEP_ALIVE_SECONDS = 15.0
DNS_CACHE_SECONDS = 30
MAX_BODY_BYTES = 1024 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 3  # of downloads; a request is never redirected
HOST = re.compile(r"[A-Za-z0-9._:%-]+")  # a name in its ASCII form, or an address
SECRET_FIELD = re.compile("token|secret|password|code|assertion")
USER_AGENT = "Carillon/0.1 (+self-hosted social publishing)"
OWN: Literal["own"] = "own"
FAILURES = (aiohttp.ClientError, OSError, ValueError)  # TimeoutError is an OSError

Pairs = Mapping[str, str] | Sequence[tuple[str, str]]
OnResponse = Callable[[Response], Sequence[Any]]
_encode_json = json_module.JSONEncoder(separators=(",", ":")).encode


class _Payload(Payload):
    """A body that knows whether any of it, and so the request's head, reached the socket."""

    def __init__(
        self, content: bytes | Callable[[], AsyncGenerator[bytes, None]], size: int, kind: str
    ):
        super().__init__(content, content_type=kind)
        self._size = size
        self.handed_over = False
        self.start_before = math.inf
        self.failure: ServiceError | None = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("a request's body is not text to look at")

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        if time.monotonic() > self.start_before:
            self.failure = ServiceError(
                ErrorCategory.NETWORK_ERROR, "Not sent: this host was halted or slow for too long."
            )
            raise self.failure
        if isinstance(self._value, bytes):
            self._mark(writer)
            await writer.write(self._value)
            reach("http.handed_over")
            return
        left = self._size or 0
        try:
            async with aclosing(self._value()) as source:
                async for chunk in source:
                    self._mark(writer)
                    left -= len(chunk)
                    if left < 0:
                        break
                    await writer.write(chunk)
            reach("http.handed_over")
            if left:
                raise _media_error("The file's size changed while it was being sent.")
        except ServiceError as error:
            self.failure = error
            raise

    def _mark(self, writer: AbstractStreamWriter) -> None:
        transport = cast(StreamWriter, writer).transport
        self.handed_over = self.handed_over or (
            transport is not None and not transport.is_closing()
        )
        self._consumed = True  # aiohttp re-sends PUT and DELETE on a dead connection unless this


@dataclass(frozen=True, slots=True)
class Stream:
    """A body that is read in chunks while it is sent: `size_bytes` of it, exactly."""

    read: Callable[[], AsyncIterator[bytes]] = field(repr=False)
    size_bytes: int
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Download:
    """A file being fetched; `size_bytes` is what the server announced, None when nothing."""

    content_type: str
    size_bytes: int | None
    chunks: AsyncIterator[bytes] = field(repr=False)


class PrivateAddressError(OSError):
    """A user-given host leads to an address that is not public."""


class GuardedResolver(AbstractResolver):
    """Looks names up and refuses those that lead inside; aiohttp connects to just this answer."""

    def __init__(self, allowed: AllowedHosts) -> None:
        self._inner = aiohttp.resolver.DefaultResolver()
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not self._allowed.names_host(host):
            for entry in found:
                address = parse_address(entry["host"])
                if address is None or not self._allowed.may_connect(address):
                    raise PrivateAddressError(f"{host} is not a public host")
        return found

    async def close(self) -> None:
        await self._inner.close()


class Http:
    """One connection's door to one network: base address, auth and deadline are already set.

    `hints` collects what `on_response` read from each answer's headers; the caller takes them.
    Relative paths are joined to `base_url`; the connection's own authorization goes to that
    origin only. After `start_before` (monotonic seconds) no request with a body begins: looked at
    when the first byte would leave, so that a host that was halted meanwhile sends nothing late.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        base_url: str,
        auth: Auth | None,
        deadline: timedelta,
        on_response: OnResponse | None,
        guard: AllowedHosts | None,
        max_body: int,
        user_agent: str,
        headers: Mapping[str, str],
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.auth = auth
        self.hints: list[Any] = []
        self.start_before = math.inf
        self._origin = _origin(self.base_url)
        self._session = session
        self._deadline = deadline
        self._timeout = _client_timeout(deadline)
        self._on_response = on_response
        self._guard = guard
        self._max_body = max_body
        self._headers = {"User-Agent": user_agent, **headers}

    def __repr__(self) -> str:
        return f"<Http {self._origin}>"  # a path may hold a token

    async def get(self, path: str, **options: Any) -> Response:
        """See `request`."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Response:
        """See `request`."""
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> Response:
        """See `request`."""
        return await self.request("PUT", path, **options)

    async def delete(self, path: str, **options: Any) -> Response:
        """See `request`."""
        return await self.request("DELETE", path, **options)

    async def request(
        self,
        method: str,
        path_or_url: str,
        *,
        json: Any = None,
        form: Pairs | None = None,
        body: bytes | None = None,
        multipart: Sequence[Part] | None = None,
        stream: Stream | None = None,
        params: Pairs | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | Literal["own"] | None = OWN,
        writes: bool = False,
        timeout: timedelta | None = None,
        encoded: bool = False,
    ) -> Response:
        """Make one request and return its answer, whatever its status; redirects are answers too.

        At most one of `json`, `form`, `body`, `multipart` and `stream` is given. `writes` marks a
        request that may make something visible. `timeout` (default: the deadline) covers all from
        connecting to reading. `encoded`: the address goes out just as it is written; else encodings
        that are not needed, as in urn%3Ali, are undone. Raises ServiceError: VALIDATION_ERROR when
        the address is refused, NETWORK_ERROR when it was not sent or only read, OUTCOME_UNKNOWN
        when a write's answer is lost or a 2xx broke off, MEDIA_ERROR when a multipart file could
        not be read. An error status whose body broke off is judged by the status, with what came
        of the body.
        """
        url = self._url(path_or_url, params, encoded=encoded)
        pairs = list(form.items() if isinstance(form, Mapping) else form) if form else []
        files = multipart if stream is None else stream
        payload = _payload(json, pairs if form is not None else None, body, files, writes)
        if payload is not None:
            payload.start_before = self.start_before
        sent = {**self._headers, **(headers or {})}
        signer = self._own_auth(url) if auth == OWN else auth
        if signer is not None and (header := signer.authorization(method, str(url), pairs)):
            sent["Authorization"] = header
        response: Response | None = None
        failure: ServiceError | None = None
        whole = True
        reach("http.before")
        try:
            async with self._session.request(
                method,
                url,
                data=payload,
                headers=sent,
                timeout=self._timeout if timeout is None else _client_timeout(timeout),
                allow_redirects=False,
            ) as answer:
                content, whole = await self._read(answer)
                reach("http.answered")
                response = Response(
                    answer.status,
                    answer.headers,
                    content,
                    method,
                    url.path,
                    self._secrets(signer, pairs),
                )
        except FAILURES as error:
            failure = self._failure(error, url, payload, writes=writes)
        if response is None:
            # Raised here, not above: aiohttp's exceptions carry the request's headers.
            raise failure or ServiceError(
                ErrorCategory.UNKNOWN, "The call ended without an answer."
            )
        if self._on_response is not None:
            self.hints.extend(self._on_response(response))
        if not whole and response.ok:
            raise _broken_success(response, url, writes=writes)
        return response

    @asynccontextmanager
    async def download(
        self, url: str, *, max_bytes: int, timeout: timedelta | None = None
    ) -> AsyncIterator[Download]:
        """Open a file for reading in chunks, following at most 3 redirects, each guarded anew.

        Raises MEDIA_ERROR for what will stay wrong (4xx, too large), RATE_LIMIT, SERVER_ERROR and
        NETWORK_ERROR for what may pass; reading the chunks raises the same.
        """
        limit = self._timeout if timeout is None else _client_timeout(timeout)
        answer = await self._open(self._url(url, None), limit)
        try:
            yield self._opened(answer, max_bytes)
        finally:
            answer.close()

    async def _open(self, url: URL, limit: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        for _ in range(MAX_REDIRECTS + 1):
            failure: ServiceError | None = None
            reach("http.before")
            try:
                answer = await self._session.get(
                    url,
                    headers=self._headers,
                    timeout=limit,
                    allow_redirects=False,
                )
            except FAILURES as error:
                failure = self._failure(error, url, None, writes=False)
            if failure is not None:
                raise failure
            location = answer.headers.get("location", "")
            if answer.status not in REDIRECTS or not location:
                return answer
            answer.close()
            url = self._url(_joined(url, location), None)
        raise _media_error("The file's address redirects too often.")

    def _opened(self, answer: aiohttp.ClientResponse, max_bytes: int) -> Download:
        if answer.status != 200:
            raise _refused_download(Response(answer.status, answer.headers, b""))
        if (answer.content_length or 0) > max_bytes:
            raise _media_error(f"The file is larger than {max_bytes:,} bytes.")

        async def chunks() -> AsyncIterator[bytes]:
            size = 0
            failure: ServiceError | None = None
            try:
                while chunk := await answer.content.readany():
                    size += len(chunk)
                    if size > max_bytes:
                        answer.close()
                        raise _media_error(f"The file is larger than {max_bytes:,} bytes.")
                    yield chunk
            except FAILURES as error:
                failure = self._failure(error, answer.url, None, writes=False)
            if failure is not None:
                raise failure

        return Download(answer.content_type, answer.content_length, chunks())

    def _secrets(self, signer: Auth | None, pairs: list[tuple[str, str]]) -> tuple[str, ...]:
        """Return what the other side may echo and nobody may see."""
        own = self.auth.secrets if self.auth is not None else ()
        if signer is not None and signer is not self.auth:
            own += signer.secrets
        if pairs:
            own += tuple(value for name, value in pairs if SECRET_FIELD.search(name))
        return own

    def _own_auth(self, url: URL) -> Auth | None:
        """Return the connection's auth, unless the request goes to somebody else."""
        return self.auth if url.origin() == self._origin else None

    def _url(self, path_or_url: str, params: Pairs | None, *, encoded: bool = False) -> URL:
        text = path_or_url
        if not text.startswith(("https://", "http://")):
            text = f"{self.base_url}/{text.lstrip('/')}"
        if params:
            text += ("&" if "?" in text else "?") + urlencode(params, quote_via=quote)
        try:
            url = URL(text, encoded=encoded)
        except ValueError:
            url = URL()
        return self._checked(url)

    def _checked(self, url: URL) -> URL:
        host = url.raw_host or ""
        if url.scheme not in ("http", "https") or not HOST.fullmatch(host):
            raise ServiceError(ErrorCategory.VALIDATION_ERROR, "This is not a web address.")
        if self._guard is not None:
            reason = refusal(
                scheme=url.scheme,
                host=host,
                has_user=url.raw_user is not None or url.raw_password is not None,
                allowed=self._guard,
            )
            if reason:
                raise ServiceError(
                    ErrorCategory.VALIDATION_ERROR, f"The address is refused: {reason}."
                )
        return url

    async def _read(self, answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        """Return the body and whether it is whole; one that is cut off is what came so far."""
        chunks: list[bytes] = []
        size = 0
        try:
            while chunk := await answer.content.readany():
                size += len(chunk)
                if size > self._max_body:
                    answer.close()
                    return b"".join(chunks), False
                chunks.append(chunk)
        except FAILURES:
            answer.close()
            return b"".join(chunks), False
        return (chunks[0] if len(chunks) == 1 else b"".join(chunks)), True

    def _failure(
        self, error: Exception, url: URL, payload: _Payload | None, *, writes: bool
    ) -> ServiceError:
        """Return what a failure means that left us without an answer."""
        if payload is not None and payload.failure is not None:
            return payload.failure
        if isinstance(error, aiohttp.ClientConnectorDNSError) and isinstance(
            error.os_error, PrivateAddressError
        ):
            return ServiceError(
                ErrorCategory.VALIDATION_ERROR,
                f"The address is refused: {url.host} does not lead to a public address.",
            )
        handed_over = payload is not None and payload.handed_over
        if writes and handed_over:
            return ServiceError(
                ErrorCategory.OUTCOME_UNKNOWN,
                f"The request was sent to {url.host}, but its answer was lost: {_reason(error)}.",
            )
        is_connection = isinstance(error, aiohttp.ClientConnectionError)  # certificates: both
        if isinstance(error, ValueError) and not is_connection and not handed_over:
            return ServiceError(
                ErrorCategory.VALIDATION_ERROR,
                "The request cannot be written: its address or a header is malformed.",
            )
        verb = "The answer was lost" if handed_over else "No answer"
        return ServiceError(
            ErrorCategory.NETWORK_ERROR, f"{verb} from {url.host}: {_reason(error)}."
        )


class HttpPool:
    """The HTTP connections of one event loop; close it at the end.

    Addresses from settings and addresses given by users use separate connections, the latter
    through the guarded resolver.
    """

    def __init__(self, *, max_connections: int = 400) -> None:
        self._max_connections = max_connections
        self._sessions: dict[AllowedHosts | None, aiohttp.ClientSession] = {}
        self._closed = False

    def http(
        self,
        *,
        base_url: str = "",
        auth: Auth | None = None,
        deadline: timedelta = timedelta(seconds=20),
        on_response: OnResponse | None = None,
        guard_private: bool = False,
        allow_private: Iterable[str] = (),
        max_body: int = MAX_BODY_BYTES,
        user_agent: str = USER_AGENT,
        headers: Mapping[str, str] | None = None,
    ) -> Http:
        """Return a door to `base_url`; call it inside the running loop.

        `guard_private` is for hosts that users name: https only, no user name in the address, no
        private address, except hosts and networks in `allow_private` (where http is in order too).
        `deadline` bounds each request from connecting to the last byte, `max_body` each body;
        `headers` go with every request.
        """
        guard = _allowed(tuple(allow_private)) if guard_private else None
        return Http(
            self._session(guard),
            base_url=base_url,
            auth=auth,
            deadline=deadline,
            on_response=on_response,
            guard=guard,
            max_body=max_body,
            user_agent=user_agent,
            headers=headers or {},
        )

    def _session(self, guard: AllowedHosts | None) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("this HttpPool is closed")
        session = self._sessions.get(guard)
        if session is None:
            connector = aiohttp.TCPConnector(
                limit=self._max_connections,
                limit_per_host=0,
                keepalive_timeout=KEEP_ALIVE_SECONDS,
                ttl_dns_cache=DNS_CACHE_SECONDS,
                resolver=None if guard is None else GuardedResolver(guard),
            )
            session = self._sessions[guard] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=True,
            )
        return session

    async def close(self) -> None:
        """Close all connections; requests still in flight fail."""
        self._closed = True
        for session in self._sessions.values():
            await session.close()


_allowed = lru_cache(maxsize=16)(AllowedHosts.parse)


@lru_cache(maxsize=256)
def _client_timeout(total: timedelta) -> aiohttp.ClientTimeout:
    """Return aiohttp's timeouts; exact, for it rounds those above `ceil_threshold` up."""
    seconds = total.total_seconds()
    return aiohttp.ClientTimeout(
        total=seconds,
        connect=min(CONNECT_TIMEOUT.total_seconds(), seconds),
        ceil_threshold=1e9,
    )


def _payload(
    json: Any,
    form: list[tuple[str, str]] | None,
    body: bytes | None,
    files: Sequence[Part] | Stream | None,
    writes: bool,
) -> _Payload | None:
    """Return the body to send; a write always has one, if only an empty one, to know the line."""
    if json is not None:
        content = _encode_json(json).encode()
        return _Payload(content, len(content), "application/json")
    if form is not None:
        content = urlencode(form, quote_via=quote).encode()
        return _Payload(content, len(content), "application/x-www-form-urlencoded")
    if isinstance(files, Stream):
        return _Payload(readable(files.read), files.size_bytes, files.content_type)
    if files is not None:
        return _Payload(*encode_multipart(files))
    if body is not None or writes:
        return _Payload(body or b"", len(body or b""), "application/octet-stream")
    return None


def _reason(error: Exception) -> str:
    """Return in words why a call failed; nothing of the request is in it."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "connecting took too long"
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host name was not found"
    if isinstance(error, (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch)):
        return "the secure connection failed"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "the connection was refused or failed"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed"
    return type(error).__name__


def _broken_success(response: Response, url: URL, *, writes: bool) -> ServiceError:
    return ServiceError(
        ErrorCategory.OUTCOME_UNKNOWN if writes else ErrorCategory.NETWORK_ERROR,
        f"{url.host} answered {response.status}, but its answer broke off or was too large.",
        http_status=response.status,
        request_id=response.request_id,
    )


@lru_cache(maxsize=1024)
def _origin(text: str) -> URL | None:
    try:
        return URL(text).origin()
    except ValueError:
        return None


def _joined(url: URL, location: str) -> str:
    try:
        return str(url.join(URL(location)))
    except ValueError:
        return ""


def _media_error(detail: str) -> ServiceError:
    return ServiceError(ErrorCategory.MEDIA_ERROR, detail)


def _refused_download(response: Response) -> ServiceError:
    category = ErrorCategory.MEDIA_ERROR
    if response.status == 429:
        category = ErrorCategory.RATE_LIMIT
    elif response.status >= 500:
        category = ErrorCategory.SERVER_ERROR
    return ServiceError(
        category,
        f"The file's server answered {response.status}.",
        retry_after=response.retry_after,
        http_status=response.status,
    )
