"""Run by test_series_on_sqlite.py in a process of its own: threads crowd one SQLite file."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from datetime import timedelta

import django

THREADS = 6


def main() -> None:
    """Print, as JSON, the moments that the crowd's posts got."""
    django.setup()
    crowd = {"slots": take_slots, "series": settle_series}[sys.argv[1]]
    print(json.dumps(crowd()))  # noqa: T201


def together(act: Callable[[], object]) -> None:
    from django.db import connections

    start, failures = threading.Barrier(THREADS), []

    def run() -> None:
        start.wait(10)
        try:
            act()
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(f"{failures}")


def take_slots() -> list[str]:
    from scheduling.models import ScheduledPost
    from scheduling.queue_slots import services
    from scheduling.queue_slots.weekly import DAYS
    from tests.factories import make_connection

    account = make_connection()
    services.set_slots(account, slots=[(day, "09:00") for day in DAYS], time_zone="UTC", actor="x")

    def take() -> None:
        for place in services.Place:
            services.schedule_in_slot(
                connection=account,
                workspace=account.workspace,
                segments=[{"text": "hello"}],
                place=place,
                actor="x",
            )

    together(take)
    return [f"{at:%Y-%m-%d}" for at in ScheduledPost.objects.values_list("scheduled_at", flat=True)]


def settle_series() -> list[str]:
    from django.conf import settings

    from scheduling.models import ScheduledPost
    from scheduling.tasks import extend_series_minutes
    from tests.factories import make_connection
    from tests.scheduling.series_stage import start

    start(make_connection())
    settings.SERIES_HORIZON += timedelta(days=30)
    together(extend_series_minutes)
    return [f"{at:%Y-%m-%d}" for at in ScheduledPost.objects.values_list("scheduled_at", flat=True)]


if __name__ == "__main__":
    main()
