"""Files that a network fetches itself from a public address, while its calls go on.

A handler says `fetch = call.world.fetcher.order(url)`, keeps the Fetch, and looks at its `state`
when the client asks again. An endpoint whose network answers only after it has fetched orders in
its `prepare`, waits with `await fetch.wait(seconds)`, and the handler finds the same Fetch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import aiohttp

State = Literal["pending", "fetched", "failed"]
LIMIT_BYTES = 128 * 1024 * 1024
_PIECE_BYTES = 256 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=5)
_AGENT = "carillon-sandbox"


class Fetch:
    """One file under way. `ended_at` (epoch seconds) is set when it is no longer pending.

    `reason` says why it failed: "bad url", "too large", "empty", "redirected", "unreachable",
    "timeout", "robots", or "status <number>".
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.state: State = "pending"
        self.data = b""
        self.mime_type = ""  # as the server named it, lower case, without parameters
        self.reason = ""
        self.ended_at: float | None = None
        self._ended = asyncio.Event()
        self._then: list[Callable[[], None]] = []

    async def wait(self, seconds: float) -> None:
        """Return when the fetch has ended, or after so many seconds, whichever is first."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            pass

    def when_ended(self, act: Callable[[], None]) -> None:
        """Act once it is no longer pending: for networks that go on without being asked again."""
        if self.state == "pending":
            self._then.append(act)
        else:
            act()

    def succeed(self, data: bytes, mime_type: str, now: float) -> None:
        self.state, self.data, self.mime_type = "fetched", data, mime_type
        self._end(now)

    def fail(self, reason: str, now: float) -> None:
        self.state, self.reason = "failed", reason
        self._end(now)

    def _end(self, now: float) -> None:
        self.ended_at = now
        self._ended.set()
        for act in self._then:
            act()


class _Failed(Exception):
    """`reason` as in Fetch."""


class Fetcher:
    """Fetches on the running event loop. Redirects are not followed, as the networks say."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._now = clock
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def order(
        self,
        url: str,
        *,
        limit_bytes: int = LIMIT_BYTES,
        agent: str = _AGENT,
        asks_robots: bool = False,
    ) -> Fetch:
        """Start fetching and return at once; an address that no server can have fails at once.

        With `asks_robots` the host's robots.txt must allow the address to `agent`.
        """
        fetch = Fetch(url)
        if not is_fetchable(url):
            fetch.fail("bad url", self._now())
            return fetch
        run = self._run(fetch, limit_bytes, agent, asks_robots=asks_robots)
        task = asyncio.get_running_loop().create_task(run)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return fetch

    async def aclose(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _run(self, fetch: Fetch, limit_bytes: int, agent: str, *, asks_robots: bool) -> None:
        try:
            if asks_robots:
                await self._ask_robots(fetch.url, agent)
            data, mime_type = await self._get(fetch.url, limit_bytes, agent)
        except _Failed as failed:
            fetch.fail(str(failed), self._now())
        except TimeoutError:
            fetch.fail("timeout", self._now())
        except (aiohttp.ClientError, OSError, ValueError):
            fetch.fail("unreachable", self._now())
        else:
            fetch.succeed(data, mime_type, self._now())

    async def _get(self, url: str, limit_bytes: int, agent: str) -> tuple[bytes, str]:
        async with self._request(url, agent) as response:
            if 300 <= response.status < 400:
                raise _Failed("redirected")
            if response.status != 200:
                raise _Failed(f"status {response.status}")
            data = bytearray()
            async for piece in response.content.iter_chunked(_PIECE_BYTES):
                data += piece
                if len(data) > limit_bytes:
                    raise _Failed("too large")
            if not data:
                raise _Failed("empty")
            return bytes(data), response.content_type

    async def _ask_robots(self, url: str, agent: str) -> None:
        rules = RobotFileParser()
        async with self._request(urljoin(url, "/robots.txt"), agent) as response:
            text = await response.text(errors="replace") if response.status == 200 else ""
        rules.parse(text.splitlines())
        if not rules.can_fetch(agent, url):
            raise _Failed("robots")

    def _request(self, url: str, agent: str) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self._session.get(url, headers={"User-Agent": agent}, allow_redirects=False)


def is_fetchable(url: str) -> bool:
    """Whether a network would try: http(s), a host, US-ASCII, no user name in it."""
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_plain and is_web and has_port and parts.username is None
