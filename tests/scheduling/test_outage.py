"""How late a post may go out by itself: judged on every path that leads to its send mark."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from engine.errors import ErrorCategory
from engine.gate import Gate
from notifications.models import Notification
from platforms.adapters.base import Continue, Published
from platforms.models import ConnectionState, SocialConnection
from scheduling import look_ahead, outage, services, sweeper
from scheduling.models import LatePolicy, ScheduledPost
from scheduling.states import PostState
from tests.factories import make_post, make_user
from tests.scheduling.desk import Desk, Scripted, refused

pytestmark = pytest.mark.django_db

S = PostState
C = ErrorCategory
ADA = "user:ada"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def passes(time: timedelta) -> None:
    """Let time pass: every moment of every post lies so much further back."""
    ScheduledPost.objects.update(scheduled_at=F("scheduled_at") - time, due_at=F("due_at") - time)


def found(desk: Desk, network: Scripted, *posts: ScheduledPost) -> list[str]:
    """Let a slot find what is due and work on it; returns the posts' states then."""
    network.will(publish=[Published((str(n),)) for n in range(20)])
    for job in desk.claim(100):
        result = None if job.marked else desk.call(job)
        if result is None and desk.mark(job):
            result = desk.call(job)
        desk.record(result)
    for post in posts:
        post.refresh_from_db()
    return [post.state for post in posts]


@pytest.mark.parametrize("is_looked_ahead", [True, False])
def test_after_three_hours_each_post_goes_by_its_own_policy(
    desk: Desk, network: Scripted, is_looked_ahead: bool
) -> None:
    account, patient = desk.account(), desk.account()
    patient.workspace.late_limit_minutes = 300
    patient.workspace.save()
    due_at = timezone.now() - 3 * HOUR
    wanted: list[tuple[ScheduledPost, str]] = [
        (make_post(account, due_at=due_at), S.HELD),
        (make_post(account, due_at=due_at + 65 * MINUTE), S.PUBLISHED),
        (make_post(account, due_at=due_at, late_policy=LatePolicy.PUBLISH), S.PUBLISHED),
        (make_post(account, due_at=due_at, late_limit_minutes=200), S.PUBLISHED),
        (make_post(account, due_at=due_at, late_limit_minutes=0), S.HELD),
        (make_post(patient, due_at=due_at), S.PUBLISHED),
        (make_post(patient, due_at=due_at, late_limit_minutes=10), S.HELD),
        (make_post(account, due_at=due_at, state=S.QUEUED, needs_preparation=True), S.HELD),
    ]
    if is_looked_ahead:
        look_ahead.queue_due_posts()
    assert found(desk, network, *(post for post, _ in wanted)) == [state for _, state in wanted]


def test_a_post_within_its_limit_goes_out_and_keeps_its_lateness(
    desk: Desk, network: Scripted
) -> None:
    post = make_post(desk.account(), due_at=timezone.now() - 110 * MINUTE)
    assert found(desk, network, post) == [S.PUBLISHED]
    assert post.first_sent_at is not None
    assert post.first_sent_at - post.scheduled_at > 109 * MINUTE


def test_a_wait_of_five_hours_for_the_gate_holds_no_post(desk: Desk, network: Scripted) -> None:
    account = desk.account()
    first, second = make_post(account), make_post(account)
    jobs = {job.id: job for job in desk.claim()}
    network.will(publish=refused(C.RATE_LIMIT, retry_after=5 * HOUR))
    assert desk.mark(jobs[first.pk])
    desk.record(desk.call(jobs[first.pk]))
    desk.record(desk.hold(jobs[second.pk]))
    assert found(desk, network, first, second) == [S.SCHEDULED] * 2
    passes(5 * HOUR + 20 * MINUTE)
    desk.workload.caller.gate = Gate()
    assert found(desk, network, first, second) == [S.PUBLISHED] * 2


def test_a_retry_after_hours_is_not_held(desk: Desk, network: Scripted) -> None:
    post = make_post(desk.account())
    for _ in range(3):
        network.will(publish=refused(C.NETWORK_ERROR, retry_after=3 * HOUR))
        desk.work(post)
        assert post.state == S.SCHEDULED
        passes(3 * HOUR + 30 * MINUTE)
    assert found(desk, network, post) == [S.PUBLISHED]


def test_an_outage_while_a_post_waits_for_its_retry_counts(desk: Desk, network: Scripted) -> None:
    post = make_post(desk.account())
    network.will(publish=refused(C.NETWORK_ERROR, retry_after=MINUTE))
    desk.work(post)
    passes(4 * HOUR)
    assert found(desk, network, post) == [S.HELD]


def test_a_thread_that_waits_in_its_middle_is_finished(desk: Desk, network: Scripted) -> None:
    post = make_post(desk.account(), segments=[{"text": "a"}, {"text": "b"}])
    network.will(
        publish=[Continue({"published": ["1"]}), refused(C.RATE_LIMIT, retry_after=9 * HOUR)]
    )
    desk.work(post)
    passes(9 * HOUR + 10 * MINUTE)
    desk.workload.caller.gate = Gate()
    assert found(desk, network, post) == [S.PUBLISHED]


@pytest.mark.parametrize(
    ("away", "policy", "state"),
    [
        (3 * DAY, LatePolicy.HOLD, S.HELD),
        (3 * DAY, LatePolicy.PUBLISH, S.PUBLISHED),
        (HOUR, LatePolicy.HOLD, S.PUBLISHED),
    ],
)
def test_a_post_of_a_reconnected_account_is_judged_by_its_own_moment(
    desk: Desk, network: Scripted, away: timedelta, policy: str, state: str
) -> None:
    account = desk.account(state=ConnectionState.NEEDS_RECONNECT)
    post = make_post(account, late_policy=policy)
    ahead = make_post(account, due_at=timezone.now() + 9 * DAY)
    assert found(desk, network, post) == [S.BLOCKED]
    passes(away)
    SocialConnection.objects.update(state=ConnectionState.ACTIVE, version=F("version") + 1)
    assert sweeper.unblock() == 1
    assert found(desk, network, post, ahead) == [state, S.SCHEDULED]


@pytest.mark.parametrize(
    ("paused", "state"), [(3 * HOUR, S.HELD), (HOUR, S.PUBLISHED)], ids=["long", "short"]
)
def test_a_pause_of_the_installation_counts_as_an_outage(
    desk: Desk, network: Scripted, paused: timedelta, state: str
) -> None:
    post = make_post(desk.account())
    outage.pause(actor=ADA, reason="maintenance")
    desk.workload.db_tick()
    assert found(desk, network, post) == [S.SCHEDULED]
    passes(paused)
    outage.resume(actor=ADA)
    desk.workload.db_tick()
    assert found(desk, network, post) == [state]


@pytest.mark.parametrize("problem_lasts", [HOUR, 3 * HOUR])
def test_a_wait_for_keys_that_open_the_credentials_counts_as_an_outage(
    desk: Desk, network: Scripted, problem_lasts: timedelta
) -> None:
    account = desk.account()
    SocialConnection.objects.filter(pk=account.pk).update(secret=b"no key opens this")
    post = make_post(account)
    for _ in range(3):
        found(desk, network, post)
        passes(problem_lasts / 3)
    is_over = problem_lasts > 2 * HOUR
    assert found(desk, network, post) == [S.HELD if is_over else S.SCHEDULED]
    assert ("later than its limit" in post.last_error) is is_over
    assert network.calls == []


# --- what people decide -----------------------------------------------------------------------
@pytest.mark.parametrize("act", [services.publish_now, services.requeue_post])
def test_who_sends_a_held_post_decides_for_good_and_its_policy_stays(
    desk: Desk, network: Scripted, act: Any
) -> None:
    post = make_post(desk.account(), due_at=timezone.now() - 5 * HOUR)
    assert found(desk, network, post) == [S.HELD]
    act(post.pk, actor=ADA)
    passes(3 * HOUR)  # an outage, just now
    assert found(desk, network, post) == [S.PUBLISHED]
    assert post.late_policy == LatePolicy.HOLD


def test_a_post_requeued_before_its_moment_is_judged_at_its_moment(
    desk: Desk, network: Scripted
) -> None:
    post = make_post(desk.account(), state=S.CANCELLED, due_at=timezone.now() + HOUR)
    services.requeue_post(post.pk, actor=ADA)
    passes(4 * HOUR)
    assert found(desk, network, post) == [S.HELD]


def test_a_held_post_with_a_new_moment_is_judged_by_that(desk: Desk, network: Scripted) -> None:
    post = make_post(desk.account(), due_at=timezone.now() - 5 * HOUR)
    assert found(desk, network, post) == [S.HELD]
    services.edit_post(post.pk, actor=ADA, scheduled_at=timezone.now() + HOUR)
    assert found(desk, network, post) == [S.SCHEDULED]
    passes(2 * HOUR)
    assert found(desk, network, post) == [S.PUBLISHED]


def test_an_edit_takes_a_person_s_word_back(desk: Desk, network: Scripted) -> None:
    post = make_post(desk.account(), state=S.FAILED, due_at=timezone.now() - 5 * HOUR)
    services.requeue_post(post.pk, actor=ADA)
    services.edit_post(post.pk, actor=ADA, scheduled_at=timezone.now() + HOUR)
    passes(4 * HOUR)
    assert found(desk, network, post) == [S.HELD]


@pytest.mark.parametrize(
    "changes", [{"late_policy": LatePolicy.PUBLISH}, {"late_limit_minutes": 600}]
)
def test_a_held_post_goes_out_when_its_rule_is_loosened(
    desk: Desk, network: Scripted, changes: dict[str, Any]
) -> None:
    post = make_post(desk.account(), due_at=timezone.now() - 5 * HOUR)
    assert found(desk, network, post) == [S.HELD]
    services.edit_post(post.pk, actor=ADA, **changes)
    assert found(desk, network, post) == [S.PUBLISHED]


def test_posts_held_by_one_outage_are_one_mail_for_each_account(
    desk: Desk, network: Scripted
) -> None:
    accounts = [desk.account(), desk.account()]
    author = make_user(email="ada@example.org")
    posts = [
        make_post(account, due_at=timezone.now() - 5 * HOUR, created_by=author)
        for account in accounts * 5
    ]
    assert found(desk, network, *posts) == [S.HELD] * 10
    assert Notification.objects.filter(event="post.held").count() == 2
