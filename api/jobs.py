"""A post as the predecessor's callers know it: a job with status and progress."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from api.fields import instant
from api.representations import FAILURE, error_json
from api.shapes import (
    Shape,
    address,
    among,
    either,
    identifier,
    listed,
    moment,
    one_of,
    or_null,
    text,
    the,
    whole,
)
from scheduling.explanations import explain
from scheduling.models import ScheduledPost
from scheduling.states import WAITING, PostState

S = PostState
STATUS: dict[PostState, str] = {
    # A person must act before these go on: they wait.
    S.DRAFT: "waiting",
    S.AWAITING_APPROVAL: "waiting",
    S.BLOCKED: "waiting",
    S.HELD: "waiting",
    # "delayed" until their moment, see `status_of`.
    S.SCHEDULED: "waiting",
    S.QUEUED: "waiting",
    # The network has it, or may have it.
    S.PUBLISHING: "active",
    S.PROCESSING: "active",
    S.OUTCOME_UNKNOWN: "active",
    S.PUBLISHED: "completed",
    S.FAILED: "failed",
    S.DEAD_LETTER: "failed",
    S.CANCELLED: "cancelled",
}
ACCEPTED = Shape(
    "AcceptedJob",
    "A job that was taken on.",
    job_id=identifier("The job's id: the post's."),
    status=among(
        ["scheduled", *dict.fromkeys(STATUS.values()), "delayed"],
        "scheduled; or, found again, its status.",
    ),
    scheduled_at=moment("When it is to be sent."),
)
JOB_DATA = Shape(
    "JobData",
    "What the job is about, as it was asked for.",
    content_id=or_null(text("Your id of the content.", "c-17")),
    platform=text("The network, as you named it.", "twitter"),
    scheduled_at=moment("When it is to be sent."),
    user_id=or_null(text("For whom.", "u-1")),
    org_id=text("Where.", "o-1"),
    connection_id=identifier("The connected account."),
    text=text("Its text.", "The bells are back."),
    media_urls=listed(address("An address."), "Its files.", []),
    priority=whole("Higher ones go first.", 0),
    callback_url=or_null(address("Where its outcome is told."), None),
)
PUBLISHED_JOB = Shape(
    "PublishedJob",
    "What came out.",
    post_id=or_null(text("The network's id.", "113547")),
    post_ids=listed(text("An id.", "113547"), "All ids, of a thread."),
    url=or_null(address("Where it can be seen.")),
    published_at=or_null(moment("When the network had it.")),
)
FAILED_JOB = Shape(
    "FailedJob",
    "What went wrong.",
    error=or_null(the(FAILURE, "The last failure.")),
    attempts=whole("Tries so far.", 7),
    max_attempts=whole("Tries allowed.", 7),
)
JOB = Shape(
    "Job",
    "A post as the predecessor's callers know it.",
    job_id=identifier("The job's id: the post's."),
    status=among([*dict.fromkeys(STATUS.values()), "delayed"], "Where it stands, in their words."),
    state=one_of(PostState, "Where it stands, in ours.", "published"),
    progress=whole("Per cent.", 100, minimum=0, maximum=100),
    data=the(JOB_DATA),
    return_value=either(
        PUBLISHED_JOB, FAILED_JOB, meaning="Of completed and failed jobs; null of others."
    ),
)
SENT = 50  # per cent, once the call to the network may be in flight


def status_of(state: str, due_at: datetime | None, now: datetime) -> str:
    """Return waiting, delayed, active, completed, failed or cancelled.

    Posts that wait for a moment still to come (a retry's too) are delayed.
    """
    if state in WAITING and due_at is not None and due_at > now:
        return "delayed"
    return STATUS[PostState(state)]


def job_json(post: ScheduledPost, now: datetime) -> dict[str, Any]:
    """Return what GET /schedule/{job_id} answers; never holds a token."""
    status = status_of(post.state, post.due_at, now)
    return {
        "job_id": str(post.pk),
        "status": status,
        "state": post.state,
        "progress": progress_of(post),
        "data": _data(post),
        "return_value": _return_value(post, status, now),
    }


def progress_of(post: ScheduledPost) -> int:
    """Return 0 to 100: finished segments of a thread, at least half once something was sent."""
    if post.state == S.PUBLISHED:
        return 100
    done = len(post.progress.get("published") or ())
    share = 100 * done // max(1, len(post.segments))
    if STATUS[PostState(post.state)] == "active":
        share = max(share, SENT)
    return min(share, 99)


def _data(post: ScheduledPost) -> dict[str, Any]:
    asked = post.caller_data
    user, workspace = post.created_by, post.workspace
    return {
        "content_id": post.external_id,
        "platform": asked.get("platform") or post.platform,
        "scheduled_at": instant(post.scheduled_at),
        "user_id": asked.get("user_id") or (user and (user.external_id or str(user.pk))),
        "org_id": asked.get("org_id") or workspace.external_id or str(workspace.pk),
        "connection_id": str(post.connection_id),
        "text": "\n\n".join(segment.get("text", "") for segment in post.segments),
        "media_urls": [row.asset.source_url for row in post.post_media.all()],
        "priority": post.priority,
        "callback_url": post.callback_url or None,
    }


def _return_value(post: ScheduledPost, status: str, now: datetime) -> dict[str, Any] | None:
    if status == "completed":
        return {
            "post_id": post.remote_ids[0] if post.remote_ids else None,
            "post_ids": post.remote_ids,
            "url": post.permalink or None,
            "published_at": instant(post.published_at),
        }
    if status == "failed":
        return {
            "error": error_json(post, explain(post, now=now).next_step),
            "attempts": post.attempts,
            "max_attempts": post.max_attempts,
        }
    return None
