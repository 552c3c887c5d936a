"""In plain words: what is going on with a post, what happens next, and which actions it allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from engine.words import duration, moment
from platforms.models import ConnectionState
from platforms.registry import ADAPTERS
from scheduling.four_eyes import open_proposal, sentence
from scheduling.pauses import Pauses
from scheduling.questions import is_open, next_part
from scheduling.states import APPROVED, CANCELLABLE, EDITABLE, MACHINE, REQUEUEABLE, PostState

if TYPE_CHECKING:
    from scheduling.models import ScheduledPost

S = PostState
NOTHING_PAUSED = Pauses()

# What `scheduling.services` accepts; tests hold both together.
ALLOWED: dict[str, frozenset[PostState]] = {
    "edit": EDITABLE,
    "cancel": CANCELLABLE | {S.FAILED, S.DEAD_LETTER},
    "requeue": REQUEUEABLE,
    "publish_now": frozenset({S.DRAFT, S.SCHEDULED, S.QUEUED, S.HELD}),
    "resolve": frozenset({S.OUTCOME_UNKNOWN}),
    "reconcile_now": frozenset({S.OUTCOME_UNKNOWN}),
    "approve": frozenset({S.AWAITING_APPROVAL}),
    "reject": frozenset({S.AWAITING_APPROVAL}),
    "withdraw_approval": APPROVED,
    "reschedule": EDITABLE,
}
REFUSALS: dict[PostState, str] = {
    S.DRAFT: "still a draft",
    S.AWAITING_APPROVAL: "awaiting approval",
    S.SCHEDULED: "already scheduled",
    S.QUEUED: "already queued",
    S.PUBLISHING: "being sent right now",
    S.PROCESSING: "the network is working on it",
    S.OUTCOME_UNKNOWN: "outcome unknown, resolve it first",
    S.BLOCKED: "its account must be connected again first",
    S.HELD: "held for a person",
    S.PUBLISHED: "already published",
    S.FAILED: "failed, requeue it instead",
    S.DEAD_LETTER: "out of attempts, requeue it instead",
    S.CANCELLED: "cancelled before",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """`headline`: what is going on now. `next_step`: who does what next, and when."""

    headline: str
    next_step: str
    needs_person: bool = False


def refusal(state: str, action: str) -> str:
    """Return why a post in `state` does not allow `action` (a key of ALLOWED), or ""."""
    return "" if state in ALLOWED[action] else REFUSALS[PostState(state)]


def lateness_of(post: ScheduledPost, now: datetime) -> timedelta | None:
    """Return first_sent_at - scheduled_at; for a waiting post that is overdue, its delay so far.

    None for a post that was not sent and is not late.
    """
    if post.first_sent_at is not None:
        return max(timedelta(), post.first_sent_at - post.scheduled_at)
    if post.state in {S.SCHEDULED, S.QUEUED} and post.scheduled_at < now:
        return now - post.scheduled_at
    return None


def explain(
    post: ScheduledPost,
    *,
    now: datetime | None = None,
    paused: Pauses = NOTHING_PAUSED,
    why_then: str = "",
) -> Explanation:
    """Say what is going on with a post (its connection loaded) and what to do next.

    `paused` tells what has stopped (see `scheduling.pauses.present`), `why_then` why a waiting post
    has just this moment ("because ...", see `scheduling.reasons`).
    """
    now = now or timezone.now()
    state = PostState(post.state)
    pause = paused.of(post) if state in MACHINE else ""
    if state in {S.SCHEDULED, S.QUEUED}:
        return _waiting(post, now, pause, why_then)
    explanation = _EXPLAINERS[state](post, now)
    return _while_paused(explanation, pause) if pause else explanation


# --- one function for each state ------------------------------------------------------------


def _draft(post: ScheduledPost, now: datetime) -> Explanation:
    return Explanation(
        "A draft: nothing will be sent.", "Its author schedules it, or it is published now."
    )


def _awaiting_approval(post: ScheduledPost, now: datetime) -> Explanation:
    return Explanation(
        f"Waits for approval; it is meant for {moment(post.scheduled_at, now=now)}.",
        "Somebody else of the workspace, an approver or above, decides.",
        needs_person=True,
    )


def _waiting(post: ScheduledPost, now: datetime, pause: str, why_then: str) -> Explanation:
    due_at = post.due_at or post.scheduled_at
    headline = _waiting_headline(post, due_at, now)
    if pause:
        return Explanation(
            f"{headline} {pause}",
            "Staff resume it in the console; late posts are then judged by their late policy.",
            needs_person=True,
        )
    if post.connection.state == ConnectionState.PAUSED:
        return Explanation(
            f"{headline} Its account {_account(post)} is paused.",
            "Resume the connection; until then it is not sent.",
            needs_person=True,
        )
    if due_at > now:
        verb = "tries again" if post.attempts else "sends it"
        why = f" {why_then}" if why_then else ""
        return Explanation(headline, f"Carillon {verb} at {moment(due_at, now=now)}{why}.")
    return Explanation(
        headline,
        "A publisher slot takes it within a second. If it stays here, look at the worker slots "
        "and the rate limits.",
    )


def _while_paused(explanation: Explanation, pause: str) -> Explanation:
    """Return the explanation of a post that the network would be asked about, were it not paused.

    A person who can say what became of it still may.
    """
    if explanation.needs_person:
        return replace(explanation, headline=f"{explanation.headline} {pause}")
    return Explanation(
        f"{explanation.headline} {pause}",
        "Carillon asks the network when staff have resumed it.",
        needs_person=True,
    )


def _waiting_headline(post: ScheduledPost, due_at: datetime, now: datetime) -> str:
    if post.attempts and post.last_category:
        return (
            f"Attempt {post.attempts} of {post.max_attempts} did not succeed"
            f" ({_words(post.last_category)}){_error(post)}"
        )
    if due_at <= now:
        return f"Due since {moment(due_at, now=now)} and not sent yet."
    if due_at > post.scheduled_at and post.last_error:
        return f"Waits longer than planned{_error(post)}"
    return (
        "Prepared and waits for its moment." if post.state == S.QUEUED else "Waits for its moment."
    )


def _publishing(post: ScheduledPost, now: datetime) -> Explanation:
    since = moment(post.sent_at, now=now) if post.sent_at else "now"
    headline = f"Being sent since {since}: the call to the network may be in flight."
    if post.lease_expires_at is None:
        return Explanation(headline, "Its slot records the answer.")
    doubtful_at = post.lease_expires_at + settings.RECONCILE_GRACE
    if doubtful_at > now:
        return Explanation(
            headline,
            "Its slot records the answer within seconds. If that slot has died, the outcome "
            f"counts as unknown from {moment(doubtful_at, now=now)} on, and Carillon asks the "
            "network.",
        )
    return Explanation(
        f"{headline} Its lease ran out at {moment(post.lease_expires_at, now=now)}.",
        "A slot's sweep should have moved it on by now: look whether any worker slot is fresh.",
        needs_person=True,
    )


def _processing(post: ScheduledPost, now: datetime) -> Explanation:
    return Explanation(
        "The network has accepted it and is working on it.", _asks_again(post.due_at, now)
    )


def _outcome_unknown(post: ScheduledPost, now: datetime) -> Explanation:
    since = f" since {moment(post.sent_at, now=now)}" if post.sent_at else ""
    part = next_part(post)
    which = "" if part.of <= 1 else f" of {part.name}"
    headline = f"Outcome{which} unknown{since}: no usable answer came from the network."
    if proposal := open_proposal(post):
        return Explanation(
            f"Waits for a second person: {sentence(proposal)} {headline}",
            f"Somebody else looks at {_account(post)} and confirms it, or withdraws it. Nothing is "
            "sent until then.",
            needs_person=True,
        )
    if not is_open(post):
        return Explanation(headline, _asks_again(post.due_at, now))
    return Explanation(
        f"Needs a person: {headline[0].lower()}{headline[1:]} Carillon cannot find out by itself.",
        f"Look at {_account(post)}, then say here whether {part.name} is live. Nothing is sent "
        f"until then.{_brought_up_again(post.due_at, now)}",
        needs_person=True,
    )


def _blocked(post: ScheduledPost, now: datetime) -> Explanation:
    connection = post.connection
    if connection.state == ConnectionState.PAUSED:
        return Explanation(
            f"Blocked: its account {_account(post)} is paused.",
            "Resume the connection; its posts then go on.",
            needs_person=True,
        )
    if connection.state == ConnectionState.ACTIVE:
        return Explanation(
            f"Was blocked; its account {_account(post)} works again.",
            "Carillon puts it back in line within a minute; requeue does it at once.",
        )
    why = f" ({connection.state_reason.rstrip('.')})" if connection.state_reason else ""
    return Explanation(
        f"Blocked: the network no longer accepts {_account(post)}{why}.",
        "The account's owner must connect it again; its posts then go on.",
        needs_person=True,
    )


def _held(post: ScheduledPost, now: datetime) -> Explanation:
    meant = f"it was meant for {moment(post.scheduled_at, now=now)}"
    headline = f"Held for a person{_error(post)}" if post.last_error else f"Held: {meant}."
    return Explanation(
        headline,
        "Decide: publish it now, edit it to a new moment, or cancel it.",
        needs_person=True,
    )


def _published(post: ScheduledPost, now: datetime) -> Explanation:
    when = f" at {moment(post.published_at, now=now)}" if post.published_at else ""
    late = lateness_of(post, now)
    again = post.attempts > 1  # lateness counts to the first attempt, which is not what readers saw
    tries = f" with attempt {post.attempts}" if again else ""
    sent = "first sent" if again else "sent"
    how_late = f", {sent} {duration(late)} after its moment" if late is not None else ""
    return Explanation(f"Published{when}{tries}{how_late}.", "Nothing to do.")


def _failed(post: ScheduledPost, now: datetime) -> Explanation:
    category = f" ({_words(post.last_category)})" if post.last_category else ""
    return Explanation(
        f"Failed{category}{_error(post)}",
        "Change what stands in the way, then save or requeue it; or cancel it.",
        needs_person=True,
    )


def _dead_letter(post: ScheduledPost, now: datetime) -> Explanation:
    category = f" ({_words(post.last_category)})" if post.last_category else ""
    return Explanation(
        f"Gave up after {post.attempts} of {post.max_attempts} attempts{category}{_error(post)}",
        "Requeue it when the cause is gone, or cancel it.",
        needs_person=True,
    )


def _cancelled(post: ScheduledPost, now: datetime) -> Explanation:
    return Explanation("Cancelled: nothing will be sent.", "Requeue it if that was a mistake.")


_EXPLAINERS = {
    S.DRAFT: _draft,
    S.AWAITING_APPROVAL: _awaiting_approval,
    S.PUBLISHING: _publishing,
    S.PROCESSING: _processing,
    S.OUTCOME_UNKNOWN: _outcome_unknown,
    S.BLOCKED: _blocked,
    S.HELD: _held,
    S.PUBLISHED: _published,
    S.FAILED: _failed,
    S.DEAD_LETTER: _dead_letter,
    S.CANCELLED: _cancelled,
}


# --- words ----------------------------------------------------------------------------------


def _asks_again(due_at: datetime | None, now: datetime) -> str:
    if due_at is None or due_at <= now:
        return "Carillon is about to ask the network again."
    return f"Carillon asks it again at {moment(due_at, now=now)}."


def _brought_up_again(due_at: datetime | None, now: datetime) -> str:
    if due_at is None or due_at <= now:
        return ""
    return f" Carillon looks again, and reminds, at {moment(due_at, now=now)}."


def _account(post: ScheduledPost) -> str:
    connection = post.connection
    adapter = ADAPTERS.get(post.platform)
    network = adapter.name if adapter else post.platform
    return f"{connection.username or connection.external_id} on {network}"


def _words(category: str) -> str:
    return category.replace("_", " ")


def _error(post: ScheduledPost) -> str:
    """Return ": why." with the post's last error, or just the full stop."""
    return f": {post.last_error.strip().rstrip('.')}." if post.last_error else "."
