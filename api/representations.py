"""How posts and what happened to them look in answers; nothing secret is in any of these."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from api.conditions import tag_of
from api.fields import instant
from api.shapes import (
    Shape,
    address,
    anything,
    flag,
    identifier,
    listed,
    moment,
    number,
    one_of,
    or_null,
    text,
    the,
    whole,
)
from media.models import AssetKind
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import adapter_for
from scheduling.drafts import account_of
from scheduling.explanations import explain
from scheduling.four_eyes import open_proposal
from scheduling.models import LatePolicy, PostTransition, PublishAttempt, ScheduledPost
from scheduling.notices import notices_of
from scheduling.pauses import Pauses
from scheduling.questions import next_part
from scheduling.states import PostState

Json = dict[str, Any]

SEGMENT = Shape("Segment", "One post of a thread.", text=text("Its text.", "The bells are back."))
REMARK = Shape(
    "Remark",
    "Something good to know.",
    code=text("A stable word for programs.", "link_costs_more"),
    message=text("For people.", "This post costs 0.20 US dollars, because it has a link."),
)
MEDIUM = Shape(
    "Medium",
    "One file of a post.",
    asset=identifier("The stored file's id."),
    url=or_null(address("Where it was fetched from; null if uploaded."), None),
    kind=one_of(AssetKind, "What it is."),
    segment=whole("Which post of the thread it belongs to, from 0.", 0),
    alt_text=text("What it shows, for those who cannot see it.", "A carillon's bells"),
)
FAILURE = Shape(
    "Failure",
    "The last thing that went wrong.",
    category=text("What went wrong, seen from what happens next.", "rate_limit"),
    message=text("The network's words.", "Too many requests."),
    next_step=text("What to do, for people.", "Nothing: it will be tried again."),
)
DOUBT = Shape(
    "Doubt",
    "The part of a post whose outcome is unknown, and where to look for it.",
    part=whole("Its number, from 1.", 1),
    parts=whole("How many the post has.", 1),
    text=text("Its text.", "The bells are back."),
    account_address=or_null(address("The account's page, if it has one.")),
)
PROPOSAL = Shape(
    "Proposal",
    "What one person said of the part in doubt; it takes effect when a second one says the same.",
    live=flag("They saw it live; false: it is to be sent again."),
    permalink=or_null(address("Where they saw it."), None),
    remote_id=or_null(text("Its id at the network.", "113547"), None),
    by=text("Who said so.", "user:ada"),
    at=moment("When."),
)
POST = Shape(
    "Post",
    "A post as it is now.",
    id=identifier("The post's id."),
    state=one_of(PostState, "Where it stands.", "scheduled"),
    platform=text("The network.", "mastodon"),
    connection=identifier("The connected account's id."),
    account=text("The account's name at the network.", "acme"),
    external_id=or_null(text("Your id of it, unique per account.", "campaign-17")),
    segments=listed(SEGMENT, "Its texts; more than one is a thread."),
    first_comment=text("A comment to add once it is out; or empty.", ""),
    options=anything("The network's own options.", {"visibility": "unlisted"}),
    media=listed(MEDIUM, "Its files.", []),
    scheduled_at=moment("When it was to be sent."),
    time_zone=text("The zone it was planned in, for display.", "Europe/Brussels"),
    due_at=or_null(moment("When a machine acts next; null: it waits for a person, or is done.")),
    sent_at=or_null(moment("When it was first sent."), None),
    published_at=or_null(moment("When the network had it."), None),
    lateness_ms=or_null(number("First sent_at - scheduled_at, in milliseconds.", 12.5), None),
    priority=whole("Higher ones go first among those due together.", 0),
    late_policy=one_of(LatePolicy, "What to do when it could not be sent in time."),
    late_limit_minutes=or_null(whole("Its own limit; null: the workspace's.", 120), None),
    late_waived=flag("Somebody said: send it however late."),
    warnings=listed(REMARK, "What the look a day ahead found.", []),
    notices=listed(REMARK, "What is good to know although it is in order.", []),
    cost_usd=or_null(number("What the network charges for it; null: nothing.", 0.2), None),
    preflight_at=or_null(moment("When the look ahead took place."), None),
    attempts=whole("Tries so far.", 0),
    max_attempts=whole("Tries allowed for this content.", 7),
    content_version=whole("Rises with each edit.", 1),
    publish_run=whole("Rises each time somebody puts it back in line.", 1),
    remote_ids=listed(text("An id.", "113547"), "The network's ids of what is out.", []),
    permalink=or_null(address("Where it can be seen."), None),
    last_error=or_null(the(FAILURE, "The last failure; null: none."), None),
    explanation=text("Why it stands where it stands, for people.", "It waits for its moment."),
    next_step=text("What to do, for people.", "Nothing."),
    needs_person=flag("It goes on only when somebody acts."),
    in_doubt=or_null(the(DOUBT, "What to look for while the outcome is unknown."), None),
    group=or_null(identifier("The posts it was written together with; null: none."), None),
    series=or_null(identifier("The series it was made for; null: none."), None),
    approved_by=or_null(text("Who approved this content; null: nobody yet.", "user:bob"), None),
    approved_at=or_null(moment("When that was."), None),
    proposal=or_null(the(PROPOSAL, "What waits for a second person (FOUR_EYES)."), None),
    callback_url=or_null(address("Where its outcome is told."), None),
    correlation_id=text("What to look for in logs.", "0199b7c2-6b1e-7c0a-9d5e-3f0a4c1b2d6e"),
    created_at=moment("When it was made.", "2026-11-25T16:40:00Z"),
)

DELETED = Shape(
    "Deleted",
    "What is not there any more.",
    id=identifier("Its id."),
    deleted=flag("Always true.", example=True),
)


def post_json(post: ScheduledPost, paused: Pauses, now: datetime | None = None) -> Json:
    """Return a post in full (connection is read, and post_media, if it has any).

    `paused` tells what has stopped sending. A post just written is of no series; of others
    `posts.posts_in_full` has read it.
    """
    explanation = explain(post, now=now or timezone.now(), paused=paused)
    notices = notices_of(post)
    return {
        "id": str(post.pk),
        "state": post.state,
        "platform": post.platform,
        "connection": str(post.connection_id),
        "account": post.connection.username or post.connection.external_id,
        "external_id": post.external_id,
        "segments": post.segments,
        "first_comment": post.first_comment,
        "options": post.options,
        "media": [
            {
                "asset": str(row.asset_id),
                "url": row.asset.source_url or None,
                "kind": row.asset.kind,
                "segment": row.segment,
                "alt_text": row.alt_text or row.asset.alt_text,
            }
            for row in post.media_rows
        ],
        "scheduled_at": instant(post.scheduled_at),
        "time_zone": post.time_zone,
        "due_at": instant(post.due_at),
        "sent_at": instant(post.first_sent_at),
        "published_at": instant(post.published_at),
        "lateness_ms": lateness_ms(post),
        "priority": post.priority,
        "late_policy": post.late_policy,
        "late_limit_minutes": post.late_limit_minutes,
        "late_waived": post.late_waived,
        "warnings": post.current_warnings,
        "notices": [{"code": one.code, "message": one.message} for one in notices.found],
        "cost_usd": notices.cost_usd,
        "preflight_at": instant(post.preflight_at),
        "attempts": post.attempts,
        "max_attempts": post.max_attempts,
        "content_version": post.content_version,
        "publish_run": post.publish_run,
        "remote_ids": post.remote_ids,
        "permalink": post.permalink or None,
        "last_error": error_json(post, explanation.next_step),
        "explanation": explanation.headline,
        "next_step": explanation.next_step,
        "needs_person": explanation.needs_person,
        "in_doubt": in_doubt_json(post),
        "group": str(post.group_id) if post.group_id else None,
        "series": str(series) if (series := getattr(post, "of_series", None)) else None,
        "approved_by": post.approved_by or None,
        "approved_at": instant(post.approved_at),
        "proposal": proposal_json(post),
        "callback_url": post.callback_url or None,
        "correlation_id": post.correlation_id,
        "created_at": instant(post.created_at),
    }


def post_tag(post: ScheduledPost) -> str:
    """Return the ETag of a post; every edit and every move changes it."""
    return tag_of(
        str(post.pk),
        post.content_version,
        post.publish_run,
        str(post.state),
        post.attempts,
        instant(post.scheduled_at),
        instant(post.due_at),
        post.late_waived,
        instant(post.first_sent_at),
        instant(post.published_at),
        post.remote_ids,
        post.permalink,
        post.last_category,
        post.last_error,
        instant(post.preflight_at),
    )


def in_doubt_json(post: ScheduledPost) -> Json | None:
    """Return the part whose outcome is unknown and where to look; None for other posts."""
    if post.state != PostState.OUTCOME_UNKNOWN:
        return None
    part = next_part(post)
    address = adapter_for(post.platform).account_address(account_of(post.connection))
    return {
        "part": part.number,
        "parts": part.of,
        "text": part.text,
        "account_address": address or None,
    }


def proposal_json(post: ScheduledPost) -> Json | None:
    """Return what one person said of the part in doubt, if a second one has to confirm it."""
    proposal = open_proposal(post)
    if proposal is None:
        return None
    return {
        "live": proposal.live,
        "permalink": proposal.permalink or None,
        "remote_id": proposal.remote_id or None,
        "by": proposal.actor,
        "at": instant(proposal.at),
    }


def error_json(post: ScheduledPost, next_step: str) -> Json | None:
    """Return the last failure: stable category, the network's words, what to do; None if none."""
    if not (post.last_category or post.last_error):
        return None
    return {"category": post.last_category, "message": post.last_error, "next_step": next_step}


def lateness_ms(post: ScheduledPost) -> float | None:
    """Return first sent_at - scheduled_at in milliseconds, at least 0; None before it was sent."""
    if post.first_sent_at is None:
        return None
    late = (post.first_sent_at - post.scheduled_at).total_seconds()
    return max(0.0, round(late * 1000, 3))


ATTEMPT = Shape(
    "Attempt",
    "One try to publish.",
    number=whole("From 1.", 1),
    started_at=moment("When it began."),
    sent_at=or_null(moment("When the call went out.")),
    finished_at=or_null(moment("When it was over.", "2026-11-26T09:00:01Z")),
    outcome=text("How it ended.", "failed"),
    category=or_null(text("What went wrong, seen from what happens next.", "rate_limit")),
    http_status=or_null(whole("What the network answered.", 429)),
    provider_code=or_null(text("The network's own code.", "usage-capped"), None),
    request_id=or_null(text("The network's id of the call.", "a3f1"), None),
    excerpt=or_null(text("The beginning of its answer.", "Too many requests")),
    retry_after_seconds=or_null(number("How long the network asked to wait.", 30)),
    remote_ids=listed(text("An id.", "113547"), "What came out of it.", []),
    decision=or_null(text("What was done next.", "retry")),
    reason=or_null(text("Why, for people.", "The network asked for patience.")),
    worker=or_null(text("Which process it was.", "web-1:4711")),
)


def attempt_json(attempt: PublishAttempt) -> Json:
    """Return one try to publish."""
    return {
        "number": attempt.number,
        "started_at": instant(attempt.started_at),
        "sent_at": instant(attempt.sent_at),
        "finished_at": instant(attempt.finished_at),
        "outcome": attempt.outcome,
        "category": attempt.category or None,
        "http_status": attempt.http_status or None,
        "provider_code": attempt.provider_code or None,
        "request_id": attempt.request_id or None,
        "excerpt": attempt.excerpt or None,
        "retry_after_seconds": attempt.retry_after_seconds,
        "remote_ids": attempt.remote_ids,
        "decision": attempt.decision or None,
        "reason": attempt.reason or None,
        "worker": attempt.worker or None,
    }


TRANSITION = Shape(
    "Transition",
    "One move from state to state.",
    source=text("From where; empty: it was made.", "scheduled"),
    target=one_of(PostState, "To where.", "cancelled"),
    actor=text("Who or what moved it.", "user:ada"),
    reason=or_null(text("Why.", "Postponed to next week.")),
    at=moment("When."),
)


def transition_json(move: PostTransition) -> Json:
    """Return one move from state to state."""
    return {
        "source": move.source,
        "target": move.target,
        "actor": move.actor,
        "reason": move.reason or None,
        "at": instant(move.at),
    }


CONNECTION = Shape(
    "Connection",
    "A connected account; never with its credentials.",
    id=identifier("The connection's id."),
    platform=text("The network.", "mastodon"),
    external_id=text("The network's id of the account.", "109348"),
    username=text("Its name there.", "acme"),
    display_name=text("Its name for people.", "Acme Bells"),
    avatar_url=or_null(address("Its picture.")),
    instance_url=or_null(
        address("Its server, where a network has many.", "https://social.example")
    ),
    scopes=listed(text("A scope.", "write:statuses"), "What the network lets us do."),
    limits=anything("Limits of its own.", {"text_chars": 4000}),
    state=one_of(ConnectionState, "Whether it can be used."),
    state_reason=or_null(text("Why it cannot.", "The password was changed."), None),
    expires_at=or_null(moment("When its access ends."), None),
    created_at=moment("When it was connected.", "2026-11-25T16:40:00Z"),
)


def connection_json(connection: SocialConnection) -> Json:
    """Return a connected account, without its credentials."""
    return {
        "id": str(connection.pk),
        "platform": connection.platform,
        "external_id": connection.external_id,
        "username": connection.username,
        "display_name": connection.display_name,
        "avatar_url": connection.avatar_url or None,
        "instance_url": connection.instance_url or None,
        "scopes": connection.scopes,
        "limits": connection.limits,
        "state": connection.state,
        "state_reason": connection.state_reason or None,
        "expires_at": instant(connection.expires_at),
        "created_at": instant(connection.created_at),
    }
