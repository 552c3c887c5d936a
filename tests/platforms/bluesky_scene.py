"""An account at Bluesky for tests: the adapter, a door to its server, and what that server says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from engine.errors import ServiceError
from engine.http import Http, HttpPool
from platforms.adapters.base import Continue, Draft, Published, Ready, Segment
from platforms.adapters.bluesky import Bluesky
from tests.contract.bluesky_case import BLUESKY_CASE, CID, URI, make_bluesky
from tests.contract.server import Reply, Request, Scripted, serve

ACCOUNT = BLUESKY_CASE.account
WRITTEN = Reply(200, {"uri": URI, "cid": CID})
PUT = "/xrpc/com.atproto.repo.putRecord"

Story = Callable[["Scene"], Awaitable[Any]]


@dataclass
class Scene:
    """The adapter, a door to the account's server, and that server's script."""

    adapter: Bluesky
    http: Http
    server: Scripted

    async def prepared(self, what: Draft, progress: Any = None) -> Ready:
        step: Any = Continue(progress or {})
        while not isinstance(step, Ready):
            step = await self.adapter.prepare(self.http, what, step.progress)
        return step

    async def published(self, what: Draft, progress: Any = None) -> Published:
        step: Any = Continue(progress or {})
        while not isinstance(step, Published):
            step = await self.adapter.publish(self.http, what, step.progress, key="k")
        return step

    @property
    def records(self) -> list[dict[str, Any]]:
        return [r.json["record"] for r in self.server.requests if r.path == PUT]

    @property
    def methods(self) -> list[str]:
        return [r.path.partition("?")[0].rpartition(".")[2] for r in self.server.requests]


def tell(story: Story, *answers: Reply, always: Callable[[Request], Reply] | None = None) -> Any:
    async def main() -> Any:
        pool = HttpPool()
        try:
            async with serve(always) as server:
                if always is None:
                    server.in_turn(*answers)
                adapter = make_bluesky(server.url)
                credentials = BLUESKY_CASE.credentials(server.url)
                http = pool.http(
                    base_url=adapter.base_url(credentials),
                    auth=adapter.authorize(credentials),
                    guard_private=True,
                    allow_private=["127.0.0.1"],
                )
                return await story(Scene(adapter, http, server))
        finally:
            await pool.close()

    return asyncio.run(main())


def draft(*texts: str, **more: Any) -> Draft:
    segments = tuple(Segment(text) for text in texts)
    return Draft(**{"segments": segments, "account": ACCOUNT, **more})


def refusal(status: int, name: str = "", message: str = "") -> Reply:
    return Reply(status, {"error": name, "message": message})


def failure(story: Story, *answers: Reply) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        tell(story, *answers)
    return caught.value
