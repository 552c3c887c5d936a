"""A cluster that cannot work any more is started anew; nothing is lost or sent twice by that."""

from __future__ import annotations

import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from engine.models import Installation, WorkerSlot
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.states import PostState
from tests.journeys.stage import Stage
from tests.processes import Managed, wait_until
from tests.supervision.family import (
    are_gone,
    guard_of,
    helper_of,
    long_task,
    lose_the_queue_lock,
    noted,
    queue,
    send,
    wait_for_slots,
    workers_of,
)
from tests.supervision.relay import Lines

S = PostState
ALERT = {"WATCHDOG_SECONDS": "2", "PUBLISHER_SLOTS": "1", "WORKER_CONCURRENCY": "2"}
IDLE_WORKERS = 3  # WORKER_CONCURRENCY and the place of a slot's successor
FROZEN = r"cluster\.frozen.*"


def posts_of_the_next_seconds(stage: Stage, seconds: int) -> list[ScheduledPost]:
    """Schedule four posts a second."""
    account = stage.account("sandbox")
    return [stage.post(account, f"number {n}", in_seconds=n / 4) for n in range(4 * seconds)]


def all_went_out_once(stage: Stage, posts: list[ScheduledPost]) -> None:
    stage.wait_for(*posts, state=S.PUBLISHED)
    live = stage.judge.posts("sandbox", posts[0].connection.username)
    assert sorted(post["text"] for post in live) == sorted(f"number {n}" for n in range(len(posts)))
    assert PublishAttempt.objects.count() == len(posts)


def comes_back(cluster: Managed, cause: str) -> None:
    """Wait until the cluster was found frozen and a new one publishes."""
    assert cause in cluster.wait_for(FROZEN)[0]
    wait_until(lambda: cluster.output.count("cluster.started") == 2, what="a new cluster")
    wait_for_slots()


def test_a_worker_killed_with_the_queue_s_lock_freezes_the_cluster_only_for_a_moment(
    stage: Stage,
) -> None:
    cluster = stage.cluster(**ALERT)
    wait_for_slots()
    posts = posts_of_the_next_seconds(stage, 6)
    before = [guard_of(cluster), *workers_of(cluster)]
    lose_the_queue_lock(cluster)
    comes_back(cluster, "tasks wait beside idle workers")
    assert are_gone(before)
    all_went_out_once(stage, posts)
    assert cluster.output.count("cluster.frozen") == 1


@pytest.mark.parametrize(
    ("victim", "cause"), [("q-guard", "the guard loop hangs"), ("q-pusher", "the pusher hangs")]
)
def test_a_process_that_hangs_is_replaced_with_the_whole_cluster(
    stage: Stage, victim: str, cause: str
) -> None:
    cluster = stage.cluster(**ALERT)
    wait_for_slots()
    posts = posts_of_the_next_seconds(stage, 8)
    guard = guard_of(cluster)
    before = [guard, *guard.children()]
    send(signal.SIGSTOP, [guard if victim == "q-guard" else helper_of(cluster, victim)])
    comes_back(cluster, cause)
    assert are_gone(before)
    all_went_out_once(stage, posts)


def test_a_slot_that_hangs_loses_its_claims_and_its_place_to_another(stage: Stage) -> None:
    account = stage.account("sandbox")
    cluster = stage.cluster(PUBLISHER_SLOTS="2")
    wait_for_slots(publish=2)
    posts = [stage.post(account, f"number {n}", in_seconds=4) for n in range(20)]
    held = ScheduledPost.objects.filter(lease_slot__isnull=False)
    wait_until(lambda: held.count() == len(posts), what="all claimed")
    hung = WorkerSlot.objects.get(pk=held.values_list("lease_slot", flat=True)[0])
    (process,) = [p for p in workers_of(cluster) if p.pid == hung.pid]
    send(signal.SIGSTOP, [process])
    try:
        stage.wait_for(*posts, state=S.PUBLISHED)
        younger = WorkerSlot.objects.filter(kind="publish", pk__gt=hung.pk, stopped_at=None)
        wait_until(lambda: younger.exclude(pid=hung.pid).exists(), what="a slot in its place")
    finally:
        send(signal.SIGCONT, [process])
    hung_since = hung.heartbeat_at
    wait_until(
        lambda: WorkerSlot.objects.get(pk=hung.pk).heartbeat_at > hung_since + timedelta(seconds=3),
        what="the hung slot's next heartbeat",
    )
    assert len(stage.judge.posts("sandbox", account.username)) == len(posts)
    assert not PublishAttempt.objects.exclude(number=1).exists()
    assert "cluster.frozen" not in cluster.output


def test_a_task_that_hangs_beyond_its_time_is_killed_and_its_worker_replaced(
    stage: Stage, tmp_path: Path
) -> None:
    cluster = stage.cluster(PUBLISHER_SLOTS="1", WORKER_CONCURRENCY="2")
    wait_for_slots()
    workers = len(workers_of(cluster))
    task, note = long_task(tmp_path, hangs=True)
    queue(stage, "runpy.run_path", repr(str(task)), timeout=3)
    hung = noted(note)
    wait_until(lambda: not hung.is_running(), what="its end")
    wait_until(lambda: len(workers_of(cluster)) == workers, what="a worker in its place")
    assert "cluster.frozen" not in cluster.output


def test_a_cluster_whose_workers_are_all_busy_is_left_alone(stage: Stage) -> None:
    cluster = stage.cluster(**ALERT)
    wait_for_slots()
    slots = set(WorkerSlot.objects.values_list("pk", flat=True))
    # One more than there are workers: it waits behind them.
    queue(stage, "time.sleep", "5", times=IDLE_WORKERS + 1)
    two_canaries = timedelta(seconds=4)

    def is_late() -> bool:
        at = Installation.objects.values_list("canary_at", flat=True).first()
        return at is not None and timezone.now() - at > two_canaries

    wait_until(is_late, what="a late canary")
    last = Installation.objects.get().canary_at
    wait_until(lambda: Installation.objects.get().canary_at > last, what="the next canary")
    assert "cluster.frozen" not in cluster.output
    assert set(WorkerSlot.objects.values_list("pk", flat=True)) == slots


def test_a_database_that_hangs_is_waited_for(stage: Stage, lines: Lines) -> None:
    """A restart would lose the results that wait in memory, and help nobody."""
    account = stage.account("sandbox")
    stage.judge.be_cruel("sandbox", account.username, on="create", latency_ms=300)
    # Without broker the pusher asks the database too: everything waits for it.
    cluster = stage.cluster(**ALERT, DATABASE_URL=lines.env["DATABASE_URL"], REDIS_URL="")
    wait_for_slots()
    posts = [stage.post(account, f"number {n}") for n in range(8)]
    wait_until(PublishAttempt.objects.exists, what="the first attempt")
    lines.database.freeze()
    frozen_at = time.monotonic()
    wait_until(lambda: time.monotonic() - frozen_at > 6, what="three times the patience")
    lines.database.mend()
    stage.wait_for(*posts, state=S.PUBLISHED)
    assert len(stage.judge.posts("sandbox", account.username)) == len(posts)
    assert "cluster.frozen" not in cluster.output
    assert cluster.output.count("cluster.started") == 1
