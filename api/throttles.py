"""How many requests a caller may make: one budget a minute for each key, user and bare address.

1. Minutes are cut where the clock cuts them; the count of this one is a number in the cache.
2. Every request adds one (no query of the database). Over the limit it is answered 429, with how
   many seconds are left of the minute. A caller can therefore spend two budgets around a full
   minute, which is cheap to allow: limits keep the service up, they do not sell requests.
3. A cache that is away counts nothing: all are let in, and it is left alone for some seconds.
Valkey adds exactly. The file cache, of an installation with one machine, may lose a count when two
requests come at the same moment.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

from accounts.access import Caller
from accounts.addresses import client_address
from api.problems import Problem

WINDOW_SECONDS = 60
LEFT_ALONE_SECONDS = 5.0  # a cache that did not answer
IPV6_PREFIX = 64  # what one subscriber has: to count single addresses would count nothing
log = logging.getLogger(__name__)
_away_until = 0.0  # on the monotonic clock


@dataclass(frozen=True, slots=True)
class Budget:
    """What a caller has in this minute."""

    limit: int
    used: int
    resets_in_seconds: int

    def headers(self) -> dict[str, str]:
        """Return what every answer tells of it."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "RateLimit-Reset": str(self.resets_in_seconds),
        }

    def require(self) -> None:
        """Raise Problem 429 when it is used up."""
        if self.used <= self.limit:
            return
        wait = self.resets_in_seconds
        raise Problem(
            429,
            "rate_limited",
            f"More than {self.limit} requests in this minute: go on in {wait} s.",
            headers={"Retry-After": str(wait)},
        )


def spend(request: HttpRequest, caller: Caller | None) -> Budget | None:
    """Count one request of `caller` (None: nobody proved who they are) and return the budget.

    None: no limit is set for this kind of caller, or nobody can count now.
    """
    limit, who = _counted_as(request, caller)
    if limit <= 0:
        return None
    now = time.time()
    used = _add_one(f"api-requests:{who}:{int(now // WINDOW_SECONDS)}")
    if used is None:
        return None
    return Budget(limit, used, WINDOW_SECONDS - int(now % WINDOW_SECONDS))


def _counted_as(request: HttpRequest, caller: Caller | None) -> tuple[int, str]:
    """Return the limit and the name that a request counts under."""
    if caller is None:
        return settings.API_REQUESTS_PER_MINUTE_AND_ADDRESS, _network_of(client_address(request))
    if caller.is_key or caller.is_service:
        return settings.API_REQUESTS_PER_MINUTE_AND_KEY, caller.actor
    user = caller.user.pk if caller.user else caller.actor
    return settings.API_REQUESTS_PER_MINUTE_AND_USER, f"user:{user}"


def _network_of(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:  # a Unix socket has none
        return "address:none"
    if isinstance(found, IPv6Address):
        return f"address:{ip_network((found, IPV6_PREFIX), strict=False).network_address}"
    return f"address:{found}"


def _add_one(name: str) -> int | None:
    """Return the count with this request in it, or None when the cache is away."""
    global _away_until
    if time.monotonic() < _away_until:
        return None
    try:
        for _ in range(2):  # somebody else may begin the minute between our two looks
            try:
                return int(cache.incr(name))
            except ValueError:
                if cache.add(name, 1, 2 * WINDOW_SECONDS):
                    return 1
    except (RedisError, OSError) as error:
        _away_until = time.monotonic() + LEFT_ALONE_SECONDS
        log.warning("cache.unavailable", extra={"reason": type(error).__name__})
    return None
