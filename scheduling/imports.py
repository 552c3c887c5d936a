"""Posts from a calendar file: everything is checked first, then written in one transaction.

1. Read the file (CSV, or JSON objects) row by row; a chunk of good rows goes to a temporary file,
   errors are collected.
2. Stop at 100 errors. With any error nothing is written, unless bad rows may be skipped.
3. Insert the chunks, in one transaction that holds no parsing: it is short even for a long file.

Memory stays the same for any number of rows.
"""

from __future__ import annotations

import pickle
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from typing import IO

from django.db import transaction
from django.utils import timezone

from accounts.audit import record
from accounts.models import User, Workspace
from media.models import Asset
from scheduling.approval_mails import ask_approvers
from scheduling.bulk import Row, insert_rows, row_of
from scheduling.drafts import Attachment
from scheduling.import_cells import BadRow, LeftOut
from scheduling.import_rows import (
    Cells,
    RowError,
    RowReader,
    cells_by_name,
    cells_of_object,
    read_cells,
)
from scheduling.models import PostGroup, PostMedia, ScheduledPost
from scheduling.rows import media_rows
from scheduling.states import PostState

CHUNK_ROWS = 1000
MOST_ERRORS = 100
MOST_TOLD = 10_000  # rows whose results are kept; the counts go on

NumberedRow = tuple[int, Callable[[], Cells]]  # reading it raises BadRow


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row: created, existing, left_out, bad; or good in a file that is not."""

    status: str
    post_id: uuid.UUID | None = None


@dataclass(slots=True)
class ImportReport:
    """What an import did: rows created, rows whose external_id was there already, bad rows.

    `left_out` are rows of posts that were published, cancelled or the like: they are not made
    again. `errors` are the first 100; `written` is False when nothing was kept. `rows` tell what
    became of each, as long as there are few enough for whoever asked.
    """

    created: int = 0
    existing: int = 0
    left_out: int = 0
    bad: int = 0
    errors: list[RowError] = field(default_factory=list)
    written: bool = False
    rows: dict[int, RowResult] = field(default_factory=dict)


@dataclass(slots=True)
class Chunk:
    """Checked rows on their way to the database, with the media of the few that have any."""

    rows: list[Row] = field(default_factory=list)
    numbers: list[tuple[int, uuid.UUID]] = field(default_factory=list)  # of the rows, in order
    media: dict[uuid.UUID, list[Attachment]] = field(default_factory=dict)
    groups: set[uuid.UUID] = field(default_factory=set)


def import_posts(
    lines: Iterable[str],
    workspace: Workspace,
    *,
    actor: str,
    created_by: User | None = None,
    dry_run: bool = False,
    skip_bad: bool = False,
    now: datetime | None = None,
) -> ImportReport:
    """Schedule the posts of a CSV file (columns: `import_rows.COLUMNS`) and report.

    A row whose external_id its connection already has is counted, not written again.
    Raises BadFile when the file as a whole cannot be read; then nothing was written.
    """
    reader = RowReader(workspace, now=now or timezone.now(), actor=actor, created_by=created_by)
    return _import(_rows_of_csv(lines), reader, actor, dry_run=dry_run, skip_bad=skip_bad)


def import_objects(
    rows: Iterable[object],
    workspace: Workspace,
    *,
    actor: str,
    created_by: User | None = None,
    dry_run: bool = False,
    skip_bad: bool = False,
) -> ImportReport:
    """Schedule posts that come as JSON objects with the same columns; rows count from 0."""
    reader = RowReader(workspace, now=timezone.now(), actor=actor, created_by=created_by)
    numbered = ((number, partial(cells_of_object, row)) for number, row in enumerate(rows))
    return _import(numbered, reader, actor, dry_run=dry_run, skip_bad=skip_bad)


def _rows_of_csv(lines: Iterable[str]) -> Iterator[NumberedRow]:
    for number, cells, header in read_cells(lines):
        yield number, partial(cells_by_name, cells, header)


def _import(
    rows: Iterable[NumberedRow], reader: RowReader, actor: str, *, dry_run: bool, skip_bad: bool
) -> ImportReport:
    workspace = reader.workspace
    report = ImportReport()
    with tempfile.TemporaryFile(prefix="carillon-import-") as spool:
        for chunk in _checked(rows, reader, report):
            pickle.dump(chunk, spool, protocol=pickle.HIGHEST_PROTOCOL)
            if report.bad >= MOST_ERRORS and not skip_bad:
                return report
        if report.bad and not skip_bad:
            return report
        spool.seek(0)
        with transaction.atomic():
            _write(spool, report, reader)
            record(
                workspace=workspace,
                actor=actor,
                action="posts.imported",
                target=f"workspace:{workspace.pk}",
                detail={"created": report.created, "existing": report.existing, "bad": report.bad},
            )
            report.written = not dry_run
            transaction.set_rollback(dry_run)  # the counts are exact, and nothing stays
    return report


def _checked(
    rows: Iterable[NumberedRow], reader: RowReader, report: ImportReport
) -> Iterator[Chunk]:
    remaining = iter(rows)
    while numbered := list(islice(remaining, CHUNK_ROWS)):
        chunk = Chunk()
        named: list[tuple[int, Cells]] = []
        for number, read in numbered:
            try:
                named.append((number, read()))
            except BadRow as error:
                _note(report, number, error)
        reader.load_assets(cells for _, cells in named)
        for number, cells in named:
            try:
                post, attachments = reader.post_of(cells)
            except BadRow as error:
                _note(report, number, error)
            except LeftOut:
                report.left_out += 1
                _tell(report, number, RowResult("left_out"))
            else:
                _take(chunk, number, post, attachments)
                _tell(report, number, RowResult("good"))
        yield chunk


def _take(
    chunk: Chunk, number: int, post: ScheduledPost, attachments: Sequence[Attachment]
) -> None:
    chunk.rows.append(row_of(post))
    chunk.numbers.append((number, post.pk))
    if attachments:
        chunk.media[post.pk] = list(attachments)
    if post.group_id:
        chunk.groups.add(post.group_id)


def _note(report: ImportReport, number: int, error: BadRow) -> None:
    report.bad += 1
    room = MOST_ERRORS - len(report.errors)
    report.errors += [RowError(number, column, text) for column, text in error.errors][:room]
    _tell(report, number, RowResult("bad"))


def _tell(report: ImportReport, number: int, result: RowResult) -> None:
    """Keep what became of a row, of files that are short enough for somebody to read it."""
    if number in report.rows or len(report.rows) < MOST_TOLD:
        report.rows[number] = result


def _write(spool: IO[bytes], report: ImportReport, reader: RowReader) -> None:
    asked = False
    while True:
        try:
            chunk: Chunk = pickle.load(spool)  # noqa: S301 - our own file, unlinked and private
        except EOFError:
            return
        PostGroup.objects.bulk_create(
            [
                PostGroup(pk=pk, workspace=reader.workspace, created_by=reader.created_by)
                for pk in sorted(chunk.groups)
            ],
            ignore_conflicts=True,  # from an earlier chunk
        )
        created = insert_rows(chunk.rows)
        report.created += created
        report.existing += len(chunk.rows) - created
        if chunk.media:
            _write_media(chunk.media)
        ids = [pk for _, pk in chunk.numbers]
        there = set(ids) if created == len(ids) else _existing(ids)
        for number, pk in chunk.numbers:
            is_new = pk in there
            _tell(report, number, RowResult("created", pk) if is_new else RowResult("existing"))
        asked = asked or _ask_approvers(ids)


def _existing(ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    return set(ScheduledPost.objects.filter(pk__in=ids).values_list("pk", flat=True))


def _ask_approvers(ids: Sequence[uuid.UUID]) -> bool:
    """Ask for approval of the first post that awaits it; says whether there was one."""
    waiting = ScheduledPost.objects.select_related("connection", "created_by").filter(
        pk__in=ids, state=PostState.AWAITING_APPROVAL
    )
    first = list(waiting.order_by("pk")[:1])
    ask_approvers(first)
    return bool(first)


def _write_media(media: dict[uuid.UUID, list[Attachment]]) -> None:
    """Attach the media of the posts that were really created, and keep the assets they need."""
    created = _existing(list(media))
    named = (item.asset for pk in created for item in media[pk])
    new = {asset.pk: asset for asset in named if asset._state.adding}  # noqa: SLF001 - documented
    Asset.objects.bulk_create(new.values(), ignore_conflicts=True)  # from an earlier chunk
    PostMedia.objects.bulk_create(row for pk in created for row in media_rows(pk, media[pk]))
