"""`manage.py import_posts FILE.csv --workspace SLUG`: schedule the posts of a CSV file."""

from __future__ import annotations

import io
import os
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from accounts.models import Workspace
from scheduling.import_rows import BadFile
from scheduling.imports import ImportReport, import_posts

SKIPPED = 3  # exit code: written, but bad rows were left out

HELP = """\
Schedule the posts of a CSV file (UTF-8, commas). Columns, in any order:

  connection    id, platform:username, or username if only one connection has it
  text          the post; a line that is just --- starts the next post of a thread
  scheduled_at  2026-11-23T09:00:00+01:00, or without offset if time_zone is filled in
  time_zone     optional, such as Europe/Berlin; the clock on its walls is meant. When clocks
                go back the first of the two is taken; a time that clocks skip is an error
  media         optional: addresses or asset ids, separated by spaces, all for the first segment;
                or a JSON list of {"source", "segment", "alt_text"}
  external_id   optional: your own id; a row whose connection already has it is not scheduled again
  state         optional: draft, awaiting_approval or scheduled; rows of posts that were published,
                cancelled or the like are left out
  segments      optional, instead of a text: a JSON list of the texts of a thread
  first_comment, options (a JSON object), priority, late_policy, late_limit_minutes, callback_url
                optional, as in the API
  group         optional: rows with the same word here become one group
  id, permalink, published_at    are passed over: an export of the calendar has them

A cell that begins with an apostrophe before = + - @ or a blank is taken without that apostrophe.
All rows are checked before any is written. Exit code 0: done. 1: nothing was written.
3: written, but bad rows were skipped (--skip-bad).
"""


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Keep the line breaks of the help text."""
        kwargs["formatter_class"] = RawDescriptionHelpFormatter
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the CSV file; - reads standard input")
        parser.add_argument("--workspace", required=True, metavar="SLUG")
        parser.add_argument("--dry-run", action="store_true", help="check and count, keep nothing")
        parser.add_argument("--skip-bad", action="store_true", help="write the good rows anyway")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            workspace = Workspace.objects.get(slug=options["workspace"])
        except Workspace.DoesNotExist:
            raise CommandError(
                f"There is no workspace {options['workspace']!r}: make it with "
                f"`manage.py create_workspace {options['workspace']}`."
            ) from None
        try:
            with _opened(options["file"]) as stream:
                report = import_posts(
                    stream,
                    workspace,
                    actor="command:import_posts",
                    dry_run=options["dry_run"],
                    skip_bad=options["skip_bad"],
                )
        except BadFile as error:
            raise CommandError(f"{error} Nothing was written.") from None
        except IntegrityError:
            raise CommandError(
                "A connection or asset was deleted meanwhile. Nothing was written: run it again."
            ) from None
        self._tell(report, dry_run=options["dry_run"], skip_bad=options["skip_bad"])

    def _tell(self, report: ImportReport, *, dry_run: bool, skip_bad: bool) -> None:
        for error in report.errors:
            self.stderr.write(str(error))
        if report.bad and not skip_bad:
            more = "at least " if report.bad > len({e.row for e in report.errors}) else ""
            raise CommandError(f"{more}{_rows(report.bad)} bad. Nothing was written.")
        verb = "would be created" if dry_run else "created"
        self.stdout.write(
            f"{report.created} {verb}, {report.existing} already there, {report.bad} bad"
            + (f", {report.left_out} left out" if report.left_out else "")
        )
        if report.bad:
            raise CommandError(f"{_rows(report.bad)} skipped.", returncode=SKIPPED)


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    """Open the file as CSV text; `-` is standard input."""
    if name == "-":
        yield io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="")
        return
    path = Path(name)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise CommandError(f"{name} is not a file that can be read.")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        yield stream


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count} rows are"
