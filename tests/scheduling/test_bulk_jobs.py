"""A job does what was counted, once each, and nothing else, whatever happens in between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from engine.models import Pause
from platforms.models import SocialConnection
from scheduling import bulk_jobs, bulk_work, pauses, services
from scheduling.bulk_actions import ACTIONS
from scheduling.bulk_jobs import JobRefused
from scheduling.models import BulkItem, BulkJob, PostTransition, ScheduledPost
from scheduling.states import PostState
from tests.factories import make_post

pytestmark = pytest.mark.django_db

S = PostState
ADA = "user:ada"


def propose(action: str = "requeue", **narrowed: Any) -> BulkJob:
    posts = ScheduledPost.objects.filter(**narrowed)
    return bulk_jobs.propose(posts, action=action, actor=ADA, filter={"state__exact": "failed"})


def carry_out(job: BulkJob, **answers: Any) -> BulkJob:
    """Confirm and run a job to its end."""
    bulk_jobs.confirm(job.pk, actor=ADA, reason="network is back", answers=answers)
    bulk_work.run(job.pk)
    job.refresh_from_db()
    return job


def states() -> list[str]:
    return sorted(ScheduledPost.objects.values_list("state", flat=True))


def test_a_proposal_counts_and_changes_nothing(connection: SocialConnection) -> None:
    for state in (S.FAILED, S.FAILED, S.PUBLISHED):
        make_post(connection, state=state)
    job = propose()
    assert (job.total, job.done, job.refused) == (3, 0, 1)
    assert bulk_jobs.states_of(job) == {"failed": 2, "published": 1}
    assert states() == ["failed", "failed", "published"]
    assert not AuditEvent.objects.exists()
    bulk_work.run(job.pk)
    assert states() == ["failed", "failed", "published"]


def test_published_posts_stay_what_they_are_whatever_is_done(connection: SocialConnection) -> None:
    post = make_post(connection, state=S.PUBLISHED)
    for action in ACTIONS:
        job = carry_out(propose(action), in_doubt=True)
        assert (job.done, job.refused, job.state) == (0, 1, "done")
    post.refresh_from_db()
    assert (post.state, post.fencing_token) == (S.PUBLISHED, 0)


def test_a_post_that_comes_later_is_left_alone(connection: SocialConnection) -> None:
    make_post(connection, state=S.FAILED)
    job = propose(state=S.FAILED)
    late = make_post(connection, state=S.FAILED)
    assert carry_out(job).done == 1
    late.refresh_from_db()
    assert late.state == S.FAILED


def test_a_post_that_has_changed_since_it_was_counted_is_refused(
    connection: SocialConnection,
) -> None:
    post = make_post(connection, state=S.FAILED)
    counted_as_refused = make_post(connection, state=S.PROCESSING)
    job = propose()
    services.cancel_post(post.pk, actor="user:bob")  # a cancelled post could be requeued
    ScheduledPost.objects.filter(pk=counted_as_refused.pk).update(state=S.FAILED, due_at=None)
    assert carry_out(job).refused == 2
    assert states() == ["cancelled", "failed"]
    assert "changed since it was counted: now cancelled" in [
        why for _, why, _, _ in bulk_jobs.reasons_of(job)
    ]


def test_a_scheduled_post_that_was_queued_meanwhile_is_the_same_to_a_person(
    connection: SocialConnection,
) -> None:
    post = make_post(connection)
    job = propose("cancel")
    ScheduledPost.objects.filter(pk=post.pk).update(state=S.QUEUED)
    assert carry_out(job).done == 1


@pytest.mark.parametrize(("in_doubt", "state"), [(False, "outcome_unknown"), (True, "scheduled")])
def test_unknown_outcomes_need_a_word_of_their_own(
    connection: SocialConnection, in_doubt: bool, state: str
) -> None:
    old = timezone.now() - timedelta(hours=1)
    make_post(connection, state=S.OUTCOME_UNKNOWN, sent_at=old)
    carry_out(propose(), in_doubt=in_doubt)
    assert states() == [state]


def test_with_four_eyes_no_job_answers_for_posts_in_doubt(
    connection: SocialConnection, settings: Any
) -> None:
    settings.FOUR_EYES = True
    make_post(connection, state=S.OUTCOME_UNKNOWN)
    with pytest.raises(JobRefused, match="Two people"):
        carry_out(propose(), in_doubt=True)


def test_every_job_and_every_post_has_its_audit_event(connection: SocialConnection) -> None:
    posts = [make_post(connection, state=S.FAILED) for _ in range(3)]
    job = carry_out(propose())
    events = AuditEvent.objects.all()
    assert set(events.values_list("actor", "reason")) == {(ADA, "network is back")}
    assert events.filter(action="bulk_job.confirmed", target=f"bulk_job:{job.pk}").count() == 1
    assert events.get(action="bulk_job.done").detail["done"] == 3
    of_posts = events.filter(action="post.requeued").values_list("target", flat=True)
    assert set(of_posts) == {f"post:{post.pk}" for post in posts}
    assert PostTransition.objects.filter(reason="network is back").count() == 3


def test_only_who_saw_the_count_confirms_and_only_once(connection: SocialConnection) -> None:
    make_post(connection, state=S.FAILED)
    job = propose()
    with pytest.raises(JobRefused, match="Only the person who proposed it"):
        bulk_jobs.confirm(job.pk, actor="user:bob", reason="", answers={})
    bulk_jobs.confirm(job.pk, actor=ADA, reason="", answers={})
    with pytest.raises(JobRefused, match="waiting already"):
        bulk_jobs.confirm(job.pk, actor=ADA, reason="", answers={})


def test_an_old_count_is_no_longer_confirmed(connection: SocialConnection) -> None:
    make_post(connection, state=S.FAILED)
    job = propose()
    BulkJob.objects.update(created_at=timezone.now() - timedelta(hours=2))
    with pytest.raises(JobRefused, match="over an hour ago"):
        bulk_jobs.confirm(job.pk, actor=ADA, reason="", answers={})


def test_a_stopped_job_does_no_further_row(connection: SocialConnection) -> None:
    make_post(connection, state=S.FAILED)
    job = propose()
    bulk_jobs.confirm(job.pk, actor=ADA, reason="", answers={})
    bulk_jobs.stop(job.pk, actor="user:bob")
    bulk_work.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.stopped_by, job.done) == ("stopped", "user:bob", 0)
    assert states() == ["failed"]


def test_a_job_that_another_worker_has_is_left_to_it(connection: SocialConnection) -> None:
    make_post(connection, state=S.FAILED)
    job = propose()
    bulk_jobs.confirm(job.pk, actor=ADA, reason="", answers={})
    BulkJob.objects.update(state="running", lease_until=timezone.now() + timedelta(seconds=20))
    bulk_work.run(job.pk)
    assert states() == ["failed"]
    BulkJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert bulk_work.run_waiting() == 1
    bulk_work.run(job.pk)
    assert states() == ["scheduled"]


def test_a_drained_host_runs_no_jobs(connection: SocialConnection) -> None:
    make_post(connection, state=S.FAILED)
    job = propose()
    bulk_jobs.confirm(job.pk, actor=ADA, reason="", answers={})
    pauses.pause(Pause.Scope.HOST, Pause.ALL_HOSTS, actor=ADA, reason="upgrade")
    bulk_work.run(job.pk)
    assert states() == ["failed"]


def test_a_row_that_breaks_something_is_failed_and_the_others_go_on(
    connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_post(connection, state=S.FAILED), make_post(connection, state=S.FAILED)
    job = propose()
    ScheduledPost.objects.filter(pk=first.pk).update(platform="gone")  # no adapter: our own error
    done = carry_out(job)
    assert (done.done, done.failed, done.state) == (1, 1, "done")
    second.refresh_from_db()
    assert second.state == S.SCHEDULED


def test_rescheduled_posts_keep_their_order_and_do_not_leave_at_once(
    connection: SocialConnection,
) -> None:
    at = timezone.now() + timedelta(hours=1)
    posts = [make_post(connection, due_at=at + timedelta(seconds=n)) for n in range(4)]
    carry_out(propose("reschedule"), offset_minutes=30, spread_minutes=20)
    later = []
    for post in posts:
        before = post.scheduled_at
        post.refresh_from_db()
        later.append((post.scheduled_at - before).total_seconds() / 60)
        assert post.due_at == post.scheduled_at
    assert later == [30, 35, 40, 45]


def test_held_posts_are_rescheduled_from_now_on(connection: SocialConnection) -> None:
    long_ago = timezone.now() - timedelta(days=1)
    posts = [make_post(connection, state=S.HELD, scheduled_at=long_ago) for _ in range(2)]
    job = carry_out(propose("reschedule"), from_now=True, spread_minutes=60, offset_minutes=5)
    assert job.done == 2
    assert job.confirmed_at is not None
    moments = sorted(ScheduledPost.objects.values_list("scheduled_at", flat=True))
    begin = job.confirmed_at + timedelta(minutes=5)
    assert moments == [begin, begin + timedelta(minutes=30)]
    assert states() == ["scheduled"] * len(posts)


def test_nothing_and_too_much_are_refused(
    connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(JobRefused, match="No post matches"):
        propose()
    monkeypatch.setattr(bulk_jobs, "MOST", 1)
    make_post(connection)
    make_post(connection)
    with pytest.raises(JobRefused, match="narrow the filter"):
        propose()


def test_proposals_nobody_confirmed_are_tidied_away(connection: SocialConnection) -> None:
    make_post(connection, state=S.FAILED)
    propose()
    BulkJob.objects.update(created_at=timezone.now() - timedelta(days=2))
    bulk_jobs.tidy()
    assert not BulkJob.objects.exists()
    assert not BulkItem.objects.exists()
