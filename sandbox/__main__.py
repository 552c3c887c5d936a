"""`python -m sandbox --port 8010 [--host 127.0.0.1] [--seed-accounts]`."""

from __future__ import annotations

import argparse
import asyncio
import errno
import signal
import sys

from sandbox.server import Running, start
from sandbox.world import World

_SEED_NAMES = ("ada", "grace", "linus")
_SEED_SITES = (
    "x",
    "mastodon/one",
    "mastodon/two",
    "linkedin",
    "youtube",
    "tiktok",
    "bluesky",
    "deviantart",
    "facebook",
    "instagram",
    "threads",
    "sandbox",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="Imitation networks for demos and tests."
    )
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--seed-accounts", action="store_true", help="make a few accounts and show their tokens"
    )
    arguments = parser.parse_args()
    try:
        return asyncio.run(_serve(arguments))
    except KeyboardInterrupt:
        return 0


async def _serve(arguments: argparse.Namespace) -> int:
    try:
        running = await start(arguments.port, arguments.host)
    except OSError as error:
        where = f"{arguments.host}:{arguments.port}"
        reason = (
            "is already taken"
            if error.errno == errno.EADDRINUSE
            else f"cannot be used ({error.strerror})"
        )
        print(f"sandbox: {where} {reason}; choose another with --port", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if arguments.seed_accounts:
        _seed(running.world)
    _announce(running, arguments.seed_accounts)
    await ended.wait()
    await running.aclose()
    return 0


def _seed(world: World) -> None:
    for site in _SEED_SITES:
        for name in _SEED_NAMES:
            world.site(site).account(name)


def _announce(running: Running, seeded: bool) -> None:
    lines = [f"sandbox: {running.url}/  (feed and switches; SIGTERM or Ctrl-C ends it)"]
    if seeded:
        names = ", ".join(_SEED_NAMES)
        lines += [
            f"  accounts {names} on {', '.join(_SEED_SITES)}: bearer token demo-<name>",
            "  X with OAuth 1.0a: <name>-token / <name>-secret,"
            " consumer sandbox-consumer / sandbox-consumer-secret",
        ]
    print("\n".join(lines), flush=True)  # noqa: T201 - a command's output


if __name__ == "__main__":
    sys.exit(main())
