"""One host of a trial: `manage.py qcluster` whose wall clock is wrong and whose networks are quick.

CHAOS_CLOCK_SHIFT_SECONDS moves every instant this process and its children read (`time.time`,
`datetime.now`); the monotonic clock stays, as on a host whose clock is badly set.
CHAOS_FIND_LAG_SECONDS replaces the time after which an adapter trusts that "not there" is true: the
sandbox's lists lag less than the networks'.
"""

from __future__ import annotations

import copyreg
import dataclasses
import datetime as datetimes
import os
import time
from datetime import timedelta
from typing import Any


def shift_clock(seconds: float) -> None:
    """Move this process's wall clock; must run before anything imports names from datetime."""
    true_time, true_time_ns, real = time.time, time.time_ns, datetimes.datetime
    time.time = lambda: true_time() + seconds
    time.time_ns = lambda: true_time_ns() + int(seconds * 1e9)

    class OfEvery(type):
        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, real)  # drivers written in C make plain ones

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, real)

    class Shifted(real, metaclass=OfEvery):  # type: ignore[misc]
        @classmethod
        def now(cls, tz: datetimes.tzinfo | None = None) -> Any:
            return real.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return real.fromtimestamp(time.time(), datetimes.UTC).replace(tzinfo=None)

    Shifted.__name__ = Shifted.__qualname__ = "datetime"
    Shifted.__module__ = "datetime"
    datetimes.datetime = Shifted  # type: ignore[misc]
    # A plain one is pickled under the name that is now Shifted's.
    copyreg.pickle(real, lambda instant: (Shifted, instant.__reduce_ex__(2)[1]))


def trust_sooner(seconds: float) -> None:
    """Give every adapter this find lag."""
    from platforms.registry import ADAPTERS

    for adapter in ADAPTERS.values():
        adapter.retry_safety = dataclasses.replace(
            adapter.retry_safety, find_lag=timedelta(seconds=seconds)
        )


def main() -> None:
    """Run the cluster."""
    if shift := float(os.environ.get("CHAOS_CLOCK_SHIFT_SECONDS", "0")):
        shift_clock(shift)
    import django
    from django.core.management import call_command

    django.setup()
    trust_sooner(float(os.environ["CHAOS_FIND_LAG_SECONDS"]))
    call_command("qcluster")


if __name__ == "__main__":
    main()
