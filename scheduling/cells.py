"""Cells of a CSV file that a spreadsheet shows and never runs, and that come back unchanged.

A spreadsheet takes a cell that begins with one of DANGEROUS for a formula, so such a cell is
written with an apostrophe before it; so is one with blanks at its edges, which readers would strip.
Reading takes exactly that apostrophe away. Source: OWASP, "CSV Injection", read 2026-11-25.
"""

from __future__ import annotations

GUARD = "'"
DANGEROUS = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - full-width signs count as well


def guarded(text: str) -> str:
    """Return `text` as it is written into a cell."""
    return GUARD + text if _needs_guard(text) else text


def unguarded(cell: str) -> str:
    """Return what a cell says: a guarded one literally, any other without blanks at its edges."""
    if cell.startswith(GUARD) and _needs_guard(cell):
        return cell[len(GUARD) :]
    return cell.strip()


def _needs_guard(text: str) -> bool:
    inner = text.lstrip(GUARD)
    return inner != inner.strip() or inner[:1] in DANGEROUS
