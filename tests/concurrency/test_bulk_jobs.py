"""A job whose worker is killed goes on from there; two workers never do a row twice."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from accounts.models import AuditEvent
from scheduling import bulk_jobs, bulk_work
from scheduling.models import BulkJob, PostTransition, ScheduledPost
from scheduling.states import PostState
from tests.concurrency.test_claims import make_posts
from tests.concurrency.threads import together
from tests.processes import Managed, wait_until

S = PostState


def confirmed(count: int) -> BulkJob:
    """Return a confirmed job over `count` failed posts."""
    make_posts(count, state=S.FAILED, due_at=None)
    posts = ScheduledPost.objects.all()
    job = bulk_jobs.propose(posts, action="requeue", actor="user:ada", filter={})
    return bulk_jobs.confirm(job.pk, actor="user:ada", reason="again", answers={})


def assert_each_once(count: int) -> None:
    assert ScheduledPost.objects.filter(state=S.SCHEDULED, publish_run=2).count() == count
    assert PostTransition.objects.filter(target=S.SCHEDULED).count() == count
    events = AuditEvent.objects.filter(action="post.requeued")
    assert events.values("target").distinct().count() == events.count() == count


def test_a_job_killed_in_the_middle_goes_on_and_does_each_row_once(
    run_manage: Callable[..., Managed], shared_env: dict[str, str]
) -> None:
    job = confirmed(600)
    code = f"from scheduling.tasks import run_bulk_job; run_bulk_job('{job.pk}')"
    worker = run_manage("shell", "-c", code, env=shared_env)
    requeued = ScheduledPost.objects.filter(state=S.SCHEDULED)
    wait_until(lambda: requeued.count() > 60, what="the first rows")
    worker.end(signal.SIGKILL)
    before = requeued.count()
    assert before < 600, "the worker was too quick for this test"
    bulk_work.run(job.pk)
    assert requeued.count() == before  # its lease is not over
    BulkJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    bulk_work.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, job.refused, job.failed) == ("done", 600, 0, 0)
    assert_each_once(600)


def test_two_workers_on_one_job_do_each_row_once() -> None:
    job = confirmed(120)
    BulkJob.objects.update(state="running")  # both slept through their leases
    together([lambda: bulk_work.work(job.pk)] * 2)
    job.refresh_from_db()
    assert (job.state, job.done) == ("done", 120)
    assert_each_once(120)
