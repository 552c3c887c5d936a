"""What lately became of an account's posts: the last success, the last failure, how many wait."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from platforms.models import SocialConnection
from scheduling.models import AccountCheck, PublishAttempt, ScheduledPost
from scheduling.states import PostState


@dataclass(frozen=True, slots=True)
class Failure:
    """The last failure that was not made good since; `category` is the stable word."""

    at: datetime
    post_id: uuid.UUID
    category: str
    message: str


@dataclass(frozen=True, slots=True)
class Activity:
    """One account's; None where there was nothing yet."""

    last_success_at: datetime | None
    last_failure: Failure | None
    last_check_at: datetime | None
    posts_waiting: int  # for their moment, or for the account to work again


def activity_of(connection: SocialConnection) -> Activity:
    """Return it; every query reads one index of the account's posts."""
    posts = ScheduledPost.objects.filter(connection=connection)
    due = posts.filter(
        workspace=connection.workspace_id, lease_slot__isnull=True, due_at__isnull=False
    )
    published = posts.filter(published_at__isnull=False).order_by("-published_at")
    return Activity(
        last_success_at=published.values_list("published_at", flat=True).first(),
        last_failure=_last_failure(connection),
        last_check_at=AccountCheck.objects.filter(pk=connection.pk)
        .values_list("asked_at", flat=True)
        .first(),
        posts_waiting=due.count() + posts.filter(state=PostState.BLOCKED).count(),
    )


def _last_failure(connection: SocialConnection) -> Failure | None:
    post = (
        ScheduledPost.objects.filter(~Q(last_category=""), connection=connection)
        .order_by("-scheduled_at")
        .only("id", "last_category", "last_error", "scheduled_at")
        .first()
    )
    if post is None:
        return None
    ended = (
        PublishAttempt.objects.filter(~Q(category=""), post=post)
        .order_by("-started_at")
        .values_list("finished_at", flat=True)
        .first()
    )
    return Failure(ended or post.scheduled_at, post.pk, post.last_category, post.last_error)
