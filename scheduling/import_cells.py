"""What single cells of a calendar file mean, and how an export writes the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from scheduling.states import PostState

S = PostState
SEGMENT_BREAK = re.compile(r"\r?\n[ \t]*---[ \t]*\r?\n")  # a line of its own
BETWEEN = "\n---\n"
MOST_SEGMENTS = 100
URL_CHARS = 2000
MOST_MINUTES = 10 * 366 * 24 * 60
MADE_AGAIN = frozenset({S.DRAFT, S.AWAITING_APPROVAL, S.SCHEDULED, S.QUEUED})


class BadRow(Exception):
    """What is wrong with one row: (column, message) pairs."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


class LeftOut(Exception):
    """This row is of a post whose life is over or in a person's hands: it is not made again."""


@dataclass(frozen=True, slots=True)
class FileCell:
    """One file of a post: its address or an asset's id, its segment, its alt text."""

    source: str
    segment: int = 0
    alt_text: str = ""


def state_of(cell: str) -> PostState:
    """Return the state a post begins in; raises BadRow, or LeftOut for a life that has gone on."""
    if not cell:
        return S.SCHEDULED
    try:
        state = PostState(cell.lower())
    except ValueError:
        raise BadRow(
            ("state", f"{cell[:40]!r} is no state: {', '.join(sorted(MADE_AGAIN))} are made again.")
        ) from None
    if state not in MADE_AGAIN:
        raise LeftOut(f"It is {state.label}.")
    return state


def segments_of(text: str, listed: str) -> list[dict[str, str]]:
    """Return the segments that the cells `text` and `segments` mean; raises BadRow."""
    if not listed:
        return [{"text": part.strip()} for part in SEGMENT_BREAK.split(text)]
    if text:
        raise BadRow(("segments", "is given beside a text: leave one of them empty."))
    parts = _json("segments", listed)
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise BadRow(("segments", 'must be a JSON list of texts: ["first", "second"].'))
    if not 1 <= len(parts) <= MOST_SEGMENTS:
        raise BadRow(("segments", f"must hold 1 to {MOST_SEGMENTS} texts."))
    return [{"text": part} for part in parts]


def cells_of_segments(segments: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return the cells `text` and `segments` that mean these segments: one of them is empty."""
    texts = [str(segment.get("text", "")) for segment in segments]
    joined = BETWEEN.join(texts)
    if [part["text"] for part in segments_of(joined, "")] == texts:
        return joined, ""
    return "", json.dumps(texts, ensure_ascii=False)


def files_of(cell: str) -> list[FileCell]:
    """Return the files a cell names: words, or a JSON list of objects; raises BadRow."""
    if not cell.startswith("["):
        return [FileCell(word) for word in cell.split()]
    rows = _json("media", cell)
    return [_file(row) for row in rows]


def cell_of_files(files: Sequence[FileCell]) -> str:
    """Return the cell that means these files."""
    if all(not f.segment and not f.alt_text and f.source.split() == [f.source] for f in files):
        return " ".join(f.source for f in files)
    rows = [{"source": f.source, "segment": f.segment, "alt_text": f.alt_text} for f in files]
    return json.dumps(rows, ensure_ascii=False)


def sources_in(cell: str) -> list[str]:
    """Return the sources a cell names; none if it cannot be read (whoever reads it says so)."""
    try:
        return [file.source for file in files_of(cell)]
    except BadRow:
        return []


def _file(row: Any) -> FileCell:
    if isinstance(row, dict) and "source" in row and set(row) <= {"source", "segment", "alt_text"}:
        source, segment = row["source"], row.get("segment", 0)
        alt_text = row.get("alt_text", "")
        is_place = type(segment) is int and 0 <= segment < MOST_SEGMENTS
        if is_place and isinstance(source, str) and isinstance(alt_text, str):
            return FileCell(source, segment, alt_text)
    raise BadRow(
        ("media", 'must be addresses, or a JSON list of {"source", "segment", "alt_text"}.')
    )


def _options(cell: str) -> dict[str, Any]:
    value = _json("options", cell)
    if not isinstance(value, dict):
        raise BadRow(("options", "must be a JSON object."))
    return value


def _priority(cell: str) -> int:
    return _whole("priority", cell, 9)


def _late_limit(cell: str) -> int:
    return _whole("late_limit_minutes", cell, MOST_MINUTES)


def _callback(cell: str) -> str:
    if len(cell) > URL_CHARS:
        raise BadRow(("callback_url", f"is longer than {URL_CHARS} characters."))
    return cell


# How the cells of further columns are read; each is left out where its cell is empty.
DETAILS: dict[str, Callable[[str], Any]] = {
    "first_comment": str,
    "options": _options,
    "priority": _priority,
    "late_policy": str,
    "late_limit_minutes": _late_limit,
    "callback_url": _callback,
}


def _whole(column: str, cell: str, most: int) -> int:
    if not cell.isascii() or not cell.isdigit() or len(cell) > len(str(most)) or int(cell) > most:
        raise BadRow((column, f"{cell[:20]!r} is no whole number from 0 to {most}."))
    return int(cell)


def _json(column: str, cell: str) -> Any:
    """Return the JSON of a cell if the database can keep it."""
    try:
        value = json.loads(cell, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        if _has_nul(value):
            raise BadRow((column, "contains a NUL character."))
    except (ValueError, RecursionError):
        raise BadRow((column, "is not JSON.")) from None
    return value


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_nul(inner) for pair in value.items() for inner in pair)
    if isinstance(value, list):
        return any(_has_nul(inner) for inner in value)
    return isinstance(value, str) and "\0" in value


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
