"""How gunicorn serves the site: `gunicorn --config python:config.gunicorn config.wsgi`."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any

workers = 2
threads = 4
preload_app = True  # loaded once, shared by the workers


def when_ready(server: Any) -> None:
    """Keep what is loaded out of the collector's hands, so that workers go on sharing it."""
    import_module("config.urls")  # else each worker would load all views at its first request
    gc.collect()
    gc.freeze()
