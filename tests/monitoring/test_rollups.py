"""Counting what happened: once, whatever is tried again, comes late or runs side by side."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.db import connections
from django.utils import timezone

from engine.models import WorkerSlot
from monitoring import readings, rollups
from monitoring.models import MinuteSum, Total
from monitoring.sums import Sum
from platforms.models import ConnectionState, SocialConnection
from scheduling import records, services, sweeper
from scheduling.blocking import block_waiting
from scheduling.models import ScheduledPost, Tally
from scheduling.records import record
from scheduling.states import PostState
from scheduling.tallies import CALL_SECONDS, LATENESS_SECONDS, Tallies
from tests.factories import make_post
from tests.scheduling.claimed import WORKER, again, claim, marked, published

pytestmark = pytest.mark.django_db

S = PostState
ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def _reached() -> dict[tuple[str, str], int]:
    return dict(readings.reached(*ALWAYS))


def _attempts() -> dict[tuple[str, str], int]:
    return {
        (label, category): counted.number
        for (_, fact, label, category), counted in readings.totals().items()
        if fact == Tally.Fact.ATTEMPT
    }


# --- what is counted ------------------------------------------------------------------------
def test_a_published_post_counts_with_its_lateness_and_its_call(
    connection: SocialConnection,
) -> None:
    late = timedelta(seconds=40)
    post = make_post(connection, due_at=timezone.now() - late)
    (held,) = marked(post)
    result = published(held, "1", sent=time.time())
    assert result.attempt
    result.attempt.finished = result.attempt.started + 0.3
    record([result], worker=WORKER)
    assert _reached() == {("sandbox", S.PUBLISHED): 1}
    assert _attempts() == {("published", ""): 1}
    assert readings.lateness(*ALWAYS)["sandbox"].seconds == pytest.approx(40, abs=10)
    calls = readings.call_times(*ALWAYS)["sandbox"]
    assert (calls.number, calls.counts[CALL_SECONDS.index(0.5)]) == (1, 1)
    assert calls.seconds == pytest.approx(0.3, abs=0.01)


def test_lateness_counts_once_however_often_a_post_is_sent(connection: SocialConnection) -> None:
    post = make_post(connection)
    record([again(marked(post)[0])], worker=WORKER)
    record([published(marked(post)[0], "1")], worker=WORKER)
    assert readings.lateness(*ALWAYS)["sandbox"].number == 1
    assert _attempts() == {("failed", "server_error"): 1, ("published", ""): 1}
    assert readings.errors(*ALWAYS) == {("sandbox", "server_error"): 1}


def test_a_batch_counts_in_one_statement_and_apart_by_platform(
    connection: SocialConnection,
) -> None:
    posts = [make_post(connection) for _ in range(3)]
    ScheduledPost.objects.filter(pk=posts[2].pk).update(platform="mastodon")
    record([published(held, "1") for held in marked(*posts)], worker=WORKER)
    assert _reached() == {("sandbox", S.PUBLISHED): 2, ("mastodon", S.PUBLISHED): 1}
    assert Tally.objects.count() <= 2 * 3 * 2  # rows: platforms, facts, and a minute's turn


def test_what_was_rolled_back_is_not_counted(
    connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    (held,) = marked(make_post(connection))
    result = published(held, "1")

    def breaks(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(records, "announce", breaks)
        record([result], worker=WORKER)  # refused, and noted: the sweeper finds the post
    assert _attempts() == {}
    record([result], worker=WORKER)
    assert _attempts() == {("published", ""): 1}
    assert _reached() == {("sandbox", S.PUBLISHED): 1}


def test_a_worker_that_lost_its_post_is_not_counted_beside_the_sweeper(
    connection: SocialConnection,
) -> None:
    post = make_post(connection)
    (held,) = marked(post)
    WorkerSlot.objects.all().delete()
    ScheduledPost.objects.filter(pk=post.pk).update(
        lease_expires_at=timezone.now() - timedelta(minutes=5)
    )
    assert sweeper.doubt_abandoned() == 1
    record([published(held, "1")], worker=WORKER)
    assert _attempts() == {("unknown", "outcome_unknown"): 1}
    assert _reached() == {("sandbox", S.OUTCOME_UNKNOWN): 1}
    assert readings.lateness(*ALWAYS)["sandbox"].number == 1


def test_marks_that_are_taken_back_count_as_tries_without_a_call(
    connection: SocialConnection,
) -> None:
    (held,) = marked(make_post(connection))
    records.take_back_marks([(held.id, held.token, time.time())], worker=WORKER)
    assert _attempts() == {("not_sent", ""): 1}
    assert readings.call_times(*ALWAYS) == {}


def test_what_people_end_counts_too(connection: SocialConnection) -> None:
    services.cancel_post(make_post(connection).pk, actor="user:test")
    doubt = make_post(connection, state=S.OUTCOME_UNKNOWN)
    services.resolve_outcome(doubt.pk, actor="user:test", live=True)
    assert _reached() == {("sandbox", S.CANCELLED): 1, ("sandbox", S.PUBLISHED): 1}


def test_posts_of_a_dead_account_count_as_blocked(connection: SocialConnection) -> None:
    make_post(connection)
    SocialConnection.objects.update(state=ConnectionState.NEEDS_RECONNECT)
    assert block_waiting(connection.pk) == 1
    assert _reached() == {("sandbox", S.BLOCKED): 1}


def test_moves_between_waiting_states_count_nothing(connection: SocialConnection) -> None:
    post = make_post(connection, state=S.HELD)
    services.requeue_post(post.pk, actor="user:test")
    claim(post)
    assert Tally.objects.count() == 0


# --- folding --------------------------------------------------------------------------------
def _count(number: int, *, at: float) -> None:
    tallies = Tallies()
    for _ in range(number):
        tallies.reached("sandbox", S.PUBLISHED, at=at)
        tallies.sent("sandbox", 0.004, at=at)
        tallies.attempt("sandbox", "published", call_seconds=0.02, at=at)
    tallies.write()


def test_folding_changes_no_figure() -> None:
    now = time.time()
    _count(2, at=now)
    _count(3, at=now - 60)
    before = (readings.totals(), readings.published_per_minute(*ALWAYS))
    assert rollups.fold() == 6
    assert Tally.objects.count() == 0
    assert (readings.totals(), readings.published_per_minute(*ALWAYS)) == before
    assert sorted(sum(c.values()) for c in before[1].values()) == [2, 3]


def test_late_news_goes_to_the_minute_it_belongs_to() -> None:
    then = time.time() - 3600
    _count(2, at=then)
    rollups.fold()
    _count(5, at=then)
    rollups.fold()
    minute = datetime.fromtimestamp(then // 60 * 60, tz=UTC)
    assert readings.published_per_minute(*ALWAYS) == {minute: Counter(sandbox=7)}
    assert MinuteSum.objects.count() == 3
    assert readings.lateness(*ALWAYS)["sandbox"].counts[0] == 7


def test_a_journal_longer_than_a_batch_is_folded_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "BATCH", 2)
    for _ in range(5):
        _count(1, at=0.0)
    assert rollups.fold() == 15
    assert readings.totals()["sandbox", "reached", S.PUBLISHED, ""].number == 5


def test_tidying_old_minutes_leaves_the_totals() -> None:
    _count(4, at=time.time() - 40 * 86_400)
    _count(1, at=time.time())
    rollups.fold()
    assert rollups.tidy() == 3
    assert MinuteSum.objects.count() == 3
    assert readings.totals()["sandbox", "reached", S.PUBLISHED, ""].number == 5


@pytest.mark.django_db(transaction=True)
def test_workers_that_fold_side_by_side_count_everything_once() -> None:
    if database.vendor != "postgresql":
        pytest.skip("SQLite lets one transaction write at a time")
    writing = threading.Event()
    seen: list[int] = []

    def write() -> None:
        for _ in range(40):
            _count(1, at=time.time())
        writing.set()
        connections.close_all()

    def fold() -> None:
        while not writing.is_set():
            rollups.fold()
            seen.append(readings.totals().get(kind, Sum()).number)
        connections.close_all()

    kind = ("sandbox", Tally.Fact.REACHED, S.PUBLISHED, "")
    threads = [threading.Thread(target=work) for work in (write, fold, fold)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rollups.fold()
    assert readings.totals()[kind].number == 40
    assert Total.objects.get(fact="reached").number == 40
    assert all(0 <= number <= 40 for number in seen)


# --- histograms -----------------------------------------------------------------------------
def test_quantiles_are_read_inside_their_bucket() -> None:
    counts = [0] * (len(LATENESS_SECONDS) + 1)
    counts[0], counts[3] = 50, 50  # up to 5 ms, and 25 to 50 ms
    found = readings.Histogram(LATENESS_SECONDS, counts, 2.0)
    assert found.quantile(0.25) == pytest.approx(0.0025)
    assert found.quantile(0.75) == pytest.approx(0.0375)
    assert found.quantile(1.0) == pytest.approx(0.05)
    assert list(found.cumulative())[-1] == (float("inf"), 100)


def test_beyond_the_last_bound_only_the_bound_is_known() -> None:
    counts = [0] * len(LATENESS_SECONDS) + [1]
    found = readings.Histogram(LATENESS_SECONDS, counts, 1e6)
    assert found.quantile(0.5) == LATENESS_SECONDS[-1]
    assert readings.Histogram(LATENESS_SECONDS, [0] * 18, 0.0).quantile(0.5) is None


def test_histograms_of_several_platforms_add_up() -> None:
    one = readings.Histogram((1.0,), [1, 2], 3.0)
    both = readings.together([one, one])
    assert both == readings.Histogram((1.0,), [2, 4], 6.0)
    assert readings.together([]) is None
