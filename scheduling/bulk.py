"""Many new posts at once: COPY on PostgreSQL, one prepared INSERT on SQLite.

Rows pass through here as plain tuples in the order of `COLUMNS`, so that a caller may validate
first, keep the rows in a file, and write them all in one short transaction.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from operator import attrgetter
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from engine import sql
from scheduling.models import ScheduledPost

Row = tuple[Any, ...]  # one value per name in COLUMNS

# A post that was never claimed, sent or approved has nothing in these, so they stay NULL.
NEVER_SET = frozenset(
    {
        "lease_slot",
        "lease_expires_at",
        "sent_at",
        "first_sent_at",
        "published_at",
        "warnings",
        "preflight_at",
        "approved_version",
        "approved_at",
    }
)
BATCH_ROWS = 5000  # about 5 MB of Python objects

_META = ScheduledPost._meta  # noqa: SLF001 - Django's documented API
_FIELDS = tuple(f for f in _META.concrete_fields if f.name not in NEVER_SET)
COLUMNS = tuple(field.column for field in _FIELDS)
_values_of = attrgetter(*(field.attname for field in _FIELDS))
_JSON_PLACES = tuple(i for i, f in enumerate(_FIELDS) if isinstance(f, models.JSONField))
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_TABLE = f'"{_META.db_table}"'
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
_STAGE = "posts_to_insert"  # temporary, so each database session has its own


def insert_posts(posts: Iterable[ScheduledPost]) -> int:
    """Insert posts made by `services.build_post` and return how many are new.

    A post whose (connection, external_id) is taken by one that is not cancelled is left out, as
    is the second of two such posts in `posts`. All of them in one transaction; PostMedia,
    transitions and notifications are the caller's.
    """
    return insert_rows(row_of(post) for post in posts)


def row_of(post: ScheduledPost) -> Row:
    """Return an unsaved post as the values of COLUMNS (JSON as text)."""
    if post.created_at is None:
        post.created_at = timezone.now()
    values = list(_values_of(post))
    for place in _JSON_PLACES:
        values[place] = _to_json(values[place])
    return tuple(values)


def insert_rows(rows: Iterable[Row]) -> int:
    """Insert rows made by `row_of` in one transaction and return how many are new."""
    write = _insert_into_postgresql if sql.is_postgresql() else _insert_into_sqlite
    with transaction.atomic():
        return sum(write(batch) for batch in _batches(rows))


def _insert_into_postgresql(rows: list[Row]) -> int:
    """COPY knows no ON CONFLICT, so the rows take a detour through a temporary table."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {_STAGE} ON COMMIT DROP AS "  # noqa: S608
            f"SELECT {_NAMES} FROM {_TABLE} LIMIT 0"
        )
        with cursor.copy(f"COPY {_STAGE} ({_NAMES}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(
            f"INSERT INTO {_TABLE} ({_NAMES}) SELECT {_NAMES} FROM {_STAGE} "  # noqa: S608
            "ON CONFLICT DO NOTHING"
        )
        created = int(cursor.rowcount)
        cursor.execute(f"TRUNCATE {_STAGE}")
    return created


def _insert_into_sqlite(rows: list[Row]) -> int:
    places = ", ".join(["%s"] * len(COLUMNS))
    statement = f"INSERT INTO {_TABLE} ({_NAMES}) VALUES ({places}) ON CONFLICT DO NOTHING"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.executemany(statement, [tuple(map(_for_sqlite, row)) for row in rows])
        return int(cursor.rowcount)


def _for_sqlite(value: Any) -> Any:
    """Return a value as Django's SQLite backend stores it."""
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, datetime):
        return str(value.astimezone(UTC).replace(tzinfo=None))
    return value


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH_ROWS)):
        yield batch
