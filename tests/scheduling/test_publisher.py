"""What a slot does with a claimed post: before the mark, after it, and after every failure."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from engine.errors import ErrorCategory
from platforms.adapters.base import Published
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.factories import make_post
from tests.scheduling.desk import Desk, Scripted, refused

pytestmark = pytest.mark.django_db

S = PostState
C = ErrorCategory


def test_a_failed_preparation_never_brings_the_moment_forward(
    desk: Desk, network: Scripted
) -> None:
    moment = timezone.now() + timedelta(minutes=4)
    post = make_post(desk.account(), state=S.QUEUED, due_at=moment, needs_preparation=True)
    network.will(prepare=refused(C.SERVER_ERROR))
    (job,) = desk.claim()
    desk.record(desk.call(job))
    post.refresh_from_db()
    assert post.due_at == moment
    assert post.state == S.SCHEDULED  # the look-ahead prepares it again within a minute
    assert post.attempts == 1


def test_an_unknown_outcome_is_not_looked_into_before_its_moment(desk: Desk) -> None:
    soon = timezone.now() + timedelta(seconds=4)
    for state in (S.OUTCOME_UNKNOWN, S.PROCESSING):
        make_post(desk.account(), state=state, due_at=soon)
    waiting = make_post(desk.account(), due_at=soon)
    assert [job.id for job in desk.claim()] == [waiting.pk]
    ScheduledPost.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert len(desk.claim()) == 2


def test_a_post_goes_out(desk: Desk, network: Scripted) -> None:
    network.will(publish=Published(("1",), "https://x.example/1"))
    post = desk.work(make_post(desk.account()))
    assert (post.state, post.remote_ids, post.permalink) == (
        S.PUBLISHED,
        ["1"],
        "https://x.example/1",
    )
