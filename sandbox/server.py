"""The sandbox as one aiohttp application, in this process or on its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from sandbox import (
    bluesky,
    callbacks,
    control,
    deviantart,
    facebook,
    fcm,
    feed,
    inbox,
    instagram,
    linkedin,
    mastodon,
    own,
    sendgrid,
    slack,
    telegram,
    threads,
    tiktok,
    twilio,
    x,
    youtube,
)
from sandbox.door import CLOSING, Door
from sandbox.world import World

_BODY_LIMIT_BYTES = 128 * 1024 * 1024
_SHUTDOWN_SECONDS = 0.5
_BACKLOG = 2048
WORLD = web.AppKey("world", World)
_PROTOCOLS = (
    x.PROTOCOL,
    mastodon.PROTOCOL,
    instagram.PROTOCOL,
    instagram.VIA_FACEBOOK,  # before Facebook: its ids are the narrower pattern
    facebook.PROTOCOL,
    threads.PROTOCOL,
    linkedin.PROTOCOL,
    youtube.PROTOCOL,
    tiktok.PROTOCOL,
    bluesky.PROTOCOL,
    deviantart.PROTOCOL,
    telegram.PROTOCOL,
    own.PROTOCOL,
    sendgrid.PROTOCOL,
    twilio.PROTOCOL,
    fcm.PROTOCOL,
    slack.PROTOCOL,
    callbacks.PROTOCOL,
)


def create_app(clock: Callable[[], float] = time.time) -> web.Application:
    """Return the whole sandbox, empty. `clock` gives epoch seconds; tests may turn it."""
    world = World(clock)
    app = web.Application(client_max_size=_BODY_LIMIT_BYTES)
    app[WORLD] = world
    app[CLOSING] = asyncio.Event()
    door = Door(app, world)
    for protocol in _PROTOCOLS:
        door.open(protocol)
    control.add_routes(app, world)
    feed.add_routes(app, world)
    inbox.add_routes(app, world)
    app.on_shutdown.append(_release_hung_calls)
    app.on_cleanup.append(_stop_fetching)
    return app


async def _release_hung_calls(app: web.Application) -> None:
    app[CLOSING].set()


async def _stop_fetching(app: web.Application) -> None:
    await app[WORLD].fetcher.aclose()


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that serves at `url` (no final slash) until `aclose`."""

    url: str
    app: web.Application
    runner: web.AppRunner

    @property
    def world(self) -> World:
        return self.app[WORLD]

    async def aclose(self) -> None:
        """Stop within a second, cutting the calls that hang on purpose."""
        await self.runner.cleanup()


async def start(
    port: int = 0, host: str = "127.0.0.1", clock: Callable[[], float] = time.time
) -> Running:
    """Serve in the running event loop; port 0 takes a free one. OSError when the port is taken."""
    app = create_app(clock)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=_BACKLOG)
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    actual_port = runner.addresses[0][1]
    shown_host = f"[{host}]" if ":" in host else host
    return Running(f"http://{shown_host}:{actual_port}", app, runner)
