"""The networks' own fetches: what is served arrives, what is not fails with its reason."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from sandbox.fetching import Fetch, Fetcher
from tests.sandbox.conftest import PNG

SECONDS = 10.0


async def _serve(request: web.Request) -> web.StreamResponse:
    match request.path:
        case "/file":
            return web.Response(body=PNG, content_type="image/png")
        case "/moved":
            raise web.HTTPFound("/file")
        case "/robots.txt":
            return web.Response(text="User-agent: facebookexternalhit\nDisallow: /private\n")
        case "/empty":
            return web.Response()
        case "/never":
            await asyncio.Event().wait()
        case "/cut":
            answer = web.StreamResponse(headers={"Content-Length": "100"})
            await answer.prepare(request)
            await answer.write(b"half")
            assert request.transport is not None
            request.transport.close()
            return answer
    raise web.HTTPNotFound


def _with_files(story: Callable[[Fetcher, str], Awaitable[None]]) -> None:
    """Run a story with a fetcher and the address of a server of files."""

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", _serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fetcher = Fetcher(time.time)
        try:
            await story(fetcher, f"http://127.0.0.1:{runner.addresses[0][1]}")
        finally:
            await fetcher.aclose()
            await runner.cleanup()

    asyncio.run(run())


async def _ended(fetch: Fetch) -> Fetch:
    await fetch.wait(SECONDS)
    return fetch


def test_whoever_waits_for_the_end_is_called_then_or_at_once() -> None:
    async def story(fetcher: Fetcher, base: str) -> None:
        seen: list[str] = []
        fetch = fetcher.order(f"{base}/file")
        fetch.when_ended(lambda: seen.append(fetch.state))
        assert seen == []
        await _ended(fetch)
        assert seen == ["fetched"]
        fetch.when_ended(lambda: seen.append("late"))
        assert seen == ["fetched", "late"]

    _with_files(story)


def test_a_file_is_fetched_while_the_caller_goes_on() -> None:
    async def story(fetcher: Fetcher, base: str) -> None:
        fetch = fetcher.order(f"{base}/file")
        assert fetch.state == "pending"
        await _ended(fetch)
        assert (fetch.state, fetch.data, fetch.mime_type) == ("fetched", PNG, "image/png")
        assert fetch.ended_at is not None

    _with_files(story)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/gone", "status 404"),
        ("/moved", "redirected"),
        ("/empty", "empty"),
        ("/cut", "unreachable"),
    ],
)
def test_what_is_not_served_fails_with_its_reason(path: str, reason: str) -> None:
    async def story(fetcher: Fetcher, base: str) -> None:
        fetch = await _ended(fetcher.order(base + path))
        assert (fetch.state, fetch.reason) == ("failed", reason)

    _with_files(story)


def test_a_file_above_the_limit_is_given_up() -> None:
    async def story(fetcher: Fetcher, base: str) -> None:
        fetch = await _ended(fetcher.order(f"{base}/file", limit_bytes=10))
        assert (fetch.state, fetch.reason, fetch.data) == ("failed", "too large", b"")

    _with_files(story)


@pytest.mark.parametrize(
    "url",
    ["", "file:///etc/passwd", "http://", "http://a b/", "http://eve@example.org/", "http://h/ü"],
)
def test_an_address_that_nobody_can_have_fails_at_once(url: str) -> None:
    async def story(fetcher: Fetcher, _base: str) -> None:
        fetch: Any = fetcher.order(url)
        assert (fetch.state, fetch.reason) == ("failed", "bad url")

    _with_files(story)


@pytest.mark.parametrize(
    ("path", "agent", "state"),
    [
        ("/private", "facebookexternalhit/1.1", "failed"),
        ("/file", "facebookexternalhit/1.1", "fetched"),
        ("/file", "another", "fetched"),
    ],
)
def test_robots_may_be_asked_first(path: str, agent: str, state: str) -> None:
    async def story(fetcher: Fetcher, base: str) -> None:
        fetch = await _ended(fetcher.order(base + path, agent=agent, asks_robots=True))
        assert fetch.state == state
        assert fetch.reason == ("robots" if state == "failed" else "")

    _with_files(story)


def test_waiting_ends_although_the_file_never_comes() -> None:
    async def story(fetcher: Fetcher, base: str) -> None:
        fetch = fetcher.order(f"{base}/never")
        await fetch.wait(0.05)
        assert fetch.state == "pending"

    _with_files(story)
