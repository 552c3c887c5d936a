"""The calendar as a file: out as CSV or JSON, and back in."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access
from api.base import ApiView
from api.calendar import FROM, NARROWED, TO, ZONE, beyond, days_of
from api.filters import filtered
from api.parsers import CSVParser, CSVText, StrictJSONParser
from api.problems import Problem, invalid
from api.representations import Json
from api.schema import Answered, Parameter, operation
from api.serializers import StrictBody
from api.shapes import (
    Shape,
    among,
    anything,
    flag,
    identifier,
    listed,
    or_null,
    text,
    text_file,
    whole,
)
from scheduling.drafts import FieldError
from scheduling.exports import csv_lines, json_pieces, rows_of
from scheduling.import_rows import BadFile
from scheduling.imports import ImportReport, import_objects, import_posts
from scheduling.models import ScheduledPost

FORMAT = Parameter("format", among(["csv", "json"], "What to write; csv unless told."))
DRY_RUN = Parameter("dry_run", flag("Check and count, and keep nothing."))
SKIP_BAD = Parameter("skip_bad", flag("Write the good rows although others are wrong."))
CSV_EXAMPLE = (
    "connection,text,scheduled_at,time_zone\r\n"
    "mastodon:acme,The bells are back.,2026-12-01T10:00:00+01:00,Europe/Brussels\r\n"
)
CSV_FILE = {"text/csv": text_file("CalendarCSV", "A calendar as a CSV file.", CSV_EXAMPLE)}
ROW_EXAMPLE = {
    "connection": "mastodon:acme",
    "text": "The bells are back.",
    "scheduled_at": "2026-12-01T10:00:00+01:00",
}
FILE = Shape(
    "CalendarFile",
    "The calendar as rows.",
    posts=listed(
        anything("A post; its keys are the columns that docs/api.md tells.", ROW_EXAMPLE),
        "The posts, the earliest first.",
    ),
)
CELL_ERROR = Shape(
    "CellError",
    "What is wrong with one cell.",
    row=whole("The row: as in a spreadsheet (the header is row 1), or in JSON from 0.", 2),
    column=text("The column; empty for the whole row.", "scheduled_at"),
    message=text("What is wrong and what to do, for people.", "is empty."),
)
ROW_RESULT = Shape(
    "RowResult",
    "What became of one row.",
    row=whole("The row, counted as above.", 2),
    status=among(
        ["created", "existing", "left_out", "bad", "good"],
        "created (in a dry run: it would be); existing: its external_id was there already; "
        "left_out: its post was published, cancelled or the like, and is not made again; bad: see "
        "`errors`; good: right, but nothing was written.",
    ),
    id=or_null(identifier("The new post's id.")),
)
REPORT = Shape(
    "ImportReport",
    "What an import did.",
    written=flag("Something was kept.", example=True),
    created=whole("Posts that are new.", 1),
    existing=whole("Rows whose external_id was there already.", 0),
    left_out=whole("Rows of posts that are not made again.", 0),
    bad=whole("Rows that are wrong.", 0),
    errors=listed(CELL_ERROR, "What is wrong; the first hundred.", []),
    rows=listed(ROW_RESULT, "What became of each row; the first ten thousand."),
)


class ImportInput(StrictBody):
    """A calendar as an export in JSON has it."""

    posts = serializers.ListField(
        child=serializers.DictField(), help_text="The posts; their keys are the columns."
    )


class CalendarExport(ApiView):
    """GET writes posts as a file."""

    @operation(
        "export_calendar",
        "Export posts as CSV or JSON",
        tag="calendar",
        query=[FORMAT, FROM, TO, ZONE, *NARROWED],
        answers={200: Answered(FILE, files=CSV_FILE)},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return the workspace's posts (of some days, if told), the earliest first, as a file.

        Importing the file into a workspace with the same accounts makes equal posts. A cell that a
        spreadsheet would run begins with an apostrophe, which the import takes away.
        """
        access = self.enter()
        query = request.query_params
        kind = query.get("format", "csv")
        if kind not in {"csv", "json"}:
            raise invalid("format", "unknown", "Formats are csv and json.")
        posts = filtered(ScheduledPost.objects.filter(workspace=access.workspace), query)
        if days := days_of(access, query):
            try:
                posts = days.narrow(posts)
            except OverflowError:
                raise beyond() from None
        rows = rows_of(posts, access.workspace)
        pieces = csv_lines(rows) if kind == "csv" else json_pieces(rows)
        content_type = "text/csv; charset=utf-8" if kind == "csv" else "application/json"
        disposition = f'attachment; filename="calendar-{access.workspace.slug}.{kind}"'
        return StreamingHttpResponse(
            pieces, content_type=content_type, headers={"Content-Disposition": disposition}
        )

    def perform_content_negotiation(
        self, request: Request, force: bool = False
    ) -> tuple[BaseRenderer, str]:
        """Let `format` decide: the framework would look for a renderer of that name."""
        return JSONRenderer(), JSONRenderer.media_type


class CalendarImport(ApiView):
    """POST reads a file of posts."""

    parser_classes: ClassVar[tuple[type[BaseParser], ...]] = (StrictJSONParser, CSVParser)  # type: ignore[misc]

    @operation(
        "import_calendar",
        "Import posts from CSV or JSON",
        tag="calendar",
        query=[DRY_RUN, SKIP_BAD],
        body=ImportInput,
        example={"posts": [ROW_EXAMPLE]},
        files=CSV_FILE,
        answers={200: REPORT},
    )
    def post(self, request: Request) -> Response:
        """Schedule the posts of a file, all or none: as `text/csv`, or as an export in JSON.

        If rows are wrong nothing is written (422 names them: `rows[3].text`), unless `skip_bad`. A
        dry run answers 200 with all that was found. Rows of posts that were published, cancelled
        or the like are left out.
        """
        data: Any = request.data
        file = data if isinstance(data, CSVText) else self.read(ImportInput)
        dry_run = _flag(request.query_params, "dry_run")
        skip_bad = _flag(request.query_params, "skip_bad")
        access = self.enter()
        with transaction.atomic():
            report = _imported(access, file, dry_run=dry_run, skip_bad=skip_bad)
            if report.bad and not (dry_run or skip_bad):
                raise _bad_rows(report)
            return self.answer(_report_json(report))


def _imported(
    access: Access, file: CSVText | dict[str, Any], *, dry_run: bool, skip_bad: bool
) -> ImportReport:
    how: dict[str, Any] = {
        "actor": access.actor,
        "created_by": access.user,
        "dry_run": dry_run,
        "skip_bad": skip_bad,
    }
    try:
        if isinstance(file, dict):
            return import_objects(file["posts"], access.workspace, **how)
        return import_posts(io.StringIO(file, newline=""), access.workspace, **how)
    except BadFile as error:
        raise invalid("", "bad_file", str(error)) from None
    except IntegrityError:
        raise Problem(
            409, "changed_meanwhile", "An account or a file was deleted meanwhile: send it again."
        ) from None


def _bad_rows(report: ImportReport) -> Problem:
    errors = [
        FieldError(f"rows[{e.row}].{e.column}".rstrip("."), "invalid", e.message)
        for e in report.errors
    ]
    which = "1 row is" if report.bad == 1 else f"{report.bad} rows are"
    return Problem(422, "invalid", f"{which} wrong, so nothing was written.", errors=errors)


def _report_json(report: ImportReport) -> Json:
    return {
        "written": report.written,
        "created": report.created,
        "existing": report.existing,
        "left_out": report.left_out,
        "bad": report.bad,
        "errors": [{"row": e.row, "column": e.column, "message": e.message} for e in report.errors],
        "rows": [
            {
                "row": number,
                "status": one.status,
                "id": str(one.post_id) if one.post_id and report.written else None,
            }
            for number, one in sorted(report.rows.items())
        ],
    }


def _flag(query: Mapping[str, str], name: str) -> bool:
    given = query.get(name, "false")
    if given not in {"true", "false"}:
        raise invalid(name, "wrong_type", "Must be true or false.")
    return given == "true"
