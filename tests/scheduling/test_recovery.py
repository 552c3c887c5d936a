"""Sweeps, the look-ahead, the daily tidying and the guard against restored databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import AuditEvent, IdempotencyKey
from engine import slots
from engine.models import Installation, RateLimitState, WorkerSlot
from notifications.models import Notification
from platforms.models import ConnectionState, SocialConnection
from scheduling import look_ahead, outage, sweeper
from scheduling.models import PostTransition, ScheduledPost
from scheduling.records import record
from scheduling.states import PostState
from scheduling.tidying import tidy
from tests.factories import make_post, make_workspace
from tests.scheduling.claimed import again, claim, marked

pytestmark = pytest.mark.django_db

S = PostState
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
OVER = settings.PUBLISH_LEASE + settings.RECONCILE_GRACE


def sent(connection: SocialConnection, *, lease_ended: timedelta, **fields: Any) -> ScheduledPost:
    """Save a post whose call may be out, and whose lease ended so long ago."""
    now = timezone.now()
    return make_post(
        connection,
        state=S.PUBLISHING,
        lease_slot=1,
        lease_expires_at=now - lease_ended,
        sent_at=now - lease_ended - settings.PUBLISH_LEASE,
        **fields,
    )


# --- sent and abandoned -------------------------------------------------------------------------
def test_a_sent_post_is_doubted_once_lease_and_grace_are_over(connection: SocialConnection) -> None:
    post = sent(
        connection,
        lease_ended=settings.RECONCILE_GRACE + SECOND,
        fencing_token=4,
        callback_url="https://x.example/cb",
    )
    assert sweeper.doubt_abandoned() == 1
    post.refresh_from_db()
    assert post.state == S.OUTCOME_UNKNOWN
    assert (post.lease_slot, post.lease_expires_at, post.fencing_token) == (None, None, 5)
    assert abs(post.due_at - timezone.now()) < 2 * SECOND  # the reconciler looks at once
    assert post.last_category == "outcome_unknown"
    move = PostTransition.objects.get(post=post)
    assert (move.source, move.target, move.actor) == (S.PUBLISHING, S.OUTCOME_UNKNOWN, "sweeper")
    assert move.fencing_token == 5
    assert Notification.objects.get().event == "post.outcome_unknown"


@pytest.mark.parametrize("ended", [-20 * SECOND, timedelta(), settings.RECONCILE_GRACE - SECOND])
def test_within_lease_and_grace_the_call_may_still_answer(
    connection: SocialConnection, ended: timedelta
) -> None:
    post = sent(connection, lease_ended=ended)
    sweeper.sweep()
    post.refresh_from_db()
    assert (post.state, post.lease_slot) == (S.PUBLISHING, 1)


def test_a_sent_post_never_goes_back_to_scheduled_by_a_sweep(connection: SocialConnection) -> None:
    posts = [sent(connection, lease_ended=n * MINUTE) for n in range(4)]
    for _ in range(3):
        sweeper.sweep()
    states = ScheduledPost.objects.filter(pk__in=[p.pk for p in posts]).values_list("state")
    assert {state for (state,) in states} == {S.PUBLISHING, S.OUTCOME_UNKNOWN}


def test_lateness_counts_to_the_abandoned_call(connection: SocialConnection) -> None:
    post = make_post(connection)
    (held,) = marked(post)
    ScheduledPost.objects.update(lease_expires_at=timezone.now() - MINUTE)
    sweeper.sweep()
    post.refresh_from_db()
    assert post.first_sent_at == held.sent_at


def test_lateness_still_counts_to_the_very_first_call(connection: SocialConnection) -> None:
    post = make_post(connection)
    record([again(marked(post)[0])], worker="worker:1")
    post.refresh_from_db()
    first = post.first_sent_at
    marked(post)
    ScheduledPost.objects.update(lease_expires_at=timezone.now() - MINUTE)
    sweeper.sweep()
    post.refresh_from_db()
    assert (post.state, post.first_sent_at) == (S.OUTCOME_UNKNOWN, first)


# --- unsent and abandoned -----------------------------------------------------------------------
def test_unsent_claims_of_a_silent_slot_are_free_within_the_time_to_live(
    connection: SocialConnection,
) -> None:
    slot = slots.open_slot("publish")
    assert slot is not None
    post = make_post(connection)
    claim(post, slot=slot)
    sweeper.sweep()
    post.refresh_from_db()
    assert post.lease_slot == slot
    WorkerSlot.objects.update(heartbeat_at=Now() - settings.SLOT_TIME_TO_LIVE - SECOND)
    sweeper.sweep()
    post.refresh_from_db()
    assert (post.lease_slot, post.state) == (None, S.SCHEDULED)


# --- blocked ------------------------------------------------------------------------------------
def blocked(connection: SocialConnection, **fields: Any) -> ScheduledPost:
    return make_post(connection, state=S.BLOCKED, last_category="auth_error", **fields)


def test_blocked_posts_go_on_once_their_account_works_again(connection: SocialConnection) -> None:
    post = blocked(connection, due_at=timezone.now() + HOUR, last_error="reconnect")
    SocialConnection.objects.update(state=ConnectionState.NEEDS_RECONNECT)
    assert sweeper.unblock() == 0
    SocialConnection.objects.update(state=ConnectionState.ACTIVE)
    assert sweeper.unblock() == 1
    post.refresh_from_db()
    assert (post.state, post.due_at) == (S.SCHEDULED, post.scheduled_at)
    assert (post.last_category, post.last_error, post.fencing_token) == ("", "", 1)
    assert PostTransition.objects.get(post=post).reason == "the connection works again"


def test_a_post_blocked_past_its_moment_is_due_by_that_moment(connection: SocialConnection) -> None:
    post = blocked(connection, due_at=timezone.now() - 3 * HOUR)
    sweeper.sweep()
    post.refresh_from_db()
    assert (post.state, post.due_at) == (S.SCHEDULED, post.scheduled_at)


def test_a_sweep_without_work_asks_little(django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(4 + 2 * 2):  # four updates, two in savepoints here
        sweeper.sweep()


# --- look-ahead -----------------------------------------------------------------------------------
def test_posts_inside_the_window_are_queued(connection: SocialConnection) -> None:
    now = timezone.now()
    inside = make_post(connection, due_at=now + settings.LOOK_AHEAD - 10 * SECOND)
    outside = make_post(connection, due_at=now + settings.LOOK_AHEAD + 10 * SECOND)
    held = make_post(connection, due_at=now, lease_slot=1, lease_expires_at=now + MINUTE)
    unknown = make_post(connection, state=S.OUTCOME_UNKNOWN, due_at=now)
    assert look_ahead.queue_due_posts() == 1
    states = dict(ScheduledPost.objects.values_list("pk", "state"))
    assert states == {
        inside.pk: S.QUEUED,
        outside.pk: S.SCHEDULED,
        held.pk: S.SCHEDULED,
        unknown.pk: S.OUTCOME_UNKNOWN,
    }
    move = PostTransition.objects.get()
    assert (move.post_id, move.source, move.target) == (inside.pk, S.SCHEDULED, S.QUEUED)
    assert look_ahead.queue_due_posts() == 0


def test_more_posts_than_a_batch_are_all_queued(
    connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_ahead, "BATCH", 2)
    for _ in range(5):
        make_post(connection)
    assert look_ahead.queue_due_posts() == 5
    assert PostTransition.objects.count() == 5


# --- restored or copied databases -----------------------------------------------------------------
def installation(**fields: Any) -> Installation:
    return Installation.objects.create(**fields)


def test_the_first_start_is_no_suspicion(settings: Any) -> None:
    settings.INSTALLATION_ID = "house-1"
    assert outage.check_installation() is False
    here = Installation.objects.get()
    assert (here.installation_id, here.paused) == ("house-1", False)
    assert here.heartbeat_at is not None


def test_an_old_database_takes_the_name_it_is_given_first(settings: Any) -> None:
    settings.INSTALLATION_ID = "house-1"
    installation(heartbeat_at=timezone.now())
    assert outage.check_installation() is False
    assert Installation.objects.get().installation_id == "house-1"


def test_overdue_posts_after_a_long_silence_pause_and_say_why(connection: SocialConnection) -> None:
    installation(heartbeat_at=timezone.now() - 2 * HOUR)
    make_post(connection, due_at=timezone.now() - MINUTE)
    assert outage.check_installation() is True
    here = Installation.objects.get()
    assert here.paused
    assert "restored or copied" in here.pause_reason
    event = AuditEvent.objects.get()
    assert (event.action, event.actor) == ("installation.paused", "system")
    assert outage.check_installation() is True
    assert AuditEvent.objects.count() == 1  # said once


@pytest.mark.parametrize(
    ("silence", "overdue"), [(2 * HOUR, -HOUR), (HOUR - MINUTE, MINUTE), (timedelta(), HOUR)]
)
def test_a_short_silence_or_nothing_overdue_is_no_suspicion(
    connection: SocialConnection, silence: timedelta, overdue: timedelta
) -> None:
    installation(heartbeat_at=timezone.now() - silence)
    make_post(connection, due_at=timezone.now() - overdue)
    assert outage.check_installation() is False
    assert timezone.now() - Installation.objects.get().heartbeat_at < MINUTE


def test_another_installation_s_database_pauses(settings: Any) -> None:
    settings.INSTALLATION_ID = "staging"
    installation(installation_id="house-1", heartbeat_at=timezone.now())
    assert outage.check_installation() is True
    assert "belongs to installation 'house-1'" in Installation.objects.get().pause_reason


def test_without_a_name_nothing_is_compared() -> None:
    installation(installation_id="house-1", heartbeat_at=timezone.now())
    assert outage.check_installation() is False


def test_resuming_lets_it_send_and_takes_the_present_name(settings: Any) -> None:
    settings.INSTALLATION_ID = "staging"
    installation(installation_id="house-1", paused=True, pause_reason="restored")
    outage.resume(actor="user:ada", reason="looked at it")
    here = Installation.objects.get()
    assert (here.installation_id, here.paused, here.pause_reason) == ("staging", False, "")
    assert outage.check_installation() is False
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.reason) == (
        "installation.resumed",
        "user:ada",
        "looked at it",
    )


def test_pausing_is_told_to_every_slot_with_its_next_beat() -> None:
    assert outage.check_installation() is False
    assert outage.beat() is False
    outage.pause(actor="user:ada", reason="x" * 300)
    assert outage.beat() is True
    assert Installation.objects.get().pause_reason == "x" * 255
    assert AuditEvent.objects.get().action == "installation.paused"


# --- tidying --------------------------------------------------------------------------------------
def test_what_only_the_past_needed_is_removed() -> None:
    now = timezone.now()
    for days in (6, 8):
        WorkerSlot.objects.create(
            kind="publish",
            host="here",
            pid=days,
            started_at=now,
            heartbeat_at=now - timedelta(days=days),
        )
    workspace = make_workspace()
    for hours in (23, 25):
        key = IdempotencyKey.objects.create(workspace=workspace, key=str(hours), fingerprint="f")
        IdempotencyKey.objects.filter(pk=key.pk).update(created_at=now - hours * HOUR)
    tidy()
    assert WorkerSlot.objects.get().pid == 6
    assert IdempotencyKey.objects.get().key == "23"


def test_expired_windows_are_cleared_and_living_ones_kept() -> None:
    now = timezone.now()
    common: dict[str, Any] = {"scope": "connection", "key": "1", "remaining": 3}
    RateLimitState.objects.create(bucket="over", resets_at=now - HOUR, **common)
    RateLimitState.objects.create(bucket="open", resets_at=now + HOUR, **common)
    RateLimitState.objects.create(
        bucket="was blocked", blocked_until=now - HOUR, reason="no", consecutive_429=4, **common
    )
    RateLimitState.objects.create(
        bucket="blocked", blocked_until=now + HOUR, reason="no", consecutive_429=4, **common
    )
    tidy()
    rows = {row.bucket: row for row in RateLimitState.objects.all()}
    assert (rows["over"].remaining, rows["over"].resets_at) == (None, None)
    assert (rows["open"].remaining, rows["open"].resets_at) == (3, now + HOUR)
    past, present = rows["was blocked"], rows["blocked"]
    assert (past.blocked_until, past.reason, past.consecutive_429) == (None, "", 0)
    assert (present.blocked_until, present.reason, present.consecutive_429) == (now + HOUR, "no", 4)
