"""How gunicorn serves the site: `gunicorn --config python:config.gunicorn config.wsgi`."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from typing import Any

workers = 2
threads = 4
# gunicorn's own words for the levels; LOG_LEVEL may have been set for the predecessors'.
loglevel = {"trace": "debug", "warn": "warning", "fatal": "critical", "silent": "critical"}.get(
    (os.environ.get("LOG_LEVEL") or "info").lower(), (os.environ.get("LOG_LEVEL") or "info").lower()
)
preload_app = True  # loaded once, shared by the workers


def when_ready(server: Any) -> None:
    """Keep what is loaded out of the collector's hands, so that workers go on sharing it."""
    import_module("config.urls")  # else each worker would load all views at its first request
    gc.collect()
    gc.freeze()
