"""A scripted Graph API and a door to it, for the tests of Instagram, Threads and Facebook."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from engine.errors import ServiceError
from engine.http import Http, HttpPool
from platforms.adapters.base import Adapter, Draft, Processing, Progress, Published, Ready
from tests.contract.server import Reply, Request, Scripted, Step, serve


@dataclass
class Scene:
    """One adapter, a door with its credentials, and the network it leads to."""

    adapter: Any
    http: Http
    server: Scripted

    @property
    def calls(self) -> list[str]:
        """Return "METHOD /path" of all requests, without version and query."""
        return [f"{r.method} {bare(r.path)}" for r in self.server.requests]

    @property
    def bodies(self) -> list[Any]:
        """Return the JSON bodies of the writes."""
        kind = "application/json"
        return [r.json for r in self.server.requests if r.headers.get("content-type") == kind]

    def query(self, number: int = -1) -> dict[str, str]:
        """Return the parameters in a request's address."""
        parts = urlsplit(self.server.requests[number].path)
        return {name: values[0] for name, values in parse_qs(parts.query).items()}

    async def prepare(self, draft: Draft, progress: Progress | None = None) -> Ready:
        """Run a whole preparation; the network must not make it wait."""
        step: Any = None
        known: Progress = progress or {}
        for _ in range(60):
            step = await self.adapter.prepare(self.http, draft, known)
            if isinstance(step, Ready):
                return step
            assert not isinstance(step, Processing)
            known = step.progress
        raise AssertionError(f"never ready: {known}")

    async def publish(self, draft: Draft, progress: Progress) -> Published:
        """Run a whole publication, asking where the network works."""
        known = progress
        for number in range(60):
            step = await self.adapter.publish(self.http, draft, known, key=f"k:1:1:{number}")
            while isinstance(step, Processing):
                step = await self.adapter.check(self.http, draft, step.progress)
            if isinstance(step, Published):
                return step
            known = step.progress
        raise AssertionError(f"never published: {known}")


Story = Callable[[Scene], Awaitable[Any]]
Script = Callable[[Request], Step]


def bare(path: str) -> str:
    """Return a path without its query and its version."""
    path = urlsplit(path).path
    first = path.split("/")[1]
    return path[len(first) + 1 :] if first.startswith("v") and first[1:2].isdigit() else path


def tell(
    make: Callable[[str], Adapter],
    credentials: Mapping[str, Any] | None,
    story: Story,
    *answers: Reply,
    script: Script | None = None,
) -> Any:
    """Run a story against answers in turn, or a script; without credentials the door is bare."""

    async def main() -> Any:
        pool = HttpPool()
        try:
            async with serve() as server:
                server.in_turn(*answers)
                if script is not None:
                    server.script = script
                adapter = make(server.url)
                http = pool.http(
                    base_url=adapter.base_url(credentials or {}),
                    auth=adapter.authorize(credentials) if credentials else None,
                    on_response=adapter.rate_hints,
                )
                return await story(Scene(adapter, http, server))
        finally:
            await pool.close()

    return asyncio.run(main())


def refused(status: int, code: int, subcode: int = 0, message: str = "No.", **more: Any) -> Reply:
    """Return an error answer in Graph's envelope."""
    error: dict[str, Any] = {"message": message, "type": "OAuthException", "code": code, **more}
    if subcode:
        error["error_subcode"] = subcode
    return Reply(status, {"error": {**error, "fbtrace_id": "AbC"}})


async def failure(call: Awaitable[Any]) -> ServiceError:
    """Return the ServiceError that a call ends with."""
    try:
        result = await call
    except ServiceError as error:
        return error
    raise AssertionError(f"it succeeded: {result}")
