"""Unknown outcomes: find out what happened before anything is sent again.

1. The attempts first: a worker that lost its lease may still have noted the remote id.
2. A live idempotency key on a network that keeps its keys for sure: the repeat, made at once and
   marked, returns the original. Until it answers the doubt stays, whatever else goes wrong.
3. A reliable `find` older than the network's own lag: there -> adopt it, not there -> again.
4. Otherwise a person decides; asked once.
Never two live copies; never silence.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.errors import ErrorCategory, ServiceError
from engine.http import Http
from engine.retry import PASSING, POLICIES, Action, full_jitter
from platforms.adapters.base import Adapter, Capability, Draft, Safety
from scheduling.claims import ClaimedPost
from scheduling.models import PublishAttempt
from scheduling.records import AttemptResult, PostResult
from scheduling.states import PostState

S = PostState

KEY_MARGIN = timedelta(minutes=5)  # a key this close to its end is not trusted any more
CLOCK_SKEW = timedelta(minutes=2)  # the network's clock may differ from ours
ASK_AGAIN_BASE = timedelta(seconds=5)
ASK_AGAIN_CAP = timedelta(minutes=15)
ASK_AGAIN_FOR = timedelta(hours=24)

ASK_A_PERSON = (
    "Look at the account: say in Carillon whether the post is live, and it goes on from there."
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What our own rows say about the doubtful call; read by `gather` on a database thread."""

    first_sent_at: datetime | None  # the idempotency key's first use
    last_sent_at: datetime | None
    remote_ids: tuple[str, ...]  # of segments some attempt saw published
    outcome: str  # of the last attempt


def gather(post: ClaimedPost) -> Evidence:
    """Read the attempts of the present run and version (one query)."""
    attempts = list(
        PublishAttempt.objects.filter(
            post_id=post.id,
            publish_run=post.publish_run,
            content_version=post.content_version,
        ).order_by("number", "started_at")
    )
    best: list[str] = max((a.remote_ids for a in attempts), key=len, default=[])
    sent = [a.sent_at or a.started_at for a in attempts]
    return Evidence(
        first_sent_at=min(sent, default=post.sent_at),
        last_sent_at=max([*sent, *([post.sent_at] if post.sent_at else [])], default=None),
        remote_ids=tuple(best),
        outcome=attempts[-1].outcome if attempts else "",
    )


async def reconcile(
    post: ClaimedPost,
    draft: Draft,
    adapter: Adapter,
    http: Http,
    evidence: Evidence,
    *,
    now: datetime,
    tries_per_run: int,
    may_land_for: timedelta,
    rng: random.Random,
) -> PostResult | None:
    """Return where the post goes, or None: repeat it now under its key.

    Asks the network only when our rows do not know. `may_land_for` is how long after its mark a
    call may still take effect: before that "not there" means nothing. Raises ServiceError when
    the network refuses the token: the question can be asked again with another.
    """
    known = list(evidence.remote_ids)
    if len(known) > len(post.published_segments):
        return _adopt(post, draft, known, "", now, "an earlier attempt had noted the remote id")
    safety = adapter.retry_safety
    age = now - (evidence.first_sent_at or now)
    can_ask = Capability.FIND in adapter.capabilities and safety.kind is not Safety.PERSON
    # A server that may not keep its keys is asked first: a repeat there would be a second copy.
    trusted = safety.kind is Safety.KEY and not (safety.per_server and can_ask)
    key_lives = safety.min_wait <= age < safety.ttl - KEY_MARGIN
    if trusted and key_lives and post.attempt_of_run(tries_per_run) < tries_per_run:
        return None
    if not can_ask:
        return _ask_person(post, f"{adapter.name} cannot be asked whether the post is live.")
    return await _find(
        post,
        draft,
        adapter,
        http,
        evidence,
        now=now,
        tries_per_run=tries_per_run,
        may_land_for=may_land_for,
        rng=rng,
    )


async def _find(
    post: ClaimedPost,
    draft: Draft,
    adapter: Adapter,
    http: Http,
    evidence: Evidence,
    *,
    now: datetime,
    tries_per_run: int,
    may_land_for: timedelta,
    rng: random.Random,
) -> PostResult:
    last_sent = evidence.last_sent_at or now
    since = (evidence.first_sent_at or last_sent) - CLOCK_SKEW
    try:
        found = await adapter.find(
            http, draft, post.progress, segment=len(post.published_segments), since=since
        )
    except ServiceError as error:
        if POLICIES[error.category].action is Action.REFRESH:
            raise  # whoever holds the account decides whether a fresh token can be had
        return _ask_again(post, error, last_sent, now=now, rng=rng)
    if found is not None:
        known = [*post.published_segments, *found.remote_ids]
        return _adopt(post, draft, known, found.permalink, now, f"found on {adapter.name}")
    lag_over = last_sent + may_land_for + adapter.retry_safety.find_lag
    if now < lag_over:
        return PostResult(
            post,
            S.OUTCOME_UNKNOWN,
            "not there yet",
            due=lag_over.timestamp(),
            category=ErrorCategory.OUTCOME_UNKNOWN,
            error=f"{adapter.name} does not show the post yet; asked again soon.",
        )
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


def _adopt(
    post: ClaimedPost,
    draft: Draft,
    known: Sequence[str],
    permalink: str,
    now: datetime,
    reason: str,
) -> PostResult:
    """Take over remote ids found elsewhere: the end of the post, or of one more segment."""
    post.progress = {**post.progress, "published": list(known)}
    total = len(draft.segments) + bool(draft.first_comment)
    if len(known) < total:
        return PostResult(
            post,
            S.SCHEDULED,
            f"{reason}; going on with part {len(known) + 1} of {total}",
            due=now.timestamp(),
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
    post: ClaimedPost, error: ServiceError, *, started: float, now: float, due: float | None
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
    result = _ask_person(post, f"The repeat was refused: {error.detail}")
    result.attempt = attempt
    return result


def _ask_again(
    post: ClaimedPost,
    error: ServiceError,
    last_sent: datetime,
    *,
    now: datetime,
    rng: random.Random,
) -> PostResult:
    """Wait and ask again after a passing fault; give the question to a person after a day."""
    age = now - last_sent
    if error.category not in PASSING or age > ASK_AGAIN_FOR:
        return _ask_person(post, f"Asking whether the post is live failed: {error.detail}")
    tries = max(1, int(age.total_seconds() // 30))
    delay = full_jitter(min(tries, 10), base=ASK_AGAIN_BASE, cap=ASK_AGAIN_CAP, rng=rng)
    wait = max(delay + ASK_AGAIN_BASE, error.retry_after or timedelta())
    return PostResult(
        post,
        S.OUTCOME_UNKNOWN,
        "could not ask",
        due=(now + wait).timestamp(),
        category=ErrorCategory.OUTCOME_UNKNOWN,
        error=f"Could not ask yet whether the post is live ({error.detail}); asked again soon.",
    )


def _ask_person(post: ClaimedPost, why: str) -> PostResult:
    return PostResult(
        post,
        S.OUTCOME_UNKNOWN,
        "a person must look",
        due=None,
        category=ErrorCategory.OUTCOME_UNKNOWN,
        error=f"{why} {ASK_A_PERSON}",
        event="post.needs_person",
    )
