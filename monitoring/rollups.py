"""Every few seconds: the journal of tallies becomes sums per minute and totals.

1. Delete a batch of the journal and add it up. Whoever is second finds nothing of it any more.
2. Add it to its minutes and to the totals, in the same transaction: exactly once.
3. Go on until the journal is empty. What is written meanwhile, late news included, comes next time;
   questions read the journal too (see `monitoring.readings`), so no figure waits for this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from engine import sql
from engine.clock import database_now
from monitoring.models import MinuteSum, Total
from monitoring.sums import Sum
from scheduling.models import Tally

BATCH = 20_000  # rows of the journal folded at once: some megabytes, and a fraction of a second

Kind = tuple[str, str, str, str]  # platform, fact, label, category


def fold() -> int:
    """Fold the whole journal; returns how many of its rows. A second one at a time does nothing."""
    folded = 0
    while rows := _fold_batch():
        folded += rows
        if rows < BATCH:
            break
    return folded


def _fold_batch() -> int:
    with transaction.atomic():
        if not _is_alone():
            return 0
        taken, rows = _take(BATCH)
        minutes: dict[tuple[datetime, *Kind], Sum] = {}
        totals: dict[Kind, Sum] = {}
        for minute, platform, fact, label, category, bucket, number, seconds in taken:
            key = (platform, fact, label, category)
            minutes.setdefault((minute, *key), Sum()).add_row(number, seconds, bucket)
            totals.setdefault(key, Sum()).add_row(number, seconds, bucket)
        _add_to_minutes(minutes)
        _add_to_totals(totals)
    return rows


def _is_alone() -> bool:
    """Say whether no other worker folds; holds until the end of the transaction."""
    if not sql.is_postgresql():
        return True  # an IMMEDIATE transaction is alone
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('carillon.rollups'))")
        (alone,) = cursor.fetchone()
    return bool(alone)


def _take(limit: int) -> tuple[list[tuple[Any, ...]], int]:
    """Delete up to `limit` rows of the journal; returns what they said, and how many they were."""
    table = sql.table_of(Tally)
    key = "minute, platform, fact, label, category, bucket"
    statement = (
        f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT %s) "  # noqa: S608
        f"RETURNING {key}, number, seconds"
    )
    if sql.is_postgresql():  # adds up what it can before it sends anything
        statement = (
            f"WITH gone AS ({statement}) SELECT {key}, sum(number)::bigint, sum(seconds), "  # noqa: S608
            f"count(*) FROM gone GROUP BY {key}"
        )
    with connection.cursor() as cursor:
        cursor.execute(statement, [limit])
        found = cursor.fetchall()
    rows = sum(row[8] for row in found) if sql.is_postgresql() else len(found)
    return [(sql.as_instant(row[0]), *row[1:8]) for row in found], rows


def _add_to_minutes(sums: Mapping[tuple[datetime, *Kind], Sum]) -> None:
    kept = {
        (row.minute, row.platform, row.fact, row.label, row.category): row
        for row in MinuteSum.objects.filter(minute__in={minute for minute, *_ in sums})
    }
    new = []
    for key, counted in sums.items():
        minute, platform, fact, label, category = key
        row = kept.get(key)
        if row is None:
            row = MinuteSum(
                minute=minute, platform=platform, fact=fact, label=label, category=category
            )
            new.append(row)
        _add(row, counted)
    MinuteSum.objects.bulk_create(new)
    _update(MinuteSum, (row for key, row in kept.items() if key in sums))


def _add_to_totals(sums: Mapping[Kind, Sum]) -> None:
    kept = {(row.platform, row.fact, row.label, row.category): row for row in Total.objects.all()}
    new = []
    for key, counted in sums.items():
        platform, fact, label, category = key
        row = kept.get(key)
        if row is None:
            row = Total(platform=platform, fact=fact, label=label, category=category)
            new.append(row)
        _add(row, counted)
    Total.objects.bulk_create(new)
    _update(Total, (row for key, row in kept.items() if key in sums))


def _add(row: MinuteSum | Total, counted: Sum) -> None:
    added = Sum(row.number, row.seconds, list(row.buckets))
    added.add(counted.number, counted.seconds, counted.buckets)
    row.number, row.seconds, row.buckets = added.number, added.seconds, added.buckets


def _update(model: type[MinuteSum] | type[Total], rows: Iterable[Any]) -> None:
    model._default_manager.bulk_update(  # noqa: SLF001 - documented API of models
        list(rows), ["number", "seconds", "buckets"], batch_size=200
    )


def tidy() -> int:
    """Delete minutes older than ROLLUP_DAYS; the totals keep them. Returns how many rows."""
    since = database_now() - timedelta(days=settings.ROLLUP_DAYS)
    deleted, _ = MinuteSum.objects.filter(minute__lt=since).delete()
    return deleted
