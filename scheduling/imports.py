"""Posts from a CSV file: everything is checked first, then written in one transaction.

1. Read the file row by row; a chunk of good rows goes to a temporary file, errors are collected.
2. Stop at 100 errors. With any error nothing is written, unless bad rows may be skipped.
3. Insert the chunks, in one transaction that holds no parsing: it is short even for a long file.

Memory stays the same for any number of rows.
"""

from __future__ import annotations

import pickle
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import IO

from django.db import transaction
from django.utils import timezone

from accounts.audit import record
from accounts.models import Workspace
from media.models import Asset
from scheduling.bulk import Row, insert_rows, row_of
from scheduling.import_rows import BadRow, Cells, RowError, RowReader, cells_by_name, read_cells
from scheduling.models import PostMedia, ScheduledPost

CHUNK_ROWS = 1000
MOST_ERRORS = 100


@dataclass(slots=True)
class ImportReport:
    """What an import did: rows created, rows whose external_id was there already, bad rows.

    `errors` are the first 100; `written` is False when nothing was kept.
    """

    created: int = 0
    existing: int = 0
    bad: int = 0
    errors: list[RowError] = field(default_factory=list)
    written: bool = False


@dataclass(slots=True)
class Chunk:
    """Checked rows on their way to the database, with the media of the few that have any."""

    rows: list[Row] = field(default_factory=list)
    media: dict[uuid.UUID, list[Asset]] = field(default_factory=dict)


def import_posts(
    lines: Iterable[str],
    workspace: Workspace,
    *,
    actor: str,
    dry_run: bool = False,
    skip_bad: bool = False,
    now: datetime | None = None,
) -> ImportReport:
    """Schedule the posts of a CSV file (columns: `import_rows.COLUMNS`) and report.

    A row whose external_id its connection already has is counted, not written again.
    Raises BadFile when the file as a whole cannot be read; then nothing was written.
    """
    report = ImportReport()
    with tempfile.TemporaryFile(prefix="carillon-import-") as spool:
        for chunk in _checked(lines, RowReader(workspace, now=now or timezone.now()), report):
            pickle.dump(chunk, spool, protocol=pickle.HIGHEST_PROTOCOL)
            if report.bad >= MOST_ERRORS and not skip_bad:
                return report
        if report.bad and not skip_bad:
            return report
        spool.seek(0)
        with transaction.atomic():
            _write(spool, report)
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


def _checked(lines: Iterable[str], reader: RowReader, report: ImportReport) -> Iterator[Chunk]:
    rows = read_cells(lines)
    while numbered := list(islice(rows, CHUNK_ROWS)):
        chunk = Chunk()
        named: list[tuple[int, Cells]] = []
        for number, cells, header in numbered:
            try:
                named.append((number, cells_by_name(cells, header)))
            except BadRow as error:
                _note(report, number, error)
        reader.load_assets(cells for _, cells in named)
        for number, named_cells in named:
            try:
                post, attachments = reader.post_of(named_cells)
            except BadRow as error:
                _note(report, number, error)
                continue
            chunk.rows.append(row_of(post))
            if attachments:
                chunk.media[post.pk] = [item.asset for item in attachments]
        yield chunk


def _note(report: ImportReport, number: int, error: BadRow) -> None:
    report.bad += 1
    room = MOST_ERRORS - len(report.errors)
    report.errors += [RowError(number, column, text) for column, text in error.errors][:room]


def _write(spool: IO[bytes], report: ImportReport) -> None:
    while True:
        try:
            chunk: Chunk = pickle.load(spool)  # noqa: S301 - our own file, unlinked and private
        except EOFError:
            return
        created = insert_rows(chunk.rows)
        report.created += created
        report.existing += len(chunk.rows) - created
        if chunk.media:
            _write_media(chunk.media)


def _write_media(media: dict[uuid.UUID, list[Asset]]) -> None:
    """Attach the media of the posts that were really created, and keep the assets they need."""
    created = set(ScheduledPost.objects.filter(pk__in=media).values_list("pk", flat=True))
    named = (asset for pk in created for asset in media[pk])
    new = {asset.pk: asset for asset in named if asset._state.adding}  # noqa: SLF001 - documented
    Asset.objects.bulk_create(new.values(), ignore_conflicts=True)  # from an earlier chunk
    PostMedia.objects.bulk_create(
        PostMedia(post_id=pk, asset_id=asset.pk, position=position)
        for pk in created
        for position, asset in enumerate(media[pk])
    )
