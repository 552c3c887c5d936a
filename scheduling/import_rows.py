"""From the cells of a CSV file to posts that satisfy every rule; nothing is written here."""

from __future__ import annotations

import csv
import mimetypes
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from accounts.models import Workspace
from media.models import Asset, AssetKind
from platforms.models import SocialConnection
from platforms.registry import UnknownPlatform, slug_of
from scheduling.drafts import Attachment
from scheduling.models import ScheduledPost
from scheduling.rules import Invalid
from scheduling.services import build_post

REQUIRED = ("connection", "text", "scheduled_at")
OPTIONAL = ("time_zone", "media", "external_id")
COLUMNS = REQUIRED + OPTIONAL
EXTERNAL_ID_CHARS = 255
URL_CHARS = 2000
ASSETS_KEPT = 10_000  # so that a file of any length needs no more memory
SEGMENT_BREAK = re.compile(r"\r?\n[ \t]*---[ \t]*\r?\n")  # a line of its own

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


class BadRow(Exception):
    """What is wrong with one row: (column, message) pairs."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


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
    return {name: cell.strip() for name, cell in zip(header, cells, strict=True)}


class RowReader:
    """Makes posts of one workspace from cells; knows its connections and the assets seen lately."""

    def __init__(self, workspace: Workspace, *, now: datetime) -> None:
        self.workspace = workspace
        self.now = now
        self._connections = ConnectionNames(
            workspace.connections.select_related("workspace").defer("secret")
        )
        self._assets: dict[str, Asset] = {}

    def load_assets(self, rows: Iterable[Cells]) -> None:
        """Read the assets that `rows` name by id, in one query."""
        if len(self._assets) > ASSETS_KEPT:
            self._assets.clear()
        words = {word for cells in rows for word in cells.get("media", "").split()}
        ids = {pk for word in words - self._assets.keys() if (pk := _uuid(word))}
        if ids:
            found = self.workspace.assets.in_bulk(ids)
            self._assets |= {str(pk): asset for pk, asset in found.items()}

    def post_of(self, cells: Cells) -> tuple[ScheduledPost, list[Attachment]]:
        """Return the unsaved post of one row, and its media; raises BadRow with all its errors."""
        errors: list[tuple[str, str]] = []
        connection = _or_note(errors, self._connections.get, cells["connection"])
        moment = _or_note(errors, _moment, cells["scheduled_at"], cells.get("time_zone", ""))
        media = _or_note(errors, self._media, cells.get("media", ""))
        external_id = cells.get("external_id", "")
        if len(external_id) > EXTERNAL_ID_CHARS:
            errors.append(("external_id", f"is longer than {EXTERNAL_ID_CHARS} characters."))
        if errors or connection is None or moment is None or media is None:
            raise BadRow(*errors)
        try:
            post = build_post(
                workspace=self.workspace,
                connection=connection,
                segments=[{"text": part.strip()} for part in SEGMENT_BREAK.split(cells["text"])],
                scheduled_at=moment,
                time_zone=cells.get("time_zone") or self.workspace.time_zone,
                attachments=media,
                now=self.now,
                external_id=external_id or None,
            )
        except Invalid as error:
            raise BadRow(*((_column(e.field), e.message) for e in error.errors)) from None
        return post, media

    def _media(self, cell: str) -> list[Attachment]:
        return [Attachment(self._asset(word)) for word in cell.split()]

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


class ConnectionNames:
    """The connections of one workspace by every name a person may write for them."""

    def __init__(self, connections: Iterable[SocialConnection]) -> None:
        self._by_name: dict[str, list[SocialConnection]] = {}
        for connection in connections:
            username = connection.username.lower()
            for name in (str(connection.pk), username, f"{connection.platform}:{username}"):
                self._by_name.setdefault(name, []).append(connection)

    def get(self, name: str) -> SocialConnection:
        """Return the connection called `name` (id, platform:username, username); raises BadRow."""
        if not name:
            raise BadRow(("connection", "is empty: write an id, platform:username or username."))
        found = self._by_name.get(name) or self._by_name.get(_plain(name), [])
        if len(found) == 1:
            return found[0]
        if not found:
            raise BadRow(("connection", f"this workspace has no connection {name[:100]!r}."))
        choices = sorted({f"{c.platform}:{c.username}" for c in found})
        if len(choices) == 1:
            choices = sorted(str(c.pk) for c in found)
        raise BadRow(("connection", f"{name!r} names several: write {' or '.join(choices)}."))


def _plain(name: str) -> str:
    """Return `Twitter:@Ada` as `x:ada`."""
    platform, colon, username = name.lower().rpartition(":")
    try:
        platform = slug_of(platform) if colon else ""
    except UnknownPlatform:
        raise BadRow(("connection", f"{platform!r} is not a platform.")) from None
    return f"{platform}{colon}{username.strip().removeprefix('@')}"


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
    if field in COLUMNS:
        return field
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
