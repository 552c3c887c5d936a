"""What a slot does with a claimed post: before the mark, after it, and after every failure."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import OperationalError
from django.utils import timezone

from engine.errors import ErrorCategory
from engine.models import Installation, RateLimitState
from platforms.adapters.base import (
    Bucket,
    Capability,
    Continue,
    Processing,
    Published,
    Ready,
    RetrySafety,
    Safety,
)
from platforms.models import ConnectionState, SocialConnection
from scheduling import look_ahead, services
from scheduling.models import LatePolicy, PublishAttempt, ScheduledPost
from scheduling.questions import is_open
from scheduling.sealing import seal
from scheduling.states import PostState
from tests.factories import make_connection, make_post
from tests.scheduling.desk import Desk, Scripted, refused

pytestmark = pytest.mark.django_db

S = PostState
C = ErrorCategory
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
SOON = timedelta(seconds=5)


def test_what_was_claimed_when_the_database_was_cut_off_is_claimed_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(connection_ids: object) -> None:
        raise OperationalError("the connection was cut off")

    post = make_post(desk.account())
    lease = {"lease_slot": desk.slot, "lease_expires_at": timezone.now() + MINUTE}
    sent = make_post(desk.account(), state=S.PUBLISHING, sent_at=timezone.now(), **lease)
    with monkeypatch.context() as cut:
        cut.setattr(desk.workload.caller.accounts, "load", cut_off)
        with pytest.raises(OperationalError):
            desk.workload.db_claim(10)
    post.refresh_from_db()
    assert post.lease_slot is not None  # and no slot knows of it
    before = post.fencing_token
    (job,) = desk.workload.db_claim(10)
    assert (job.id, job.token > before) == (post.pk, True)
    assert desk.workload.db_claim(10) == []  # one that went well is not given up
    sent.refresh_from_db()
    assert sent.lease_slot is not None  # what may be on its way is never freed


def test_an_unknown_outcome_is_not_looked_into_before_its_moment(desk: Desk) -> None:
    soon = timezone.now() + timedelta(seconds=4)
    for state in (S.OUTCOME_UNKNOWN, S.PROCESSING):
        make_post(desk.account(), state=state, due_at=soon)
    waiting = make_post(desk.account(), due_at=soon)
    assert [job.id for job in desk.claim()] == [waiting.pk]
    ScheduledPost.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert len(desk.claim()) == 2


# --- the call ---------------------------------------------------------------------------------
def test_a_post_goes_out_under_its_key(desk: Desk, network: Scripted) -> None:
    network.will(publish=Published(("1",), "https://x.example/1"))
    post = desk.work(make_post(desk.account(), publish_run=2, content_version=3))
    assert (post.state, post.remote_ids) == (S.PUBLISHED, ["1"])
    assert post.permalink == "https://x.example/1"
    assert network.keys == [f"{post.pk}:3:2:0"]


def test_a_thread_commits_each_segment_before_the_next(desk: Desk, network: Scripted) -> None:
    network.will(
        publish=[
            Continue({"published": ["1"]}),
            Continue({"published": ["1", "2"]}),
            Published(("1", "2", "3")),
        ]
    )
    post = desk.work(make_post(desk.account(), segments=[{"text": t} for t in "abc"]))
    assert (post.state, post.remote_ids) == (S.PUBLISHED, ["1", "2", "3"])
    assert [key.rpartition(":")[2] for key in network.keys] == ["0", "1", "2"]


def test_a_thread_that_lost_its_row_makes_no_further_call(desk: Desk, network: Scripted) -> None:
    post = make_post(desk.account(), segments=[{"text": "a"}, {"text": "b"}])
    network.will(publish=[Continue({"published": ["1"]}), Published(("1", "2"))])
    (job,) = desk.claim()
    assert desk.mark(job)
    ScheduledPost.objects.update(fencing_token=99)
    desk.record(desk.call(job))
    post.refresh_from_db()
    assert network.calls == ["publish"]
    assert post.state == S.PUBLISHING  # the sweeper finds it
    attempt = PublishAttempt.objects.get()
    assert (attempt.outcome, attempt.remote_ids) == ("lease_lost", ["1"])


def test_a_thread_pauses_when_its_lease_would_not_outlast_the_next_call(
    desk: Desk, network: Scripted
) -> None:
    network.will(publish=[Continue({"published": ["1"]}), Published(("1", "2"))])
    desk.lease_lasts = lambda: False
    post = desk.work(make_post(desk.account(), segments=[{"text": "a"}, {"text": "b"}]))
    assert network.calls == ["publish"]
    assert (post.state, post.progress) == (S.SCHEDULED, {"published": ["1"]})
    desk.lease_lasts = lambda: True
    assert desk.work(post).remote_ids == ["1", "2"]


def test_each_call_knows_the_last_moment_at_which_it_may_leave(
    desk: Desk, network: Scripted
) -> None:
    network.will(publish=[Continue({"published": ["1"]}), Published(("1", "2"))])
    desk.work(make_post(desk.account(), segments=[{"text": "a"}, {"text": "b"}]))
    assert network.start_before == [1000.0, 1001.0]  # asked anew: the lease was renewed between


def test_a_thread_pauses_when_the_gate_closes_between_segments(
    desk: Desk, network: Scripted
) -> None:
    account = desk.account()
    post = make_post(account, segments=[{"text": "a"}, {"text": "b"}])
    network.will(publish=[Continue({"published": ["1"]}), Published(("1", "2"))])
    (job,) = desk.claim()
    assert desk.mark(job)
    close(desk, account, MINUTE)
    desk.record(desk.call(job))
    post.refresh_from_db()
    assert (post.state, network.calls) == (S.SCHEDULED, ["publish"])
    assert post.due_at > timezone.now() + MINUTE - SOON
    assert PublishAttempt.objects.get().outcome == "continued"
    assert post.attempts == 0  # nothing failed: tries are left for however many parts follow


def test_a_mark_taken_back_uses_up_no_attempt(desk: Desk) -> None:
    moment = timezone.now() - SECOND
    post = make_post(desk.account(), due_at=moment)
    (job,) = desk.claim()
    assert desk.mark(job)
    desk.workload.caller.clock = desk.clock
    desk.record(desk.workload.unsent(job, "too slow"))
    post.refresh_from_db()
    assert (post.state, post.attempts, post.lease_slot) == (S.SCHEDULED, 0, None)
    assert post.due_at == moment
    assert (post.sent_at is not None, post.first_sent_at) == (True, None)
    assert PublishAttempt.objects.get().outcome == "not_sent"


@pytest.mark.parametrize("committed", [True, False])
def test_marks_without_an_answer_are_taken_back_whether_committed_or_not(
    desk: Desk, committed: bool
) -> None:
    moment = timezone.now() - SECOND
    post = make_post(desk.account(), due_at=moment)
    (job,) = desk.claim()
    if committed:
        assert desk.mark(job)
    desk.workload.db_take_back([job])
    post.refresh_from_db()
    assert (post.state, post.attempts, post.lease_slot) == (S.SCHEDULED, 0, None)
    assert post.due_at == moment
    assert len(desk.claim()) == 1


# --- what comes before the mark ---------------------------------------------------------------
@pytest.mark.parametrize(
    ("policy", "own_limit", "late", "is_held"),
    [
        (LatePolicy.HOLD, None, 119 * MINUTE, False),
        (LatePolicy.HOLD, None, 121 * MINUTE, True),
        (LatePolicy.HOLD, 10, 11 * MINUTE, True),
        (LatePolicy.HOLD, 600, 121 * MINUTE, False),
        (LatePolicy.PUBLISH, None, 999 * HOUR, False),
    ],
)
def test_a_post_found_later_than_its_limit_is_held(
    desk: Desk,
    network: Scripted,
    policy: str,
    own_limit: int | None,
    late: timedelta,
    is_held: bool,
) -> None:
    network.will(publish=Published(("1",)))
    post = make_post(
        desk.account(),
        due_at=timezone.now() - late,
        late_policy=policy,
        late_limit_minutes=own_limit,
    )
    desk.work(post) if not is_held else desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    assert post.state == (S.HELD if is_held else S.PUBLISHED)
    if is_held:
        assert "later than its limit" in post.last_error
        assert (network.calls, post.due_at, post.attempts) == ([], None, 0)


def test_the_workspace_s_limit_counts_where_the_post_has_none(desk: Desk) -> None:
    account = desk.account()
    account.workspace.late_limit_minutes = 5
    account.workspace.save()
    post = make_post(account, due_at=timezone.now() - 6 * MINUTE)
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    assert post.state == S.HELD


def test_waiting_for_a_limit_never_makes_a_post_late(desk: Desk, network: Scripted) -> None:
    network.will(publish=Published(("1",)))
    post = make_post(desk.account(), scheduled_at=timezone.now() - 9 * HOUR)
    assert desk.work(post).state == S.PUBLISHED


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ConnectionState.PAUSED, "is paused. Resume it"),
        (ConnectionState.NEEDS_RECONNECT, "must be connected again. The token was revoked."),
        (ConnectionState.REVOKED, "was disconnected. Connect it again."),
    ],
)
def test_a_post_of_an_account_that_cannot_send_is_blocked_and_says_why(
    desk: Desk, network: Scripted, state: str, words: str
) -> None:
    reason = "The token was revoked." if state == ConnectionState.NEEDS_RECONNECT else ""
    post = make_post(desk.account(state=state, state_reason=reason))
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    assert (post.state, post.due_at, post.last_category) == (S.BLOCKED, None, "auth_error")
    assert words in post.last_error
    assert network.calls == []


def test_credentials_that_no_key_opens_make_posts_wait_and_harm_no_others(
    desk: Desk, network: Scripted
) -> None:
    account = desk.account()
    SocialConnection.objects.filter(pk=account.pk).update(secret=b"not a token")
    waiting = make_post(account)
    ahead = make_post(
        account, state=S.QUEUED, needs_preparation=True, due_at=timezone.now() + 4 * MINUTE
    )
    moment = ahead.due_at
    for job in desk.claim():
        desk.record(desk.call(job))
    for post in (waiting, ahead):
        post.refresh_from_db()
        assert "CREDENTIAL_KEYS" in post.last_error
    assert timezone.now() + 50 * SECOND < waiting.due_at < timezone.now() + 70 * SECOND
    assert (waiting.state, ahead.due_at) == (S.SCHEDULED, moment)
    assert network.calls == []


@pytest.mark.parametrize("platform", ["sandbox", "x", "mastodon"])
def test_credentials_that_lack_their_keys_harm_no_others(
    desk: Desk, network: Scripted, platform: str
) -> None:
    network.will(publish=Published(("1",)))
    broken = make_post(make_connection(platform=platform, credentials={}), priority=9)
    fine = make_post(desk.account())
    jobs = {job.id: job for job in desk.claim()}
    assert set(jobs) == {broken.pk, fine.pk}
    desk.record(desk.call(jobs[broken.pk]))
    broken.refresh_from_db()
    assert broken.state in {S.SCHEDULED, S.BLOCKED}
    assert broken.last_error


def test_a_paused_installation_claims_nothing(desk: Desk) -> None:
    make_post(desk.account())
    Installation.objects.update(paused=True)
    desk.workload.db_tick()
    assert desk.claim() == []
    Installation.objects.update(paused=False)
    desk.workload.db_tick()
    assert len(desk.claim()) == 1


# --- preparing ahead --------------------------------------------------------------------------
def test_uploads_are_made_ahead_and_the_post_goes_out_at_its_moment(
    desk: Desk, network: Scripted
) -> None:
    moment, expiry = timezone.now() + 4 * MINUTE, timezone.now() + HOUR
    post = make_post(desk.account(), due_at=moment, needs_preparation=True)
    network.will(
        prepare=[Continue({"media": {"0.0": "m1"}}), Ready({"media": {"0.0": "m1"}}, expiry)],
        publish=Published(("1",)),
    )
    assert desk.claim() == []  # not in the window yet
    look_ahead.queue_due_posts()
    (job,) = desk.claim()
    desk.record(desk.call(job))
    post.refresh_from_db()
    assert (post.state, post.due_at, post.needs_preparation) == (S.QUEUED, moment, False)
    assert (post.progress, post.progress_expires_at) == ({"media": {"0.0": "m1"}}, expiry)
    assert desk.claim() == []
    ScheduledPost.objects.update(due_at=timezone.now())
    assert desk.work(post).state == S.PUBLISHED
    assert network.calls == ["prepare", "prepare", "publish"]


def test_what_expires_before_the_moment_is_made_anew_and_live_segments_stay(
    desk: Desk, network: Scripted
) -> None:
    now = timezone.now()
    post = make_post(
        desk.account(),
        due_at=now,
        progress={"published": ["1"], "media": {"1.0": "m1"}},
        progress_expires_at=now + 30 * SECOND,
    )
    network.will(prepare=Ready({"published": ["1"]}), publish=Published(("1", "2")))
    desk.work(post)
    assert network.calls == ["prepare", "publish"]
    assert post.state == S.PUBLISHED


def test_an_edit_during_preparation_wins(desk: Desk, network: Scripted) -> None:
    post = make_post(
        desk.account(), state=S.QUEUED, needs_preparation=True, due_at=timezone.now() + MINUTE
    )
    network.will(prepare=[Continue({"media": {"0.0": "m1"}}), Ready({})])
    (job,) = desk.claim()
    services.edit_post(post.pk, actor="user:test", segments=[{"text": "new"}])
    desk.record(desk.call(job))
    post.refresh_from_db()
    assert (post.content_version, post.progress, post.attempts) == (2, {}, 0)
    assert network.calls == ["prepare"]
    attempt = PublishAttempt.objects.get()
    assert (attempt.outcome, attempt.sent_at) == ("lease_lost", None)


def test_a_draining_slot_stops_between_two_uploads(desk: Desk, network: Scripted) -> None:
    moment = timezone.now() + MINUTE
    post = make_post(desk.account(), state=S.QUEUED, needs_preparation=True, due_at=moment)
    desk.is_stopping = True
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    assert (post.due_at, post.needs_preparation, post.lease_slot) == (moment, True, None)
    assert network.calls == []


def test_a_preparation_that_goes_on_after_another_run_is_told_so(
    desk: Desk, network: Scripted
) -> None:
    seen: list[Any] = []

    async def prepare(http: Any, draft: Any, progress: Any) -> Any:
        seen.append(progress)
        if len(seen) == 1:
            return Continue({"offset": 8})
        if len(seen) == 2:
            raise refused(C.NETWORK_ERROR)
        return Continue({**progress, "offset": 16}) if len(seen) == 3 else Ready(progress)

    network.prepare = prepare  # type: ignore[method-assign]
    network.will(publish=Published(("1",)))
    post = desk.work_once(make_post(desk.account(), needs_preparation=True))
    ScheduledPost.objects.update(due_at=timezone.now())
    assert desk.work(post).state == S.PUBLISHED
    resumed = {"offset": 8, "resumed": True}
    assert seen == [{}, {"offset": 8}, resumed, {"offset": 16}]


def test_what_gives_power_is_encrypted_in_the_row_and_open_to_the_adapter(
    desk: Desk, network: Scripted
) -> None:
    secret = {"sealed": {"session": "https://upload.example/?id=power"}, "offset": 8}
    network.will(prepare=[Continue(secret), refused(C.NETWORK_ERROR)])
    post = desk.work_once(make_post(desk.account(), needs_preparation=True))
    assert "power" not in str(post.progress)
    assert post.progress["offset"] == 8
    (job,) = desk.claim_again()
    assert job.payload.progress == secret


def test_what_no_key_opens_any_more_is_prepared_anew(desk: Desk, settings: object) -> None:
    progress = dict(seal({"sealed": {"session": "s"}, "offset": 8}))
    make_post(desk.account(), needs_preparation=True, progress=progress)
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]  # type: ignore[attr-defined]
    (job,) = desk.claim()
    assert job.payload.progress == {"offset": 8}


def test_kinds_of_calls_have_their_own_allowances(
    desk: Desk, network: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    buckets = (Bucket("init", "connection", 1, MINUTE, counted=True),)
    monkeypatch.setattr(Scripted, "buckets", buckets)
    network.call_kind = lambda operation, draft, progress: "chunk" if progress else "init"  # type: ignore[method-assign]
    network.will(
        prepare=[Continue({"offset": 8}), Ready({"offset": 16})], publish=Published(("1",))
    )
    account = desk.account()
    assert desk.work(make_post(account, needs_preparation=True)).state == S.PUBLISHED
    post = desk.work_once(make_post(account, needs_preparation=True))
    assert "init allowance used up" in post.last_error
    assert network.calls == ["prepare", "prepare", "publish"]


# --- the gate ---------------------------------------------------------------------------------
def close(desk: Desk, account: SocialConnection, wait: timedelta) -> None:
    desk.workload.caller.gate.refused(
        ("connection", str(account.pk), "all"),
        platform=account.platform,
        now=time.time(),
        retry_after=wait,
        reason="too many posts",
    )


def test_a_closed_gate_gives_an_honest_moment_and_uses_up_no_attempt(desk: Desk) -> None:
    account = desk.account()
    post = make_post(account)
    (job,) = desk.claim()
    assert desk.hold(job) is None
    close(desk, account, 10 * MINUTE)
    desk.record(desk.hold(job))
    post.refresh_from_db()
    assert timedelta(0) <= post.due_at - timezone.now() - 10 * MINUTE + SECOND < 10 * SECOND
    assert (post.state, post.attempts, post.lease_slot) == (S.SCHEDULED, 0, None)
    assert "too many posts" in post.last_error


def test_a_gate_that_opens_before_the_moment_does_not_bring_it_forward(
    desk: Desk, network: Scripted
) -> None:
    account, moment = desk.account(), timezone.now() + 4 * MINUTE
    post = make_post(account, state=S.QUEUED, needs_preparation=True, due_at=moment)
    close(desk, account, 10 * SECOND)
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    assert (post.due_at, post.state, network.calls) == (moment, S.SCHEDULED, [])


@pytest.mark.parametrize("state", [S.PROCESSING, S.OUTCOME_UNKNOWN])
def test_questions_wait_for_the_gate_too(desk: Desk, network: Scripted, state: str) -> None:
    account = desk.account()
    post = make_post(account, state=state, due_at=timezone.now() - SECOND)
    close(desk, account, 10 * MINUTE)
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    assert (post.state, network.calls) == (state, [])
    assert post.due_at > timezone.now() + 9 * MINUTE


def test_a_refusal_closes_the_gate_for_the_account_and_for_all_processes(
    desk: Desk, network: Scripted
) -> None:
    network.will(publish=refused(C.RATE_LIMIT, retry_after=15 * MINUTE))
    account = desk.account()
    post = make_post(account)
    other, elsewhere = make_post(account), make_post(desk.account())
    jobs = {job.id: job for job in desk.claim()}
    assert desk.mark(jobs[post.pk])
    desk.record(desk.call(jobs[post.pk]))
    post.refresh_from_db()
    assert (post.state, post.attempts, post.last_category) == (S.SCHEDULED, 1, "rate_limit")
    assert post.due_at > timezone.now() + 15 * MINUTE - SOON
    assert desk.hold(jobs[other.pk]) is not None
    assert desk.hold(jobs[elsewhere.pk]) is None
    row = RateLimitState.objects.get()
    assert (row.scope, row.key, row.reason) == (
        "connection",
        str(account.pk),
        "The network said no.",
    )


def test_a_refusal_of_the_app_closes_the_gate_for_every_account(
    desk: Desk, network: Scripted
) -> None:
    network.will(publish=refused(C.QUOTA_EXCEEDED, retry_after=HOUR, app_wide=True))
    post, elsewhere = make_post(desk.account()), make_post(desk.account())
    jobs = {job.id: job for job in desk.claim()}
    assert desk.mark(jobs[post.pk])
    desk.record(desk.call(jobs[post.pk]))
    assert desk.hold(jobs[elsewhere.pk]) is not None


# --- failures ---------------------------------------------------------------------------------
def test_a_failed_first_preparation_counts_as_the_first_try(desk: Desk, network: Scripted) -> None:
    network.capabilities = frozenset({Capability.REFRESH})  # type: ignore[misc]
    network.will(prepare=refused(C.TOKEN_EXPIRED), refresh={"token": "new-token"})
    account = desk.account(credentials={"token": "old-token", "refresh_token": "again"})
    post = make_post(account, needs_preparation=True)
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    account.refresh_from_db()
    assert (post.state, post.attempts) == (S.SCHEDULED, 1)
    assert (account.state, account.get_credentials()["token"]) == ("active", "new-token")


def test_earlier_failures_of_another_kind_do_not_forbid_a_refresh(
    desk: Desk, network: Scripted
) -> None:
    network.capabilities = frozenset({Capability.REFRESH})  # type: ignore[misc]
    busy = [refused(C.SERVER_ERROR), refused(C.SERVER_ERROR)]
    network.will(
        publish=[*busy, refused(C.TOKEN_EXPIRED), Published(("1",))],
        refresh={"token": "new-token"},
    )
    post = make_post(desk.account(credentials={"token": "old-token", "refresh_token": "again"}))
    for _ in range(3):
        desk.work(post)
        ScheduledPost.objects.update(due_at=timezone.now() - SECOND)
    assert network.calls[-1] == "refresh"
    assert desk.work(post).state == S.PUBLISHED


def test_a_token_that_nothing_renews_blocks_the_post_and_marks_the_account(
    desk: Desk, network: Scripted
) -> None:
    network.will(publish=refused(C.AUTH_ERROR))
    account = desk.account()
    post = desk.work(make_post(account))
    account.refresh_from_db()
    assert (post.state, post.due_at) == (S.BLOCKED, None)
    assert (account.state, account.state_reason) == ("needs_reconnect", "The network said no.")


def test_a_lost_answer_is_unknown_until_the_call_can_no_longer_land(
    desk: Desk, network: Scripted, settings: Any
) -> None:
    network.will(publish=refused(C.OUTCOME_UNKNOWN))
    post = desk.work(make_post(desk.account()))
    wait = settings.PUBLISH_LEASE + settings.RECONCILE_GRACE
    assert post.state == S.OUTCOME_UNKNOWN
    assert wait - SOON < post.due_at - timezone.now() <= wait
    assert PublishAttempt.objects.get().outcome == "unknown"
    assert desk.claim() == []


def test_a_fault_of_our_own_after_the_mark_is_an_unknown_outcome(
    desk: Desk, network: Scripted
) -> None:
    network.will(publish=RuntimeError("a bug"))
    post = desk.work(make_post(desk.account()))
    assert post.state == S.OUTCOME_UNKNOWN
    assert "Carillon itself failed here (RuntimeError)" in post.last_error


def test_a_fault_of_our_own_before_the_mark_is_simply_tried_again(
    desk: Desk, network: Scripted
) -> None:
    network.will(prepare=RuntimeError("a bug"))
    post = make_post(desk.account(), needs_preparation=True)
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    assert (post.state, post.attempts) == (S.SCHEDULED, 1)


def test_a_duplicate_on_the_first_try_of_a_new_run_is_not_ours(
    desk: Desk, network: Scripted
) -> None:
    network.will(publish=[refused(C.DUPLICATE), refused(C.DUPLICATE)])
    post = desk.work(make_post(desk.account()))
    assert post.state == S.FAILED
    services.requeue_post(post.pk, actor="user:test")
    assert desk.work(post).state == S.FAILED


# --- unknown outcomes -------------------------------------------------------------------------
def in_doubt(desk: Desk, network: Scripted, **fields: Any) -> ScheduledPost:
    """Return a post whose call was made and never answered, to be looked into now."""
    network.will(publish=refused(C.OUTCOME_UNKNOWN))
    post = desk.work(make_post(desk.account(), **fields))
    ScheduledPost.objects.update(due_at=timezone.now() - SECOND, sent_at=timezone.now() - HOUR)
    PublishAttempt.objects.update(sent_at=timezone.now() - HOUR / 2, started_at=timezone.now())
    return post


KEYS = RetrySafety(Safety.KEY, ttl=24 * HOUR)


def test_the_doubt_stays_while_the_call_is_repeated_under_its_key(
    desk: Desk, network: Scripted
) -> None:
    network.retry_safety = KEYS  # type: ignore[misc]
    post = in_doubt(desk, network)
    network.will(publish=Published(("1",)))
    (job,) = desk.claim()
    assert desk.call(job) is None  # repeat it
    for act in (services.cancel_post, services.requeue_post, services.publish_now):
        with pytest.raises(services.IllegalTransition):
            act(post.pk, actor="user:test")
    assert desk.mark(job)
    desk.record(desk.call(job))
    post.refresh_from_db()
    assert (post.state, post.remote_ids) == (S.PUBLISHED, ["1"])
    assert len(set(network.keys)) == 1
    assert [a.outcome for a in PublishAttempt.objects.order_by("number")] == [
        "unknown",
        "published",
    ]


@pytest.mark.parametrize("category", [C.RATE_LIMIT, C.SERVER_ERROR, C.VALIDATION_ERROR])
def test_a_refused_repeat_keeps_the_doubt(
    desk: Desk, network: Scripted, category: ErrorCategory
) -> None:
    network.retry_safety = KEYS  # type: ignore[misc]
    post = in_doubt(desk, network)
    network.will(publish=refused(category))
    desk.work(post)
    assert post.state == S.OUTCOME_UNKNOWN
    assert is_open(post) == (category is C.VALIDATION_ERROR)  # then a person looks
    assert post.due_at is not None


def test_a_repeat_whose_mark_is_taken_back_keeps_the_doubt(desk: Desk, network: Scripted) -> None:
    network.retry_safety = KEYS  # type: ignore[misc]
    post = in_doubt(desk, network)
    (job,) = desk.claim()
    assert desk.call(job) is None
    assert desk.mark(job)
    desk.record(desk.workload.unsent(job, "too slow"))
    post.refresh_from_db()
    assert (post.state, post.attempts, post.lease_slot) == (S.OUTCOME_UNKNOWN, 1, None)


def test_a_fault_of_our_own_while_asking_asks_again_and_sends_nothing(
    desk: Desk, network: Scripted
) -> None:
    post = in_doubt(desk, network)
    network.will(find=RuntimeError("a bug"))
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    assert post.state == S.OUTCOME_UNKNOWN
    assert timezone.now() < post.due_at < timezone.now() + MINUTE


def test_a_question_comes_with_a_fresh_token(desk: Desk, network: Scripted) -> None:
    network.capabilities = frozenset({Capability.REFRESH, Capability.FIND})  # type: ignore[misc]
    post = in_doubt(desk, network)
    connection = SocialConnection.objects.get(pk=post.connection_id)
    connection.set_credentials({"token": "old-token", "refresh_token": "again"})
    connection.expires_at, connection.version = timezone.now() + MINUTE, 2
    connection.save()
    network.will(find=Published(("1",)), refresh={"token": "new-token"})
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    assert network.calls[-2:] == ["refresh", "find"]
    assert post.state == S.PUBLISHED


# --- work that the network goes on with -------------------------------------------------------
def processing(desk: Desk, **fields: Any) -> ScheduledPost:
    fields = {"sent_at": timezone.now(), "due_at": timezone.now() - SECOND, **fields}
    return make_post(desk.account(), state=S.PROCESSING, progress={"container": "c1"}, **fields)


def poll(desk: Desk, post: ScheduledPost) -> ScheduledPost:
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    return post


def test_unfinished_work_is_polled_at_the_network_s_pace(desk: Desk, network: Scripted) -> None:
    network.will(publish=Processing({"container": "c1"}, 20 * SECOND))
    post = desk.work(make_post(desk.account()))
    assert (post.state, post.progress) == (S.PROCESSING, {"container": "c1"})
    assert 15 * SECOND < post.due_at - timezone.now() <= 20 * SECOND
    assert desk.claim() == []


def test_finished_work_is_published(desk: Desk, network: Scripted) -> None:
    network.will(check=[Processing({"container": "c1"}, SECOND), Published(("1",))])
    post = poll(desk, processing(desk))
    assert post.state == S.PROCESSING
    ScheduledPost.objects.update(due_at=timezone.now() - SECOND)
    post = poll(desk, post)
    assert (post.state, post.remote_ids) == (S.PUBLISHED, ["1"])


def test_work_that_is_ready_goes_on_with_the_next_step(desk: Desk, network: Scripted) -> None:
    network.will(check=Ready({"published": ["1"]}))
    before = processing(desk)
    post = poll(desk, before)
    assert (post.state, post.progress) == (S.SCHEDULED, {"published": ["1"]})
    assert post.attempts == 0  # a step that went well uses up no attempt


@pytest.mark.parametrize("category", [C.SERVER_ERROR, C.RATE_LIMIT, C.TOKEN_EXPIRED, C.UNKNOWN])
def test_a_poll_that_fails_is_repeated_and_nothing_is_sent_again(
    desk: Desk, network: Scripted, category: ErrorCategory
) -> None:
    network.will(check=refused(category, retry_after=45 * SECOND))
    post = poll(desk, processing(desk))
    assert post.state == S.PROCESSING
    assert post.due_at > timezone.now() + 40 * SECOND


def test_work_that_the_network_calls_failed_is_failed(desk: Desk, network: Scripted) -> None:
    network.will(check=refused(C.MEDIA_ERROR))
    post = poll(desk, processing(desk))
    assert (post.state, post.last_category) == (S.FAILED, "media_error")


def test_failed_work_that_may_be_tried_again_is_prepared_anew(
    desk: Desk, network: Scripted
) -> None:
    network.will(
        check=refused(C.SERVER_ERROR, http_status=200, starts_over=True),
        prepare=Ready({"container": "c2"}),
        publish=Published(("1",)),
    )
    post = poll(desk, processing(desk))
    assert (post.state, post.progress, post.needs_preparation) == (
        S.SCHEDULED,
        {"published": []},
        True,
    )
    ScheduledPost.objects.update(due_at=timezone.now())
    assert desk.work(post).state == S.PUBLISHED
    assert network.calls == ["check", "prepare", "publish"]


def test_work_nobody_can_ask_about_for_a_day_is_an_unknown_outcome(
    desk: Desk, network: Scripted
) -> None:
    network.will(check=refused(C.SERVER_ERROR))
    post = poll(desk, processing(desk, sent_at=timezone.now() - 25 * HOUR))
    assert post.state == S.OUTCOME_UNKNOWN
