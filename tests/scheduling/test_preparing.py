"""What is done before the moment, and what becomes of it when it fails or takes long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from engine.errors import ErrorCategory
from platforms.adapters.base import Continue, Processing, Published, Ready
from scheduling import preparing
from scheduling.look_ahead import queue_due_posts
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.states import PostState
from tests.factories import make_post
from tests.scheduling.desk import Desk, Scripted, refused

pytestmark = pytest.mark.django_db

S = PostState
C = ErrorCategory
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def waiting(desk: Desk, ahead: timedelta, **fields: object) -> ScheduledPost:
    """Save a post with files whose moment is `ahead`, taken up by the look-ahead."""
    moment = timezone.now() + ahead
    return make_post(
        desk.account(),
        **{"state": S.QUEUED, "due_at": moment, "needs_preparation": True, **fields},
    )


def work(desk: Desk) -> None:
    """Claim and work on all there is, as a slot would."""
    for job in desk.claim():
        desk.record(desk.call(job))


def again(post: ScheduledPost) -> None:
    """Let a minute pass for the look-ahead."""
    assert queue_due_posts() == 1
    post.refresh_from_db()
    assert post.state == S.QUEUED


@pytest.fixture
def early(network: Scripted, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the scripted network ask for half an hour."""
    monkeypatch.setattr(Scripted, "prepare_ahead", 30 * MINUTE)
    preparing._windows.cache_clear()
    yield
    preparing._windows.cache_clear()


@pytest.mark.usefixtures("early")
def test_files_are_prepared_as_early_as_their_network_wants(desk: Desk, network: Scripted) -> None:
    network.will(prepare=Ready({"media": 1}))
    inside = waiting(desk, 29 * MINUTE, state=S.SCHEDULED)
    waiting(desk, 31 * MINUTE, state=S.SCHEDULED)
    waiting(desk, 29 * MINUTE, state=S.SCHEDULED, needs_preparation=False)
    assert queue_due_posts() == 1
    work(desk)
    inside.refresh_from_db()
    assert (inside.state, inside.needs_preparation) == (S.QUEUED, False)
    assert desk.claim() == []  # its moment is far away


def test_a_network_that_is_still_working_is_asked_again(desk: Desk, network: Scripted) -> None:
    post = waiting(desk, 4 * MINUTE)
    moment = post.due_at
    network.will(
        prepare=[Continue({"upload": 1}), Processing({"upload": 2}, 5 * SECOND), Ready({"file": 3})]
    )
    work(desk)
    post.refresh_from_db()
    assert (post.state, post.due_at, post.attempts) == (S.SCHEDULED, moment, 0)
    assert post.progress == {"upload": 2}
    assert not PublishAttempt.objects.exists()
    assert post.last_error == ""
    again(post)
    work(desk)
    post.refresh_from_db()
    assert (post.state, post.progress, post.needs_preparation) == (S.QUEUED, {"file": 3}, False)


def test_at_its_moment_it_is_asked_as_often_as_the_network_wants(
    desk: Desk, network: Scripted
) -> None:
    post = waiting(desk, -SECOND)
    network.will(prepare=[Processing({"upload": 1}, 5 * SECOND)])
    work(desk)
    post.refresh_from_db()
    assert post.due_at is not None
    assert timedelta() < post.due_at - post.scheduled_at < MINUTE
    assert post.due_at - timezone.now() <= 6 * SECOND


def test_failures_ahead_of_the_moment_use_up_no_attempt(desk: Desk, network: Scripted) -> None:
    post = waiting(desk, 4 * MINUTE)
    moment = post.due_at
    for _ in range(9):  # more often than a post is ever tried
        network.will(prepare=refused(C.SERVER_ERROR))
        work(desk)
        post.refresh_from_db()
        assert (post.state, post.due_at, post.attempts) == (S.SCHEDULED, moment, 0)
        assert "tried again before the post's moment" in post.last_error
        again(post)
    network.will(prepare=Ready({}))
    work(desk)
    post.refresh_from_db()
    assert (post.state, post.last_error) == (S.QUEUED, "")


def test_at_the_moment_they_count(desk: Desk, network: Scripted) -> None:
    post = waiting(desk, -SECOND)
    network.will(prepare=refused(C.SERVER_ERROR))
    work(desk)
    post.refresh_from_db()
    assert (post.state, post.attempts) == (S.SCHEDULED, 1)


def test_a_file_the_network_refuses_is_told_before_the_moment(
    desk: Desk, network: Scripted
) -> None:
    post = waiting(desk, 4 * MINUTE)
    network.will(prepare=refused(C.MEDIA_ERROR))
    work(desk)
    post.refresh_from_db()
    assert post.state == S.FAILED


def test_a_preparation_that_takes_long_is_handed_on_with_its_progress(
    desk: Desk, network: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "RUN_MOST_SECONDS", -1.0)
    post = waiting(desk, 4 * MINUTE, progress={"upload": 7})
    network.will(prepare=[], publish=Published(("1",)))
    work(desk)
    post.refresh_from_db()
    assert (post.state, post.progress, post.lease_slot) == (S.QUEUED, {"upload": 7}, None)
