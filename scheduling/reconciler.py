"""Unknown outcomes: find out what happened before anything is sent again.

1. The attempts first: a worker that lost its lease may still have noted the remote id.
2. A live idempotency key on a network that keeps its keys for sure: the repeat, made at once and
   marked, returns the original. Until it answers the doubt stays, whatever else goes wrong.
3. A reliable `find` older than the network's own lag: there -> adopt it, not there -> again.
   A copy that another post owns, or may own, is never adopted.
4. Otherwise a person decides; see `questions`.
Doubt is about one part: the first that is not known to be live. Those before it are never asked
about and never sent again. Never two live copies; never silence.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, InterfaceError

from engine.errors import ErrorCategory, ServiceError
from engine.http import Http
from engine.retry import PASSING, POLICIES, Action, full_jitter
from platforms.adapters.base import Adapter, Capability, Draft, Safety
from scheduling.claims import ClaimedPost
from scheduling.models import PublishAttempt
from scheduling.ownership import Others, others_of
from scheduling.questions import answered, next_part
from scheduling.questions import ask as ask_person
from scheduling.records import AttemptResult, PostResult
from scheduling.states import PostState

S = PostState

KEY_MARGIN = timedelta(minutes=5)  # a key this close to its end is not trusted any more
CLOCK_SKEW = timedelta(minutes=2)  # the network's clock may differ from ours
ASK_AGAIN_BASE = timedelta(seconds=5)
ASK_AGAIN_CAP = timedelta(minutes=15)
ASK_AGAIN_FOR = timedelta(hours=24)
POLL_AGAIN = timedelta(seconds=30)
DATABASE_AGAIN = timedelta(seconds=2)  # once this wait could be written it is back
SAME_TEXT_AGAIN = timedelta(seconds=10)

Calling = Callable[[], AbstractContextManager[Http]]

ASK_A_PERSON = (
    "Look at the account: say in Carillon whether the post is live, and it goes on from there."
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What our own rows say about the doubtful call; read by `gather` on a database thread."""

    first_sent_at: datetime | None  # no later than the first use of this part's key
    last_sent_at: datetime | None  # no earlier than the last send mark before its call
    remote_ids: tuple[str, ...]  # of parts some attempt saw published
    outcome: str  # of the last attempt
    others: Others = field(default_factory=Others)  # whose copies must not be taken for ours

    def since(self, now: datetime) -> datetime:
        """Return from when on a copy may be ours, by the network's clock."""
        return (self.first_sent_at or self.last_sent_at or now) - CLOCK_SKEW


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings that bound a reconciliation.

    `may_land_for` is how long after its mark a call may still take effect: before that "not there"
    means nothing. `remind_after`: when a person is asked again.
    """

    tries_per_run: int
    may_land_for: timedelta
    remind_after: timedelta


LookAgain = Callable[[], Awaitable[Others]]


def gather(post: ClaimedPost) -> Evidence:
    """Read the attempts of the present run and version, and whose copies are not ours.

    Each part has a key of its own. An attempt that ended with fewer parts live than now had not
    come to this one; one that was never completed may have.
    """
    attempts = list(
        PublishAttempt.objects.filter(
            post_id=post.id,
            publish_run=post.publish_run,
            content_version=post.content_version,
        ).order_by("number", "started_at")
    )
    best: list[str] = max((a.remote_ids for a in attempts), key=len, default=[])
    done = len(post.published_segments)
    called = [a for a in attempts if a.sent_at is not None or a.finished_at is None]
    came_here = [a for a in called if a.finished_at is None or len(a.remote_ids) >= done]
    first = min((a.sent_at or a.started_at for a in came_here), default=post.sent_at)
    # The row's mark is renewed before each part, an attempt's is that of its first.
    marks = [a.sent_at or a.started_at for a in called]
    evidence = Evidence(
        first_sent_at=first,
        last_sent_at=max([*marks, *([post.sent_at] if post.sent_at else [])], default=None),
        remote_ids=tuple(best),
        outcome=attempts[-1].outcome if attempts else "",
    )
    since = evidence.since(post.scheduled_at)
    return replace(evidence, others=others_of(post, since))


async def reconcile(
    post: ClaimedPost,
    draft: Draft,
    adapter: Adapter,
    calling: Calling,
    evidence: Evidence,
    *,
    now: datetime,
    terms: Terms,
    rng: random.Random,
    look_again: LookAgain,
) -> PostResult | None:
    """Return where the post goes, or None: repeat it now under its key.

    Asks the network only when our rows do not know, through `calling`, the gate's door for one
    call. `look_again` reads `Evidence.others` anew. Raises ServiceError when the network refuses
    the token: the question can be asked again with another.
    """
    known = list(evidence.remote_ids)
    if len(known) > len(post.published_segments):
        return _adopt(post, known, "", now, "an earlier attempt had noted the remote id")
    safety = adapter.safety(draft, post.progress)
    age = now - (evidence.first_sent_at or now)
    rested = now - (evidence.last_sent_at or now)
    can_ask = Capability.FIND in adapter.capabilities and safety.kind is not Safety.PERSON
    # A server that may not keep its keys is asked first: a repeat there would be a second copy.
    trusted = safety.kind is Safety.KEY and not (safety.per_server and can_ask)
    has_tries = post.attempt_of_run(terms.tries_per_run) < terms.tries_per_run
    if trusted and has_tries and age < safety.ttl - KEY_MARGIN:
        if rested >= safety.min_wait:
            return None
        if not can_ask:
            due_at = now + safety.min_wait - rested
            return _wait(post, due_at, "too early to repeat it", "It is repeated safely soon.")
    if not can_ask:
        why = f"{adapter.name} cannot be asked whether {next_part(post).name} is live."
        return _ask_person(post, why, now=now, remind_after=terms.remind_after)
    return await _find(
        post,
        draft,
        adapter,
        calling,
        evidence,
        now=now,
        terms=terms,
        rng=rng,
        look_again=look_again,
    )


async def _find(
    post: ClaimedPost,
    draft: Draft,
    adapter: Adapter,
    calling: Calling,
    evidence: Evidence,
    *,
    now: datetime,
    terms: Terms,
    rng: random.Random,
    look_again: LookAgain,
) -> PostResult:
    tries_per_run = terms.tries_per_run
    last_sent = evidence.last_sent_at or now
    known = post.published_segments
    try:
        with calling() as http:
            found = await adapter.find(
                http,
                draft,
                {**post.progress, "taken": sorted(evidence.others.taken)},
                segment=len(known),
                since=evidence.since(now),
            )
    except ServiceError as error:
        if POLICIES[error.category].action is Action.REFRESH:
            raise  # whoever holds the account decides whether a fresh token can be had
        return _ask_again(post, error, last_sent, now=now, terms=terms, rng=rng)
    if found is not None:
        others = await look_again()
        if others.rival or not others.taken.isdisjoint(found.remote_ids):
            return _not_surely_ours(post, adapter, last_sent, now=now, terms=terms)
        known = [*known, *found.remote_ids]
        return _adopt(post, known, found.permalink, now, f"found on {adapter.name}")
    lag = adapter.safety(draft, post.progress).find_lag
    lag_over = last_sent + terms.may_land_for + lag
    if now < lag_over:
        told = f"{adapter.name} does not show the post yet; asked again soon."
        return _wait(post, lag_over, "not there yet", told)
    post.progress = answered(post.progress)
    if post.attempt_of_run(tries_per_run) >= tries_per_run:
        return PostResult(
            post,
            S.DEAD_LETTER,
            f"{adapter.name} was asked and does not have the post",
            category=ErrorCategory.OUTCOME_UNKNOWN,
            error=f"Sent {tries_per_run} times without an answer, and {adapter.name} does not have "
            "the post. Requeue it when the network is well again.",
            event="post.failed",
        )
    return PostResult(
        post,
        S.SCHEDULED,
        f"{adapter.name} was asked and does not have the post: sending again is safe",
        due=now.timestamp(),
        category=ErrorCategory.OUTCOME_UNKNOWN,
    )


def _wait(post: ClaimedPost, due_at: datetime, reason: str, told: str) -> PostResult:
    """Stay in doubt and look again at `due_at`."""
    return PostResult(
        post,
        S.OUTCOME_UNKNOWN,
        reason,
        due=due_at.timestamp(),
        category=ErrorCategory.OUTCOME_UNKNOWN,
        error=told,
    )


def _not_surely_ours(
    post: ClaimedPost, adapter: Adapter, last_sent: datetime, *, now: datetime, terms: Terms
) -> PostResult:
    """Let another post of the same text come to its end first; a person decides after a day."""
    if now - last_sent > ASK_AGAIN_FOR:
        why = (
            f"{adapter.name} shows a post with this text, but another scheduled post of the same "
            "text may be the one."
        )
        return _ask_person(post, why, now=now, remind_after=terms.remind_after)
    return _wait(
        post,
        now + SAME_TEXT_AGAIN,
        "another post has the same text",
        f"{adapter.name} shows a post with this text, but another scheduled post of the same text "
        "may be the one; asked again soon.",
    )


def _adopt(
    post: ClaimedPost,
    known: Sequence[str],
    permalink: str,
    now: datetime,
    reason: str,
) -> PostResult:
    """Take over remote ids found elsewhere: the end of the post, or of one more segment."""
    post.progress = {**answered(post.progress), "published": list(known)}
    total = next_part(post).of
    if len(known) < total:
        return PostResult(
            post,
            S.SCHEDULED,
            f"{reason}; going on with part {len(known) + 1} of {total}",
            due=now.timestamp(),
            permalink=permalink,
        )
    post.remote_ids = list(known)
    return PostResult(
        post,
        S.PUBLISHED,
        reason,
        published=(post.sent_at or now).timestamp(),
        permalink=permalink,
        event="post.published",
    )


def still_in_doubt(
    post: ClaimedPost,
    error: ServiceError,
    *,
    started: float,
    now: float,
    due: float | None,
    remind_after: timedelta,
) -> PostResult:
    """Return what follows a failed repeat under a live key: the first call may still be live.

    Passing faults are asked about again at `due`; a refusal is for a person to judge.
    """
    attempt = AttemptResult(
        started,
        started,
        now,
        "unknown",
        category=error.category,
        http_status=error.http_status,
        provider_code=error.provider_code,
        request_id=error.request_id,
        excerpt=error.excerpt,
        decision="reconcile",
        reason=error.detail,
    )
    if error.category in PASSING or error.category is ErrorCategory.OUTCOME_UNKNOWN:
        return PostResult(
            post,
            S.OUTCOME_UNKNOWN,
            "the repeat had no answer",
            due=due,
            attempt=attempt,
            category=ErrorCategory.OUTCOME_UNKNOWN,
            error=f"{error.detail} Whether the post is live is asked again soon.",
        )
    result = _ask_person(
        post,
        f"The repeat was refused: {error.detail}",
        now=datetime.fromtimestamp(now, UTC),
        remind_after=remind_after,
    )
    result.attempt = attempt
    return result


def _ask_again(
    post: ClaimedPost,
    error: ServiceError,
    last_sent: datetime,
    *,
    now: datetime,
    terms: Terms,
    rng: random.Random,
) -> PostResult:
    """Wait and ask again after a passing fault; give the question to a person after a day."""
    age = now - last_sent
    if error.category not in PASSING or age > ASK_AGAIN_FOR:
        why = f"Asking whether {next_part(post).name} is live failed: {error.detail}"
        return _ask_person(post, why, now=now, remind_after=terms.remind_after)
    tries = max(1, int(age.total_seconds() // 30))
    delay = full_jitter(min(tries, 10), base=ASK_AGAIN_BASE, cap=ASK_AGAIN_CAP, rng=rng)
    wait = max(delay + ASK_AGAIN_BASE, error.retry_after or timedelta())
    told = f"Could not ask yet whether the post is live ({error.detail}); asked again soon."
    return _wait(post, now + wait, "could not ask", told)


def could_not_look(
    post: ClaimedPost, error: Exception, *, now: datetime, terms: Terms
) -> PostResult:
    """Return what follows a fault of our own while asking: again soon, after a day a person."""
    why = f"Could not find out yet whether the post is live ({type(error).__name__})."
    if now - (post.sent_at or now) > ASK_AGAIN_FOR:
        return _ask_person(post, why, now=now, remind_after=terms.remind_after)
    is_passing = isinstance(error, DatabaseError | InterfaceError)
    wait = DATABASE_AGAIN if is_passing else POLL_AGAIN
    return _wait(post, now + wait, "could not ask", why)


def _ask_person(
    post: ClaimedPost, why: str, *, now: datetime, remind_after: timedelta
) -> PostResult:
    question = ask_person(post.progress, now=now, remind_after=remind_after)
    post.progress = question.progress
    return PostResult(
        post,
        S.OUTCOME_UNKNOWN,
        "a person must look",
        due=question.due_at.timestamp(),
        category=ErrorCategory.OUTCOME_UNKNOWN,
        error=f"{why} {ASK_A_PERSON}",
        event="post.needs_person" if question.tell else "",
        reminder=question.reminder,
    )
