"""The calendar as rows of a file: what `imports` reads back into equal posts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import QuerySet

from accounts.models import Workspace
from scheduling.cells import guarded
from scheduling.connection_names import ConnectionNames
from scheduling.import_cells import FileCell, cell_of_files, cells_of_segments
from scheduling.import_rows import COLUMNS
from scheduling.models import ScheduledPost

Row = dict[str, str]
CHUNK_ROWS = 500
TYPED = frozenset({"segments", "options"})  # columns whose cells are JSON
NUMBERS = frozenset({"priority", "late_limit_minutes"})


def rows_of(posts: QuerySet[ScheduledPost], workspace: Workspace) -> Iterator[Row]:
    """Yield each post as the values of COLUMNS, by its moment; memory stays the same."""
    names = ConnectionNames(workspace.connections.defer("secret"))
    ordered = posts.select_related("connection").prefetch_related("post_media__asset")
    for post in ordered.order_by("scheduled_at", "pk").iterator(chunk_size=CHUNK_ROWS):
        yield _row(post, names)


def csv_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a CSV file (RFC 4180), the header first."""
    yield _line(COLUMNS)
    for row in rows:
        yield _line([guarded(row[name]) for name in COLUMNS])


def json_pieces(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the pieces of a JSON document {"posts": [...]} with the same columns, typed."""
    yield '{"posts":['
    comma = ""
    for row in rows:
        yield comma + json.dumps(typed(row), ensure_ascii=False)
        comma = ","
    yield "]}\n"


def typed(row: Row) -> dict[str, Any]:
    """Return a row as JSON shows it: null for empty cells, lists, objects and numbers as such."""
    return {name: _typed(name, row[name]) for name in COLUMNS}


def _typed(name: str, cell: str) -> Any:
    if not cell:
        return None
    if name in TYPED or (name == "media" and cell.startswith("[")):
        return json.loads(cell)
    return int(cell) if name in NUMBERS else cell


def _row(post: ScheduledPost, names: ConnectionNames) -> Row:
    text, segments = cells_of_segments(post.segments)
    limit = post.late_limit_minutes
    return {
        "connection": names.name_of(post.connection),
        "text": text,
        "scheduled_at": _on_its_wall(post.scheduled_at, post.time_zone),
        "time_zone": post.time_zone,
        "media": cell_of_files([_file(row) for row in post.post_media.all()]),
        "external_id": post.external_id or "",
        "state": post.state,
        "segments": segments,
        "first_comment": post.first_comment,
        "options": json.dumps(post.options, ensure_ascii=False) if post.options else "",
        "priority": str(post.priority),
        "late_policy": post.late_policy,
        "late_limit_minutes": "" if limit is None else str(limit),
        "callback_url": post.callback_url,
        "group": str(post.group_id or ""),
        "id": str(post.pk),
        "permalink": post.permalink,
        "published_at": post.published_at.isoformat() if post.published_at else "",
    }


def _file(row: Any) -> FileCell:
    source = row.asset.source_url or str(row.asset_id)
    return FileCell(source, row.segment, row.alt_text or row.asset.alt_text)


def _on_its_wall(moment: datetime, zone: str) -> str:
    """Return an instant with the offset of the zone it was planned in."""
    try:
        return moment.astimezone(ZoneInfo(zone)).isoformat()
    except (ZoneInfoNotFoundError, ValueError, OSError, OverflowError):
        return moment.isoformat()


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
