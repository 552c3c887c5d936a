"""1,000,000 future posts must not be felt: bulk insert, the claim's plans, bursts with and without.

Two databases on one server, one with the backlog and one without, take bursts in turn.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.core.management import call_command
from django.db import connection, transaction

from benchmarks.burst import COLUMNS, Run, carillon, row_of, summary
from benchmarks.ground import Ground
from benchmarks.plans import EXPLAIN, digest
from benchmarks.posts import insert_due, make_connections
from benchmarks.results import median, print_table
from engine.jobs import Deal
from scheduling.models import ScheduledPost
from scheduling.publisher import PostWorkload
from tests.databases import with_database

ROWS, QUICK_ROWS = 1_000_000, 100_000
FIRST_DAY, DAYS = 1, 90  # the backlog lies this far ahead, evenly
DAY_SECONDS = 86_400
CLAIM_LIMIT = 1000
NO_CLAIM = {"limit": CLAIM_LIMIT, "claimed": 0}
DEAL = Deal(lane_most=40)
PLAN_COLUMNS = ("claim", "limit", "claimed", "rows read", "x limit", "reads by", "pages", "ms")


def run(ground: Ground, options: Any) -> dict[str, Any]:
    """Measure, print, and return the raw figures."""
    empty, full = urlsplit(ground.database_url).path[1:], f"backlog_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(ground.database_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {full}")
        try:
            return _measured(ground, options, empty, full)
        finally:
            connection.close()
            server.execute(f"DROP DATABASE {full} WITH (FORCE)")
            _use(ground, empty)


def _measured(ground: Ground, options: Any, empty: str, full: str) -> dict[str, Any]:
    _use(ground, full)
    call_command("migrate", verbosity=0)
    rows = QUICK_ROWS if options.quick else ROWS
    rate = fill(rows)
    print(f"\nBulk insert: {rows:,} rows at {rate:,.0f} rows/s")
    plans = claim_plans(options.posts)
    report_plans(plans)
    runs: dict[str, list[Run]] = {"empty": [], "backlog": []}
    for _ in range(options.runs):
        for name, database in (("empty", empty), ("backlog", full)):
            _use(ground, database)
            runs[name].append(carillon(ground, options.posts, slots=options.slots))
    report_bursts(runs, rows)
    return {
        "rows": rows,
        "insert_rows_per_second": rate,
        "plans": plans,
        "bursts": {name: [asdict(one) for one in found] for name, found in runs.items()},
        "rate_with_backlog": _share(runs),
    }


def _use(ground: Ground, database: str) -> None:
    """Point Django and everything started from now on at another database of the server."""
    connection.close()
    connection.settings_dict["NAME"] = database
    ground.database_url = with_database(ground.database_url, database)
    os.environ["DATABASE_URL"] = ground.database_url


def fill(rows: int) -> float:
    """Insert the backlog and return rows/s, making of the rows included."""
    accounts = make_connections()
    start, step = time.time() + FIRST_DAY * DAY_SECONDS, DAYS * DAY_SECONDS / rows
    before = time.monotonic()
    inserted = insert_due(accounts, _Evenly(rows, start, step))
    rate = inserted / (time.monotonic() - before)
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {ScheduledPost._meta.db_table}")  # noqa: SLF001 - documented
    return rate


class _Evenly:
    """`rows` moments, `step` seconds apart, without holding them."""

    def __init__(self, rows: int, start: float, step: float) -> None:
        self._rows, self._start, self._step = rows, start, step

    def __iter__(self) -> Iterator[float]:
        return (self._start + n * self._step for n in range(self._rows))


# --- plans ----------------------------------------------------------------------------------
def claim_plans(due: int) -> list[dict[str, Any]]:
    """Return how the publisher's own claims are executed: nothing due, and a burst due."""
    plans: list[dict[str, Any]] = []
    with transaction.atomic(), explained(plans):
        workload = PostWorkload()
        for situation, deal in (("nothing due", None), ("nothing due, dealt", DEAL)):
            _claim(workload, plans, situation, deal)
        insert_due(make_connections(), [time.time()] * due)
        for situation, deal in (("burst due", None), ("burst due, dealt", DEAL)):
            _claim(workload, plans, situation, deal)
        transaction.set_rollback(True)
    return plans


def _claim(
    workload: PostWorkload, plans: list[dict[str, Any]], situation: str, deal: Deal | None
) -> None:
    before = len(plans)
    claimed = workload.db_claim(CLAIM_LIMIT, deal=deal)
    for plan in plans[before:]:
        plan["situation"] = situation
    plans[before]["claimed"] = len(claimed)


@contextmanager
def explained(plans: list[dict[str, Any]]) -> Iterator[None]:
    """Append the executed plan of every UPDATE of posts that runs in the block."""
    table = ScheduledPost._meta.db_table  # noqa: SLF001 - Django's documented API

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(f'UPDATE "{table}"'):
            savepoint = transaction.savepoint()
            execute(f"{EXPLAIN} {sql}", params, many, context)
            plans.append({**digest(context["cursor"].fetchone()[0][0], table), **NO_CLAIM})
            transaction.savepoint_rollback(savepoint)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield


# --- tables ---------------------------------------------------------------------------------
def report_plans(plans: list[dict[str, Any]]) -> None:
    """Print what each claim read."""
    print_table(
        "Plans of the claims",
        PLAN_COLUMNS,
        [
            [
                plan["situation"], plan["limit"], plan["claimed"], plan["rows_read"],
                plan["rows_read"] / plan["limit"], " + ".join(plan["reads_by"]), plan["pages"],
                plan["milliseconds"],
            ]
            for plan in plans
        ],
    )  # fmt: skip


def report_bursts(runs: dict[str, list[Run]], rows: int) -> None:
    """Print the bursts of both databases and how they compare."""
    shown: list[list[Any]] = []
    for name, found in runs.items():
        each = [row_of(name, one) for one in found]
        shown += [*each, *summary(name, each)]
    print_table(f"Bursts without and with {rows:,} future posts", COLUMNS, shown)
    print(f"  median rate with the backlog: {_share(runs):.0%} of that without")


def _share(runs: dict[str, list[Run]]) -> float:
    rates = {name: median([one.recorded_rate for one in found]) for name, found in runs.items()}
    return rates["backlog"] / rates["empty"]
