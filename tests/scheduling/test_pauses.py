"""What staff have paused is neither claimed nor marked, and says so."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import AuditEvent
from engine.models import Installation, Pause
from engine.states import IllegalTransition
from platforms.models import SocialConnection
from scheduling import outage, pauses
from scheduling.explanations import explain
from scheduling.publisher import PostWorkload
from scheduling.readiness import is_too_late
from scheduling.records import mark_sent
from scheduling.states import PostState
from tests.factories import make_connection, make_post
from tests.scheduling.claimed import WORKER, claim

S = PostState
Scope = Pause.Scope

pytestmark = pytest.mark.django_db


def key_of(scope: Pause.Scope, connection: SocialConnection) -> str:
    return connection.platform if scope == Scope.PLATFORM else str(connection.workspace_id)


def claimed_by_a_slot(limit: int = 100) -> set[object]:
    """Return the ids that a new slot claims."""
    workload = PostWorkload()
    workload.db_start(1, WORKER)
    jobs = workload.db_claim(limit)
    workload.db_release(jobs)
    return {job.id for job in jobs}


@pytest.mark.parametrize("scope", [Scope.PLATFORM, Scope.WORKSPACE])
def test_a_slot_claims_past_what_is_paused_and_takes_it_again_afterwards(
    scope: Pause.Scope,
) -> None:
    stopped = make_connection()
    other = make_connection(platform="mastodon")
    waiting = [make_post(stopped) for _ in range(3)]
    going = make_post(other)
    pauses.pause(scope, key_of(scope, stopped), actor="user:ada", reason="maintenance")
    assert claimed_by_a_slot() == {going.pk}
    pauses.resume(scope, key_of(scope, stopped), actor="user:ada")
    assert claimed_by_a_slot() == {going.pk, *(post.pk for post in waiting)}


@pytest.mark.parametrize("scope", [Scope.PLATFORM, Scope.WORKSPACE])
@pytest.mark.parametrize("state", [S.PROCESSING, S.OUTCOME_UNKNOWN])
def test_nobody_asks_a_network_that_is_paused(
    connection: SocialConnection, scope: Pause.Scope, state: PostState
) -> None:
    make_post(connection, state=state, due_at=timezone.now() - timedelta(minutes=1))
    pauses.pause(scope, key_of(scope, connection), actor="user:ada", reason="")
    assert claimed_by_a_slot() == set()


def test_uploads_ahead_of_the_moment_wait_too(connection: SocialConnection) -> None:
    soon = timezone.now() + settings.LOOK_AHEAD / 2
    post = make_post(connection, state=S.QUEUED, due_at=soon, needs_preparation=True)
    assert claimed_by_a_slot() == {post.pk}
    pauses.pause(Scope.PLATFORM, "sandbox", actor="user:ada", reason="")
    assert claimed_by_a_slot() == set()


@pytest.mark.parametrize("scope", [Scope.PLATFORM, Scope.WORKSPACE])
def test_a_claimed_post_is_taken_from_its_slot_and_refused_at_its_mark(
    connection: SocialConnection, scope: Pause.Scope
) -> None:
    post = make_post(connection)
    held = claim(post)
    pauses.pause(scope, key_of(scope, connection), actor="user:ada", reason="")
    post.refresh_from_db()
    assert (post.lease_slot, post.fencing_token, post.state) == (
        None,
        held[0].token + 1,
        "scheduled",
    )
    assert mark_sent(held, worker=WORKER) == set()


@pytest.mark.parametrize("scope", [Scope.PLATFORM, Scope.WORKSPACE])
def test_what_is_claimed_all_the_same_is_refused_at_its_mark(
    connection: SocialConnection, scope: Pause.Scope
) -> None:
    post = make_post(connection)
    pauses.pause(scope, key_of(scope, connection), actor="user:ada", reason="")
    assert mark_sent(claim(post), worker=WORKER) == set()


def test_the_kill_switch_takes_claimed_posts_from_their_slots(connection: SocialConnection) -> None:
    post = make_post(connection)
    held = claim(post)
    outage.pause(actor="user:ada", reason="stop")
    post.refresh_from_db()
    assert post.lease_slot is None
    assert mark_sent(held, worker=WORKER) == set()
    outage.resume(actor="user:ada")
    assert Installation.objects.get().paused_since is None
    assert mark_sent(claim(post), worker=WORKER) == {post.pk}


def test_a_call_in_flight_keeps_its_lease(connection: SocialConnection) -> None:
    lease = {"lease_slot": 1, "lease_expires_at": timezone.now() + timedelta(seconds=30)}
    post = make_post(connection, state=S.PUBLISHING, fencing_token=7, **lease)
    pauses.pause(Scope.PLATFORM, "sandbox", actor="user:ada", reason="")
    post.refresh_from_db()
    assert (post.lease_slot, post.fencing_token) == (1, 7)


@pytest.mark.parametrize("state", [S.SCHEDULED, S.QUEUED, S.PROCESSING, S.OUTCOME_UNKNOWN])
def test_the_post_says_who_paused_what_since_when_and_why(
    connection: SocialConnection, state: PostState
) -> None:
    post = make_post(connection, state=state)
    made = pauses.pause(Scope.PLATFORM, "sandbox", actor="user:ada", reason="maintenance")
    made.since = timezone.now().replace(hour=3, minute=10, second=0)
    made.save()
    said = explain(post, paused=pauses.present())
    assert "Sandbox is paused by ada since 03:10:00 UTC: maintenance." in said.headline
    assert said.needs_person


def test_a_post_that_is_done_says_nothing_about_a_pause(connection: SocialConnection) -> None:
    post = make_post(connection, state=S.PUBLISHED)
    pauses.pause(Scope.PLATFORM, "sandbox", actor="user:ada", reason="maintenance")
    assert "paused" not in explain(post, paused=pauses.present()).headline


def test_pausing_and_resuming_stand_in_the_audit_log(connection: SocialConnection) -> None:
    workspace = str(connection.workspace_id)
    pauses.pause(Scope.WORKSPACE, connection.workspace.slug, actor="user:ada", reason="spam")
    pauses.resume(Scope.WORKSPACE, workspace, actor="user:bob", reason="settled")
    seen = AuditEvent.objects.order_by("pk").values_list(
        "action", "actor", "reason", "target", "workspace_id"
    )
    assert list(seen) == [
        ("workspace.paused", "user:ada", "spam", f"workspace:{workspace}", connection.workspace_id),
        (
            "workspace.resumed",
            "user:bob",
            "settled",
            f"workspace:{workspace}",
            connection.workspace_id,
        ),
    ]
    assert AuditEvent.objects.get(actor="user:bob").detail["stopped_by"] == "user:ada"


def test_what_is_paused_cannot_be_paused_again_nor_resumed_twice(db: None) -> None:
    pauses.pause(Scope.PLATFORM, "x", actor="user:ada", reason="")
    with pytest.raises(IllegalTransition, match="X is stopped already"):
        pauses.pause(Scope.PLATFORM, "x", actor="user:bob", reason="")
    pauses.resume(Scope.PLATFORM, "x", actor="user:ada")
    with pytest.raises(IllegalTransition, match="X is not stopped"):
        pauses.resume(Scope.PLATFORM, "x", actor="user:ada")


@pytest.mark.parametrize(
    ("scope", "key"), [(Scope.PLATFORM, "myspace"), (Scope.WORKSPACE, "nobody"), (Scope.HOST, " ")]
)
def test_a_name_that_means_nothing_is_refused(scope: Pause.Scope, key: str) -> None:
    with pytest.raises(pauses.UnknownKey):
        pauses.pause(scope, key, actor="user:ada", reason="")
    assert not Pause.objects.exists()


def test_a_post_found_too_late_after_a_pause_is_held_as_after_an_outage(
    connection: SocialConnection,
) -> None:
    late = timezone.now() - settings.LATE_LIMIT - timedelta(minutes=1)
    post = make_post(connection, due_at=late)
    pauses.pause(Scope.PLATFORM, "sandbox", actor="user:ada", reason="")
    pauses.resume(Scope.PLATFORM, "sandbox", actor="user:ada")
    workload = PostWorkload()
    workload.db_start(1, WORKER)
    (job,) = workload.db_claim(10)
    account = workload.caller.accounts.get(post.connection_id)
    assert is_too_late(job.payload, account, time.time())
    assert not job.marked  # so the late policy is asked, which holds it


def test_what_is_no_longer_there_can_still_be_resumed(db: None) -> None:
    for scope, key in ((Scope.PLATFORM, "gone"), (Scope.WORKSPACE, str(uuid.uuid4()))):
        Pause.objects.create(scope=scope, key=key, by="user:ada")
        pauses.resume(scope, key, actor="user:ada")
    assert not Pause.objects.exists()
