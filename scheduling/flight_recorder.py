"""Everything that happened to one post, in one row of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scheduling.models import PostTransition, PublishAttempt, ScheduledPost

MOST_OF_EACH = 300  # a post that a limit kept waiting for weeks still has a readable page


@dataclass(frozen=True, slots=True)
class Entry:
    """One move or one attempt; exactly one of the two is set."""

    at: datetime
    move: PostTransition | None = None
    attempt: PublishAttempt | None = None


def flight_recorder(post: ScheduledPost) -> list[Entry]:
    """Return the latest moves and attempts of `post`, oldest first (two queries)."""
    moves = post.transitions.order_by("-at", "-pk")[:MOST_OF_EACH]
    attempts = post.attempt_log.order_by("-started_at", "-pk")[:MOST_OF_EACH]
    entries = [
        *(Entry(move.at, move=move) for move in reversed(moves)),
        *(Entry(attempt.started_at, attempt=attempt) for attempt in reversed(attempts)),
    ]
    return sorted(entries, key=lambda entry: entry.at)
