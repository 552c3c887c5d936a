"""Imitation networks with a mean streak, for trying, demos and tests. Imports nothing of ours.

By hand: `python -m sandbox --port 8010`. In tests: `running = await start()`, then `running.url`
and `await running.aclose()`. See README.md for the switches.
"""

from __future__ import annotations

from sandbox.server import Running, create_app, start

__all__ = ["Running", "create_app", "start"]
