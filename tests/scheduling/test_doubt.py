"""Doubt as rows live through it: part by part, nobody else's copy, a person in the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from engine.errors import ErrorCategory
from engine.states import IllegalTransition
from notifications.models import Delivery, Notification
from platforms.adapters.base import Continue, Published, RetrySafety, Safety
from scheduling import services
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.questions import EACH_DAY, MOST_REMINDERS, OPEN, is_open, next_part
from scheduling.rules import Invalid
from scheduling.states import PostState
from tests.factories import make_connection, make_post, make_user, make_workspace
from tests.scheduling.desk import SLUG, Desk, Scripted, refused

pytestmark = pytest.mark.django_db

S = PostState
C = ErrorCategory
ADA = "user:ada"
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
OVER = settings.PUBLISH_LEASE + settings.RECONCILE_GRACE
KEYS = RetrySafety(Safety.KEY, ttl=24 * HOUR)
NOBODY = RetrySafety(Safety.PERSON, ttl=timedelta())


def later(post: ScheduledPost, by: timedelta = OVER + 60 * SECOND) -> ScheduledPost:
    """Let time pass for one post: its marks move into the past, and it is due now."""
    post.refresh_from_db()
    now = timezone.now()
    asked = post.progress.get("asked")
    if asked:
        post.progress["asked"] = {**asked, "next": now.isoformat()}
    assert post.sent_at is not None
    post.sent_at -= by
    post.due_at = now
    post.save(update_fields=["progress", "sent_at", "due_at"])
    for attempt in post.attempt_log.all():
        attempt.started_at -= by
        attempt.sent_at = attempt.sent_at and attempt.sent_at - by
        attempt.save(update_fields=["started_at", "sent_at"])
    return post


def thread(desk: Desk, network: Scripted, *texts: str, lost: int) -> ScheduledPost:
    """Return a thread whose part number `lost` (from 1) was sent and never answered."""
    done = [Continue({"published": [str(n) for n in range(1, k + 1)]}) for k in range(1, lost)]
    network.will(publish=[*done, refused(C.OUTCOME_UNKNOWN)])
    account = desk.account()
    post = desk.work(make_post(account, segments=[{"text": text} for text in texts]))
    assert post.state == S.OUTCOME_UNKNOWN
    assert len(post.progress.get("published", [])) == lost - 1
    return post


# --- threads --------------------------------------------------------------------------------------
def test_a_thread_found_halfway_goes_on_with_the_next_part(desk: Desk, network: Scripted) -> None:
    post = later(thread(desk, network, "a", "b", "c", lost=2))
    network.will(find=Published(("2",)))
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    assert (post.state, post.progress) == (S.SCHEDULED, {"published": ["1", "2"]})
    network.will(publish=Published(("1", "2", "3")))
    assert desk.work(post).remote_ids == ["1", "2", "3"]
    assert [key.rpartition(":")[2] for key in network.keys] == ["0", "1", "2"]


def test_a_repeat_under_its_key_is_of_the_part_in_doubt(desk: Desk, network: Scripted) -> None:
    network.retry_safety = KEYS  # type: ignore[misc]
    post = later(thread(desk, network, "a", "b", "c", lost=2))
    network.will(publish=[Continue({"published": ["1", "2"]}), Published(("1", "2", "3"))])
    assert desk.work(post).state == S.PUBLISHED
    assert network.keys[1] == network.keys[2] == f"{post.pk}:1:1:1"


def test_parts_may_differ_in_how_safe_their_repeat_is(desk: Desk, network: Scripted) -> None:
    network.safety = lambda draft, progress: KEYS if not progress.get("published") else NOBODY  # type: ignore[method-assign]
    post = later(thread(desk, network, "a", "b", lost=2))
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    assert is_open(post)
    assert network.calls == ["publish", "publish"]


def test_files_that_go_live_one_by_one_are_parts(
    desk: Desk, network: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_for_each_file(texts: Any, *, files: int, options: Any) -> list[str]:
        return list(texts) * files

    monkeypatch.setattr(Scripted, "part_texts", one_for_each_file)
    network.will(publish=[Continue({"published": ["1"]}), refused(C.OUTCOME_UNKNOWN)])
    post = later(desk.work(make_post(desk.account(), media_count=3)))
    assert (next_part(post).number, next_part(post).of) == (2, 3)
    network.will(find=Published(("2",)))
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    assert (post.state, post.progress) == (S.SCHEDULED, {"published": ["1", "2"]})
    network.will(publish=Published(("1", "2", "3")))
    assert desk.work(post).remote_ids == ["1", "2", "3"]


def test_not_live_said_of_part_2_sends_part_2_and_never_part_1(
    desk: Desk, network: Scripted
) -> None:
    post = later(thread(desk, network, "a", "b", "c", "d", lost=2))
    services.resolve_outcome(post.pk, actor=ADA, live=False, part=2)
    network.will(publish=Published(("1", "2", "3", "4")))
    assert desk.work(post).state == S.PUBLISHED
    assert network.keys[-1] == f"{post.pk}:1:2:1"  # a new run, the second part


def test_live_said_of_part_2_of_4_takes_its_id_and_goes_on_with_part_3(
    desk: Desk, network: Scripted
) -> None:
    post = later(thread(desk, network, "a", "b", "c", "d", lost=2))
    services.resolve_outcome(post.pk, actor=ADA, live=True, part=2, remote_id="77")
    post.refresh_from_db()
    assert (post.state, post.progress, post.remote_ids) == (
        S.SCHEDULED,
        {"published": ["1", "77"]},
        [],
    )
    network.will(publish=Published(("1", "77", "3", "4")))
    assert desk.work(post).remote_ids == ["1", "77", "3", "4"]
    assert network.keys[-1].rpartition(":")[2] == "2"


def test_live_said_of_the_first_comment_ends_the_post(desk: Desk, network: Scripted) -> None:
    network.will(publish=[Continue({"published": ["1"]}), refused(C.OUTCOME_UNKNOWN)])
    post = later(desk.work(make_post(desk.account(), first_comment="and this")))
    services.resolve_outcome(post.pk, actor=ADA, live=True, part=2, remote_id="2")
    post.refresh_from_db()
    assert (post.state, post.remote_ids) == (S.PUBLISHED, ["1", "2"])


def test_an_answer_without_the_id_the_rest_needs_is_refused(desk: Desk, network: Scripted) -> None:
    post = later(thread(desk, network, "a", "b", lost=1))
    with pytest.raises(Invalid, match="part 2 is published below it"):
        services.resolve_outcome(post.pk, actor=ADA, live=True)
    post.refresh_from_db()
    assert post.state == S.OUTCOME_UNKNOWN


def test_an_answer_about_another_part_is_refused(desk: Desk, network: Scripted) -> None:
    post = later(thread(desk, network, "a", "b", "c", lost=2))
    with pytest.raises(IllegalTransition, match="In doubt is part 2 of 3, not part 1"):
        services.resolve_outcome(post.pk, actor=ADA, live=False, part=1)


def test_a_requeue_begins_after_what_only_an_attempt_had_noted(
    desk: Desk, network: Scripted
) -> None:
    """Its worker lost the row, so the row knows nothing of part 1; sent again it would be twice."""
    post = make_post(
        desk.account(), state=S.DEAD_LETTER, segments=[{"text": "a"}, {"text": "b"}], attempts=7
    )
    note(post, ["1"])
    services.requeue_post(post.pk, actor=ADA)
    network.will(publish=Published(("1", "2")))
    assert desk.work(post).state == S.PUBLISHED
    assert network.keys[-1].rpartition(":")[2] == "1"


def test_not_live_is_refused_when_an_attempt_knows_better(desk: Desk, network: Scripted) -> None:
    post = later(thread(desk, network, "a", lost=1))
    note(post, ["1"])
    with pytest.raises(IllegalTransition, match="has learnt that it is live, with the id 1"):
        services.resolve_outcome(post.pk, actor=ADA, live=False)
    with pytest.raises(IllegalTransition, match="reconcile it now"):
        services.requeue_post(post.pk, actor=ADA, confirm_not_live=True)


def test_nothing_is_left_to_requeue_when_attempts_saw_all_of_it(desk: Desk) -> None:
    post = make_post(desk.account(), state=S.FAILED)
    note(post, ["1"])
    with pytest.raises(IllegalTransition, match="live already"):
        services.requeue_post(post.pk, actor=ADA)


def note(post: ScheduledPost, remote_ids: list[str]) -> None:
    """Leave what a worker without lease learns: a finished attempt, the row untouched."""
    now = timezone.now()
    PublishAttempt.objects.create(
        post=post,
        number=9,
        publish_run=post.publish_run,
        fencing_token=1,
        started_at=now,
        sent_at=now,
        finished_at=now,
        outcome="lease_lost",
        remote_ids=remote_ids,
    )


# --- the same text twice ------------------------------------------------------------------------
def twins(desk: Desk, network: Scripted) -> tuple[ScheduledPost, ScheduledPost]:
    """Return two posts of the same text to the same account, both in doubt and due."""
    account = desk.account()
    pair = []
    for _ in range(2):
        network.will(publish=refused(C.OUTCOME_UNKNOWN))
        post = desk.work(make_post(account, text="again"))
        ScheduledPost.objects.filter(pk=post.pk).update(due_at=timezone.now() + HOUR)
        pair.append(post)
    first, second = (later(post) for post in pair)
    return first, second


def ask_about(desk: Desk, post: ScheduledPost) -> ScheduledPost:
    now = timezone.now()
    ScheduledPost.objects.filter(state=S.OUTCOME_UNKNOWN).update(due_at=now + HOUR)
    ScheduledPost.objects.filter(pk=post.pk).update(due_at=now - SECOND)
    (job,) = desk.claim()
    desk.record(desk.call(job))
    post.refresh_from_db()
    return post


def test_one_copy_of_two_equal_posts_is_adopted_once_and_the_other_is_sent(
    desk: Desk, network: Scripted
) -> None:
    older, younger = twins(desk, network)
    network.will(find=[Published(("7",)), Published(("7",)), None])
    ask_about(desk, younger)
    assert younger.state == S.OUTCOME_UNKNOWN  # the copy may be the older one's
    assert "another scheduled post of the same text" in younger.last_error
    assert ask_about(desk, older).remote_ids == ["7"]
    ask_about(desk, younger)
    assert (younger.state, younger.remote_ids) == (S.SCHEDULED, [])
    assert network.taken[-1] == ["7"]


def test_a_copy_that_another_workspace_s_post_owns_is_not_adopted(
    desk: Desk, network: Scripted
) -> None:
    post = later(thread(desk, network, "hello", lost=1))
    elsewhere = make_connection(
        make_workspace(),
        platform=SLUG,
        external_id=post.connection.external_id,
        credentials={"token": "sandbox-token"},
    )
    now = timezone.now()
    make_post(elsewhere, state=S.PUBLISHED, sent_at=now, published_at=now, remote_ids=["7"])
    network.will(find=Published(("7",)))
    assert ask_about(desk, post).state == S.OUTCOME_UNKNOWN


def test_a_copy_is_not_adopted_while_an_equal_post_is_being_sent(
    desk: Desk, network: Scripted
) -> None:
    post = later(thread(desk, network, "hello", lost=1))
    lease = {"lease_slot": desk.slot, "lease_expires_at": timezone.now() + HOUR}
    other = make_post(post.connection, state=S.PUBLISHING, sent_at=timezone.now(), **lease)
    network.will(find=[Published(("7",)), Published(("7",))])
    assert ask_about(desk, post).state == S.OUTCOME_UNKNOWN
    ScheduledPost.objects.filter(pk=other.pk).update(segments=[{"text": "something else"}])
    assert ask_about(desk, post).state == S.PUBLISHED


def test_a_person_cannot_claim_another_post_s_copy(desk: Desk, network: Scripted) -> None:
    post = later(thread(desk, network, "hello", lost=1))
    now = timezone.now()
    make_post(post.connection, state=S.PUBLISHED, sent_at=now, published_at=now, remote_ids=["7"])
    with pytest.raises(Invalid, match="belongs to another scheduled post"):
        services.resolve_outcome(post.pk, actor=ADA, live=True, remote_id="7")


# --- a person -------------------------------------------------------------------------------------
def mailed(post: ScheduledPost) -> list[dict[str, Any]]:
    rows = Notification.objects.filter(event="post.needs_person").order_by("created_at", "pk")
    assert Delivery.objects.filter(channel="email").count() >= len(rows)
    return [row.context["mail"] for row in rows]


def asked_about(desk: Desk, network: Scripted, **fields: Any) -> ScheduledPost:
    network.retry_safety = NOBODY  # type: ignore[misc]
    network.will(publish=refused(C.OUTCOME_UNKNOWN))
    account = desk.account()
    author = make_user(account.workspace, email="ada@example.org")
    post = later(desk.work(make_post(account, created_by=author, **fields)))
    return ask_about(desk, post)


def test_a_person_is_asked_once_and_reminded_when_it_is_due(desk: Desk, network: Scripted) -> None:
    post = asked_about(desk, network)
    assert [mail["reminder"] for mail in mailed(post)] == [0]
    assert is_open(post)
    assert list(ScheduledPost.objects.filter(OPEN)) == [post]
    assert post.due_at is not None
    assert abs(post.due_at - timezone.now() - settings.OUTCOME_REMINDER) < HOUR
    ask_about(desk, post)  # looked into once more before its time: nobody hears of that
    assert len(mailed(post)) == 1
    ask_about(desk, later(post, EACH_DAY))
    assert [mail["reminder"] for mail in mailed(post)] == [0, 1]
    assert post.state == S.OUTCOME_UNKNOWN


def test_reminders_end_but_the_row_keeps_its_moment(desk: Desk, network: Scripted) -> None:
    post = asked_about(desk, network)
    for _ in range(MOST_REMINDERS + 3):
        ask_about(desk, later(post, EACH_DAY))
    assert [mail["reminder"] for mail in mailed(post)] == list(range(MOST_REMINDERS + 1))
    assert post.due_at is not None
    assert post.due_at > timezone.now() + EACH_DAY / 2


def test_each_part_of_a_thread_has_its_own_question(desk: Desk, network: Scripted) -> None:
    post = asked_about(desk, network, segments=[{"text": "a"}, {"text": "b"}])
    services.resolve_outcome(post.pk, actor=ADA, live=True, remote_id="1")
    network.will(publish=refused(C.OUTCOME_UNKNOWN))
    post = later(desk.work(post))
    ask_about(desk, post)
    assert [mail["reminder"] for mail in mailed(post)] == [0, 0]
    assert "part 2 of 2" in mailed(post)[1]["reason"]


def test_a_network_that_answers_at_the_reminder_ends_the_question(
    desk: Desk, network: Scripted
) -> None:
    post = later(thread(desk, network, "hello", lost=1))
    network.will(find=[refused(C.PERMISSION), Published(("7",))])
    assert is_open(ask_about(desk, post))
    ask_about(desk, later(post, EACH_DAY))
    assert (post.state, post.remote_ids, "asked" in post.progress) == (S.PUBLISHED, ["7"], False)


def test_the_reminder_finds_what_a_late_worker_noted(desk: Desk, network: Scripted) -> None:
    post = asked_about(desk, network)
    note(post, ["7"])
    ask_about(desk, later(post, EACH_DAY))
    assert (post.state, post.remote_ids) == (S.PUBLISHED, ["7"])


def test_a_fault_of_our_own_that_lasts_a_day_is_a_person_s_question(
    desk: Desk, network: Scripted
) -> None:
    post = later(thread(desk, network, "hello", lost=1), EACH_DAY + HOUR)
    network.will(find=RuntimeError("a bug"))
    assert is_open(ask_about(desk, post))
