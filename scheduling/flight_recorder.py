"""Everything that happened to one post, in one row of time.

Moves, attempts, what people did to it and to its account, what was told about it, and what is
known of looks ahead and token refreshes. Four short queries, whatever the history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from accounts.models import AuditEvent
from notifications.models import Delivery
from platforms.tokens import last_refreshed_at
from scheduling.announcements import CALLED_BACK, MAILED
from scheduling.models import PostTransition, PublishAttempt, ScheduledPost
from scheduling.states import ENDS

MOST_OF_EACH = 300  # a post that a limit kept waiting for weeks still has a readable page
SAME_DEED = timedelta(seconds=2)  # an audit event this close to its actor's move tells nothing more


@dataclass(frozen=True, slots=True)
class Entry:
    """One happening; exactly one of the others is set beside `at`."""

    at: datetime
    move: PostTransition | None = None
    attempt: PublishAttempt | None = None
    delivery: Delivery | None = None
    event: AuditEvent | None = None
    note: str = ""

    @property
    def kind(self) -> str:
        """Return "move", "attempt", "delivery", "event" or "note"."""
        for kind in ("move", "attempt", "delivery", "event"):
            if getattr(self, kind) is not None:
                return kind
        return "note"

    @property
    def took(self) -> timedelta | None:
        """Return how long an attempt lasted: from its send mark, else its start, to its end."""
        attempt = self.attempt
        if attempt is None or attempt.finished_at is None:
            return None
        return max(timedelta(), attempt.finished_at - (attempt.sent_at or attempt.started_at))


@dataclass(frozen=True, slots=True)
class Recording:
    """The entries, oldest first, and the parts they were made of, latest first."""

    entries: tuple[Entry, ...]
    moves: tuple[PostTransition, ...]
    attempts: tuple[PublishAttempt, ...]
    deliveries: tuple[Delivery, ...]
    events: tuple[AuditEvent, ...]

    @property
    def is_cut(self) -> bool:
        """Say whether there may be earlier entries than those shown."""
        parts = (self.moves, self.attempts, self.deliveries, self.events)
        return any(len(part) == MOST_OF_EACH for part in parts)

    @property
    def last_attempt(self) -> PublishAttempt | None:
        """Return the latest attempt."""
        return self.attempts[0] if self.attempts else None


def flight_recorder(post: ScheduledPost) -> Recording:
    """Return the latest of everything about `post` (its connection loaded)."""
    moves = tuple(post.transitions.order_by("-at", "-pk")[:MOST_OF_EACH])
    attempts = tuple(post.attempt_log.order_by("-started_at", "-pk")[:MOST_OF_EACH])
    deliveries = tuple(deliveries_of(post)[:MOST_OF_EACH])
    events = tuple(_events(post, moves))
    entries = [
        *(Entry(move.at, move=move) for move in reversed(moves)),
        *(Entry(attempt.started_at, attempt=attempt) for attempt in reversed(attempts)),
        *(Entry(one.created_at, delivery=one) for one in reversed(deliveries)),
        *(Entry(one.at, event=one) for one in reversed(events) if not _is_told(one, moves)),
        *_notes(post, events),
    ]
    in_order = tuple(sorted(entries, key=lambda entry: entry.at))
    return Recording(in_order, moves, attempts, deliveries, events)


def deliveries_of(post: ScheduledPost) -> QuerySet[Delivery]:
    """Return what was told about `post`, latest first: callbacks, and mail that names it.

    The outbox has no column for a post: its keys begin with the post, or with the account when one
    message stands for all its posts; then the message itself says which post it showed.
    """
    its_own, its_account = Q(), Q()
    for name in sorted(CALLED_BACK | MAILED):
        its_own |= Q(notification__dedupe_key__startswith=f"{name}:{post.pk}:")
    for name in sorted(MAILED):
        its_account |= Q(notification__dedupe_key__startswith=f"{name}:{post.connection_id}:")
    names_it = Q(notification__context__mail__path__icontains=str(post.pk))
    return (
        Delivery.objects.filter(its_own | (its_account & names_it))
        .select_related("notification")
        .order_by("-created_at", "-pk")
    )


def _events(post: ScheduledPost, moves: Sequence[PostTransition]) -> QuerySet[AuditEvent]:
    targets = [f"post:{post.pk}", f"connection:{post.connection_id}"]
    since = post.created_at - SAME_DEED
    found = AuditEvent.objects.filter(target__in=targets, at__gte=since).order_by("-at", "-pk")
    if post.state in ENDS and moves:  # what became of the account later is another story
        found = found.filter(Q(target=targets[0]) | Q(at__lte=moves[0].at + SAME_DEED))
    return found[:MOST_OF_EACH]


def _is_told(event: AuditEvent, moves: Sequence[PostTransition]) -> bool:
    """Say whether a move of the same person at the same time tells what `event` tells."""
    return not event.detail and any(
        move.actor == event.actor and abs(move.at - event.at) <= SAME_DEED for move in moves
    )


def _notes(post: ScheduledPost, events: Sequence[AuditEvent]) -> Iterator[Entry]:
    if not any(event.action in {"post.scheduled", "post.drafted"} for event in events):
        author = f" by {post.created_by}" if post.created_by else ""
        yield Entry(post.created_at, note=f"Written{author}.")
    if post.preflight_at:
        found = len(post.warnings or ())
        said = f"{found} warning{'s' * (found != 1)}, see above." if found else "nothing found."
        yield Entry(post.preflight_at, note=f"Looked at ahead of its moment: {said}")
    connection = post.connection
    refreshed_at = last_refreshed_at(connection)
    if refreshed_at and refreshed_at >= post.created_at and post.state not in ENDS:
        yield Entry(refreshed_at, note="The account's access token was refreshed.")
    if connection.refresh_failing_since and post.state not in ENDS:
        why = f" {connection.state_reason}" if connection.state_reason else ""
        yield Entry(
            connection.refresh_failing_since,
            note=f"Since then the account's access token could not be refreshed.{why}",
        )
