"""From the cells of a CSV file to posts that satisfy every rule; nothing is written here."""

from __future__ import annotations

import csv
import hashlib
import json
import mimetypes
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from accounts.models import User, Workspace
from engine.ids import uuid7
from media.models import Asset, AssetKind
from scheduling.approval_rule import may_publish
from scheduling.cells import unguarded
from scheduling.connection_names import ConnectionNames
from scheduling.drafts import Attachment
from scheduling.import_cells import (
    DETAILS,
    BadRow,
    files_of,
    segments_of,
    sources_in,
    state_of,
)
from scheduling.models import ScheduledPost
from scheduling.rules import Invalid
from scheduling.services import build_post
from scheduling.states import PostState

REQUIRED = ("connection", "text", "scheduled_at")
OPTIONAL = (
    "time_zone",
    "media",
    "external_id",
    "state",
    "segments",
    "first_comment",
    "options",
    "priority",
    "late_policy",
    "late_limit_minutes",
    "callback_url",
    "group",
)
TOLD = ("id", "permalink", "published_at")  # what an export tells, and an import passes over
COLUMNS = REQUIRED + OPTIONAL + TOLD
EXTERNAL_ID_CHARS = 255
URL_CHARS = 2000
ASSETS_KEPT = 10_000  # so that a file of any length needs no more memory

Cells = Mapping[str, str]
P = ParamSpec("P")
Value = TypeVar("Value")


class BadFile(Exception):
    """The file as a whole cannot be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class RowError:
    """One thing wrong in one cell; rows count as in a spreadsheet, the header being row 1."""

    row: int
    column: str
    message: str

    def __str__(self) -> str:
        place = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return f"{place}: {self.message}"


def read_cells(lines: Iterable[str]) -> Iterator[tuple[int, list[str], tuple[str, ...]]]:
    """Yield (row number, cells, header) for every row that is not blank; raises BadFile."""
    reader = csv.reader(lines, strict=True)
    number = 0
    header: tuple[str, ...] = ()
    try:
        for number, cells in enumerate(reader, start=1):
            if number == 1:
                header = _checked_header(cells)
            elif cells:
                yield number, cells, header
    except UnicodeDecodeError as error:
        raise BadFile(
            f"The file is not UTF-8 text (byte 0x{error.object[error.start]:02x} after row "
            f"{number}): save it as “CSV UTF-8”."
        ) from None
    except csv.Error as error:
        raise BadFile(
            f"Row {number + 1} is not CSV ({error}): a text with quotes, commas or line breaks "
            'stands in "quotes", and a quote inside it is doubled.'
        ) from None
    if not number:
        raise BadFile(f"The file is empty: its first row must be {','.join(COLUMNS)}.")


def _checked_header(cells: list[str]) -> tuple[str, ...]:
    header = tuple(cell.strip().lower() for cell in cells)
    if len(header) == 1 and ";" in header[0]:
        raise BadFile("The columns are separated by “;”: save the file with commas.")
    if unknown := [name for name in header if name not in COLUMNS]:
        raise BadFile(
            f"Unknown columns: {', '.join(name or '(empty)' for name in unknown)}. "
            f"Columns are {', '.join(COLUMNS)}."
        )
    if missing := [name for name in REQUIRED if name not in header]:
        raise BadFile(f"Missing columns: {', '.join(missing)}. The first row must name them.")
    if len(set(header)) < len(header):
        raise BadFile("A column is named twice in the first row.")
    return header


def cells_by_name(cells: list[str], header: tuple[str, ...]) -> Cells:
    """Return the stripped cells under their column names; raises BadRow if their number is off."""
    if len(cells) != len(header):
        raise BadRow(("", f"has {len(cells)} cells, but the first row names {len(header)}."))
    if any("\0" in cell for cell in cells):
        raise BadRow(("", "contains a NUL character: save the file as text."))
    return {name: unguarded(cell) for name, cell in zip(header, cells, strict=True)}


def cells_of_object(row: object) -> Cells:
    """Return the cells of a JSON object with columns as its keys; raises BadRow."""
    if not isinstance(row, Mapping):
        raise BadRow(("", "must be a JSON object."))
    if unknown := [str(name) for name in row if name not in COLUMNS]:
        raise BadRow(*((name, "is no column of ours.") for name in unknown))
    errors = []
    cells = dict.fromkeys(REQUIRED, "")
    for name, value in row.items():
        match value:
            case None:
                cells[name] = ""
            case str():
                cells[name] = value
            case bool() | float():
                errors.append((name, f"cannot be {value!r}."))
            case int():
                cells[name] = str(value)
            case _:
                cells[name] = json.dumps(value)
    if errors:
        raise BadRow(*errors)
    return cells


class RowReader:
    """Makes posts of one workspace from cells; knows its connections and the assets seen lately."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        now: datetime,
        actor: str = "",
        created_by: User | None = None,
    ) -> None:
        self.workspace = workspace
        self.now = now
        self._actor = actor
        self.created_by = created_by
        self._awaits_approval = not may_publish(workspace, actor)
        self._groups = uuid7()
        self._connections = ConnectionNames(
            workspace.connections.select_related("workspace").defer("secret")
        )
        self._assets: dict[str, Asset] = {}

    def load_assets(self, rows: Iterable[Cells]) -> None:
        """Read the assets that `rows` name by id, in one query."""
        if len(self._assets) > ASSETS_KEPT:
            self._assets.clear()
        words = {word for cells in rows for word in sources_in(cells.get("media", ""))}
        ids = {pk for word in words - self._assets.keys() if (pk := _uuid(word))}
        if ids:
            found = self.workspace.assets.in_bulk(ids)
            self._assets |= {str(pk): asset for pk, asset in found.items()}

    def post_of(self, cells: Cells) -> tuple[ScheduledPost, list[Attachment]]:
        """Return the unsaved post of one row, and its media.

        Raises BadRow with all its errors, or LeftOut.
        """
        errors: list[tuple[str, str]] = []
        state = _or_note(errors, state_of, cells.get("state", ""))
        connection = _or_note(errors, self._connections.get, cells["connection"])
        moment = _or_note(errors, _moment, cells["scheduled_at"], cells.get("time_zone", ""))
        media = _or_note(errors, self._media, cells.get("media", ""))
        external_id = cells.get("external_id", "")
        if len(external_id) > EXTERNAL_ID_CHARS:
            errors.append(("external_id", f"is longer than {EXTERNAL_ID_CHARS} characters."))
        segments = _or_note(errors, segments_of, cells["text"], cells.get("segments", ""))
        details: dict[str, Any] = {}
        for name, read in DETAILS.items():
            if cell := cells.get(name, ""):
                details[name] = _or_note(errors, read, cell)
        if errors or connection is None or moment is None or media is None or segments is None:
            raise BadRow(*errors)
        if label := cells.get("group", ""):
            details["group_id"] = self._group_id(label)
        try:
            post = build_post(
                workspace=self.workspace,
                connection=connection,
                segments=segments,
                scheduled_at=moment,
                time_zone=cells.get("time_zone") or self.workspace.time_zone,
                attachments=media,
                now=self.now,
                actor=self._actor,
                created_by=self.created_by,
                as_draft=state == PostState.DRAFT,
                awaits_approval=self._awaits_approval or state == PostState.AWAITING_APPROVAL,
                external_id=external_id or None,
                **details,
            )
        except Invalid as error:
            raise BadRow(*((_column(e.field), e.message) for e in error.errors)) from None
        return post, media

    def _group_id(self, label: str) -> uuid.UUID:
        """Return the id of the group that rows with this label make up: the same for all of them.

        Made of the label and this reading's own id, so that nothing has to be remembered.
        """
        digest = hashlib.sha256(self._groups.bytes + label.encode()).digest()
        tail = (1 << 62) - 1
        return uuid.UUID(int=self._groups.int & ~tail | int.from_bytes(digest[:8], "big") & tail)

    def _media(self, cell: str) -> list[Attachment]:
        return [
            Attachment(self._asset(file.source), file.segment, file.alt_text)
            for file in files_of(cell)
        ]

    def _asset(self, word: str) -> Asset:
        key = str(_uuid(word) or word)
        if key not in self._assets:
            self._assets[key] = self._asset_from_url(word)
        return self._assets[key]

    def _asset_from_url(self, url: str) -> Asset:
        """Return an unsaved asset; its file is fetched ahead of the moment, like every other."""
        if _uuid(url):
            raise BadRow(("media", f"this workspace has no asset {url}."))
        if not _is_web_address(url):
            raise BadRow(("media", f"{url[:100]!r} is neither an http(s) address nor an asset id."))
        mime_type = mimetypes.guess_type(urlsplit(url).path)[0] or ""
        return Asset(
            workspace=self.workspace,
            source_url=url,
            kind=_kind(mime_type),
            mime_type=mime_type,
        )


def _moment(cell: str, zone_name: str) -> datetime:
    """Return the instant a cell means, in UTC; raises BadRow.

    With an offset it is an instant already. Without, it is the clock on the wall in the row's
    time zone: the first of the two when clocks go back, an error in the gap when they go forward.
    """
    example = "for example 2026-11-23T09:00:00+01:00."
    if ":" not in cell:
        raise BadRow(("scheduled_at", f"{cell!r} is not a date with a time, {example}"))
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise BadRow(
            ("scheduled_at", f"{cell!r} is not an ISO 8601 date and time, {example}")
        ) from None
    try:
        if moment.tzinfo is None:
            moment = _on_the_wall(moment, zone_name, cell)
        return moment.astimezone(UTC)
    except OverflowError:
        raise BadRow(("scheduled_at", f"{cell!r} is beyond the calendar.")) from None


def _on_the_wall(clock: datetime, zone_name: str, cell: str) -> datetime:
    if not zone_name:
        raise BadRow(("scheduled_at", f"{cell!r} has no offset: add one, or fill in time_zone."))
    try:
        zone = ZoneInfo(zone_name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRow(
            ("time_zone", f"{zone_name!r} is not an IANA time zone, such as Europe/Berlin.")
        ) from None
    moment = clock.replace(tzinfo=zone, fold=0)
    if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != clock:
        raise BadRow(
            ("scheduled_at", f"{cell!r} does not exist in {zone_name}: clocks go forward then.")
        )
    return moment


def _or_note(
    errors: list[tuple[str, str]], read: Callable[P, Value], *args: P.args, **kwargs: P.kwargs
) -> Value | None:
    """Return what `read` makes of its cells, or None after adding what is wrong to `errors`."""
    try:
        return read(*args, **kwargs)
    except BadRow as error:
        errors.extend(error.errors)
        return None


def _column(field: str) -> str:
    """Return the column that a field of a post comes from."""
    name = re.split(r"[.\[]", field, maxsplit=1)[0]
    if name in COLUMNS and name != "segments":
        return name
    return "media" if "media" in field or "image" in field else "text"


def _kind(mime_type: str) -> AssetKind:
    if mime_type == "image/gif":
        return AssetKind.GIF
    return AssetKind.VIDEO if mime_type.startswith("video/") else AssetKind.IMAGE


def _is_web_address(word: str) -> bool:
    try:
        parts = urlsplit(word)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and len(word) <= URL_CHARS


def _uuid(word: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(word)
    except ValueError:
        return None
