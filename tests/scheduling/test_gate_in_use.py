"""Every call of a slot goes through the gate and teaches it, whatever kind of call it is."""

from __future__ import annotations

import uuid
from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from engine.allowances import GatePolicy
from engine.errors import ErrorCategory
from engine.models import RateLimitState
from platforms.adapters.base import Bucket, Continue, Published, Ready
from platforms.adapters.mastodon import Mastodon
from platforms.adapters.x import X
from platforms.passages import Passages
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.factories import make_post
from tests.scheduling.desk import Desk, Scripted, refused

pytestmark = pytest.mark.django_db

S = PostState
C = ErrorCategory
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def due_in(post: ScheduledPost) -> timedelta:
    post.refresh_from_db()
    assert post.due_at is not None
    return post.due_at - timezone.now()


def test_a_marked_post_is_not_sent_when_its_account_was_refused_meanwhile(
    desk: Desk, network: Scripted
) -> None:
    network.will(publish=refused(C.RATE_LIMIT, retry_after=15 * MINUTE, http_status=429))
    account = desk.account()
    first, second = make_post(account), make_post(account)
    jobs = {job.id: job for job in desk.claim()}
    assert desk.workload.db_mark(list(jobs.values())) == {first.pk, second.pk}
    assert desk.workload.hold_back(jobs[second.pk]) is None
    desk.record(desk.call(jobs[first.pk]))
    desk.record(desk.workload.hold_back(jobs[second.pk]))
    second.refresh_from_db()
    assert (second.state, second.attempts, second.lease_slot) == (S.SCHEDULED, 0, None)
    assert due_in(second) > 14 * MINUTE
    attempt = second.attempt_log.get()
    assert (attempt.outcome, attempt.sent_at) == ("not_sent", None)
    assert network.calls == ["publish"]


def test_posts_that_waited_for_one_gate_leave_in_the_order_of_their_moments(
    desk: Desk, network: Scripted
) -> None:
    network.will(publish=refused(C.RATE_LIMIT, retry_after=15 * MINUTE, http_status=429))
    account, now = desk.account(), timezone.now()
    refused_one = make_post(account, due_at=now - 3 * MINUTE)
    posts = [make_post(account, due_at=now - n * 10 * SECOND) for n in range(6)]
    jobs = {job.id: job for job in desk.claim()}
    assert desk.mark(jobs[refused_one.pk])
    desk.record(desk.call(jobs[refused_one.pk]))
    for post in posts:
        desk.record(desk.hold(jobs[post.pk]))
        post.refresh_from_db()
    assert sorted(posts, key=lambda p: p.scheduled_at) == sorted(posts, key=lambda p: p.due_at)


@pytest.mark.parametrize("state", [S.OUTCOME_UNKNOWN, S.PROCESSING])
def test_a_question_that_is_refused_stops_the_account_s_other_calls(
    desk: Desk, network: Scripted, state: str
) -> None:
    call = "find" if state == S.OUTCOME_UNKNOWN else "check"
    network.will(**{call: refused(C.RATE_LIMIT, retry_after=15 * MINUTE, http_status=429)})
    account = desk.account()
    hour_ago = timezone.now() - HOUR
    asked = make_post(account, state=state, due_at=timezone.now() - SECOND, sent_at=hour_ago)
    waiting = make_post(account)
    jobs = {job.id: job for job in desk.claim()}
    desk.record(desk.call(jobs[asked.pk]))
    assert desk.hold(jobs[waiting.pk]) is not None
    assert due_in(asked) > 14 * MINUTE
    assert RateLimitState.objects.get(key=str(account.pk)).consecutive_429 == 1


def test_an_upload_that_is_refused_stops_the_next_step_and_keeps_the_moment(
    desk: Desk, network: Scripted
) -> None:
    network.will(
        prepare=[
            Continue({"media": 1}),
            refused(C.RATE_LIMIT, retry_after=15 * MINUTE, http_status=429),
        ]
    )
    moment = timezone.now() + 4 * MINUTE
    account = desk.account()
    post = make_post(account, state=S.QUEUED, needs_preparation=True, due_at=moment)
    desk.record(desk.call(desk.claim()[0]))
    assert due_in(post) > 14 * MINUTE
    assert post.progress == {"media": 1}
    again = make_post(account, state=S.QUEUED, needs_preparation=True, due_at=moment)
    (job,) = [job for job in desk.claim() if job.id == again.pk]
    desk.record(desk.call(job))
    assert network.calls == ["prepare", "prepare"]


def test_5xx_on_three_accounts_stop_the_network_and_a_sound_answer_does_not_count(
    desk: Desk, network: Scripted
) -> None:
    down = refused(C.OUTCOME_UNKNOWN, http_status=503)
    network.will(publish=[down, down, refused(C.VALIDATION_ERROR, http_status=400), down, down])
    posts = [make_post(desk.account()) for _ in range(5)]
    stranger = make_post(desk.account())
    jobs = {job.id: job for job in desk.claim()}
    for number, post in enumerate(posts):
        assert desk.hold(jobs[post.pk]) is None, number
        assert desk.mark(jobs[post.pk])
        desk.record(desk.call(jobs[post.pk]))
    assert desk.hold(jobs[stranger.pk]) is None  # the refused text showed that it was well
    network.will(publish=down)
    assert desk.mark(jobs[stranger.pk])
    desk.record(desk.call(jobs[stranger.pk]))
    late = make_post(desk.account())
    (job,) = desk.claim()
    held = desk.hold(job)
    assert held is not None
    assert "The network said no." in held.error
    row = RateLimitState.objects.get(scope="app")
    assert (row.key, row.breaker) == ("scripted", "open")
    desk.record(held)
    assert due_in(late) > 4 * MINUTE


def test_calls_are_spent_with_the_mark_and_the_rest_told_when(
    desk: Desk, network: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    buckets = (Bucket("publish.24h", "connection", 2, timedelta(hours=24), counted=True),)
    monkeypatch.setattr(Scripted, "buckets", buckets)
    network.will(publish=[Published((str(n),)) for n in range(2)])
    account = desk.account()
    posts = [make_post(account) for _ in range(3)]
    jobs = desk.claim()
    marked = desk.workload.db_mark(jobs)
    assert len(marked) == 2
    for job in jobs:
        desk.record(desk.call(job) if job.id in marked else desk.hold(job))
    states = [ScheduledPost.objects.get(pk=post.pk) for post in posts]
    (waiting,) = [post for post in states if post.state != S.PUBLISHED]
    assert due_in(waiting) > 23 * HOUR
    assert waiting.attempts == 0


def test_a_secretive_network_gets_one_call_after_the_other(
    desk: Desk, network: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scripted, "adaptive_spacing", True)
    account = desk.account()
    for _ in range(4):
        make_post(account)
    jobs = desk.claim()
    assert len(desk.workload.db_mark(jobs)) == 1
    waits = sorted(due_in_of(desk, job) for job in jobs[1:])
    assert 2.5 < waits[0] < 3.6 + 2  # 3 s and a fifth more, from the post's moment on
    assert all(2.9 < later - sooner < 3.1 for sooner, later in pairwise(waits))


def due_in_of(desk: Desk, job: object) -> float:
    held = desk.hold(job)  # type: ignore[arg-type]
    assert held is not None
    assert held.due is not None
    return held.due - desk.clock.now()


def test_a_spaced_upload_waits_for_its_turn_in_the_rows(
    desk: Desk, network: Scripted, monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    settings.GATE_POLICY = GatePolicy(spacing_base=30 * SECOND)  # type: ignore[attr-defined]
    monkeypatch.setattr(Scripted, "adaptive_spacing", True)
    network.will(prepare=[Continue({"media": 1}), Ready({"media": 2})])
    moment = timezone.now() + 4 * MINUTE
    make_post(desk.account(), state=S.QUEUED, needs_preparation=True, due_at=moment)
    (job,) = desk.claim()
    result = desk.call(job)
    assert result is not None
    assert network.calls == ["prepare"]
    assert "30 s apart" in result.reason


def test_servers_that_users_name_share_no_trouble_but_their_own() -> None:
    here, there = uuid.uuid4(), uuid.uuid4()
    one = Passages(Mastodon(), here, "https://one.example")["publish"]
    same = Passages(Mastodon(), there, "https://one.example")["publish"]
    other = Passages(Mastodon(), there, "https://other.example")["publish"]
    assert one.shared == same.shared == ("host", "one.example", "all")
    assert other.shared != one.shared
    assert one.own != same.own


def test_an_operation_goes_through_its_own_buckets_or_those_for_the_rest() -> None:
    passages = Passages(X(), uuid.UUID(int=1), "https://api.x.com")
    names = [key[2] for key in passages["publish"].told]
    assert names == ["publish", "publish.3h", "publish.24h"]
    assert ("app", "x", "publish.24h") in passages["publish"].told
    mastodon = Passages(Mastodon(), uuid.UUID(int=1), "https://one.example")
    assert [key[2] for key in mastodon["find"].told] == ["other"]
