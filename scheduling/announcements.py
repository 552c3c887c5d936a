"""What posts tell the outside: outbox rows, written in the transaction of the change itself.

Callbacks tell programs of every outcome, once per run and version of a post. Its creator is told
what a person must act on, in the ways they chose (see `notifications.routing`), and of successes
only if they chose to; an account's incident is told once, not once per post.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from notifications import callbacks, endpoint_events
from notifications.models import Channel, Mode, Preference
from notifications.outbox import OutboxEvent, write
from notifications.routing import NOT_AT_ALL, Readers, Ways
from platforms.registry import ADAPTERS
from scheduling.models import ScheduledPost
from scheduling.states import PostState

S = PostState

EVENTS: dict[str, str] = {  # what arriving in a state is called outside
    S.PUBLISHED: "post.published",
    S.FAILED: "post.failed",
    S.DEAD_LETTER: "post.failed",
    S.OUTCOME_UNKNOWN: "post.outcome_unknown",
    S.BLOCKED: "post.blocked",
    S.HELD: "post.held",
}
CALLED_BACK = frozenset(
    {
        "post.scheduled",
        "post.published",
        "post.failed",
        "post.cancelled",
        "post.outcome_unknown",
        "post.approval_requested",
        "post.approval_decided",
        "post.blocked",
        "post.held",
    }
)
MAILED = frozenset(
    {
        "post.failed",
        "post.held",
        "post.needs_person",
        "post.blocked",
        "post.preflight_warning",
        "post.approval_decided",
    }
)
SUCCESS = "post.published"  # told only to whoever chose it
WAITS = frozenset({"post.blocked", "post.held"})  # called back for each post, told per account
AGAIN = WAITS | {  # these may happen often to one version of a post
    "post.approval_requested",
    "post.approval_decided",
}
EXCERPT_CHARS = 140
REASON_CHARS = 1000


@dataclass(frozen=True, slots=True)
class PostChange:
    """One thing worth telling about one post; `event` is noun.verb, such as post.published.

    `incident` names what the mail is really about when that is not this run and version of the
    post: each person is told of one account's incident once, whichever post it shows in.
    `sequence` grows from one event of a post to the next.
    """

    event: str
    post_id: uuid.UUID
    workspace_id: uuid.UUID
    platform: str
    connection_id: uuid.UUID
    external_id: str
    callback_url: str
    created_by_id: int | None
    state: str
    publish_run: int
    content_version: int
    scheduled_at: datetime
    published_at: datetime | None = None
    remote_ids: tuple[str, ...] = ()
    permalink: str = ""
    category: str = ""
    reason: str = ""
    attempt: int = 0  # the send whose outcome a person is asked about
    reminder: int = 0  # how often they were asked before
    incident: str = ""
    sequence: int = 0  # the fencing token that the change raised
    correlation_id: str = ""

    @classmethod
    def of(cls, post: ScheduledPost, *, event: str, reason: str = "") -> PostChange:
        """Return the change as seen from a loaded row."""
        return cls(
            event=event,
            post_id=post.pk,
            workspace_id=post.workspace_id,
            platform=post.platform,
            connection_id=post.connection_id,
            external_id=post.external_id or "",
            callback_url=post.callback_url,
            created_by_id=post.created_by_id,
            state=post.state,
            publish_run=post.publish_run,
            content_version=post.content_version,
            scheduled_at=post.scheduled_at,
            published_at=post.published_at,
            remote_ids=tuple(post.remote_ids),
            permalink=post.permalink,
            category=post.last_category,
            reason=reason or post.last_error,
            sequence=post.fencing_token,
            correlation_id=post.correlation_id,
        )


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom to tell about one post, and what the message shows of it."""

    user_id: int
    account: str
    connection_version: int
    excerpt: str
    time_zone: str


def announce(changes: Sequence[PostChange]) -> None:
    """Write the outbox rows for `changes` in the current transaction.

    Whom to tell and how is looked up once for all of them, however many they are.
    """
    told = MAILED | _chosen_successes(changes)
    addressees = _addressees([c.post_id for c in changes if c.event in told and c.created_by_id])
    readers = Readers.load(
        {addressee.user_id for addressee in addressees.values()},
        {change.event for change in changes if change.post_id in addressees} & told,
    )
    events = [
        event
        for change in changes
        if change.callback_url or change.post_id in addressees
        for event in _events(change, addressees.get(change.post_id), readers, told)
    ]
    due = [event for event in events if event.deliveries or event.digest_at]
    write(_in_one_line(due) + _for_endpoints(changes))


def _for_endpoints(changes: Sequence[PostChange]) -> list[OutboxEvent]:
    """Return what the workspaces' webhook endpoints are told (one query)."""
    told = [change for change in changes if change.event in CALLED_BACK]
    happenings = (
        endpoint_events.Happening(
            event=change.event,
            workspace_id=change.workspace_id,
            data=_data(change),
            dedupe_key=_dedupe_key(change, None),
        )
        for change in told
    )
    return endpoint_events.addressed(happenings, {change.workspace_id for change in told})


def _chosen_successes(changes: Sequence[PostChange]) -> frozenset[str]:
    """Return SUCCESS if any of the creators wants to hear of theirs (one query), else nothing."""
    creators = {c.created_by_id for c in changes if c.event == SUCCESS and c.created_by_id}
    if not creators:
        return frozenset()
    chosen = Preference.objects.filter(user_id__in=creators, event=SUCCESS).exclude(mode=Mode.OFF)
    return frozenset({SUCCESS}) if chosen.exists() else frozenset()


def _in_one_line(events: Sequence[OutboxEvent]) -> list[OutboxEvent]:
    """Return the events, with the successes that only a summary tells made one per summary."""
    counted: defaultdict[tuple[Any, ...], list[OutboxEvent]] = defaultdict(list)
    kept = []
    for event in events:
        if event.event == SUCCESS and event.digest_at and not event.deliveries:
            counted[event.user_id, event.workspace_id, event.digest_at].append(event)
        else:
            kept.append(event)
    for alike in counted.values():
        first = min(alike, key=lambda event: event.dedupe_key)
        mail = {**first.context["mail"], "count": len(alike)}
        kept.append(replace(first, context={"mail": mail}))
    return kept


def _events(
    change: PostChange, addressee: Addressee | None, readers: Readers, told: frozenset[str]
) -> list[OutboxEvent]:
    """Return what to tell of one change: callbacks are of each post, a message may be of many."""
    if addressee is None or change.event not in told:
        return [_event(change, None, NOT_AT_ALL)]
    key = _dedupe_key(change, addressee)
    ways = readers.ways(change.event, addressee.user_id, change.workspace_id, key=key)
    apart = change.event in WAITS or change.event == SUCCESS
    if not ways:
        return [_event(change, None, ways)]
    if not change.callback_url or not apart:
        return [_event(change, addressee, ways)]
    return [
        _event(change, None, NOT_AT_ALL),
        _event(replace(change, callback_url=""), addressee, ways),
    ]


def _event(change: PostChange, addressee: Addressee | None, ways: Ways) -> OutboxEvent:
    """Return what to tell of one change, and to whom; maybe to nobody."""
    deliveries: list[tuple[str, str]] = []
    context: dict[str, Any] = {}
    url = change.callback_url
    if url and change.event in CALLED_BACK and callbacks.wants(url, change.event):
        deliveries.append((Channel.WEBHOOK, url))
        context["data"] = _data(change)
    if addressee is not None:
        deliveries += ways.deliveries
        context["mail"] = mail_of(change, addressee)
    return OutboxEvent(
        event=change.event,
        workspace_id=change.workspace_id,
        context=context,
        dedupe_key=_dedupe_key(change, addressee),
        deliveries=tuple(deliveries),
        user_id=addressee.user_id if addressee else None,
        later=ways.later,
        digest_at=ways.digest_at,
    )


def _dedupe_key(change: PostChange, addressee: Addressee | None) -> str:
    """Return what names this happening, so that recording it again tells nobody again.

    A blocked account is one incident per state of its connection; posts found too late are one
    per account and hour: an outage may hold hundreds at once.
    """
    if addressee is not None:
        if change.event == SUCCESS:
            run = f"{change.post_id}:{change.publish_run}:{change.content_version}"
            return f"{change.event}:{run}:{addressee.user_id}"
        now = datetime.now(UTC)
        account = f"{change.event}:{change.connection_id}:{addressee.user_id}"
        if change.incident:
            return f"{account}:{change.incident}"
        if change.event == "post.blocked":
            return incident_key(
                change.connection_id, addressee.user_id, addressee.connection_version
            )
        if change.event == "post.held":
            return f"{account}:{now:%Y-%m-%dT%H}"
    run = f"{change.event}:{change.post_id}:{change.publish_run}:{change.content_version}"
    if change.event in AGAIN:
        return f"{run}:{change.sequence}"
    if change.event == "post.needs_person":  # each part of a thread may come into doubt
        return f"{run}:{change.attempt}:{change.reminder}"
    return run


def incident_key(connection_id: uuid.UUID, user_id: int, version: int) -> str:
    """Return what names one state of an account that cannot be used, for one person.

    Those who are asked to connect it again need not hear as well that their posts wait.
    """
    return f"post.blocked:{connection_id}:{user_id}:{version}"


def _data(change: PostChange) -> dict[str, Any]:
    """Return what callbacks carry; documented in docs/notifications.md."""
    return {
        "content_id": change.external_id or str(change.post_id),
        "job_id": str(change.post_id),
        "platform": change.platform,
        "state": change.state,
        "platform_post_id": change.remote_ids[0] if change.remote_ids else None,
        "platform_post_ids": list(change.remote_ids),
        "permalink": change.permalink or None,
        "published_at": callbacks.instant(change.published_at) if change.published_at else None,
        "scheduled_at": callbacks.instant(change.scheduled_at),
        "category": change.category or None,
        "reason": change.reason[:REASON_CHARS] or None,
        "sequence": change.sequence,
        "correlation_id": change.correlation_id or None,
    }


def mail_of(change: PostChange, addressee: Addressee) -> dict[str, Any]:
    """Return what the mail's templates show."""
    adapter = ADAPTERS.get(change.platform)
    return {
        "account": addressee.account,
        "network": adapter.name if adapter else change.platform,
        "excerpt": addressee.excerpt,
        "scheduled_at": callbacks.instant(change.scheduled_at),
        "time_zone": addressee.time_zone,
        "reason": change.reason[:REASON_CHARS],
        "reminder": change.reminder,
        # Spelt out: looking it up would load the whole site into every publisher.
        "path": f"/admin/scheduling/scheduledpost/{change.post_id}/change/",
    }


def _addressees(post_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Addressee]:
    """Return the addressee of each post whose creator is active (one query)."""
    if not post_ids:
        return {}
    posts = ScheduledPost.objects.filter(pk__in=post_ids, created_by__is_active=True).values(
        "id",
        "segments",
        "time_zone",
        "created_by_id",
        "connection__username",
        "connection__external_id",
        "connection__version",
    )
    return {
        post["id"]: Addressee(
            user_id=post["created_by_id"],
            account=post["connection__username"] or post["connection__external_id"],
            connection_version=post["connection__version"],
            excerpt=excerpt_of(post["segments"]),
            time_zone=post["time_zone"],
        )
        for post in posts
    }


def excerpt_of(segments: Sequence[dict[str, Any]]) -> str:
    """Return the beginning of the text, enough to recognise the post."""
    text = " ".join(str(segments[0].get("text", "") if segments else "").split())
    return text if len(text) <= EXCERPT_CHARS else text[: EXCERPT_CHARS - 1].rstrip() + "…"
