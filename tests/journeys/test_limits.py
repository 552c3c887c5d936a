"""While a network says "not now", no process calls it; afterwards they do not all call at once."""

from __future__ import annotations

import pytest

from engine.models import RateLimitState, WorkerSlot
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.journeys.stage import Stage
from tests.processes import wait_until

S = PostState
A_QUARTER_OF_AN_HOUR = 900
HEARD_SECONDS = 3.0  # however busy the machine is; `make bench ARGS="refusal"` measures it


def calls(stage: Stage, network: str, account: str) -> list[float]:
    """Return when each call arrived, oldest first."""
    return [call["at"] for call in stage.judge.calls(network, account)]


def test_a_refusal_stops_every_process_and_the_posts_tell_until_when(stage: Stage) -> None:
    """Two clusters, posts due all the time; one 429 with a Retry-After of 15 minutes."""
    account = stage.account("x")
    stage.judge.be_cruel("x", account.username, on="all", latency_ms=40)
    for _ in range(2):
        stage.cluster(PUBLISHER_SLOTS="2")
    wait_until(lambda: WorkerSlot.objects.filter(kind="publish").count() >= 4, what="four slots")
    posts = [stage.post(account, f"number {n}", in_seconds=1 + 0.02 * n) for n in range(150)]
    stage.judge.be_cruel(
        "x",
        account.username,
        on="create",
        fail={"status": 429, "retry_after": A_QUARTER_OF_AN_HOUR, "times": 1},
    )

    def all_told() -> bool:
        waiting = ScheduledPost.objects.exclude(state=S.PUBLISHED)
        return not waiting.exclude(last_category="rate_limit").exists()

    wait_until(all_told, seconds=40, what="every post's honest moment")
    answered = [c for c in stage.judge.calls("x", account.username) if c["status"] == 429]
    refused_at = min(call["answered_at"] for call in answered)
    heard_by = refused_at + HEARD_SECONDS
    assert [at - refused_at for at in calls(stage, "x", account.username) if at > heard_by] == []
    waiting = ScheduledPost.objects.filter(pk__in=[p.pk for p in posts]).exclude(state=S.PUBLISHED)
    assert waiting.count() > 20
    for post in waiting:
        assert post.due_at is not None
        wait = post.due_at.timestamp() - refused_at
        assert A_QUARTER_OF_AN_HOUR - 1 <= wait <= A_QUARTER_OF_AN_HOUR + 30
        assert "429" in post.last_error
    assert len({post.due_at for post in waiting}) > 10  # each has its turn
    row = RateLimitState.objects.get(scope="connection", bucket="all", key=str(account.pk))
    assert row.blocked_until is not None


@pytest.mark.parametrize("status", [500])
def test_an_outage_opens_the_breaker_once_and_one_call_closes_it(stage: Stage, status: int) -> None:
    stage.cluster(PUBLISHER_SLOTS="2", CIRCUIT_BREAKER_OPEN_DURATION_MS="3000")
    wait_until(lambda: WorkerSlot.objects.filter(kind="publish").count() >= 2, what="two slots")
    accounts = [stage.account("sandbox", number) for number in range(6)]
    for account in accounts:
        stage.judge.be_cruel(
            "sandbox", account.username, on="create", fail={"status": status, "times": 2}
        )
    posts = [
        stage.post(account, f"number {n} of {account.username}", in_seconds=0.5 + n * 0.1)
        for n in range(20)
        for account in accounts
    ]

    def opened() -> RateLimitState | None:
        return RateLimitState.objects.filter(scope="app", key="sandbox", breaker="open").first()

    opening = wait_until(opened, what="the open breaker")
    assert "500" in opening.reason
    stage.wait_for(*posts, state=S.PUBLISHED, seconds=60)
    assert RateLimitState.objects.get(scope="app", key="sandbox", bucket="all").breaker == "closed"
    live = [p["text"] for a in accounts for p in stage.judge.posts("sandbox", a.username)]
    assert len(live) == len(set(live)) == len(posts)
