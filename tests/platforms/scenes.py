"""One adapter, a door to its network, and what that network says: a stage for stories in tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.http import Http, HttpPool
from platforms.adapters.base import Continue, Draft, Published, Ready
from tests.contract.server import Reply, Request, Scripted, Step, serve
from tests.contract.wire import Case


@dataclass
class Scene:
    """The adapter is typed loosely: each test file knows its own."""

    adapter: Any
    http: Http
    server: Scripted

    @property
    def requests(self) -> list[Request]:
        """Return what arrived so far."""
        return self.server.requests

    @property
    def calls(self) -> list[str]:
        """Return verb and path, without its query, of what arrived so far."""
        return [f"{r.method} {r.path.partition('?')[0]}" for r in self.requests]

    async def prepared(self, what: Draft, progress: Mapping[str, Any] | None = None) -> Ready:
        """Prepare to the end; a network that is busy is asked again at once."""
        step: Any = Continue(progress or {})
        while not isinstance(step, Ready):
            step = await self.adapter.prepare(self.http, what, step.progress)
        return step

    async def published(self, what: Draft, progress: Mapping[str, Any] | None = None) -> Published:
        """Publish to the end."""
        step: Any = Continue(progress or {})
        while not isinstance(step, Published):
            step = await self.adapter.publish(self.http, what, step.progress, key="k")
        return step


Story = Callable[[Scene], Awaitable[Any]]


def tell(
    case: Case,
    story: Story,
    *answers: Step,
    always: Callable[[Request], Step] | None = None,
    credentials: Mapping[str, Any] | None = None,
) -> Any:
    """Run a story against a network that gives these answers in turn, or `always` answers so."""

    async def main() -> Any:
        pool = HttpPool()
        try:
            async with serve(always or Reply()) as server:
                if always is None:
                    server.in_turn(*answers)
                adapter = case.make(server.url)
                known = {**case.credentials(server.url), **(credentials or {})}
                http = pool.http(
                    base_url=adapter.base_url(known),
                    auth=adapter.authorize(known),
                    on_response=adapter.rate_hints,
                    guard_private=adapter.user_given_host(),
                    allow_private=["127.0.0.1"],
                )
                return await story(Scene(adapter, http, server))
        finally:
            await pool.close()

    return asyncio.run(main())
