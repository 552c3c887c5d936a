"""Telling one adapter's stories against a server that answers what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from engine.http import Http, HttpPool
from platforms.adapters.base import Adapter, Progress
from tests.contract.server import Reply, Scripted, serve
from tests.contract.wire import Case

Story = Callable[[Adapter, Http, Scripted], Awaitable[Any]]


def tell(case: Case, story: Story, *answers: Reply, **credentials: Any) -> Any:
    """Run a story against a server that gives these answers in turn, and none beyond them."""

    async def main() -> Any:
        pool = HttpPool()
        try:
            async with serve() as server:
                server.in_turn(*answers)
                adapter = case.make(server.url)
                known: Mapping[str, Any] = {**case.credentials(server.url), **credentials}
                http = pool.http(
                    base_url=adapter.base_url(known),
                    auth=adapter.authorize(known),
                    on_response=adapter.rate_hints,
                )
                return await story(adapter, http, server)
        finally:
            await pool.close()

    return asyncio.run(main())


def kept(progress: Progress) -> dict[str, Any]:
    """Return what a row keeps of a progress: all but what the engine tells for one call."""
    return {name: value for name, value in progress.items() if name != "resumed"}
