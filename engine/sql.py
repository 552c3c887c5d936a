"""Batched statements that read the same on PostgreSQL and SQLite.

A batch travels as one JSON parameter and becomes a table inside the statement, so that a batch of
any size is one round trip and one plan. Instants come from the database's clock on PostgreSQL;
SQLite lives on one host, where both clocks are the same.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, models

# column kinds understood by `recordset`: PostgreSQL type names
UUID, BIGINT, INT, TEXT, JSONB, INSTANT, FLOAT, BOOLEAN = (
    "uuid",
    "bigint",
    "integer",
    "text",
    "jsonb",
    "timestamptz",
    "double precision",
    "boolean",
)


def is_postgresql() -> bool:
    """Say whether the default database is PostgreSQL (otherwise it is SQLite)."""
    return connection.vendor == "postgresql"


def table_of(model: type[models.Model]) -> str:
    """Return the quoted name of a model's table."""
    return connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - Django's documented API


def now_plus(offset: timedelta = timedelta()) -> str:
    """Return an SQL expression for the database's present instant plus `offset`.

    Execute its statement with parameters, [] if there are none: percents are doubled on SQLite.
    """
    seconds = f"{offset.total_seconds():+.6f}"
    if is_postgresql():
        # Stable within a statement, so an index condition may use it; clock_timestamp() is not.
        return f"(statement_timestamp() + interval '{seconds} seconds')"
    return f"(strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', '{seconds} seconds'))"


def recordset(alias: str, columns: Mapping[str, str]) -> str:
    """Return a FROM item that unpacks one JSON parameter into rows; column x becomes `v_x`."""
    if is_postgresql():
        shape = ", ".join(f"v_{name} {kind}" for name, kind in columns.items())
        return f"jsonb_to_recordset(%s::jsonb) AS {alias}({shape})"
    shape = ", ".join(f"json_extract(value, '$.v_{name}') AS v_{name}" for name in columns)
    return f"(SELECT {shape} FROM json_each(%s)) AS {alias}"  # noqa: S608 - names are ours


def encode(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the JSON parameter for `recordset`; keys get the `v_` prefix."""
    return json.dumps(
        [{f"v_{name}": value for name, value in row.items()} for row in rows],
        default=_for_postgresql if is_postgresql() else _for_sqlite,
        separators=(",", ":"),
    )


def _for_postgresql(value: object) -> str:
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"cannot send {type(value).__name__} to the database")


def _for_sqlite(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return _for_postgresql(value)


def as_uuid(value: uuid.UUID | str) -> uuid.UUID:
    """Return a UUID column as a UUID (SQLite hands out 32 hex digits)."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def as_instant(value: datetime | str | None) -> datetime | None:
    """Return a timestamp column as an aware datetime (SQLite hands out text or a naive one)."""
    if value is None:
        return None
    instant = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def as_json(value: object) -> Any:
    """Return a JSON column as Python objects (both databases hand out text here)."""
    return json.loads(value) if isinstance(value, str) else value


def fenced_update(
    model: type[models.Model],
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    set_sql: str,
    where_sql: str = "TRUE",
    returning: str = "id",
) -> list[tuple[Any, ...]]:
    """Update many rows at once, each only if its `id` and fencing `token` still match.

    `rows` must carry `id` and `token`; `set_sql` may use any `v_` column and the table's own.
    Returns the `returning` columns of the rows that were really updated: the others are lost.
    """
    if not rows:
        return []
    shape = {"id": UUID, "token": BIGINT, **columns}
    return _update(
        model, rows, shape, set_sql, f"t.fencing_token = v.v_token AND ({where_sql})", returning
    )


def update_rows(
    model: type[models.Model],
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    set_sql: str,
    returning: str = "id",
) -> list[tuple[Any, ...]]:
    """Update many rows at once by `id` alone: for rows that belong to their writer for good."""
    if not rows:
        return []
    return _update(model, rows, {"id": UUID, **columns}, set_sql, "TRUE", returning)


def _update(
    model: type[models.Model],
    rows: Sequence[Mapping[str, Any]],
    shape: Mapping[str, str],
    set_sql: str,
    where_sql: str,
    returning: str,
) -> list[tuple[Any, ...]]:
    statement = (
        f"UPDATE {table_of(model)} AS t SET {set_sql} FROM {recordset('v', shape)} "  # noqa: S608
        f"WHERE t.id = v.v_id AND {where_sql} RETURNING {returning}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [encode(rows)])
        changed: list[tuple[Any, ...]] = cursor.fetchall()
    return changed


def add_unless_there(row: models.Model) -> bool:
    """Insert an unsaved row unless a unique constraint holds it back; say whether it was inserted.

    Unlike `save` it needs no transaction around it to survive that: one round trip, not three.
    """
    columns = row._meta.concrete_fields  # noqa: SLF001 - Django's documented API
    names = ", ".join(connection.ops.quote_name(str(column.column)) for column in columns)
    values = [column.get_db_prep_save(column.pre_save(row, True), connection) for column in columns]
    places = ", ".join(["%s"] * len(values))
    statement = (
        f"INSERT INTO {table_of(type(row))} ({names}) VALUES ({places}) "  # noqa: S608 - names
        "ON CONFLICT DO NOTHING"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return bool(cursor.rowcount)


def insert_rows(
    model: type[models.Model],
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    fixed: Mapping[str, str] | None = None,
    unique: Sequence[str] = (),
) -> None:
    """Insert many rows from one JSON parameter; `fixed` maps further columns to SQL expressions.

    A row whose `unique` columns are there already is overwritten.
    """
    if not rows:
        return
    extra = fixed or {}
    quoted = {name: connection.ops.quote_name(name) for name in (*columns, *extra)}
    values = ", ".join([*(f"v.v_{name}" for name in columns), *extra.values()])
    statement = (
        f"INSERT INTO {table_of(model)} ({', '.join(quoted.values())}) "  # noqa: S608
        f"SELECT {values} FROM {recordset('v', columns)}"
    )
    if unique:
        changed = (f"{quoted[n]} = excluded.{quoted[n]}" for n in quoted if n not in unique)
        conflict = ", ".join(quoted[name] for name in unique)
        # WHERE: without it SQLite takes ON for the beginning of a join's condition
        statement += f" WHERE TRUE ON CONFLICT ({conflict}) DO UPDATE SET {', '.join(changed)}"
    with connection.cursor() as cursor:
        cursor.execute(statement, [encode(rows)])
