"""Circuit breakers and spacing: when they open, who may try again, and what eases them."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest

from engine.allowances import GatePolicy
from engine.gate import Counted, Gate, Hold, Key, Passage
from engine.models import RateLimitState
from scheduling.operations import clear_limit

SHARED: Key = ("app", "x", "all")
OPEN_FOR = timedelta(minutes=5)
POLICY = GatePolicy(
    breaker_threshold=3,
    breaker_open=OPEN_FOR,
    spacing_base=timedelta(seconds=3),
    spacing_cap=timedelta(seconds=300),
)
NOW = 1_000_000.0


def way(connection: int = 1, **details: object) -> Passage:
    """Return what calls of one connection go through."""
    return Passage("x", own=("connection", str(connection), "all"), shared=SHARED, **details)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def policy(settings: object) -> None:
    settings.GATE_POLICY = POLICY  # type: ignore[attr-defined]


def refuse(gate: Gate, now: float, *, seconds: float = 1.0, opens: bool = False) -> float:
    return gate.refused(
        way().own,
        platform="x",
        now=now,
        retry_after=timedelta(seconds=seconds),
        reason="too many posts",
        opens=opens,
    )


def fail(gate: Gate, connection: int, now: float = NOW) -> bool:
    return gate.failed(
        SHARED, platform="x", connection=str(connection), now=now, reason="X answered HTTP 503."
    )


def held(gate: Gate, passage: Passage, now: float) -> Hold:
    hold = gate.hold(passage, now, jitter=False)
    assert hold is not None
    return hold


# --- refusals of one connection ---------------------------------------------------------------
def test_the_third_refusal_in_a_row_opens_the_connection_s_breaker() -> None:
    gate, now = Gate(), NOW
    for _ in range(2):
        now = refuse(gate, now)
        assert gate.hold(way(), now, jitter=False) is None
    until = refuse(gate, now)
    assert until == now + OPEN_FOR.total_seconds()
    assert held(gate, way(), now + 60).until == until
    assert gate.hold(way(2), now, jitter=False) is None  # nobody else is stopped


def test_refusals_of_calls_under_way_together_count_once() -> None:
    gate = Gate()
    for _ in range(8):
        until = refuse(gate, NOW, seconds=2)
    assert until == NOW + 2


def test_a_success_in_between_starts_the_count_anew() -> None:
    gate, now = Gate(), NOW
    for _ in range(6):
        now = refuse(gate, now)
        gate.succeeded(way(), now)
    assert gate.hold(way(), now) is None


def test_a_success_of_a_call_under_way_ends_no_block() -> None:
    gate = Gate()
    refuse(gate, NOW, seconds=900)
    gate.succeeded(way(), NOW + 0.1)
    assert held(gate, way(), NOW + 1).until == NOW + 900


def test_a_longer_retry_after_outlasts_the_breaker() -> None:
    gate = Gate()
    assert refuse(gate, NOW, seconds=900, opens=True) == NOW + 900


def test_a_quota_that_is_gone_opens_at_once() -> None:
    assert refuse(Gate(), NOW, opens=True) == NOW + OPEN_FOR.total_seconds()


def test_switching_the_breaker_off_never_ignores_a_retry_after(settings: object) -> None:
    settings.GATE_POLICY = GatePolicy(breaker_enabled=False)  # type: ignore[attr-defined]
    gate, now = Gate(), NOW
    for _ in range(5):
        until = refuse(gate, now, seconds=7)
        assert until == now + 7
        assert held(gate, way(), now + 1).until == until
        now = until
        assert gate.hold(way(), now) is None


# --- an outage of the network -------------------------------------------------------------------
def test_a_poisoned_post_stops_nobody_else() -> None:
    gate = Gate()
    for _ in range(20):
        assert not fail(gate, 1)
        assert not fail(gate, 2)
    assert gate.hold(way(3), NOW) is None


def test_5xx_seen_on_three_connections_stop_all_of_the_network() -> None:
    gate = Gate()
    assert [fail(gate, number) for number in (1, 2, 3)] == [False, False, True]
    hold = held(gate, way(9), NOW + 1)
    assert hold.until == NOW + OPEN_FOR.total_seconds()
    assert "503" in hold.reason
    assert gate.hold(Passage("y", own=("connection", "5", "all")), NOW + 1) is None


def test_an_answer_in_between_says_that_it_is_no_outage() -> None:
    gate = Gate()
    fail(gate, 1)
    fail(gate, 2)
    gate.succeeded(way(4), NOW)
    assert not fail(gate, 3)


def test_a_straggler_s_success_does_not_close_an_open_breaker() -> None:
    gate = Gate()
    for number in (1, 2, 3):
        fail(gate, number)
    assert not gate.succeeded(way(4), NOW + 1)
    assert gate.hold(way(4), NOW + 1) is not None


# --- one probe for all processes ---------------------------------------------------------------
def opened(db_now: float, *gates: Gate) -> None:
    """Open the shared breaker some time ago, so that all `gates` know and a probe is due."""
    for number in (1, 2, 3):
        fail(gates[0], number, db_now - OPEN_FOR.total_seconds() - 1)
    for gate in gates:
        gate.db_sync()


@pytest.mark.django_db
def test_exactly_one_process_tries_and_its_success_lets_everybody_through() -> None:
    one, two, now = Gate(), Gate(), time.time()
    opened(now, one, two)
    for gate in (one, two):
        assert "tries" in held(gate, way(), now).reason
    for gate in (one, two):
        gate.db_glance()
    admitted = [gate for gate in (one, two) if gate.hold(way(), now) is None]
    assert len(admitted) == 1
    assert all(gate.hold(way(7), now) is not None for gate in (one, two))  # one call, not more
    (prober,) = admitted
    assert prober.succeeded(way(), now)
    prober.db_write()
    for gate in (one, two):
        gate.db_sync()
        assert gate.hold(way(7), now) is None
    assert RateLimitState.objects.get(scope="app").breaker == "closed"


@pytest.mark.django_db
def test_a_failed_probe_opens_for_another_while() -> None:
    one, two, now = Gate(), Gate(), time.time()
    opened(now, one, two)
    held(one, way(), now)
    one.db_glance()
    assert one.hold(way(), now) is None
    assert fail(one, 1, now)
    one.db_write()
    two.db_glance()
    for gate in (one, two):
        assert held(gate, way(), now + 1).until == pytest.approx(
            now + OPEN_FOR.total_seconds(), abs=0.01
        )
    row = RateLimitState.objects.get(scope="app")
    assert row.breaker == "open"


@pytest.mark.django_db
def test_the_probe_of_a_process_that_died_goes_to_another(settings: object) -> None:
    settings.PUBLISH_LEASE = timedelta(seconds=0)  # type: ignore[attr-defined]
    one, two, now = Gate(), Gate(), time.time()
    opened(now, one, two)
    for gate in (one, two):
        held(gate, way(), now)
    one.db_glance()  # takes the lease, which ends at once, and never calls
    two.db_glance()
    assert RateLimitState.objects.get(scope="app").breaker == "half_open"
    settings.PUBLISH_LEASE = timedelta(seconds=30)  # type: ignore[attr-defined]
    held(two, way(), now)
    two.db_glance()
    assert two.hold(way(), now) is None


@pytest.mark.django_db
def test_staff_close_a_breaker_by_hand() -> None:
    gate, now = Gate(), time.time()
    for number in (1, 2, 3):
        fail(gate, number, now)
    gate.db_sync()
    assert gate.hold(way(), now) is not None
    clear_limit(RateLimitState.objects.get().pk, actor="user:test")
    gate.db_sync()
    assert gate.hold(way(), now) is None


# --- spacing ------------------------------------------------------------------------------------
SPACED = way(is_spaced=True)


def row() -> RateLimitState:
    return RateLimitState.objects.get(scope="connection", bucket="all")


@pytest.mark.django_db
def test_spaced_calls_keep_their_distance_across_processes() -> None:
    one, two = Gate(), Gate()
    assert one.db_spend([(SPACED, NOW)]) == [True]
    assert two.db_spend([(SPACED, NOW + 1)]) == [False]
    first = held(two, SPACED, NOW + 1).until
    assert NOW + 3 <= first <= NOW + 3.6
    later = [held(two, SPACED, NOW + 1).until for _ in range(3)]  # each waiting post its own moment
    assert later == sorted({first, *later})[1:]
    assert two.db_spend([(SPACED, first)]) == [True]


@pytest.mark.django_db
def test_of_one_batch_only_the_first_spaced_call_goes() -> None:
    assert Gate().db_spend([(SPACED, NOW)] * 3) == [True, False, False]


@pytest.mark.django_db
def test_spacing_doubles_with_refusals_up_to_its_cap_and_eases_with_successes() -> None:
    gate, now = Gate(), NOW
    gate.db_spend([(SPACED, now)])
    seen = []
    for _ in range(9):
        now = refuse(gate, now) + 1000
        gate.db_sync()
        seen.append(row().spacing_ms)
    assert seen == [6000, 12_000, 24_000, 48_000, 96_000, 192_000, 300_000, 300_000, 300_000]
    for _ in range(3):
        gate.succeeded(SPACED, now)
    gate.db_sync()
    assert row().spacing_ms == 270_000
    for _ in range(300):
        gate.succeeded(SPACED, now)
    gate.db_sync()
    assert row().spacing_ms == 3000


@pytest.mark.django_db
def test_without_spacing_nothing_is_kept_apart(settings: object) -> None:
    settings.GATE_POLICY = GatePolicy(spacing_enabled=False)  # type: ignore[attr-defined]
    assert Gate().db_spend([(SPACED, NOW)] * 3) == [True, True, True]
    assert Gate().db_spend([(way(), NOW)] * 3) == [True, True, True]
    assert RateLimitState.objects.filter(spacing_ms__gt=0).count() == 0


# --- counted here ---------------------------------------------------------------------------------
DAILY = Counted(("connection", "1", "publish.24h"), 5, 86_400.0)
COUNTED = way(counted=(DAILY,))


@pytest.mark.django_db
def test_a_counted_bucket_ends_where_it_ends_and_tells_when_it_is_full_again() -> None:
    one, two, now = Gate(), Gate(), float(int(time.time()))
    assert one.db_spend([(COUNTED, now)] * 3) == [True] * 3
    assert two.db_spend([(COUNTED, now + 10)] * 3) == [True, True, False]
    for gate in (one, two):
        gate.db_sync()
        assert held(gate, COUNTED, now + 20).until == now + 86_400
        assert gate.hold(COUNTED, now + 86_401) is None
    assert one.db_spend([(COUNTED, now + 86_401)]) == [True]
    assert RateLimitState.objects.get(bucket="publish.24h").remaining == 4


@pytest.mark.django_db
def test_a_call_is_taken_from_all_its_buckets_or_from_none() -> None:
    hourly = Counted(("app", "x", "publish.1h"), 2, 3600.0)
    both = way(counted=(hourly, DAILY))
    assert Gate().db_spend([(both, NOW)] * 4) == [True, True, False, False]
    assert RateLimitState.objects.get(bucket="publish.24h").remaining == 3


@pytest.mark.django_db
def test_operations_draw_from_one_pool_what_each_of_them_costs() -> None:
    pool = ("app", "x", "units")
    dear, cheap = (way(counted=(Counted(pool, 100, 86_400.0, cost),)) for cost in (50, 1))
    gate = Gate()
    assert gate.db_spend([(dear, NOW), (cheap, NOW), (dear, NOW), (cheap, NOW)]) == [
        True,
        True,
        False,
        True,
    ]
    assert RateLimitState.objects.get(bucket="units").remaining == 48
    assert held(gate, dear, NOW + 1).until == NOW + 86_400
    assert gate.hold(cheap, NOW + 1) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("spent", "refilled"),
    [
        ("2026-11-25T07:59:59+00:00", "2026-11-25T08:00:00+00:00"),
        ("2026-11-25T08:00:00+00:00", "2026-11-26T08:00:00+00:00"),
        ("2026-11-01T07:00:00+00:00", "2026-11-02T08:00:00+00:00"),  # a day of 25 hours
        ("2026-07-01T12:00:00+00:00", "2026-07-02T07:00:00+00:00"),
    ],
)
def test_a_bucket_may_be_refilled_at_midnight_somewhere(spent: str, refilled: str) -> None:
    daily = Counted(("app", "x", "insert"), 1, 86_400.0, 1, "America/Los_Angeles")
    start = datetime.fromisoformat(spent).timestamp()
    gate, counted = Gate(), way(counted=(daily,))
    assert gate.db_spend([(counted, start), (counted, start)]) == [True, False]
    ends = datetime.fromisoformat(refilled)
    assert held(gate, counted, start).until == ends.timestamp()
    assert gate.db_spend([(counted, ends.timestamp())]) == [True]


@pytest.mark.django_db
def test_ordinary_buckets_cost_no_statement(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert Gate().db_spend([(way(), NOW)] * 3) == [True] * 3
