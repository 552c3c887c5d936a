"""Kill -9, signals and lost answers: every post ends live exactly once, and its story is true."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from engine.models import WorkerSlot
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.states import PostState
from tests.journeys.stage import Stage
from tests.processes import Managed, wait_until

S = PostState
BURST = 60


def network_of(platform: str) -> str:
    return "mastodon/one" if platform == "mastodon" else platform


def copies(stage: Stage, network: str, account: str) -> list[str]:
    return sorted(post["text"] for post in stage.judge.posts(network, account))


def kill_everything(cluster: Managed) -> None:
    family = [
        cluster.process.pid,
        *(p.pid for p in psutil.Process(cluster.process.pid).children(recursive=True)),
    ]
    for pid in family:
        os.kill(pid, signal.SIGKILL)
    cluster.wait()


@pytest.mark.parametrize("platform", ["sandbox", "x", "mastodon"])
def test_accept_then_drop_leaves_one_live_copy(stage: Stage, platform: str) -> None:
    account = stage.account(platform)
    network = network_of(platform)
    stage.judge.be_cruel(network, account.username, on="create", accept_then_drop=1)
    post = stage.post(account, f"once {stage.tag}")
    stage.cluster()
    stage.wait_for(post, state=S.OUTCOME_UNKNOWN)
    stage.wait_for(post, state=S.PUBLISHED)
    (live,) = stage.judge.posts(network, account.username)
    post.refresh_from_db()
    assert post.remote_ids == [live["id"]]
    assert post.attempt_log.order_by("number").first().outcome == "unknown"


def test_a_server_that_forgets_its_keys_still_has_one_copy(stage: Stage) -> None:
    account = stage.account("mastodon", instance="forgetful")
    network = "mastodon/forgetful"
    stage.judge.be_cruel(network, account.username, on="create", accept_then_drop=1)
    post = stage.post(account, f"once {stage.tag}")
    stage.cluster()
    stage.wait_for(post, state=S.PUBLISHED)
    (live,) = stage.judge.posts(network, account.username)
    post.refresh_from_db()
    assert post.remote_ids == [live["id"]]


def test_two_posts_of_the_same_text_are_two_copies_each_with_its_own(stage: Stage) -> None:
    account = stage.account("mastodon", instance="forgetful")
    network = "mastodon/forgetful"
    stage.judge.be_cruel(network, account.username, on="create", accept_then_drop=2)
    posts = [stage.post(account, f"twice {stage.tag}") for _ in range(2)]
    stage.cluster()
    stage.wait_for(*posts, state=S.PUBLISHED, seconds=60)
    live = {post["id"] for post in stage.judge.posts(network, account.username)}
    owned = ScheduledPost.objects.filter(pk__in=[p.pk for p in posts])
    assert {tuple(ids) for ids in owned.values_list("remote_ids", flat=True)} == {
        (remote_id,) for remote_id in live
    }
    assert len(live) == 2


def test_a_call_that_lands_after_its_deadline_is_not_sent_again(stage: Stage) -> None:
    account = stage.account("x")
    stage.judge.be_cruel(
        "x", account.username, on="create", hang={"times": 1, "lands_after_ms": 1500}
    )
    post = stage.post(account, f"late {stage.tag}")
    stage.cluster()
    stage.wait_for(post, state=S.PUBLISHED)
    assert len(stage.judge.posts("x", account.username)) == 1
    assert post.attempt_log.count() == 1


def test_a_thread_cut_in_the_middle_goes_on_where_it_stopped(stage: Stage) -> None:
    account = stage.account("mastodon")
    post = stage.post(account, "one", "two", "three")
    stage.judge.be_cruel("mastodon/one", account.username, on="create", latency_ms=400)
    cluster = stage.cluster()
    wait_until(
        lambda: len(stage.judge.posts("mastodon/one", account.username)) == 1, what="segment one"
    )
    kill_everything(cluster)
    stage.cluster()
    stage.wait_for(post, state=S.PUBLISHED)
    assert copies(stage, "mastodon/one", account.username) == ["one", "three", "two"]


def test_kill_9_of_everything_in_mid_burst_loses_and_doubles_nothing(stage: Stage) -> None:
    accounts = [stage.account("mastodon", n) for n in range(4)]
    for account in accounts:
        stage.judge.be_cruel("mastodon/one", account.username, on="create", latency_ms=300)
    posts = [
        stage.post(accounts[n % 4], f"burst {n} {stage.tag}", in_seconds=1.5) for n in range(BURST)
    ]
    cluster = stage.cluster()
    wait_until(lambda: PublishAttempt.objects.count() >= 8, what="the burst")
    kill_everything(cluster)
    unsent = list(ScheduledPost.objects.filter(state__in=[S.SCHEDULED, S.QUEUED]))
    in_flight = list(ScheduledPost.objects.filter(state=S.PUBLISHING))
    assert unsent
    assert in_flight
    stage.cluster()
    stage.wait_for(*posts, state=S.PUBLISHED, seconds=40)
    live = [text for a in accounts for text in copies(stage, "mastodon/one", a.username)]
    assert sorted(live) == sorted(f"burst {n} {stage.tag}" for n in range(BURST))
    for post in in_flight:
        story = list(post.transitions.order_by("id").values_list("target", flat=True))
        assert S.OUTCOME_UNKNOWN in story
    for post in unsent:
        assert not post.transitions.filter(target=S.OUTCOME_UNKNOWN).exists()


def test_claims_of_a_killed_slot_are_taken_over_by_the_other(stage: Stage) -> None:
    account = stage.account("sandbox")
    cluster = stage.cluster(PUBLISHER_SLOTS="2")
    wait_until(
        lambda: WorkerSlot.objects.filter(kind="publish", stopped_at=None).count() == 2,
        what="two slots",
    )
    posts = [stage.post(account, f"number {n}", in_seconds=4) for n in range(20)]

    def holder() -> int | None:
        held = ScheduledPost.objects.filter(lease_slot__isnull=False)
        return held.count() == 20 and held.values_list("lease_slot", flat=True)[0]

    victim = WorkerSlot.objects.get(pk=wait_until(holder, what="all claimed"))
    os.kill(victim.pid, signal.SIGKILL)
    stage.wait_for(*posts, state=S.PUBLISHED)
    assert cluster.process.poll() is None
    assert len(stage.judge.posts("sandbox", account.username)) == 20
    assert not PublishAttempt.objects.exclude(number=1).exists()


@pytest.mark.parametrize("whole_group", [False, True])
def test_sigterm_in_mid_burst_finishes_what_is_in_flight_and_leaves_no_process(
    stage: Stage, whole_group: bool
) -> None:
    account = stage.account("sandbox")
    stage.judge.be_cruel("sandbox", account.username, on="create", latency_ms=500)
    posts = [stage.post(account, f"number {n}", in_seconds=1) for n in range(30)]
    cluster = stage.cluster()
    wait_until(lambda: PublishAttempt.objects.exists(), what="the burst")
    children = psutil.Process(cluster.process.pid).children(recursive=True)
    started = time.monotonic()
    if whole_group:
        os.killpg(cluster.process.pid, signal.SIGTERM)
    else:
        cluster.process.send_signal(signal.SIGTERM)
    assert cluster.wait(15) == 0
    assert time.monotonic() - started < 10
    assert not [p for p in children if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    states = set(ScheduledPost.objects.values_list("state", flat=True))
    assert states <= {S.PUBLISHED, S.SCHEDULED, S.QUEUED}
    published = ScheduledPost.objects.filter(state=S.PUBLISHED).count()
    assert published == len(stage.judge.posts("sandbox", account.username)) > 0
    assert not ScheduledPost.objects.filter(lease_slot__isnull=False).exists()
    assert published < len(posts)


def test_the_cluster_comes_back_when_its_guard_is_killed(stage: Stage) -> None:
    account = stage.account("sandbox")
    cluster = stage.cluster()
    before = stage.post(account, "before")
    stage.wait_for(before, state=S.PUBLISHED)
    (guard,) = psutil.Process(cluster.process.pid).children()
    workers = guard.children()
    guard.kill()
    after = stage.post(account, "after")
    stage.wait_for(after, state=S.PUBLISHED)
    assert not [p for p in workers if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_workers_die_with_a_killed_supervisor(stage: Stage) -> None:
    cluster = stage.cluster()
    wait_until(lambda: WorkerSlot.objects.filter(kind="publish").exists(), what="a slot")
    children = psutil.Process(cluster.process.pid).children(recursive=True)
    assert len(children) > 3
    cluster.process.kill()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
