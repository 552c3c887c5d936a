"""The gate's answers, and what two processes tell each other through its rows."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError
from django.db.models.functions import Now

from engine import sql
from engine.allowances import GatePolicy
from engine.gate import AFTER_BLOCK_JITTER_SECONDS, Gate, Key, Passage
from engine.models import RateLimitState
from scheduling.operations import clear_limit

KEY: Key = ("connection", "1", "all")
PUBLISH: Key = ("connection", "1", "publish")
OTHER: Key = ("app", "x", "all")
WAY = Passage("x", own=KEY, shared=OTHER, told=(PUBLISH,))
STRANGER = Passage("y", own=("connection", "2", "all"), shared=("app", "y", "all"))
MINUTE = timedelta(minutes=1)


def note(gate: Gate, *, remaining: int | None, resets_at: float | None, key: Key = PUBLISH) -> None:
    gate.note(
        key,
        platform="x",
        limit=100,
        remaining=remaining,
        resets_at=datetime.fromtimestamp(resets_at, UTC) if resets_at else None,
    )


def block(gate: Gate, now: float, seconds: float | None, key: Key = KEY) -> float:
    wait = None if seconds is None else timedelta(seconds=seconds)
    return gate.refused(key, platform="x", now=now, retry_after=wait, reason="too many posts")


# --- answers from memory ----------------------------------------------------------------------
def test_an_unknown_bucket_is_free() -> None:
    assert Gate().hold(WAY, time.time()) is None


def test_a_block_holds_until_its_end_and_says_why() -> None:
    gate, now = Gate(), 1_000_000.0
    assert block(gate, now, 60) == now + 60
    held = gate.hold(WAY, now, jitter=False)
    assert held is not None
    assert (held.until, held.reason) == (now + 60, "too many posts")
    assert gate.hold(WAY, now + 60) is None


def test_accounts_that_waited_do_not_all_start_in_the_same_instant() -> None:
    gate, now = Gate(), 1_000_000.0
    block(gate, now, 60, key=OTHER)
    ways = [Passage("x", own=("connection", str(n), "all"), shared=OTHER) for n in range(50)]
    ends = [held.until for way in ways if (held := gate.hold(way, now))]
    assert len(set(ends)) > 40
    assert now + 60 <= min(ends)
    assert max(ends) <= now + 60 + AFTER_BLOCK_JITTER_SECONDS
    again = [held.until for way in ways if (held := Gate.hold(gate, way, now + 1))]
    assert again == ends  # each account's own draw: its posts keep their order


def test_the_longest_wait_of_several_buckets_counts() -> None:
    gate, now = Gate(), 1_000_000.0
    block(gate, now, 60)
    block(gate, now, 600, key=OTHER)
    held = gate.hold(WAY, now, jitter=False)
    assert held is not None
    assert held.until == now + 600
    assert gate.hold(STRANGER, now) is None


def test_an_allowance_is_used_up_by_what_is_in_flight() -> None:
    gate, now = Gate(), 1_000_000.0
    note(gate, remaining=3, resets_at=now + 90)
    assert gate.hold(WAY, now, in_flight=2) is None
    held = gate.hold(WAY, now, in_flight=3, jitter=False)
    assert held is not None
    assert held.until == now + 90
    assert "used up" in held.reason


def test_a_window_that_is_over_says_nothing() -> None:
    gate, now = Gate(), 1_000_000.0
    note(gate, remaining=0, resets_at=now - 1)
    assert gate.hold(WAY, now) is None


def test_within_one_window_the_lowest_count_is_the_truth() -> None:
    gate, now = Gate(), 1_000_000.0
    note(gate, remaining=1, resets_at=now + 90)
    note(gate, remaining=5, resets_at=now + 90.5)  # an answer that overtook another
    assert gate.hold(WAY, now, in_flight=1) is not None
    note(gate, remaining=5, resets_at=now + 990)  # the next window
    assert gate.hold(WAY, now, in_flight=4) is None


def test_without_a_wish_of_the_network_the_window_s_end_counts() -> None:
    gate, now = Gate(), 1_000_000.0
    note(gate, remaining=0, resets_at=now + 90)
    ends = gate.refilled_at(WAY, now)
    until = gate.refused(
        KEY, platform="x", now=now, retry_after=None, reason="too many", resets_at=ends
    )
    assert until == now + 90


def test_without_any_hint_the_wait_grows_with_each_refusal(settings: object) -> None:
    settings.GATE_POLICY = GatePolicy(breaker_enabled=False)  # type: ignore[attr-defined]
    settings.RETRY_BASE_DELAY = timedelta(seconds=5)  # type: ignore[attr-defined]
    settings.RETRY_MAX_DELAY = timedelta(minutes=15)  # type: ignore[attr-defined]
    for refusals, bound in ((1, 10), (2, 15), (4, 45), (9, 905)):
        longest = 0.0
        for _ in range(30):
            gate, now = Gate(), 1_000_000.0
            before = now
            for _ in range(refusals):
                now = (until := block(gate, now, None))  # asked again at once, refused again
                wait = until - before
                before = until
            longest = max(longest, wait)
            assert 5 <= wait <= bound
        assert longest > bound / 3


def test_a_shorter_block_never_ends_a_longer_one() -> None:
    gate, now = Gate(), 1_000_000.0
    block(gate, now, 900)
    assert block(gate, now + 1, 5) == now + 900


# --- rows shared by all processes -----------------------------------------------------------------
@pytest.mark.django_db
def test_what_one_process_learns_holds_the_other() -> None:
    one, two, now = Gate(), Gate(), time.time()
    two.db_sync()
    block(one, now, 60)
    note(one, remaining=2, resets_at=round(now) + 90)
    one.db_write()
    two.db_sync()
    held = two.hold(WAY, now, jitter=False)
    assert held is not None
    assert held.until == pytest.approx(now + 60, abs=0.001)
    assert held.reason == "too many posts"
    other = Passage("x", own=("connection", "2", "all"), told=(PUBLISH,))
    assert two.hold(other, now, in_flight=1) is None
    assert two.hold(other, now, in_flight=2) is not None


@pytest.mark.django_db
def test_a_new_process_starts_with_what_is_known() -> None:
    block(gate := Gate(), time.time(), 60)
    gate.db_sync()
    late = Gate()
    late.db_sync()
    assert late.hold(WAY, time.time()) is not None


@pytest.mark.django_db
def test_another_process_s_longer_block_survives_our_shorter_one() -> None:
    one, two, now = Gate(), Gate(), time.time()
    one.db_sync()
    two.db_sync()
    block(one, now, 900)
    one.db_sync()
    block(two, now, 5)
    two.db_sync()
    one.db_sync()
    for gate in (one, two):
        held = gate.hold(WAY, now, jitter=False)
        assert held is not None
        assert held.until == pytest.approx(now + 900, abs=0.001)


@pytest.mark.django_db
def test_a_block_that_could_not_be_written_is_written_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate, now = Gate(), time.time()
    block(gate, now, 60)

    def away(*_: object, **__: object) -> None:
        raise DatabaseError("the server closed the connection")

    with monkeypatch.context() as broken:
        broken.setattr(sql, "insert_rows", away)
        with pytest.raises(DatabaseError):
            gate.db_write()
    gate.db_write()
    assert RateLimitState.objects.get().reason == "too many posts"


@pytest.mark.django_db
def test_nothing_new_writes_nothing(django_assert_num_queries: object) -> None:
    gate = Gate()
    note(gate, remaining=5, resets_at=time.time() + 90)
    gate.db_write()
    with django_assert_num_queries(0):  # type: ignore[operator]
        gate.db_write()


@pytest.mark.django_db
def test_a_limit_that_staff_cleared_holds_nobody() -> None:
    one, two, now = Gate(), Gate(), time.time()
    block(one, now, 900)
    one.db_sync()
    two.db_sync()
    clear_limit(RateLimitState.objects.get().pk, actor="user:test")
    for gate in (one, two):
        gate.db_sync()
        assert gate.hold(WAY, now) is None


@pytest.mark.django_db
def test_rows_are_read_by_the_database_s_clock_whatever_this_host_s_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate()
    gate.db_sync()
    row = RateLimitState.objects.create(
        scope=KEY[0], key=KEY[1], bucket=KEY[2], blocked_until=Now() + MINUTE, reason="by staff"
    )
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 300)
    gate.db_sync()
    held = gate.hold(WAY, now, jitter=False)
    assert held is not None
    row.refresh_from_db()
    assert row.blocked_until is not None
    assert held.until == row.blocked_until.timestamp()


@pytest.mark.django_db
def test_what_expired_long_ago_is_forgotten() -> None:
    gate, now = Gate(), time.time()
    note(gate, remaining=0, resets_at=now - 7200)
    note(gate, remaining=0, resets_at=now + 60, key=OTHER)
    gate.db_sync()  # writes it once more
    gate.db_sync()
    assert list(gate._known) == [OTHER]
