"""Unknown outcomes: our own rows first, then the network, and only as far as it can be believed."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError
from django.utils import timezone

from engine.errors import ErrorCategory, ServiceError
from platforms.adapters.base import (
    Account,
    Capability,
    Draft,
    Published,
    RetrySafety,
    Safety,
    Segment,
)
from platforms.models import SocialConnection
from scheduling.claims import ClaimedPost
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.ownership import Others
from scheduling.reconciler import (
    ASK_AGAIN_FOR,
    SAME_TEXT_AGAIN,
    Evidence,
    Terms,
    could_not_look,
    gather,
    reconcile,
    still_in_doubt,
)
from scheduling.records import PostResult
from scheduling.states import PostState
from tests.factories import make_post
from tests.scheduling.claimed import marked
from tests.scheduling.desk import Scripted, refused

S = PostState
C = ErrorCategory
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
MAY_LAND_FOR = 40 * SECOND
LAG = 10 * SECOND
TRIES = 7
KEYS = RetrySafety(Safety.KEY, ttl=HOUR, min_wait=2 * SECOND, find_lag=LAG)
SOME_KEYS = RetrySafety(Safety.KEY, ttl=HOUR, find_lag=LAG, per_server=True)
FINDS = RetrySafety(Safety.FIND, ttl=timedelta(), find_lag=LAG)
NOBODY = RetrySafety(Safety.PERSON, ttl=timedelta())
NOBODY_ELSE = Others()
REMIND_AFTER = 24 * HOUR


def doubtful(*, parts: int = 1, published: tuple[str, ...] = (), attempts: int = 1) -> ClaimedPost:
    """Return a post in doubt as a slot holds it."""
    return ClaimedPost(
        id=UUID(int=1),
        token=1,
        state=S.OUTCOME_UNKNOWN,
        due_at=NOW,
        scheduled_at=NOW,
        priority=0,
        workspace_id=UUID(int=2),
        connection_id=UUID(int=3),
        platform="scripted",
        segments=[{"text": f"part {n}"} for n in range(parts)],
        first_comment="",
        options={},
        media_count=0,
        needs_preparation=False,
        progress={"published": list(published)} if published else {},
        progress_expires_at=None,
        content_version=1,
        publish_run=1,
        attempts=attempts,
        max_attempts=TRIES,
        late_policy="hold",
        late_limit_minutes=None,
        sent_at=NOW - MAY_LAND_FOR,
        remote_ids=[],
        permalink="",
        external_id=None,
        callback_url="",
        created_by_id=None,
    )


def settle(
    post: ClaimedPost,
    *,
    age: timedelta = HOUR / 2,
    safety: RetrySafety = FINDS,
    find: Any = None,
    remote_ids: tuple[str, ...] = (),
    can_find: bool = True,
    rested: timedelta | None = None,
    before: Others = NOBODY_ELSE,
    after: Others = NOBODY_ELSE,
    now: datetime = NOW,
) -> tuple[PostResult | None, list[str]]:
    """Reconcile a call made `age` ago; returns the result and what the network was asked.

    `before` and `after`: the account's other posts, as read before and after the network's answer.
    """
    network = Scripted()
    network.retry_safety = safety  # type: ignore[misc]
    network.capabilities = frozenset({Capability.FIND} if can_find else ())  # type: ignore[misc]
    network.will(find=find)
    draft = Draft(
        tuple(Segment(str(s["text"])) for s in post.segments),
        Account("1", "ada"),
        post.first_comment,
    )

    async def look_again() -> Others:
        return after

    result = asyncio.run(
        reconcile(
            post,
            draft,
            network,
            nullcontext,  # type: ignore[arg-type]
            Evidence(
                now - age, now - (age if rested is None else rested), remote_ids, "unknown", before
            ),
            now=now,
            terms=Terms(TRIES, MAY_LAND_FOR, REMIND_AFTER),
            rng=random.Random(1),
            look_again=look_again,
        )
    )
    return result, network.calls


def due_in(result: PostResult) -> float:
    assert result.due is not None
    return result.due - NOW.timestamp()


# --- what we know ourselves ---------------------------------------------------------------------
def test_a_remote_id_some_attempt_noted_ends_the_doubt_without_a_question() -> None:
    result, calls = settle(doubtful(), remote_ids=("42",))
    assert result is not None
    assert (result.target, result.post.remote_ids, result.event) == (
        S.PUBLISHED,
        ["42"],
        "post.published",
    )
    assert result.published == (NOW - MAY_LAND_FOR).timestamp()  # when it was sent
    assert calls == []


def test_a_noted_segment_lets_the_thread_go_on_with_the_next() -> None:
    result, calls = settle(doubtful(parts=3), remote_ids=("42",))
    assert result is not None
    assert (result.target, result.post.progress) == (S.SCHEDULED, {"published": ["42"]})
    assert "part 2 of 3" in result.reason
    assert calls == []


def test_ids_known_already_are_no_news() -> None:
    result, calls = settle(doubtful(parts=2, published=("42",)), remote_ids=("42",))
    assert result is not None
    assert result.target == S.SCHEDULED
    assert calls == ["find"]


# --- a living key -----------------------------------------------------------------------------
def test_under_a_living_key_the_call_is_repeated() -> None:
    assert settle(doubtful(), safety=KEYS) == (None, [])


def test_a_key_rests_since_its_last_use_not_since_its_first() -> None:
    result, calls = settle(doubtful(), safety=KEYS, rested=SECOND, can_find=False)
    assert result is not None
    assert (result.target, due_in(result), calls) == (S.OUTCOME_UNKNOWN, 1.0, [])
    assert settle(doubtful(), safety=KEYS, rested=2 * SECOND, can_find=False) == (None, [])


@pytest.mark.parametrize("age", [SECOND, HOUR - timedelta(minutes=5), 2 * HOUR])
def test_a_key_too_young_or_near_its_end_is_not_trusted(age: timedelta) -> None:
    result, calls = settle(doubtful(), safety=KEYS, age=age)
    assert result is not None
    assert calls == ["find"]


def test_where_servers_differ_the_network_is_asked_before_a_key_is_trusted() -> None:
    assert settle(doubtful(), safety=SOME_KEYS)[1] == ["find"]
    assert settle(doubtful(), safety=SOME_KEYS, can_find=False) == (None, [])


def test_repeats_under_a_key_end_with_the_run_s_tries() -> None:
    result, calls = settle(doubtful(attempts=TRIES), safety=KEYS)
    assert result is not None
    assert (result.target, calls) == (S.DEAD_LETTER, ["find"])


def test_a_dead_key_and_no_way_to_ask_is_a_question_for_a_person() -> None:
    result, calls = settle(doubtful(), safety=KEYS, age=2 * HOUR, can_find=False)
    assert result is not None
    assert (result.target, due_in(result), result.event) == (
        S.OUTCOME_UNKNOWN,
        REMIND_AFTER.total_seconds(),
        "post.needs_person",
    )
    assert "say in Carillon whether the post is live" in result.error
    assert calls == []


def test_a_network_whose_answers_prove_nothing_is_not_asked() -> None:
    result, calls = settle(doubtful(), safety=NOBODY)
    assert result is not None
    assert (result.event, calls) == ("post.needs_person", [])


# --- asking ---------------------------------------------------------------------------------
def test_a_post_that_is_found_is_adopted() -> None:
    result, _ = settle(doubtful(), find=Published(("42",), "https://x.example/42"))
    assert result is not None
    assert (result.target, result.post.remote_ids, result.permalink) == (
        S.PUBLISHED,
        ["42"],
        "https://x.example/42",
    )


def test_a_segment_that_is_found_joins_those_before_it() -> None:
    result, _ = settle(doubtful(parts=2, published=("41",)), find=Published(("42",)))
    assert result is not None
    assert (result.target, result.post.remote_ids) == (S.PUBLISHED, ["41", "42"])


def test_not_there_means_nothing_until_the_call_cannot_land_and_the_lag_is_over() -> None:
    result, _ = settle(doubtful(), age=MAY_LAND_FOR + LAG - SECOND)
    assert result is not None
    assert (result.target, due_in(result)) == (S.OUTCOME_UNKNOWN, 1.0)


def test_not_there_after_the_lag_is_sent_again() -> None:
    result, _ = settle(doubtful(), age=MAY_LAND_FOR + LAG)
    assert result is not None
    assert (result.target, due_in(result)) == (S.SCHEDULED, 0.0)


def test_not_there_after_all_tries_gives_up_and_says_so() -> None:
    result, _ = settle(doubtful(attempts=TRIES))
    assert result is not None
    assert (result.target, result.due, result.event) == (S.DEAD_LETTER, None, "post.failed")
    assert "does not have the post" in result.error


@pytest.mark.parametrize(
    "category", [C.NETWORK_ERROR, C.SERVER_ERROR, C.RATE_LIMIT, C.QUOTA_EXCEEDED]
)
def test_a_passing_fault_is_asked_again_later(category: C) -> None:
    result, _ = settle(doubtful(), find=refused(category))
    assert result is not None
    assert result.target == S.OUTCOME_UNKNOWN
    assert 5 <= due_in(result) <= 15 * 60 + 5


def test_the_network_s_wish_is_kept_when_asking_again() -> None:
    result, _ = settle(doubtful(), find=refused(C.RATE_LIMIT, retry_after=HOUR))
    assert result is not None
    assert due_in(result) == HOUR.total_seconds()


@pytest.mark.parametrize("category", [C.OUTCOME_UNKNOWN, C.PERMISSION, C.UNKNOWN])
def test_an_answer_that_cannot_be_trusted_is_for_a_person(category: C) -> None:
    result, _ = settle(doubtful(), find=refused(category))
    assert result is not None
    assert (due_in(result), result.event) == (REMIND_AFTER.total_seconds(), "post.needs_person")


@pytest.mark.parametrize("category", [C.TOKEN_EXPIRED, C.AUTH_ERROR])
def test_a_refused_token_is_not_an_answer(category: C) -> None:
    with pytest.raises(ServiceError):
        settle(doubtful(), find=refused(category))


def test_nobody_is_asked_for_ever() -> None:
    result, _ = settle(doubtful(), age=ASK_AGAIN_FOR + SECOND, find=refused(C.SERVER_ERROR))
    assert result is not None
    assert (due_in(result), result.event) == (REMIND_AFTER.total_seconds(), "post.needs_person")


# --- other posts of the account ------------------------------------------------------------------
@pytest.mark.parametrize("after", [Others(frozenset({"42"})), Others(rival=True)])
def test_a_copy_that_is_or_may_be_another_post_s_is_not_adopted(after: Others) -> None:
    result, _ = settle(doubtful(), find=Published(("42",)), after=after)
    assert result is not None
    assert (result.target, due_in(result)) == (S.OUTCOME_UNKNOWN, SAME_TEXT_AGAIN.total_seconds())
    assert result.post.published_segments == []


def test_a_copy_that_stays_doubtful_for_a_day_is_for_a_person() -> None:
    result, _ = settle(
        doubtful(), age=ASK_AGAIN_FOR + SECOND, find=Published(("42",)), after=Others(rival=True)
    )
    assert result is not None
    assert result.event == "post.needs_person"


def test_absence_needs_no_look_at_the_others() -> None:
    result, _ = settle(doubtful(), after=Others(rival=True))
    assert result is not None
    assert result.target == S.SCHEDULED


# --- a person -----------------------------------------------------------------------------------
def test_an_answer_of_the_network_ends_the_open_question() -> None:
    post = doubtful()
    asked, _ = settle(post, safety=NOBODY)
    assert asked is not None
    assert "asked" in asked.post.progress
    found, _ = settle(post, find=Published(("42",)))
    assert found is not None
    assert found.post.progress == {"published": ["42"]}
    settle(post, safety=NOBODY)
    absent, _ = settle(post)
    assert absent is not None
    assert "asked" not in absent.post.progress


def test_the_question_names_the_part_in_doubt() -> None:
    result, _ = settle(doubtful(parts=4, published=("1",)), safety=NOBODY)
    assert result is not None
    assert "whether part 2 of 4 is live" in result.error


# --- a repeat that failed -----------------------------------------------------------------------
def repeated(category: C) -> PostResult:
    post = doubtful()
    post.state = S.PUBLISHING
    now = time.time()
    return still_in_doubt(
        post, refused(category), started=now, now=now, due=now + 30, remind_after=REMIND_AFTER
    )


@pytest.mark.parametrize("category", C)
def test_a_repeat_that_failed_says_nothing_about_the_first_call(category: C) -> None:
    result = repeated(category)
    assert result.target == S.OUTCOME_UNKNOWN
    assert result.attempt is not None
    assert result.attempt.outcome == "unknown"
    assert result.due is not None
    soon = result.due < time.time() + 60
    assert soon == (result.event != "post.needs_person")


def test_a_refused_repeat_is_for_a_person() -> None:
    assert repeated(C.VALIDATION_ERROR).event == "post.needs_person"
    assert repeated(C.SERVER_ERROR).event == ""


# --- the evidence -------------------------------------------------------------------------------
@pytest.mark.django_db
def test_evidence_is_of_the_present_run_and_version_only(connection: SocialConnection) -> None:
    post = make_post(connection)
    (held,) = marked(post)
    sent = timezone.now()
    rows = [  # (run, version, sent, ids)
        (1, 1, sent - 3 * HOUR, ["old run"]),
        (2, 1, sent - 2 * HOUR, ["old", "version"]),
        (2, 2, sent - HOUR, ["42"]),
        (2, 2, sent, []),
    ]
    PublishAttempt.objects.all().delete()
    for number, (run, version, at, ids) in enumerate(rows):
        PublishAttempt.objects.create(
            post=post,
            number=number,
            publish_run=run,
            content_version=version,
            fencing_token=1,
            started_at=at,
            sent_at=at,
            remote_ids=ids,
            finished_at=at,
            outcome="unknown",
        )
    held.publish_run = held.content_version = 2
    found = gather(held)
    assert found.remote_ids == ("42",)
    assert found.first_sent_at == sent - HOUR
    assert found.last_sent_at == max(sent, held.sent_at or sent)
    assert found.outcome == "unknown"


@pytest.mark.django_db
def test_each_part_s_evidence_begins_with_its_own_first_call(connection: SocialConnection) -> None:
    post = make_post(connection, segments=[{"text": text} for text in "abc"])
    (held,) = marked(post)
    held.progress = {"published": ["1", "2"]}
    now = held.sent_at
    assert now is not None
    PublishAttempt.objects.all().delete()
    attempts = [  # (age of its mark, parts live at its end, None: never completed)
        (5 * HOUR, 0),
        (4 * HOUR, 1),
        (3 * HOUR, 2),
        (2 * HOUR, 2),
    ]
    for number, (age, live) in enumerate(attempts):
        PublishAttempt.objects.create(
            post=post,
            number=number,
            fencing_token=1,
            started_at=now - age,
            sent_at=now - age,
            finished_at=now - age,
            remote_ids=["1", "2"][:live],
        )
    assert gather(held).first_sent_at == now - 3 * HOUR  # not before part 3 was first sent
    assert gather(held).last_sent_at == now  # the row's mark, renewed before each part
    killed = PublishAttempt.objects.get(number=1)
    killed.sent_at, killed.finished_at = None, None
    killed.save()
    assert gather(held).first_sent_at == now - 4 * HOUR  # it may have come to part 3
    PublishAttempt.objects.filter(number=3).update(sent_at=None, started_at=now + HOUR)
    assert gather(held).last_sent_at == now  # one that never called proves nothing


@pytest.mark.django_db
def test_without_attempts_the_row_s_own_mark_is_the_evidence(connection: SocialConnection) -> None:
    post = make_post(connection)
    (held,) = marked(post)
    PublishAttempt.objects.all().delete()
    found = gather(held)
    assert found.first_sent_at == found.last_sent_at == held.sent_at
    assert found.remote_ids == ()
    assert ScheduledPost.objects.get().sent_at == held.sent_at


@pytest.mark.parametrize(
    ("fault", "seconds"), [(OperationalError("terminated"), 2), (KeyError("ours"), 30)]
)
def test_a_database_that_was_away_delays_the_question_only_briefly(
    fault: Exception, seconds: int
) -> None:
    terms = Terms(TRIES, MAY_LAND_FOR, REMIND_AFTER)
    result = could_not_look(doubtful(), fault, now=NOW, terms=terms)
    assert result.target == S.OUTCOME_UNKNOWN
    assert due_in(result) == seconds
