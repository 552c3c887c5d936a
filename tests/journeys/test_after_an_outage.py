"""After an outage: what piled up goes out as the network allows, the urgent and the old first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.utils import timezone

from platforms.adapters.sandbox import Sandbox
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.factories import make_post
from tests.journeys.stage import Stage

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = timedelta(minutes=1)
ALLOWED, WINDOW_SECONDS, WINDOWS = 100, 5, 3


def overdue(stage: Stage, count: int) -> Sequence[ScheduledPost]:
    """Save posts of one account that should have gone out within the past 90 minutes."""
    account = stage.account("sandbox")
    now = timezone.now()
    return [
        make_post(
            account,
            due_at=now - 90 * MINUTE + n * MINUTE / 4,
            priority=9 if n % 60 == 59 else 0,
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("slots", [1, 2])
def test_a_backlog_is_sent_at_the_pace_of_the_allowance(stage: Stage, slots: int) -> None:
    posts = overdue(stage, ALLOWED * WINDOWS)
    name = posts[0].connection.username
    stage.judge.be_cruel("sandbox", name, rate={"limit": ALLOWED, "window_s": WINDOW_SECONDS})
    stage.cluster(PUBLISHER_SLOTS=str(slots))
    stage.wait_for(*posts, state=PostState.PUBLISHED, seconds=90)
    assert len(stage.judge.posts("sandbox", name)) == len(posts)
    calls = [call for call in stage.judge.calls("sandbox", name) if call["operation"] == "create"]
    refused = sum(call["status"] == 429 for call in calls)
    # A slot hears of another's calls with its own next answer: what is in flight may be too much.
    most = 0 if slots == 1 else slots * Sandbox.in_flight_per_connection * WINDOWS
    assert refused <= most
    if slots == 1:
        order = [post.pk for post in ScheduledPost.objects.order_by("published_at")]
        urgent = {post.pk for post in posts if post.priority}
        oldest = {post.pk for post in posts[:ALLOWED]}
        assert len(urgent & set(order[:10])) >= 3  # those of the first claim
        assert len(oldest & set(order[:ALLOWED])) >= ALLOWED * 0.8
