"""How posts and what happened to them look in answers; nothing secret is in any of these."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from api.fields import instant
from platforms.models import SocialConnection
from platforms.registry import adapter_for
from scheduling.drafts import account_of
from scheduling.explanations import explain
from scheduling.four_eyes import open_proposal
from scheduling.models import PostTransition, PublishAttempt, ScheduledPost
from scheduling.notices import notices_of
from scheduling.pauses import Pauses
from scheduling.questions import next_part
from scheduling.states import PostState

Json = dict[str, Any]


def post_json(post: ScheduledPost, paused: Pauses, now: datetime | None = None) -> Json:
    """Return a post in full (connection and post_media are read).

    `paused` tells what has stopped sending.
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
            for row in post.post_media.all()
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
        "proposal": proposal_json(post),
        "callback_url": post.callback_url or None,
        "correlation_id": post.correlation_id,
        "created_at": instant(post.created_at),
    }


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


def transition_json(move: PostTransition) -> Json:
    """Return one move from state to state."""
    return {
        "source": move.source,
        "target": move.target,
        "actor": move.actor,
        "reason": move.reason or None,
        "at": instant(move.at),
    }


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
