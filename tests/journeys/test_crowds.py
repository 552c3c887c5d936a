"""A crowd of due posts leaves the single posts of others their moment."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from accounts.models import Workspace
from platforms.models import SocialConnection
from scheduling.bulk import insert_posts
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.factories import make_workspace
from tests.journeys.stage import Stage
from tests.processes import wait_until

CROWD = 3000
SLOW_MS = 300  # with four calls at once the crowd takes nearly four minutes


def crowd_of(connection: SocialConnection) -> None:
    """Save posts that are all due already, one after the other."""
    now = timezone.now()
    insert_posts(
        ScheduledPost(
            workspace_id=connection.workspace_id,
            connection=connection,
            platform=connection.platform,
            state=PostState.SCHEDULED,
            segments=[{"text": f"one of many: {n}"}],
            scheduled_at=now,
            due_at=now - timedelta(milliseconds=CROWD - n),
        )
        for n in range(CROWD)
    )


def account_of(stage: Stage, workspace: Workspace, number: int) -> SocialConnection:
    """Return an account of the stage that belongs to another workspace."""
    account = stage.account("sandbox", number)
    account.workspace = workspace
    account.save(update_fields=["workspace"])
    return account


def test_a_backlog_of_one_connection_delays_neither_its_neighbours_nor_other_workspaces(
    stage: Stage,
) -> None:
    crowded, neighbour = stage.account("sandbox"), stage.account("sandbox", 1)
    other = account_of(stage, make_workspace(), 2)
    stage.judge.be_cruel("sandbox", crowded.username, latency_ms=SLOW_MS, rate={"limit": CROWD})
    crowd_of(crowded)
    stage.cluster(PUBLISHER_SLOTS="1", PUBLISHER_CONCURRENCY="8")
    beside = stage.post(neighbour, "of the same workspace", in_seconds=3)
    stage.workspace = other.workspace
    alone = stage.post(other, "of another workspace", in_seconds=3)
    stage.wait_for(beside, alone, state=PostState.PUBLISHED)
    crowd = ScheduledPost.objects.filter(connection=crowded, state=PostState.PUBLISHED)
    assert 0 < wait_until(crowd.count, what="the crowd's first post") < CROWD / 2
