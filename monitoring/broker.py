"""How many tasks wait in the queue; the broker may be away, and a page must not wait for it."""

from __future__ import annotations

import contextlib

import redis
from django.conf import settings
from django_q.models import OrmQ

PATIENCE_SECONDS = 0.5


def queue_depth() -> int | None:
    """Return the number of waiting tasks; None when the broker does not answer at once."""
    name = settings.Q_QUEUE_NAME
    if not settings.REDIS_URL:
        waiting: int = OrmQ.objects.filter(key=name).count()
        return waiting
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
    )
    with contextlib.closing(client):
        try:
            return int(client.llen(f"django_q:{name}:q"))
        except redis.RedisError:
            return None
