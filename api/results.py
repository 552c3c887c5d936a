"""What became of each of several posts, in the order of the request."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from api.problems import FIELD_ERROR
from api.representations import Json
from api.shapes import Shape, among, identifier, listed, one_of, or_null, text, whole
from scheduling.bulk_create import Written
from scheduling.bulk_moves import Moved
from scheduling.drafts import FieldError
from scheduling.states import PostState

MOVED = Shape(
    "MovedPost",
    "What became of one of several posts.",
    index=whole("Its place in the request, from 0.", 0),
    id=text("Its id, as given.", "0199b7c2-6b1e-7c0a-9d5e-3f0a4c1b2d6e"),
    status=among(
        ["done", "refused", "invalid", "unknown"],
        "done; refused: its state does not allow it; invalid: a value is wrong for it; unknown: "
        "there is no such post.",
    ),
    state=or_null(one_of(PostState, "Where it stands now; null: there is none.", "cancelled")),
    errors=listed(FIELD_ERROR, "Why it was not done.", []),
)
MOVES = Shape(
    "MovedPosts",
    "What became of several posts.",
    done=whole("How many were done.", 1),
    results=listed(MOVED, "One for each, in order."),
)
WRITTEN = Shape(
    "WrittenPost",
    "What became of one row.",
    index=whole("Its place in the request, from 0.", 0),
    status=among(
        ["created", "existing", "invalid", "not_written"],
        "created; existing: its external_id was there already; invalid: see `errors`; "
        "not_written: it is right, but another one is not, and it was to be all or nothing.",
    ),
    id=or_null(identifier("The post's id; null: there is none.")),
    state=or_null(one_of(PostState, "Where it stands; null: there is none.", "scheduled")),
    errors=listed(FIELD_ERROR, "What is wrong with it.", []),
)
WRITES = Shape(
    "WrittenPosts",
    "What became of many rows.",
    created=whole("How many posts are new.", 1),
    existing=whole("How many were there before.", 0),
    invalid=whole("How many rows are wrong.", 0),
    results=listed(WRITTEN, "One for each row, in order."),
)


def moves_json(names: Iterable[str], results: Mapping[str, Moved]) -> Json:
    """Return results by the ids as they were given."""
    rows = [moved_json(index, name, results.get(name)) for index, name in enumerate(names)]
    return {"done": sum(row["status"] == "done" for row in rows), "results": rows}


def moves_of_posts(results: Mapping[uuid.UUID, Moved]) -> Json:
    """Return results by the posts' ids."""
    return moves_json(map(str, results), {str(pk): one for pk, one in results.items()})


def moved_json(index: int, name: str, moved: Moved | None) -> Json:
    """Return what became of one post."""
    row = {"index": index, "id": name, "state": None, "errors": []}
    if moved is None or moved.post is None:
        message = "There is no such post in this workspace."
        return {**row, "status": "unknown", "errors": errors_json([_whole("unknown", message)])}
    row["state"] = moved.post.state
    if moved.refusal:
        refusal = _whole("illegal_transition", moved.refusal)
        return {**row, "status": "refused", "errors": errors_json([refusal])}
    if moved.errors:
        return {**row, "status": "invalid", "errors": errors_json(moved.errors)}
    return {**row, "status": "done"}


def written_json(index: int, one: Written, *, kept: bool) -> Json:
    """Return what became of one row; `kept` is False when nothing at all was written."""
    post = one.post
    if one.errors or post is None:
        return {
            "index": index,
            "status": "invalid",
            "id": None,
            "state": None,
            "errors": errors_json(one.errors),
        }
    there = kept or not one.is_new
    status = ("created" if kept else "not_written") if one.is_new else "existing"
    return {
        "index": index,
        "status": status,
        "id": str(post.pk) if there else None,
        "state": post.state if there else None,
        "errors": [],
    }


def errors_json(errors: Iterable[FieldError]) -> list[dict[str, Any]]:
    """Return errors as problems list them."""
    return [{"field": e.field, "code": e.code, "message": e.message} for e in errors]


def _whole(code: str, message: str) -> FieldError:
    return FieldError("", code, message)
