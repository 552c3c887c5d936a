"""What an executed plan read: the rows of one table, by which indexes, how many pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)"


def digest(plan: dict[str, Any], table: str) -> dict[str, Any]:
    """Return what one executed plan read of the table, and by which indexes."""
    scans = [n for n in _nodes(plan["Plan"]) if n["Node Type"].endswith("Scan")]
    ours = [n for n in scans if n.get("Relation Name") == table]
    named = [n for n in scans if "Index Name" in n]
    sequential = [n for n in ours if n["Node Type"] == "Seq Scan"]
    pages = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return {
        "rows_read": round(sum(_rows_read(node) for node in ours)),
        "reads_by": sorted({n["Index Name"] for n in named} | {"SEQ SCAN" for _ in sequential}),
        "pages": pages,
        "milliseconds": plan["Execution Time"],
        "plan": _outline(plan["Plan"]),
    }


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _rows_read(node: dict[str, Any]) -> float:
    """Return the rows a scan looked at, those its filter removed included."""
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])


def _outline(node: dict[str, Any], depth: int = 0) -> list[str]:
    """Return the plan as indented lines, short enough to keep."""
    index = f" using {node['Index Name']}" if "Index Name" in node else ""
    rows, loops = node["Actual Rows"], node["Actual Loops"]
    line = f"{'  ' * depth}{node['Node Type']}{index}: {rows} rows x {loops}"
    children = (_outline(child, depth + 1) for child in node.get("Plans", ()))
    return [line, *(part for child in children for part in child)]
