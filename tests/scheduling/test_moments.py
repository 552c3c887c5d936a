"""A new moment keeps the content, what is prepared of it, and who approved it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from engine.states import IllegalTransition
from platforms.models import SocialConnection
from scheduling.models import PostTransition, ScheduledPost
from scheduling.moments import reschedule_post
from scheduling.rules import Invalid
from scheduling.states import PostState
from tests.factories import make_post
from tests.scheduling.desk import Desk

pytestmark = pytest.mark.django_db

S = PostState
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def test_what_is_prepared_stays_and_no_new_version_begins(connection: SocialConnection) -> None:
    post = make_post(
        connection,
        state=S.QUEUED,
        due_at=timezone.now() + MINUTE,
        progress={"media": {"0.0": "m1"}},
        progress_expires_at=timezone.now() + 24 * HOUR,
        approved_version=1,
        warnings=[{"code": "x", "message": "y"}],
        late_waived=True,
    )
    moment = timezone.now() + 2 * HOUR
    reschedule_post(post.pk, actor="user:ada", scheduled_at=moment, time_zone="Europe/Berlin")
    post.refresh_from_db()
    assert (post.state, post.due_at, post.scheduled_at) == (S.SCHEDULED, moment, moment)
    assert (post.progress, post.content_version) == ({"media": {"0.0": "m1"}}, 1)
    assert (post.approved_version, post.warnings, post.late_waived) == (1, None, False)
    assert post.time_zone == "Europe/Berlin"
    assert post.fencing_token == 1
    assert PostTransition.objects.get().reason == "rescheduled"
    assert AuditEvent.objects.get().detail["to"] == moment.isoformat()


def test_what_expires_before_the_new_moment_is_prepared_anew(connection: SocialConnection) -> None:
    ends = timezone.now() + HOUR
    prepared = {"progress": {"media": {"0.0": "m1"}}, "progress_expires_at": ends}
    post = make_post(connection, due_at=timezone.now() + MINUTE, **prepared)
    post = reschedule_post(post.pk, actor="user:ada", scheduled_at=ends + HOUR)
    assert (post.progress, post.progress_expires_at, post.needs_preparation) == ({}, None, True)


@pytest.mark.parametrize("state", [S.DRAFT, S.AWAITING_APPROVAL, S.BLOCKED])
def test_who_else_decides_still_does(connection: SocialConnection, state: str) -> None:
    post = make_post(connection, state=state)
    moment = timezone.now() + HOUR
    post = reschedule_post(post.pk, actor="user:ada", scheduled_at=moment)
    assert (post.state, post.due_at, post.scheduled_at) == (state, None, moment)


def test_a_failed_post_starts_a_new_run_and_a_held_one_goes_on(
    connection: SocialConnection,
) -> None:
    moment = timezone.now() + HOUR
    failed = make_post(connection, state=S.FAILED, attempts=3, last_error="no")
    failed = reschedule_post(failed.pk, actor="user:ada", scheduled_at=moment)
    assert (failed.state, failed.publish_run, failed.last_error) == (S.SCHEDULED, 2, "")
    assert not failed.late_waived
    held = make_post(connection, state=S.HELD)
    held = reschedule_post(held.pk, actor="user:ada", scheduled_at=moment)
    assert (held.state, held.due_at) == (S.SCHEDULED, moment)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"scheduled_at": timezone.now() - 24 * HOUR}, "too_late"),
        ({"scheduled_at": timezone.now() + HOUR, "time_zone": "Mars/Olympus"}, "unknown_zone"),
    ],
)
def test_a_moment_that_cannot_be_kept_changes_nothing(
    connection: SocialConnection, change: dict[str, object], code: str
) -> None:
    post = make_post(connection, due_at=timezone.now() + HOUR)
    before = ScheduledPost.objects.values().get()
    with pytest.raises(Invalid) as refused:
        reschedule_post(post.pk, actor="user:ada", **change)  # type: ignore[arg-type]
    assert [error.code for error in refused.value.errors] == [code]
    assert ScheduledPost.objects.values().get() == before


def test_a_thread_that_is_partly_live_keeps_its_moment(connection: SocialConnection) -> None:
    post = make_post(connection, progress={"published": ["1"]})
    with pytest.raises(IllegalTransition, match="live already"):
        reschedule_post(post.pk, actor="user:ada", scheduled_at=timezone.now() + HOUR)


def test_lateness_is_judged_against_the_new_moment(desk: Desk) -> None:
    post = make_post(desk.account(), state=S.HELD, due_at=timezone.now() - 24 * HOUR)
    reschedule_post(post.pk, actor="user:ada", scheduled_at=timezone.now() - MINUTE)
    (job,) = desk.claim()
    assert desk.call(job) is None
    assert desk.mark(job)
