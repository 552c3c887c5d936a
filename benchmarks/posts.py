"""Rows for benchmarks: 200 X connections in 20 workspaces, and posts due when we say."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Max

from accounts.models import Workspace
from benchmarks.stub_x import token_of
from benchmarks.texts import text_of
from engine.ids import uuid7
from platforms.models import SocialConnection
from scheduling.bulk import insert_posts
from scheduling.models import PostTransition, ScheduledPost
from scheduling.states import PostState

CONNECTIONS = 200
PER_WORKSPACE = 10
CROWD_FROM = 1000  # external ids of a crowd's connections


def make_connections() -> list[SocialConnection]:
    """Return the benchmark's connections, made on first use."""
    known = SocialConnection.objects.filter(platform="x", workspace__slug__startswith="bench-")
    if found := list(known.order_by("external_id")):
        return found
    with transaction.atomic():
        workspaces = Workspace.objects.bulk_create(
            Workspace(slug=f"bench-{n}", name=f"Bench {n}")
            for n in range(CONNECTIONS // PER_WORKSPACE)
        )
        return SocialConnection.objects.bulk_create(
            _connection(n, workspaces[n // PER_WORKSPACE]) for n in range(CONNECTIONS)
        )


def make_crowd(count: int) -> list[SocialConnection]:
    """Return `count` further connections, all of one new workspace."""
    with transaction.atomic():
        workspace = Workspace.objects.create(slug="crowd", name="Crowd")
        return SocialConnection.objects.bulk_create(
            _connection(CROWD_FROM + n, workspace) for n in range(count)
        )


def _connection(number: int, workspace: Workspace) -> SocialConnection:
    made = SocialConnection(
        workspace=workspace, platform="x", external_id=str(number), username=f"bench{number}"
    )
    token, secret = token_of(number)
    made.set_credentials({"oauth_token": token, "oauth_token_secret": secret})
    return made


def post_of(account: SocialConnection, number: int, due: float) -> ScheduledPost:
    """Return an unsaved post as `services.build_post` makes it; `due` is epoch seconds."""
    moment = datetime.fromtimestamp(due, UTC)
    return ScheduledPost(
        workspace_id=account.workspace_id,
        connection_id=account.pk,
        platform="x",
        segments=[{"text": text_of(number, due)}],
        state=PostState.SCHEDULED,
        scheduled_at=moment,
        due_at=moment,
        correlation_id=uuid.uuid4().hex,
    )


def insert_due(accounts: Sequence[SocialConnection], moments: Iterable[float]) -> int:
    """Insert one post per moment (epoch seconds), numbered from 0, dealt over the connections."""

    def posts() -> Iterator[ScheduledPost]:
        for number, due in enumerate(moments):
            yield post_of(accounts[number % len(accounts)], number, due)

    return insert_posts(posts())


def first_id() -> uuid.UUID:
    """Return an id below those of all rows made from this millisecond on."""
    return uuid.UUID(int=uuid7().int >> 80 << 80)


def outcome_since(first: uuid.UUID) -> dict[str, Any]:
    """Return the states of the posts with ids from `first` on, and when the last was recorded."""
    posts = ScheduledPost.objects.filter(pk__gte=first)
    moves = PostTransition.objects.filter(post_id__gte=first, target=PostState.PUBLISHED)
    recorded = moves.aggregate(last=Max("at"))["last"]
    return {
        "states": dict(posts.values_list("state").annotate(n=Count("id")).order_by()),
        "recorded": recorded.timestamp() if recorded else float("nan"),
    }


def is_idle() -> bool:
    """Say whether no slot holds a post (reads a small partial index only)."""
    return not ScheduledPost.objects.filter(lease_slot__isnull=False).exists()


def settle_database() -> None:
    """Do now what the server does in its own time: statistics of the new rows, a checkpoint.

    Run after the insertion, so that neither falls into the measurement by chance.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            cursor.execute("CHECKPOINT")
