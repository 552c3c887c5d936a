"""The project's quota: three buckets a day, for all users together, until midnight in California.

Uploads and searches have buckets of their own, everything else costs units. No header tells of it.
A `rate` switch with a higher limit lifts the quota, too.
"""

from __future__ import annotations

from sandbox.exchange import Call
from sandbox.rates import next_midnight
from sandbox.youtube import errors

_LIMITS = {"inserts": 100, "searches": 100, "units": 10_000}
_midnight = next_midnight("America/Los_Angeles")


class Spent(dict[str, int]):
    """What was spent by bucket, of the day that ends at `ends_at` (epoch seconds)."""

    ends_at = 0.0


def spend(call: Call, units: int, bucket: str = "units") -> None:
    """Count the call, valid or not; raises 403 when the day's quota does not reach."""
    now, spent = call.world.now(), call.site.books(Spent)
    if now >= spent.ends_at:
        spent.clear()
        spent.ends_at = _midnight(now)
    used = spent.get(bucket, 0)
    if used + units > max(_LIMITS[bucket], lifted(call)):
        raise errors.quota_exceeded()
    spent[bucket] = used + units


def lifted(call: Call) -> int:
    """The limit that a load test ordered for everything, 0 without one."""
    rule = call.world.switches.setting("rate", call.site.name, call.account.name)
    limit: int = rule.get("limit", 0) if rule is not None else 0
    return limit
