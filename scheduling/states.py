"""The life of a post: every state, who moves it on, and every legal edge."""

from __future__ import annotations

from django.db import models

from engine.states import StateGraph


class PostState(models.TextChoices):
    """Each comment says who moves the post next."""

    DRAFT = "draft", "draft"  # its author schedules it
    AWAITING_APPROVAL = "awaiting_approval", "awaiting approval"  # an approver decides
    SCHEDULED = "scheduled", "scheduled"  # waits for due_at; the look-ahead or a claim moves it
    QUEUED = "queued", "queued"  # inside the look-ahead window; a slot claims and marks it
    PUBLISHING = "publishing", "publishing"  # the send mark is committed; its slot or the sweeper
    PROCESSING = "processing", "processing"  # the network works on it; a slot polls it at due_at
    OUTCOME_UNKNOWN = "outcome_unknown", "outcome unknown"  # sent, no answer; the reconciler
    BLOCKED = "blocked", "blocked"  # the connection's owner reconnects
    HELD = "held", "held"  # too late by policy: a person decides
    PUBLISHED = "published", "published"  # the end; nothing moves it again
    FAILED = "failed", "failed"  # a person must change something
    DEAD_LETTER = "dead_letter", "dead letter"  # attempts used up; staff may requeue
    CANCELLED = "cancelled", "cancelled"  # a person stopped it; staff may requeue


S = PostState

WAITING = frozenset({S.SCHEDULED, S.QUEUED})  # a slot may claim and send these
MACHINE = WAITING | {S.PROCESSING, S.OUTCOME_UNKNOWN}  # due_at says when a slot acts
NEEDS_ATTENTION = frozenset({S.OUTCOME_UNKNOWN, S.BLOCKED, S.HELD, S.FAILED, S.DEAD_LETTER})
ENDS = frozenset({S.PUBLISHED, S.FAILED, S.DEAD_LETTER, S.CANCELLED})
CANCELLABLE = frozenset({S.DRAFT, S.AWAITING_APPROVAL, S.SCHEDULED, S.QUEUED, S.BLOCKED, S.HELD})
REQUEUEABLE = frozenset({S.FAILED, S.DEAD_LETTER, S.CANCELLED, S.HELD, S.BLOCKED})
# A new look at these is asked for by an edit, or by an approver who takes the approval back.
APPROVED = frozenset({S.SCHEDULED, S.QUEUED, S.BLOCKED, S.HELD})
EDITABLE = frozenset(
    {S.DRAFT, S.AWAITING_APPROVAL, S.SCHEDULED, S.QUEUED, S.BLOCKED, S.HELD, S.FAILED}
)


class PostGraph(StateGraph):
    """The only list of edges; every write of a state is checked against it."""

    initial = S.DRAFT
    edges = {
        S.DRAFT: frozenset({S.AWAITING_APPROVAL, S.SCHEDULED, S.CANCELLED}),
        S.AWAITING_APPROVAL: frozenset({S.SCHEDULED, S.DRAFT, S.CANCELLED}),
        S.SCHEDULED: frozenset(
            {
                S.QUEUED,
                S.PUBLISHING,
                S.BLOCKED,
                S.HELD,
                S.FAILED,
                S.DEAD_LETTER,
                S.CANCELLED,
                S.AWAITING_APPROVAL,
            }
        ),
        S.QUEUED: frozenset(
            {
                S.SCHEDULED,
                S.PUBLISHING,
                S.BLOCKED,
                S.HELD,
                S.FAILED,
                S.DEAD_LETTER,
                S.CANCELLED,
                S.AWAITING_APPROVAL,
            }
        ),
        S.PUBLISHING: frozenset(
            {
                S.PUBLISHED,
                S.PROCESSING,
                S.OUTCOME_UNKNOWN,
                S.SCHEDULED,
                S.BLOCKED,
                S.FAILED,
                S.DEAD_LETTER,
            }
        ),
        S.PROCESSING: frozenset(
            {S.PUBLISHED, S.SCHEDULED, S.OUTCOME_UNKNOWN, S.BLOCKED, S.FAILED, S.DEAD_LETTER}
        ),
        # -> publishing: the repeat under a live idempotency key; the doubt stays until it answers
        S.OUTCOME_UNKNOWN: frozenset(
            {S.PUBLISHED, S.PUBLISHING, S.SCHEDULED, S.FAILED, S.DEAD_LETTER}
        ),
        S.BLOCKED: frozenset({S.SCHEDULED, S.HELD, S.FAILED, S.CANCELLED, S.AWAITING_APPROVAL}),
        S.HELD: frozenset({S.SCHEDULED, S.FAILED, S.CANCELLED, S.AWAITING_APPROVAL}),
        S.PUBLISHED: frozenset(),
        S.FAILED: frozenset({S.SCHEDULED, S.CANCELLED, S.AWAITING_APPROVAL}),
        S.DEAD_LETTER: frozenset({S.SCHEDULED, S.CANCELLED}),
        S.CANCELLED: frozenset({S.SCHEDULED, S.AWAITING_APPROVAL}),
    }
