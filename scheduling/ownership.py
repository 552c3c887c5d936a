"""Which posts of one account own which remote ids: no two posts may claim the same copy.

Two posts with the same text look alike at the network. Whoever takes over a copy that is another
post's own leaves that text unpublished once.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from platforms.adapters.texts import comparable
from platforms.models import SocialConnection
from scheduling.claims import ClaimedPost
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.questions import next_part
from scheduling.states import PostState

S = PostState

BEFORE = timedelta(hours=1)  # a copy is made later than this after its send mark
SENDING = frozenset({S.PUBLISHING, S.PROCESSING})


@dataclass(frozen=True, slots=True)
class Others:
    """What else of the same account could be meant. `rival`: another post with the same text is
    being sent, or is older and in doubt too: a copy that nobody owns yet may be its."""

    taken: frozenset[str] = frozenset()
    rival: bool = False


def others_of(post: ClaimedPost, since: datetime) -> Others:
    """Look at the other posts of this account, in whichever workspace, sent after `since`.

    Reads those of the account's rows that were sent since then (three queries).
    """
    rows = _sent_since(post.connection_id, since).exclude(pk=post.id)
    wanted = comparable(next_part(post).text)
    rival = any(
        comparable(text) == wanted
        for pk, state, *texts in rows.filter(state__in=[*SENDING, S.OUTCOME_UNKNOWN]).values_list(
            "pk", "state", "segments", "first_comment"
        )
        if state in SENDING or pk < post.id
        for text in _texts(*texts)
    )
    return Others(frozenset(remote_id for remote_id, _ in _owned(rows)), rival)


def owner_of(remote_id: str, *, besides: ScheduledPost) -> uuid.UUID | None:
    """Return the other post of the same account that owns this copy."""
    since = besides.first_sent_at or besides.sent_at or besides.scheduled_at
    rows = _sent_since(besides.connection_id, since).exclude(pk=besides.pk)
    return next((owner for owned, owner in _owned(rows) if owned == remote_id), None)


def noted_ids(post: ScheduledPost) -> list[str]:
    """Return the longest list of live parts that the row or an attempt of this run knows.

    A worker that lost its lease cannot write the row, but its attempt tells what it saw.
    """
    attempts = PublishAttempt.objects.filter(
        post_id=post.pk, publish_run=post.publish_run, content_version=post.content_version
    ).values_list("remote_ids", flat=True)
    return max([list(post.progress.get("published", ())), *attempts], key=len)


def _sent_since(connection_id: uuid.UUID, since: datetime) -> QuerySet[ScheduledPost]:
    account = SocialConnection.objects.filter(pk=connection_id).values_list(
        "platform", "external_id"
    )[0]
    same = SocialConnection.objects.filter(platform=account[0], external_id=account[1])
    recently = Q(sent_at__gte=since - BEFORE) | Q(published_at__gte=since - BEFORE)
    return ScheduledPost.objects.filter(
        connection__in=list(same.values_list("pk", flat=True))
    ).filter(recently | Q(state=S.PROCESSING))


def _owned(rows: QuerySet[ScheduledPost]) -> Iterator[tuple[str, uuid.UUID]]:
    """Yield (remote id, post) from the rows and from what their attempts saw."""
    for pk, remote_ids, progress in rows.values_list("pk", "remote_ids", "progress"):
        for remote_id in (*remote_ids, *progress.get("published", ())):
            yield remote_id, pk
    seen = PublishAttempt.objects.filter(post__in=rows.values("pk")).exclude(remote_ids=[])
    for pk, remote_ids in seen.values_list("post_id", "remote_ids"):
        for remote_id in remote_ids:
            yield remote_id, pk


def _texts(segments: list[dict[str, str]], first_comment: str) -> list[str]:
    texts = [str(segment.get("text", "")) for segment in segments]
    return [*texts, first_comment] if first_comment else texts
