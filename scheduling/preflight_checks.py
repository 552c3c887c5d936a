"""What the preflight looks for: pure judgement of an account, a post, and a crowd of posts."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.words import duration, moment
from platforms.adapters.base import Bucket
from platforms.models import ConnectionState
from scheduling.accounts import ConnectedAccount

LEAST_LATENESS = timedelta(minutes=1)  # what a crowded window costs less than is not worth a word

# Their cause is the account, so that one mail tells of all its posts.
OF_THE_ACCOUNT = frozenset(
    {
        "connection_paused",
        "connection_needs_reconnect",
        "connection_revoked",
        "credentials_unreadable",
        "account_refused",
        "account_silent",
        "token_ends",
        "scope_missing",
        "quota_exceeded",
    }
)
# They may pass before the moment: shown, looked at again soon, not mailed.
PASSING = frozenset({"account_silent", "media_silent"})


@dataclass(frozen=True, slots=True)
class PreflightWarning:
    """What may stand in the way of a post: stable code, and a sentence with what to do."""

    code: str
    message: str

    def as_json(self) -> dict[str, str]:
        """Return it as the post's row keeps it."""
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True, slots=True)
class PlannedPost:
    """One post of an account's plan; `calls` is how often the network is asked to publish."""

    id: uuid.UUID
    due_at: datetime
    priority: int
    calls: int


def state_warnings(account: ConnectedAccount) -> Iterator[PreflightWarning]:
    """Yield what is wrong with the connection as it stands in our rows."""
    connection = account.connection
    if account.problem:
        yield PreflightWarning("credentials_unreadable", account.problem)
    match ConnectionState(account.state):
        case ConnectionState.PAUSED:
            yield PreflightWarning(
                "connection_paused",
                f"{connection} is paused: its posts wait until it is resumed.",
            )
        case ConnectionState.NEEDS_RECONNECT:
            why = f" ({connection.state_reason.rstrip('.')})" if connection.state_reason else ""
            yield PreflightWarning(
                "connection_needs_reconnect",
                f"{connection} must be connected again{why}: its posts wait until then.",
            )
        case ConnectionState.REVOKED:
            yield PreflightWarning(
                "connection_revoked",
                f"{connection} was disconnected: connect it again or cancel its posts.",
            )
    if missing := missing_scopes(account.adapter.required_scopes, connection.scopes):
        yield PreflightWarning(
            "scope_missing",
            f"{connection} was connected without the permission {', '.join(missing)}: connect it "
            "again and allow it.",
        )


def missing_scopes(required: Iterable[str], granted: Sequence[str]) -> list[str]:
    """Return the scopes that are lacking; none while nobody told us what was granted.

    A scope includes what is named below it: `write` grants `write:statuses`.
    """
    if not granted:
        return []
    return sorted(
        scope
        for scope in required
        if not any(scope == one or scope.startswith(f"{one}:") for one in granted)
    )


def token_warnings(account: ConnectedAccount, due_at: datetime) -> Iterator[PreflightWarning]:
    """Yield a warning when the access ends before `due_at` and cannot be renewed by then."""
    connection, ends = account.connection, account.connection.expires_at
    if account.problem or ends is None or ends > due_at:
        return
    renewable_until = connection.refresh_expires_at
    if account.is_renewable:
        if renewable_until is None or renewable_until > due_at:
            return
        ends = max(ends, renewable_until)
        if ends > due_at:
            return
    yield PreflightWarning(
        "token_ends",
        f"The access to {connection} ends at {moment(ends)}, before this post's moment, and "
        "cannot be renewed: connect the account again before then.",
    )


def quota_warnings(
    posts: Iterable[PlannedPost], buckets: Iterable[Bucket]
) -> dict[uuid.UUID, PreflightWarning]:
    """Return a warning for each post that the account's own allowances will make late.

    Each call goes out at its moment, but no sooner than a window after the call that is an
    allowance before it. What went out before the plan begins is not known here.
    """
    allowances = [b for b in buckets if b.operation == "publish" and b.scope == "connection"]
    if not allowances:
        return {}
    found: dict[uuid.UUID, PreflightWarning] = {}
    calls: list[datetime] = []
    for post in sorted(posts, key=lambda p: (p.due_at, -p.priority, p.id)):
        starts_at, reason = _start(post.due_at, calls, allowances)
        if reason is not None and starts_at - post.due_at >= LEAST_LATENESS:
            found[post.id] = _crowded(reason, starts_at - post.due_at)
        calls.append(starts_at)
        for _ in range(post.calls - 1):
            calls.append(_start(starts_at, calls, allowances)[0])
    return found


def _start(
    wanted: datetime, calls: Sequence[datetime], allowances: Sequence[Bucket]
) -> tuple[datetime, Bucket | None]:
    """Return when the next call may start, and the allowance that makes it wait."""
    at = max(wanted, calls[-1]) if calls else wanted
    reason = None
    for bucket in allowances:
        if len(calls) < bucket.calls:
            continue
        free_at = calls[-bucket.calls] + bucket.window
        if free_at > wanted and (free_at > at or reason is None):
            at, reason = max(at, free_at), bucket
    return at, reason


def _crowded(bucket: Bucket, late: timedelta) -> PreflightWarning:
    return PreflightWarning(
        "quota_exceeded",
        f"Only {bucket.calls} posts per {_window(bucket.window)} are allowed here: this one will "
        f"go out about {duration(late)} late. Choose another moment, or spread the posts out.",
    )


def _window(window: timedelta) -> str:
    minutes = round(window.total_seconds() / 60)
    if minutes == 1:
        return "minute"
    if minutes % 60:
        return f"{minutes} minutes"
    return "hour" if minutes == 60 else f"{minutes // 60} hours"


def calls_of(segments: Sequence[Mapping[str, object]], first_comment: str) -> int:
    """Return how many calls publish a post: one for each segment, one for the first comment."""
    return max(1, len(segments)) + bool(first_comment)
