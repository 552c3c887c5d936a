"""What slots write: the send mark, progress between requests, and results, fenced every time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone

from engine.models import Installation
from engine.states import IllegalTransition
from notifications.models import Notification
from platforms.models import ConnectionState, SocialConnection
from scheduling import records, services
from scheduling.claims import ClaimedPost
from scheduling.models import PostTransition, PublishAttempt, ScheduledPost
from scheduling.records import PostResult, commit_progress, mark_sent, record
from scheduling.states import PostState
from tests.factories import make_post
from tests.scheduling.claimed import SLOT, WORKER, again, claim, marked, published

pytestmark = pytest.mark.django_db

S = PostState


# --- the send mark --------------------------------------------------------------------------
def test_a_mark_is_committed_with_its_attempt_and_its_move(connection: SocialConnection) -> None:
    post = make_post(connection, state=S.QUEUED)
    (held,) = marked(post)
    post.refresh_from_db()
    assert (post.state, post.attempts, post.due_at, post.lease_slot) == (
        S.PUBLISHING,
        1,
        None,
        SLOT,
    )
    lease = post.lease_expires_at - timezone.now()
    assert timedelta(seconds=20) < lease < timedelta(seconds=40)
    attempt = PublishAttempt.objects.get(post=post)
    assert attempt.pk == held.attempt_id
    assert (attempt.number, attempt.outcome, attempt.worker) == (1, "in_flight", WORKER)
    assert (attempt.publish_run, attempt.content_version) == (1, 1)
    assert attempt.started_at == post.sent_at
    move = PostTransition.objects.get(post=post)
    assert (move.source, move.target, move.actor) == (S.QUEUED, S.PUBLISHING, WORKER)
    assert move.fencing_token == held.token
    assert (held.state, held.attempts, held.sent_at) == (S.PUBLISHING, 1, post.sent_at)


def test_a_mark_made_ahead_counts_as_sent_at_the_moment(connection: SocialConnection) -> None:
    moment = timezone.now() + timedelta(seconds=3)
    post = make_post(connection, due_at=moment)
    marked(post)
    post.refresh_from_db()
    assert post.sent_at == moment


def _edited(post: ScheduledPost) -> None:
    services.edit_post(post.pk, actor="user:test", segments=[{"text": "changed"}])


def _other_version(post: ScheduledPost) -> None:
    ScheduledPost.objects.filter(pk=post.pk).update(content_version=2)


def _cancelled(post: ScheduledPost) -> None:
    services.cancel_post(post.pk, actor="user:test")


def _account_paused(post: ScheduledPost) -> None:
    SocialConnection.objects.filter(pk=post.connection_id).update(state=ConnectionState.PAUSED)


def _all_paused(post: ScheduledPost) -> None:
    Installation.objects.create(paused=True)


def _marked_already(post: ScheduledPost) -> None:
    ScheduledPost.objects.filter(pk=post.pk).update(state=S.PUBLISHING, due_at=None)


@pytest.mark.parametrize(
    "meanwhile",
    [_edited, _other_version, _cancelled, _account_paused, _all_paused, _marked_already],
)
def test_a_mark_is_refused_when_something_changed_meanwhile(
    connection: SocialConnection, meanwhile: Any
) -> None:
    post = make_post(connection)
    held = claim(post)
    meanwhile(post)
    before = ScheduledPost.objects.values().get(pk=post.pk)
    assert mark_sent(held, worker=WORKER) == set()
    assert ScheduledPost.objects.values().get(pk=post.pk) == before
    assert held[0].state == S.SCHEDULED
    assert not PublishAttempt.objects.exists()


def test_only_the_refused_rows_of_a_batch_are_left_out(connection: SocialConnection) -> None:
    kept, lost = make_post(connection), make_post(connection)
    held = claim(kept, lost)
    services.cancel_post(lost.pk, actor="user:test")
    assert mark_sent(held, worker=WORKER) == {kept.pk}
    assert PublishAttempt.objects.get().post_id == kept.pk


def test_a_claim_made_stale_by_an_edit_is_not_marked_beside_its_successor(
    connection: SocialConnection,
) -> None:
    post = make_post(connection)
    (stale,) = claim(post)
    services.edit_post(post.pk, actor="user:test", segments=[{"text": "after"}])
    (fresh,) = claim(post)
    mark_sent([stale, fresh], worker=WORKER)
    assert (stale.state, fresh.state) == (S.SCHEDULED, S.PUBLISHING)
    assert PublishAttempt.objects.get().fencing_token == fresh.token
    assert commit_progress([stale, fresh]) == {(post.pk, fresh.token)}


# --- progress between requests --------------------------------------------------------------
def test_progress_is_kept_and_renews_the_lease(connection: SocialConnection) -> None:
    post = make_post(connection)
    (held,) = marked(post)
    ScheduledPost.objects.update(lease_expires_at=timezone.now(), sent_at=timezone.now())
    held.progress = {"published": ["1"]}
    assert commit_progress([held]) == {(post.pk, held.token)}
    before = timezone.now()
    post.refresh_from_db()
    assert post.progress == {"published": ["1"]}
    assert post.lease_expires_at > before + timedelta(seconds=20)
    assert abs(post.sent_at - before) < timedelta(seconds=2)  # the sweeper counts from here


def test_progress_of_a_lost_row_is_refused(connection: SocialConnection) -> None:
    stolen, swept = make_post(connection), make_post(connection)
    held = marked(stolen, swept)
    ScheduledPost.objects.filter(pk=stolen.pk).update(fencing_token=9)
    ScheduledPost.objects.filter(pk=swept.pk).update(state=S.OUTCOME_UNKNOWN)
    for post in held:
        post.progress = {"published": ["1"]}
    assert commit_progress(held) == set()
    assert not ScheduledPost.objects.exclude(progress={}).exists()


def test_progress_before_the_mark_leaves_the_sent_moment_alone(
    connection: SocialConnection,
) -> None:
    post = make_post(connection)
    (held,) = claim(post)
    held.progress = {"media": {"0.0": "m1"}}
    assert commit_progress([held]) == {(post.pk, held.token)}
    post.refresh_from_db()
    assert (post.progress, post.sent_at) == ({"media": {"0.0": "m1"}}, None)
    assert post.lease_expires_at > timezone.now() + timedelta(seconds=100)  # uploads take longer


# --- results ---------------------------------------------------------------------------------
def test_a_result_ends_the_lease_and_completes_the_attempt(connection: SocialConnection) -> None:
    post = make_post(connection, callback_url="https://x.example/cb")
    (held,) = marked(post)
    record([published(held, "42")], worker=WORKER)
    post.refresh_from_db()
    assert (post.state, post.lease_slot, post.lease_expires_at) == (S.PUBLISHED, None, None)
    assert (post.remote_ids, post.progress) == (["42"], {"published": ["42"]})
    assert post.published_at is not None
    attempt = PublishAttempt.objects.get(post=post)
    assert (attempt.outcome, attempt.remote_ids, attempt.decision) == ("published", ["42"], "done")
    assert attempt.finished_at is not None
    moves = PostTransition.objects.filter(post=post).order_by("id").values_list("target", flat=True)
    assert list(moves) == [S.PUBLISHING, S.PUBLISHED]
    assert Notification.objects.get().event == "post.published"


def test_lateness_counts_to_the_first_try(connection: SocialConnection) -> None:
    post = make_post(connection)
    first = round(time.time(), 3) - 5
    record([again(marked(post)[0], sent=first)], worker=WORKER)
    record([published(marked(post)[0], "1")], worker=WORKER)
    post.refresh_from_db()
    assert post.first_sent_at.timestamp() == pytest.approx(first)
    assert (post.attempts, post.last_category, post.last_error) == (2, "", "")


@pytest.mark.parametrize("state", [S.OUTCOME_UNKNOWN, S.PUBLISHING])
def test_a_late_result_of_a_fenced_worker_moves_nothing_and_keeps_what_was_learnt(
    connection: SocialConnection, state: str
) -> None:
    post = make_post(connection, callback_url="https://x.example/cb")
    (held,) = marked(post)
    ScheduledPost.objects.filter(pk=post.pk).update(state=state, fencing_token=9)
    record([published(held, "42")], worker=WORKER)
    post.refresh_from_db()
    assert (post.state, post.remote_ids) == (state, [])
    assert PublishAttempt.objects.get(post=post).remote_ids == ["42"]
    assert not Notification.objects.exists()
    assert PostTransition.objects.filter(target=S.PUBLISHED).count() == 0


def test_a_result_for_another_state_is_refused(connection: SocialConnection) -> None:
    post = make_post(connection)
    (held,) = marked(post)
    ScheduledPost.objects.filter(pk=post.pk).update(
        state=S.PROCESSING, lease_slot=None, lease_expires_at=None
    )
    record([published(held, "42")], worker=WORKER)
    post.refresh_from_db()
    assert post.state == S.PROCESSING


def test_a_try_without_mark_becomes_an_attempt_of_its_own(connection: SocialConnection) -> None:
    post = make_post(connection)
    (held,) = claim(post)
    result = again(held)
    record([result], worker=WORKER)
    post.refresh_from_db()
    assert (post.attempts, post.state, post.last_error) == (1, S.SCHEDULED, "too busy")
    assert PublishAttempt.objects.get(post=post).number == 1
    assert not PostTransition.objects.exists()  # it stays where it is


def test_a_move_that_is_no_edge_is_refused_before_it_is_written(
    connection: SocialConnection,
) -> None:
    (held,) = marked(make_post(connection))
    with pytest.raises(IllegalTransition, match="publishing -> held"):
        PostResult(held, S.HELD, "too late")


def _impossible(post: ClaimedPost) -> PostResult:
    """Return a result that the database refuses: a published post is not due."""
    result = published(post, "43")
    result.due = time.time()
    return result


def test_a_bad_row_harms_no_other_and_keeps_what_was_learnt(connection: SocialConnection) -> None:
    good, bad, fine = (make_post(connection) for _ in range(3))
    held = marked(good, bad, fine)
    record(
        [published(held[0], "42"), _impossible(held[1]), published(held[2], "44")], worker=WORKER
    )
    states = dict(ScheduledPost.objects.values_list("pk", "state"))
    assert states == {good.pk: S.PUBLISHED, bad.pk: S.PUBLISHING, fine.pk: S.PUBLISHED}
    learnt = dict(PublishAttempt.objects.values_list("post_id", "remote_ids"))
    assert learnt == {good.pk: ["42"], bad.pk: ["43"], fine.pk: ["44"]}


def test_a_result_nobody_can_write_harms_no_other(connection: SocialConnection) -> None:
    good, bad = make_post(connection), make_post(connection)
    held = marked(good, bad)
    strange = published(held[1], "43")
    held[1].progress = {"published": ["43"], "token": b"not JSON"}
    record([strange, published(held[0], "42")], worker=WORKER)
    states = dict(ScheduledPost.objects.values_list("pk", "state"))
    assert states == {good.pk: S.PUBLISHED, bad.pk: S.PUBLISHING}


def test_results_are_kept_for_later_when_the_database_is_away(
    connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts = [make_post(connection) for _ in range(2)]
    results = [published(held, "42") for held in marked(*posts)]

    def away(rows: Sequence[object]) -> None:
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as broken:
        broken.setattr(records, "announce", away)
        with pytest.raises(OperationalError), transaction.atomic():
            record(results, worker=WORKER)
    assert set(PublishAttempt.objects.values_list("outcome", flat=True)) == {"in_flight"}
    record(results, worker=WORKER)
    assert ScheduledPost.objects.filter(state=S.PUBLISHED).count() == 2
    assert PublishAttempt.objects.filter(outcome="published").count() == 2


def test_a_repeated_record_counts_an_unmarked_try_once(
    connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = make_post(connection)
    result = again(claim(post)[0])

    def away(rows: Sequence[object]) -> None:
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as broken:
        broken.setattr(records, "announce", away)
        with pytest.raises(OperationalError), transaction.atomic():
            record([result], worker=WORKER)
    record([result], worker=WORKER)
    post.refresh_from_db()
    assert post.attempts == 1
    assert PublishAttempt.objects.count() == 1


def test_a_batch_costs_the_same_few_statements_as_a_single_post(
    connection: SocialConnection, django_assert_num_queries: Any
) -> None:
    savepoint = 2  # this test runs in a transaction already
    held = claim(*[make_post(connection) for _ in range(20)])
    with django_assert_num_queries(3 + savepoint):
        mark_sent(held, worker=WORKER)
    results = [published(post, "1") for post in held]
    with django_assert_num_queries(5 + savepoint):  # one of them asks for webhook endpoints
        record(results, worker=WORKER)
