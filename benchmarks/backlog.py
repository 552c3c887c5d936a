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
from benchmarks.posts import insert_due, make_connections
from benchmarks.results import median, print_table
from scheduling.models import ScheduledPost
from scheduling.publisher import PostWorkload
from tests.databases import with_database

ROWS, QUICK_ROWS = 1_000_000, 100_000
FIRST_DAY, DAYS = 1, 90  # the backlog lies this far ahead, evenly
DAY_SECONDS = 86_400
CLAIM_LIMIT = 1000
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
        for situation, saturated in (("nothing due", False), ("nothing due, fair", True)):
            _claim(workload, plans, situation, saturated=saturated)
        insert_due(make_connections(), [time.time()] * due)
        for situation, saturated in (("burst due", False), ("burst due, fair", True)):
            _claim(workload, plans, situation, saturated=saturated)
        transaction.set_rollback(True)
    return plans


def _claim(
    workload: PostWorkload, plans: list[dict[str, Any]], situation: str, *, saturated: bool
) -> None:
    before = len(plans)
    claimed = workload.db_claim(CLAIM_LIMIT, saturated=saturated)
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
            execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params, many, context)
            plans.append(_digest(context["cursor"].fetchone()[0][0], table))
            transaction.savepoint_rollback(savepoint)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield


def _digest(plan: dict[str, Any], table: str) -> dict[str, Any]:
    """Return what one executed plan read of the table, and by which indexes."""
    scans = [n for n in _nodes(plan["Plan"]) if n["Node Type"].endswith("Scan")]
    ours = [n for n in scans if n.get("Relation Name") == table]
    named = [n for n in scans if "Index Name" in n]
    sequential = [n for n in ours if n["Node Type"] == "Seq Scan"]
    pages = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return {
        "limit": CLAIM_LIMIT,
        "claimed": 0,
        "rows_read": round(sum(_rows_read(node) for node in ours)),
        "reads_by": sorted({n["Index Name"] for n in named} | {"SEQ SCAN" for _ in sequential}),
        "pages": pages,
        "milliseconds": plan["Execution Time"],
        "plan": _outline(plan["Plan"]),
    }


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _rows_read(node: dict[str, Any]) -> float:
    """Return the rows a scan looked at, those its filter removed included."""
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])


def _outline(node: dict[str, Any], depth: int = 0) -> list[str]:
    """Return the plan as indented lines, short enough to keep."""
    index = f" using {node['Index Name']}" if "Index Name" in node else ""
    rows, loops = node["Actual Rows"], node["Actual Loops"]
    line = f"{'  ' * depth}{node['Node Type']}{index}: {rows} rows x {loops}"
    children = (_outline(child, depth + 1) for child in node.get("Plans", ()))
    return [line, *(part for child in children for part in child)]


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
