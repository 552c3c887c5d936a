"""Many customers' servers in one process: `POST /e/<number>` is taken, refused or never answered.

    python -m benchmarks.hook_receiver --port 8098 --failing 3 --hanging 2

Numbers below `failing` answer 500, those after them up to `hanging` more do not answer at all. What
arrived is told at `/_report`: endpoint, webhook-id, moment; of every hundredth its whole request.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from aiohttp import web

WHOLE_EVERY = 100


class Receiver:
    """What arrived so far."""

    def __init__(self, failing: int, hanging: int) -> None:
        self.failing, self.hanging = failing, hanging
        self.heard: list[tuple[int, str, float]] = []
        self.whole: list[dict[str, Any]] = []

    async def take(self, request: web.Request) -> web.Response:
        """Note an event and answer as this endpoint does."""
        at, body = time.time(), await request.read()
        number = int(request.match_info["number"])
        self.heard.append((number, request.headers["webhook-id"], at))
        if len(self.heard) % WHOLE_EVERY == 1:
            whole = {"number": number, "headers": dict(request.headers), "body": body.decode()}
            self.whole.append(whole)
        if number < self.failing:
            return web.Response(status=500, text="broken")
        if number < self.failing + self.hanging:
            await asyncio.sleep(3600)
        return web.Response(status=204)

    async def report(self, _: web.Request) -> web.Response:
        """Tell all that arrived."""
        return web.json_response({"heard": self.heard, "whole": self.whole})


async def serve(port: int, failing: int, hanging: int) -> None:
    """Serve until the process is ended."""
    receiver = Receiver(failing, hanging)
    app = web.Application()
    app.router.add_post("/e/{number}", receiver.take)
    app.router.add_get("/_report", receiver.report)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--failing", type=int, default=0)
    parser.add_argument("--hanging", type=int, default=0)
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.failing, options.hanging))


if __name__ == "__main__":
    main()
