"""Tokens with whole clusters: refreshed before the moment, and honest after a crash."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from engine.models import WorkerSlot
from platforms.models import ConnectionState, SocialConnection
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.journeys.stage import Stage
from tests.journeys.test_crashes import kill_everything
from tests.processes import wait_until
from tests.scheduling.hosts import Network

S = PostState


@pytest.fixture
def network(stage: Stage) -> Network:
    stage.env |= {
        "X_TOKEN_URL": f"{stage.judge.url}/x/2/oauth2/token",
        "TWITTER_CLIENT_ID": "sandbox-client",
        "TWITTER_CLIENT_SECRET": "sandbox-client-secret",
    }
    return Network(stage.judge)


def account_of(stage: Stage, network: Network, expires_in: timedelta) -> SocialConnection:
    return network.account(expires_in=expires_in, workspace=stage.workspace)


def test_two_clusters_refresh_once_before_the_moment_and_the_post_is_punctual(
    stage: Stage, network: Network
) -> None:
    account = account_of(stage, network, timedelta(seconds=20))
    for _ in range(2):
        stage.cluster()
    wait_until(lambda: WorkerSlot.objects.filter(kind="publish").count() >= 2, what="the slots")
    post = stage.post(account, f"on time {stage.tag}", in_seconds=14)
    wait_until(
        lambda: SocialConnection.objects.filter(pk=account.pk, version=2).exists(), what="a refresh"
    )
    assert timezone.now() < post.scheduled_at
    # The rest is the same however far the moment is.
    ScheduledPost.objects.update(due_at=timezone.now() + timedelta(seconds=1))
    stage.wait_for(post, state=S.PUBLISHED)
    assert network.token_calls() == 1
    post.refresh_from_db()
    assert post.attempts == 1


def test_a_kill_between_the_call_and_its_answer_is_told_as_a_lost_answer(
    stage: Stage, network: Network
) -> None:
    account = account_of(stage, network, timedelta(minutes=-1))
    network.be_cruel(hang={"times": 1, "lands_after_ms": 50})  # used up, and no answer
    post = stage.post(account, f"blocked {stage.tag}", in_seconds=60)
    first = stage.cluster()
    wait_until(lambda: network.token_calls() == 1, what="the call")
    sent = time.time()
    kill_everything(first)
    account.refresh_from_db()
    assert account.refresh_unanswered_at is not None
    assert account.refresh_lease_until.timestamp() > sent
    wait_until(lambda: account.refresh_lease_until < timezone.now(), what="the lease's end")
    stage.cluster()
    stage.wait_for(post, state=S.BLOCKED)
    account.refresh_from_db()
    assert account.state == ConnectionState.NEEDS_RECONNECT
    assert "The answer to a token refresh was lost at" in account.state_reason
    assert account.state_reason in ScheduledPost.objects.get().last_error
    assert network.token_calls() == 2
