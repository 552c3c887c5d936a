"""A sandbox in this process per test, its clock in the test's hand, and a client for it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from sandbox import Running, start

ADA = "demo-ada"
FILM = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2" + b"\0" * 40  # the head of an MP4, no pictures
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 24


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Clock:
    """The sandbox's clock: real time plus what the test added."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds


class Client:
    """Calls the sandbox as an account would."""

    def __init__(self, running: Running, session: aiohttp.ClientSession, clock: Clock) -> None:
        self.running, self.session, self.clock = running, session, clock
        self.url, self.png = running.url, PNG

    async def call(
        self, method: str, path: str, *, token: str | None = ADA, **options: Any
    ) -> Reply:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {token}")
        async with self.session.request(
            method, self.url + path, headers=headers, **options
        ) as response:
            return Reply(response.status, response.headers, await response.text())

    async def tweet(self, text: str, **options: Any) -> Reply:
        token = options.pop("token", ADA)
        headers = options.pop("headers", {})
        body = {"text": text, **options}
        return await self.call("POST", "/x/2/tweets", json=body, token=token, headers=headers)

    async def toot(self, text: str, instance: str = "one", key: str = "", **fields: Any) -> Reply:
        return await self.call(
            "POST",
            f"/mastodon/{instance}/api/v1/statuses",
            json={"status": text, **fields},
            headers={"Idempotency-Key": key} if key else {},
        )

    async def switch(self, network: str | None = "x", **switches: Any) -> Reply:
        return await self.call(
            "POST", "/_control", token=None, json={"network": network, **switches}
        )

    async def stats(self, network: str) -> Any:
        reply = await self.call("GET", "/_stats?detail=1", token=None)
        return reply.json[network]


Story = Callable[[Client], Awaitable[None]]
Play = Callable[[Story], None]


@pytest.fixture
def play() -> Play:
    """Run a story against a fresh sandbox."""

    async def run(story: Story) -> None:
        clock = Clock()
        running = await start(clock=clock)
        try:
            timeout = aiohttp.ClientTimeout(total=10)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                await story(Client(running, session, clock))
        finally:
            await running.aclose()

    return lambda story: asyncio.run(run(story))
