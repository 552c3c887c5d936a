"""What may be remembered for a while and is only slower to find out when the cache is away."""

from __future__ import annotations

import logging
from typing import Any

from django.core.cache import cache
from redis.exceptions import RedisError

log = logging.getLogger(__name__)


def recall(name: str) -> Any:
    """Return what was remembered under `name`, or None."""
    try:
        return cache.get(name)
    except (RedisError, OSError) as error:
        log.warning("cache.unavailable", extra={"reason": type(error).__name__})
        return None


def remember(name: str, value: Any, seconds: float) -> None:
    """Keep `value` for some seconds, if the cache can."""
    try:
        cache.set(name, value, seconds)
    except (RedisError, OSError) as error:
        log.warning("cache.unavailable", extra={"reason": type(error).__name__})
