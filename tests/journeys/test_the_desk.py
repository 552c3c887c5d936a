"""What staff switch off stays off while a cluster runs, and a job goes through the real queue."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from engine.models import Pause, WorkerSlot
from scheduling import bulk_jobs, outage, pauses
from scheduling.models import BulkJob, ScheduledPost
from scheduling.states import PostState
from tests.factories import make_post
from tests.journeys.stage import Stage
from tests.processes import wait_until

S = PostState
ADA = "user:ada"


@pytest.mark.parametrize("what", ["platform", "workspace", "everything"])
def test_what_is_paused_waits_and_leaves_after_resuming_while_others_go_out(
    stage: Stage, what: str
) -> None:
    stage.cluster()
    account, other = stage.account("sandbox"), stage.account("mastodon")
    first = stage.post(account, "before")
    stage.wait_for(first, state=S.PUBLISHED)
    if what == "everything":
        outage.pause(actor=ADA, reason="stop")
    else:
        scope = Pause.Scope(what)
        key = "sandbox" if what == "platform" else str(account.workspace_id)
        pauses.pause(scope, key, actor=ADA, reason="maintenance")
    waiting = [stage.post(account, f"number {n}", in_seconds=1) for n in range(5)]
    if what == "platform":
        going = stage.post(other, "not meant", in_seconds=1)
        stage.wait_for(going, state=S.PUBLISHED)
    wait_until(lambda: waiting[-1].scheduled_at + timedelta(seconds=2) < timezone.now())
    assert len(stage.judge.posts("sandbox", account.username)) == 1
    states = ScheduledPost.objects.filter(pk__in=[post.pk for post in waiting])
    assert not states.exclude(state__in=[S.SCHEDULED, S.QUEUED]).exists()
    assert set(states.values_list("attempts", flat=True)) == {0}
    if what == "everything":
        outage.resume(actor=ADA)
    else:
        pauses.resume(scope, key, actor=ADA)
    stage.wait_for(*waiting, state=S.PUBLISHED)
    assert len(stage.judge.posts("sandbox", account.username)) == 6


def test_a_drained_host_sends_nothing_and_goes_on_when_started(stage: Stage) -> None:
    stage.cluster()
    account = stage.account("sandbox")
    stage.wait_for(stage.post(account, "before"), state=S.PUBLISHED)
    host = socket.gethostname()
    pauses.pause(Pause.Scope.HOST, host, actor=ADA, reason="upgrade")
    waiting = stage.post(account, "after", in_seconds=3)
    wait_until(lambda: waiting.scheduled_at + timedelta(seconds=1) < timezone.now())
    slots = WorkerSlot.objects.filter(kind="publish", stopped_at=None)
    wait_until(lambda: not slots.exclude(in_flight=0, claimed=0).exists(), what="empty hands")
    assert len(stage.judge.posts("sandbox", account.username)) == 1
    pauses.resume(Pause.Scope.HOST, host, actor=ADA)
    stage.wait_for(waiting, state=S.PUBLISHED)


def test_a_job_is_done_by_the_cluster_although_the_queue_never_heard_of_it(stage: Stage) -> None:
    account = stage.account("sandbox")
    for number in range(30):
        make_post(account, state=S.FAILED, text=f"again {number}")
    job = bulk_jobs.propose(
        ScheduledPost.objects.filter(state=S.FAILED), action="requeue", actor=ADA, filter={}
    )
    bulk_jobs.confirm(job.pk, actor=ADA, reason="again", answers={})  # asks another queue
    stage.cluster()
    wait_until(lambda: BulkJob.objects.get().state == "done", seconds=100, what="the job's end")
    published = ScheduledPost.objects.filter(state=S.PUBLISHED)
    wait_until(lambda: published.count() == 30, seconds=60, what="all posts")
    assert len(stage.judge.posts("sandbox", account.username)) == 30
