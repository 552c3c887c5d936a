"""What the publisher writes: send marks, progress and results, each one statement per batch."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models.functions import Now

from engine import sql, wall_clock
from engine.crash_points import reach
from engine.ids import uuid7
from engine.models import Installation
from engine.pauses import not_paused
from platforms.models import ConnectionState, SocialConnection
from scheduling.announcements import PostChange, announce
from scheduling.claims import CLAIM_LEASE, ClaimedPost
from scheduling.models import PostTransition, PublishAttempt, ScheduledPost
from scheduling.sealing import seal
from scheduling.states import PostGraph, PostState
from scheduling.tallies import Tallies

log = logging.getLogger("carillon.publisher")

S = PostState

_MARK_COLUMNS = {"version": sql.INT, "state": sql.TEXT}
_TRANSITION_COLUMNS = {
    "post_id": sql.UUID,
    "source": sql.TEXT,
    "target": sql.TEXT,
    "actor": sql.TEXT,
    "reason": sql.TEXT,
    "fencing_token": sql.BIGINT,
}
_NEW_ATTEMPT_COLUMNS = {
    "id": sql.UUID,
    "post_id": sql.UUID,
    "number": sql.INT,
    "publish_run": sql.INT,
    "content_version": sql.INT,
    "fencing_token": sql.BIGINT,
    "worker": sql.TEXT,
    "started_at": sql.INSTANT,
}
_NEW_ATTEMPT_FIXED = {
    "outcome": "'in_flight'",
    "category": "''",
    "http_status": "0",
    "provider_code": "''",
    "request_id": "''",
    "excerpt": "''",
    "remote_ids": "'[]'",
    "decision": "''",
    "reason": "''",
}
_ATTEMPT_COLUMNS = {
    "sent_at": sql.INSTANT,
    "finished_at": sql.INSTANT,
    "outcome": sql.TEXT,
    "category": sql.TEXT,
    "http_status": sql.INT,
    "provider_code": sql.TEXT,
    "request_id": sql.TEXT,
    "excerpt": sql.TEXT,
    "retry_after_seconds": sql.FLOAT,
    "remote_ids": sql.JSONB,
    "decision": sql.TEXT,
    "reason": sql.TEXT,
}
_RESULT_COLUMNS = {
    "source": sql.TEXT,
    "target": sql.TEXT,
    "due_at": sql.INSTANT,
    "attempts": sql.INT,
    "progress": sql.JSONB,
    "progress_expires_at": sql.INSTANT,
    "needs_preparation": sql.BOOLEAN,
    "remote_ids": sql.JSONB,
    "permalink": sql.TEXT,
    "published_at": sql.INSTANT,
    "first_sent_at": sql.INSTANT,
    "last_category": sql.TEXT,
    "last_error": sql.TEXT,
}


@dataclass(slots=True)
class AttemptResult:
    """What one try taught us; instants are epoch seconds on the database's clock."""

    started: float
    sent: float | None
    finished: float
    outcome: str
    category: str = ""
    http_status: int = 0
    provider_code: str = ""
    request_id: str = ""
    excerpt: str = ""
    retry_after_seconds: float | None = None
    decision: str = ""
    reason: str = ""


@dataclass(slots=True)
class PostResult:
    """Where a claimed post goes. `due` is epoch seconds, None when a person or nobody is next.

    `event` names what to tell the outside, "" for nothing, and `reminder` how often that was told
    before. The lease ends with this result.
    """

    post: ClaimedPost
    target: str
    reason: str
    due: float | None = None
    attempt: AttemptResult | None = None
    category: str = ""
    error: str = ""
    permalink: str = ""
    published: float | None = None
    event: str = ""
    reminder: int = 0
    source: str = field(init=False)

    def __post_init__(self) -> None:
        self.source = self.post.state
        if self.target != self.source:
            PostGraph.check(self.source, self.target)


def mark_sent(posts: Sequence[ClaimedPost], *, worker: str) -> set[uuid.UUID]:
    """Commit the send mark and the attempts of `posts`; only the returned ids may be called.

    Refused are rows whose token or version is no longer ours, whose connection is not active,
    whose platform or workspace is paused, and all rows while the installation is paused.
    """
    now = sql.now_plus()
    with transaction.atomic():
        marked = sql.fenced_update(
            ScheduledPost,
            [
                {"id": p.id, "token": p.token, "version": p.content_version, "state": p.state}
                for p in posts
            ],
            _MARK_COLUMNS,
            set_sql=(
                f"state = '{S.PUBLISHING}', attempts = attempts + 1, due_at = NULL, "
                f"sent_at = CASE WHEN due_at > {now} THEN due_at ELSE {now} END, "
                f"lease_expires_at = {sql.now_plus(settings.PUBLISH_LEASE)}"
            ),
            where_sql=f"t.content_version = v.v_version AND {_may_send()}",
            returning="id, fencing_token, sent_at",
        )
        sent_at = {(sql.as_uuid(pk), token): sql.as_instant(at) for pk, token, at in marked}
        ours = [post for post in posts if (post.id, post.token) in sent_at]
        for post in ours:
            post.attempt_id = uuid7()
            post.sent_at = sent_at[(post.id, post.token)]
        sql.insert_rows(
            PublishAttempt,
            [_new_attempt(post, post.attempts + 1, worker) for post in ours],
            _NEW_ATTEMPT_COLUMNS,
            fixed=_NEW_ATTEMPT_FIXED,
        )
        insert_transitions(
            [_transition(post, post.state, S.PUBLISHING, worker, "due") for post in ours]
        )
        reach("mark.uncommitted")
    for post in ours:
        post.state = S.PUBLISHING
        post.attempts += 1
        post.due_at = None
    return {post.id for post in ours}


def _may_send() -> str:
    """Return the condition on a post (alias t) under which the mark is given."""
    # A scalar subquery, not EXISTS: one key look-up a row, whatever the planner believes.
    its_connection = (
        f"(SELECT c.state FROM {sql.table_of(SocialConnection)} c "  # noqa: S608 - names are ours
        "WHERE c.id = t.connection_id)"
    )
    paused = f"SELECT 1 FROM {sql.table_of(Installation)} WHERE paused"  # noqa: S608 - as above
    states = f"t.state = v.v_state AND t.state <> '{S.PUBLISHING}'"
    return (
        f"{states} AND {its_connection} = '{ConnectionState.ACTIVE}' AND NOT EXISTS ({paused}) "
        f"AND {not_paused('t.platform', 't.workspace_id')}"
    )


def take_back_marks(marks: Sequence[tuple[uuid.UUID, int, float]], *, worker: str) -> int:
    """Undo the marks, (id, token, due in epoch seconds) each, that are committed; returns how many.

    For a mark whose own commit was not answered: its calls were never made. (A repeat under a
    live key is not taken back: the sweeper returns it to its doubt.)
    """
    reason = "not sent: the database was away"
    with transaction.atomic():
        undone = sql.fenced_update(
            ScheduledPost,
            [{"id": pk, "token": token, "due_at": _instant(due)} for pk, token, due in marks],
            {"due_at": sql.INSTANT},
            set_sql=(
                f"state = '{S.SCHEDULED}', due_at = v.v_due_at, attempts = attempts - 1, "
                "lease_slot = NULL, lease_expires_at = NULL"
            ),
            where_sql=f"t.state = '{S.PUBLISHING}'",
            returning="id, fencing_token",
        )
        tokens = {sql.as_uuid(pk): token for pk, token in undone}
        for pk, token in tokens.items():
            PublishAttempt.objects.filter(post_id=pk, fencing_token=token).update(
                outcome="not_sent", decision="retry", reason=reason, finished_at=Now()
            )
        insert_transitions(
            [
                {
                    "post_id": pk,
                    "source": S.PUBLISHING,
                    "target": S.SCHEDULED,
                    "actor": worker,
                    "reason": reason,
                    "fencing_token": token,
                }
                for pk, token in tokens.items()
            ]
        )
        tallies = Tallies()
        for (platform,) in ScheduledPost.objects.filter(pk__in=tokens).values_list("platform"):
            tallies.attempt(platform, "not_sent")
        tallies.write()
    return len(tokens)


def commit_progress(posts: Sequence[ClaimedPost]) -> set[tuple[uuid.UUID, int]]:
    """Commit the progress of posts in the middle of their work and renew their leases.

    Returns (id, token) of those still ours; the others must make no further call.
    """
    kept = sql.fenced_update(
        ScheduledPost,
        [
            {"id": p.id, "token": p.token, "state": p.state, "progress": seal(p.progress)}
            for p in posts
        ],
        {"state": sql.TEXT, "progress": sql.JSONB},
        set_sql=(
            "progress = v.v_progress, "
            f"lease_expires_at = CASE WHEN t.state = '{S.PUBLISHING}' "
            f"THEN {sql.now_plus(settings.PUBLISH_LEASE)} ELSE {sql.now_plus(CLAIM_LEASE)} END, "
            f"sent_at = CASE WHEN t.state = '{S.PUBLISHING}' THEN {sql.now_plus()} "
            "ELSE t.sent_at END"
        ),
        where_sql="t.state = v.v_state",
        returning="id, fencing_token",
    )
    return {(sql.as_uuid(pk), token) for pk, token in kept}


def count_failures(post: ClaimedPost, category: str) -> int:
    """Return how many recorded attempts of the present run failed with `category`."""
    return PublishAttempt.objects.filter(
        post_id=post.id, publish_run=post.publish_run, category=category
    ).count()


def record(results: Sequence[PostResult], *, worker: str) -> None:
    """Write results in one transaction: what the attempts learnt, and the fenced moves of posts.

    A row that breaks its batch is tried alone. If its move is refused even then, what its attempt
    learnt (a remote id!) is kept, and the sweeper finds the post.
    """
    try:
        _record(results, worker)
    except (OperationalError, InterfaceError):
        raise  # the database is away: the caller keeps the results and tries again
    except Exception as error:  # noqa: BLE001 - one post's fault must not end the others' loop
        if len(results) > 1:
            for result in results:
                record([result], worker=worker)
            return
        reason = str(error).partition("\n")[0]  # the other lines may quote the row, and its text
        extra = {**results[0].post.log_extra(), "error": reason}
        log.error("record.refused", extra=extra)  # noqa: TRY400
        with contextlib.suppress(DataError, IntegrityError), transaction.atomic():
            _write_attempts([result for result in results if result.attempt], worker)


def _record(results: Sequence[PostResult], worker: str) -> None:
    with transaction.atomic():
        _write_attempts([r for r in results if r.attempt], worker)
        reach("record.attempts")
        rows = [_result_row(result) for result in results]
        written = sql.fenced_update(
            ScheduledPost,
            rows,
            _RESULT_COLUMNS,
            set_sql=(
                "state = v.v_target, due_at = v.v_due_at, attempts = v.v_attempts, "
                "lease_slot = NULL, lease_expires_at = NULL, progress = v.v_progress, "
                "progress_expires_at = v.v_progress_expires_at, "
                "needs_preparation = v.v_needs_preparation, remote_ids = v.v_remote_ids, "
                "permalink = v.v_permalink, published_at = v.v_published_at, "
                "first_sent_at = COALESCE(t.first_sent_at, v.v_first_sent_at), "
                "last_category = v.v_last_category, last_error = v.v_last_error"
            ),
            where_sql="t.state = v.v_source",
            returning="id, fencing_token, first_sent_at",
        )
        reach("record.moved")
        kept = {(sql.as_uuid(pk), token): sql.as_instant(at) for pk, token, at in written}
        insert_transitions(
            [
                _transition(r.post, r.source, r.target, worker, r.reason)
                for r in results
                if (r.post.id, r.post.token) in kept and r.source != r.target
            ]
        )
        reach("record.transitions")
        announce([_change(r) for r in results if r.event and (r.post.id, r.post.token) in kept])
        _tally(results, kept)
        reach("record.outbox")
    for result in results:
        if (result.post.id, result.post.token) not in kept:
            log.warning("lease.lost", extra={**result.post.log_extra(), "step": "record"})


def _tally(
    results: Sequence[PostResult], kept: Mapping[tuple[uuid.UUID, int], datetime | None]
) -> None:
    """Count what `results` say; `kept` holds, for those still ours, when they were sent first.

    A marked try that is not ours any more was counted by whoever took it over.
    """
    tallies = Tallies()
    for result in results:
        post, attempt = result.post, result.attempt
        is_ours = (post.id, post.token) in kept
        if attempt and (is_ours or result.source != S.PUBLISHING):
            call_seconds = None if attempt.sent is None else attempt.finished - attempt.sent
            tallies.attempt(
                post.platform,
                attempt.outcome,
                attempt.category,
                call_seconds=call_seconds,
                at=attempt.finished,
            )
        if not is_ours:
            continue
        if result.target != result.source:
            tallies.reached(post.platform, result.target, at=result.published)
        first_sent_at = kept[post.id, post.token]
        if attempt and first_sent_at and first_sent_at == _instant(attempt.sent):
            lateness = first_sent_at - post.scheduled_at
            tallies.sent(post.platform, lateness.total_seconds(), at=attempt.sent)
    tallies.write()


def _write_attempts(results: Sequence[PostResult], worker: str) -> None:
    """Complete the attempts made with the mark; insert those of tries that never got one."""
    unmarked = [r for r in results if r.source != S.PUBLISHING]
    for result in unmarked:
        if result.post.attempt_id is None:  # not None: this batch is being tried again
            result.post.attempt_id = uuid7()
            result.post.attempts += 1
    sql.insert_rows(
        PublishAttempt,
        [_new_attempt(r.post, r.post.attempts, worker) for r in unmarked],
        _NEW_ATTEMPT_COLUMNS,
        fixed=_NEW_ATTEMPT_FIXED,
    )
    sql.update_rows(
        PublishAttempt,
        [_attempt_row(r) for r in results],
        _ATTEMPT_COLUMNS,
        set_sql=", ".join(f"{name} = v.v_{name}" for name in _ATTEMPT_COLUMNS),
    )


def _attempt_row(result: PostResult) -> dict[str, Any]:
    attempt = result.attempt
    if attempt is None:
        raise ValueError("only results with an attempt are written")
    return {
        "id": result.post.attempt_id,
        "sent_at": _instant(attempt.sent),
        "finished_at": _instant(attempt.finished),
        "outcome": attempt.outcome,
        "category": attempt.category,
        "http_status": attempt.http_status,
        "provider_code": attempt.provider_code[:100],
        "request_id": attempt.request_id[:200],
        "excerpt": attempt.excerpt[:500],
        "retry_after_seconds": attempt.retry_after_seconds,
        "remote_ids": result.post.published_segments,
        "decision": attempt.decision,
        "reason": attempt.reason,
    }


def _result_row(result: PostResult) -> dict[str, Any]:
    post = result.post
    return {
        "id": post.id,
        "token": post.token,
        "source": result.source,
        "target": result.target,
        "due_at": _instant(result.due),
        "attempts": post.attempts,
        "progress": seal(post.progress),
        "progress_expires_at": post.progress_expires_at,
        "needs_preparation": post.needs_preparation,
        "remote_ids": post.remote_ids,
        "permalink": result.permalink or post.permalink,
        "published_at": _instant(result.published),
        "first_sent_at": _instant(result.attempt.sent) if result.attempt else None,
        "last_category": result.category,
        "last_error": result.error,
    }


def _new_attempt(post: ClaimedPost, number: int, worker: str) -> dict[str, Any]:
    return {
        "id": post.attempt_id,
        "post_id": post.id,
        "number": number,
        "publish_run": post.publish_run,
        "content_version": post.content_version,
        "fencing_token": post.token,
        "worker": worker,
        "started_at": post.sent_at or wall_clock.instant(),
    }


def _transition(
    post: ClaimedPost, source: str, target: str, actor: str, reason: str
) -> dict[str, Any]:
    return {
        "post_id": post.id,
        "source": source,
        "target": target,
        "actor": actor,
        "reason": reason,
        "fencing_token": post.token,
    }


def insert_transitions(rows: Sequence[dict[str, Any]]) -> None:
    """Write moves (post_id, source, target, actor, reason, fencing_token) in one statement."""
    sql.insert_rows(PostTransition, rows, _TRANSITION_COLUMNS, fixed={"at": sql.now_plus()})


def _change(result: PostResult) -> PostChange:
    post = result.post
    return PostChange(
        event=result.event,
        post_id=post.id,
        workspace_id=post.workspace_id,
        platform=post.platform,
        connection_id=post.connection_id,
        external_id=post.external_id or "",
        callback_url=post.callback_url,
        created_by_id=post.created_by_id,
        state=result.target,
        publish_run=post.publish_run,
        content_version=post.content_version,
        scheduled_at=post.scheduled_at,
        published_at=_instant(result.published),
        remote_ids=tuple(post.remote_ids),
        permalink=result.permalink or post.permalink,
        category=result.category,
        reason=result.error,
        attempt=post.attempts,
        reminder=result.reminder,
        sequence=post.token,
        correlation_id=post.correlation_id,
    )


def _instant(epoch: float | None) -> datetime | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, tz=UTC)
