"""People, marks, results and sweeps meet on one row: one of them wins, and the other knows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from engine.states import IllegalTransition
from scheduling import approvals, moments, services, sweeper
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.records import mark_sent, record
from scheduling.states import PostState
from tests.concurrency.threads import behind, together
from tests.factories import make_connection, make_post
from tests.scheduling.claimed import WORKER, claim, marked, published

S = PostState
Act = Callable[[uuid.UUID], ScheduledPost]


def cancel(post_id: uuid.UUID) -> ScheduledPost:
    return services.cancel_post(post_id, actor="user:test")


def edit(post_id: uuid.UUID) -> ScheduledPost:
    return services.edit_post(post_id, actor="user:test", segments=[{"text": "changed"}])


def withdraw(post_id: uuid.UUID) -> ScheduledPost:
    return approvals.withdraw_approval(post_id, actor="user:test")


def reschedule(post_id: uuid.UUID) -> ScheduledPost:
    later = timezone.now() + timedelta(hours=1)
    return moments.reschedule_post(post_id, actor="user:test", scheduled_at=later)


@pytest.mark.parametrize("act", [cancel, edit, withdraw, reschedule])
def test_a_person_who_comes_after_the_mark_is_refused(act: Act) -> None:
    post = make_post(make_connection())
    held = claim(post)
    with behind(lambda: mark_sent(held, worker=WORKER), lambda: act(post.pk)) as late:
        assert isinstance(late.exception(), IllegalTransition)
    post.refresh_from_db()
    assert (post.state, post.segments) == (S.PUBLISHING, [{"text": "hello"}])


@pytest.mark.parametrize("act", [cancel, edit, withdraw, reschedule])
def test_a_mark_that_comes_after_a_person_is_refused(act: Act) -> None:
    post = make_post(make_connection())
    held = claim(post)
    with behind(lambda: act(post.pk), lambda: mark_sent(held, worker=WORKER)) as late:
        assert late.result() == set()
    post.refresh_from_db()
    assert post.state != S.PUBLISHING
    assert not PublishAttempt.objects.exists()


@pytest.mark.parametrize("act", [cancel, edit, withdraw, reschedule])
def test_of_a_person_and_a_mark_at_once_exactly_one_wins(act: Act) -> None:
    account = make_connection()
    posts = [make_post(account) for _ in range(40)]
    held = claim(*posts)

    def people() -> set[uuid.UUID]:
        won = set()
        for post in posts:
            try:
                act(post.pk)
            except IllegalTransition:
                continue
            won.add(post.pk)
        return won

    def slot() -> set[uuid.UUID]:
        won: set[uuid.UUID] = set()
        for post in reversed(held):
            won |= mark_sent([post], worker=WORKER)
        return won

    theirs, ours = together([people, slot])
    assert theirs | ours == {post.pk for post in posts}
    assert not theirs & ours
    sent = set(ScheduledPost.objects.filter(state=S.PUBLISHING).values_list("pk", flat=True))
    assert sent == ours


def abandoned() -> ScheduledPost:
    """Return a post whose sent lease and grace are over."""
    return make_post(make_connection())


def end_lease() -> None:
    ScheduledPost.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))


def test_a_result_that_comes_after_the_sweep_is_refused_and_its_remote_id_kept() -> None:
    post = abandoned()
    (held,) = marked(post)
    end_lease()
    result = published(held, "42")
    with behind(sweeper.doubt_abandoned, lambda: record([result], worker=WORKER)) as late:
        assert late.exception() is None
    post.refresh_from_db()
    assert (post.state, post.remote_ids) == (S.OUTCOME_UNKNOWN, [])
    assert PublishAttempt.objects.get().remote_ids == ["42"]


def test_a_sweep_that_comes_after_the_result_leaves_the_post_alone() -> None:
    post = abandoned()
    (held,) = marked(post)
    end_lease()
    result = published(held, "42")
    with behind(lambda: record([result], worker=WORKER), sweeper.doubt_abandoned) as late:
        assert late.result() == 0
    post.refresh_from_db()
    assert (post.state, post.remote_ids) == (S.PUBLISHED, ["42"])


def test_sweepers_of_several_slots_doubt_a_post_once() -> None:
    post = abandoned()
    marked(post)
    end_lease()
    assert sum(together([sweeper.doubt_abandoned] * 4)) == 1
    assert post.transitions.filter(target=S.OUTCOME_UNKNOWN).count() == 1


def test_a_mark_that_comes_after_a_steal_is_refused_and_harms_no_other() -> None:
    account = make_connection()
    stolen, kept = make_post(account), make_post(account)
    held = claim(stolen, kept)
    ScheduledPost.objects.filter(pk=kept.pk).update(
        lease_slot=slot_that_beats(), fencing_token=held[1].token
    )
    with behind(sweeper.sweep, lambda: mark_sent(held, worker=WORKER)) as late:
        assert late.result() == {kept.pk}


def slot_that_beats() -> int:
    from engine import slots

    slot = slots.open_slot("publish")
    assert slot is not None
    return slot


def test_an_edit_that_comes_before_the_approval_leaves_nothing_approved_unread() -> None:
    post = make_post(make_connection(), state=S.AWAITING_APPROVAL)

    def approve() -> ScheduledPost:
        return approvals.approve_post(post.pk, actor="user:bob", content_version=1)

    with behind(lambda: edit(post.pk), approve) as late:
        assert isinstance(late.exception(), IllegalTransition)
    post.refresh_from_db()
    assert (post.state, post.content_version) == (S.AWAITING_APPROVAL, 2)


def test_of_two_who_decide_at_once_one_wins() -> None:
    post = make_post(make_connection(), state=S.AWAITING_APPROVAL)

    def approve() -> bool:
        return _done(lambda: approvals.approve_post(post.pk, actor="user:bob"))

    def reject() -> bool:
        return _done(lambda: approvals.reject_post(post.pk, actor="user:eve", reason="no"))

    assert sum(together([approve, reject, approve, reject])) == 1
    assert post.transitions.count() == 1


def _done(act: Callable[[], object]) -> bool:
    try:
        act()
    except IllegalTransition:
        return False
    return True
